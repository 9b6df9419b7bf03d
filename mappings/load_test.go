package mappings

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// longTable is a mapping with a table of so many keys.
func longTable(keys int) []byte {
	var b strings.Builder
	b.WriteString("url: https://a.b\nsteps: [{name: log, path: /log, body: \"${tables.t[call.queue]}\"}]\ntables:\n  t:\n")
	for i := range keys {
		fmt.Fprintf(&b, "    k%d: %d\n", i, i)
	}
	return []byte(b.String())
}

// TestLoadingGrowsWithTheFile holds a long file against a shorter one: eight times the keys may take about eight times as
// long, and not sixty-four.
func TestLoadingGrowsWithTheFile(t *testing.T) {
	fastest := func(keys int) time.Duration {
		src, best := longTable(keys), time.Hour
		for range 3 {
			begin := time.Now()
			_, problems := Compile("long.yaml", src, Options{})
			require.Empty(t, problems)
			best = min(best, time.Since(begin))
		}
		return best
	}
	short, long := fastest(2500), fastest(20_000)
	assert.Less(t, float64(long)/float64(short), 32.0)
}

func TestValuesAreBounded(t *testing.T) {
	_, problems := Compile("long.yaml", longTable(30_000), Options{})
	require.Error(t, problems.Err())
	assert.Contains(t, problems.Err().Error(), "a long table belongs into a CSV file")
}

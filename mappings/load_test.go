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

// TestATableThatLostItsRows reads a table again whose file was cleared: what it held stays in use.
func TestATableThatLostItsRows(t *testing.T) {
	const src = "url: https://a.b\ntables: {t: {file: t.csv, key: k, value: v}}\nsteps: [{name: log, path: /log, body: \"${tables.t[call.queue]}\"}]\n"
	m := compiled(t, src, Options{ReadFile: tableFile("k,v\n1,2\n")})
	again, problems := m.WithTables(tableFile("k,v\n"))
	assert.Nil(t, again)
	require.Error(t, problems.Err())
	assert.Contains(t, problems.Err().Error(), "t.csv:1: the file has no rows")

	m, problems = Compile("crm.yaml", []byte(src), Options{ReadFile: tableFile("k,v\n")})
	require.NoError(t, problems.Err(), "a table may begin without rows")
	again, problems = m.WithTables(tableFile("k,v\n\n"))
	assert.NotNil(t, again)
	assert.NoError(t, problems.Err())
}

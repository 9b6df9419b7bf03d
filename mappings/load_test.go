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
	once := func(src []byte) time.Duration {
		begin := time.Now()
		_, problems := Compile("long.yaml", src, Options{})
		require.Empty(t, problems)
		return time.Since(begin)
	}
	// The fastest of several rounds count, in turn: what else the machine does is not to count.
	short, long := longTable(2500), longTable(20_000)
	bestShort, bestLong := time.Hour, time.Hour
	for range 10 {
		bestShort, bestLong = min(bestShort, once(short)), min(bestLong, once(long))
		if bestLong < 32*bestShort {
			return
		}
	}
	assert.Fail(t, "loading takes long", "%s for 2,500 keys, %s for 20,000", bestShort, bestLong)
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

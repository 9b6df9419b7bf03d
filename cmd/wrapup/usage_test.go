package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A command line that can't be meant exits with 2, whoever finds it out: the command, the daemon, or the configuration's check.
// What is well said and can't be done exits with 1.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	s := newSite(t, config("http://127.0.0.1:1/"))
	check := func(want int, lines string) {
		for line := range strings.Lines(strings.TrimSpace(lines)) {
			out, code := s.run(strings.Fields(line)...)
			assert.Equal(t, want, code, "%s: %s", line, out)
			assert.NotEmpty(t, out, line)
		}
	}
	const anywhere = `why a --as x
why a --attempt 0
erase --phone abc
events --phone abc
calls --phone 12
export --phone abc
export -o text
export --format xml
backfill --to crm --phone x --since 1d
check -o json
check --quick
completion x
serve --log-level x
serve --listen nowhere
preview --mapping record --url bad
deliveries list --limit -1`
	check(exitUsage, anywhere)
	s.start()
	check(exitUsage, anywhere+`
calls --after x
calls --open --after x
deliveries list --after x`)
	check(exitFailed, `
destinations pause nobody --reason x
backfill --to nobody --since 1d
quarantine show nobody
why nobody`)
	require.Zero(t, s.terminate())
	check(exitUsage, "calls --after x")
}

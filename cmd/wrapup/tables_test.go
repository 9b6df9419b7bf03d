package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTablesAreReadAgain: an agent who is added to a table is known to the running daemon, and a table that is wrong changes
// nothing.
func TestTablesAreReadAgain(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, fmt.Sprintf(`sources: [{kind: nxcloud-events}]
correlation: {settle: 100ms}
mappings_dir: mappings
destinations: [{name: sink, mapping: desk, url: "%s"}]
`, sink.url()))
	s.write("mappings/desk.yaml", `
tables: {team: {file: teams.csv, key: queue, value: team, default: none}}
steps: [{name: log, repeat: safe, body: {team: "${tables.team[call.queue]}"}}]
`)
	s.write("mappings/teams.csv", "queue,team\n1,one\n")
	s.start()
	s.accepted(unanswered("a")...)
	assert.JSONEq(t, `{"team":"none"}`, s.delivered(sink, 1)[0].body)

	s.write("mappings/teams.csv", "queue,team\n104906,sales\n")
	s.eventually("the table to be in use", func() bool { return strings.Contains(s.log.String(), "changed tables are in use") })
	s.accepted(unanswered("b")...)
	assert.JSONEq(t, `{"team":"sales"}`, s.delivered(sink, 2)[1].body)

	s.write("mappings/teams.csv", "queue,team\n104906,sales\n104906,support\n")
	s.eventually("the table to be refused", func() bool { return strings.Contains(s.log.String(), "a changed table can't be used") })
	assert.Contains(t, s.log.String(), `teams.csv:3:1: \"104906\" is here twice`)
	s.accepted(unanswered("c")...)
	assert.JSONEq(t, `{"team":"sales"}`, s.delivered(sink, 3)[2].body)
	require.Zero(t, s.terminate())
}

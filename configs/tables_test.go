package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tableBench is a configuration with two destinations that share a table, in a folder of its own.
type tableBench struct {
	t      *testing.T
	dir    string
	tables *Tables
	now    time.Time
	writes int
}

func newTableBench(t *testing.T) *tableBench {
	t.Helper()
	b := &tableBench{t: t, dir: t.TempDir(), now: time.Now()}
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, "mappings"), 0o700))
	b.write("mappings/agents.csv", "username,crm_id\n612,7\n")
	b.write("mappings/queues.csv", "queue,team\n104906,sales\n")
	b.write("mappings/both.yaml", `
tables:
  owner: {file: agents.csv, key: username, value: crm_id, type: int}
  team: {file: queues.csv, key: queue, value: team}
steps: [{name: log, body: {owner: "${tables.owner[call.agent.username]}", team: "${tables.team[call.queue]}"}}]
`)
	b.write("mappings/text.yaml", `
tables: {owner: {file: agents.csv, key: username, value: crm_id}}
steps: [{name: log, body: {owner: "${tables.owner[call.agent.username]}"}}]
`)
	b.write("wrapup.yaml", `
sources: [{kind: nxcloud-events}]
mappings_dir: mappings
destinations:
  - {name: both, mapping: both, url: https://crm.example.com}
  - {name: text, mapping: text, url: https://crm.example.com}
  - {name: plain, mapping: record, url: https://crm.example.com}
`)
	c := load(t, Input{Path: filepath.Join(b.dir, "wrapup.yaml")})
	b.tables = NewTables(c, nil, nil)
	require.True(t, b.tables.Any())
	return b
}

// write writes a file, at a time of its own: a file system's clock may be coarse.
func (b *tableBench) write(name, content string) {
	b.t.Helper()
	b.writes++
	file := filepath.Join(b.dir, name)
	require.NoError(b.t, os.WriteFile(file, []byte(content), 0o600))
	at := time.Unix(1_700_000_000+int64(b.writes), 0)
	require.NoError(b.t, os.Chtimes(file, at, at))
}

// look gives what changed after a time.
func (b *tableBench) look(after time.Duration) (got []string) {
	b.now = b.now.Add(after)
	for _, c := range b.tables.Look(b.now) {
		what := "changed"
		if c.Mapping == nil {
			what = "refused"
		}
		for _, p := range c.Problems {
			p.File = filepath.Base(p.File)
			what += fmt.Sprintf(" (%s)", p)
		}
		got = append(got, c.Destination+" "+what)
	}
	return got
}

func TestTables(t *testing.T) {
	b := newTableBench(t)
	assert.Empty(t, b.look(0))
	assert.Empty(t, b.look(time.Second), "nothing has changed since the configuration was loaded")

	b.write("mappings/agents.csv", "username,crm_id\n612,7\n613,8\n")
	assert.Empty(t, b.look(time.Second), "somebody may still be writing")
	b.write("mappings/agents.csv", "username,crm_id\n612,7\n613,8\n614,9\n")
	assert.Empty(t, b.look(900*time.Millisecond))
	assert.Empty(t, b.look(900*time.Millisecond))
	assert.Equal(t, []string{"both changed", "text changed"}, b.look(100*time.Millisecond))
	assert.Empty(t, b.look(time.Second))
	assert.True(t, b.tables.users[0].mapping.AgentTables()[0].Has("614"))

	b.write("mappings/agents.csv", "username,crm_id\n612,seven\n")
	assert.Empty(t, b.look(0))
	assert.Equal(t, []string{
		`both refused (agents.csv:2:5: crm_id "seven": this must be a whole number, not a text)`, "text changed",
	}, b.look(time.Second), "each is asked for itself")
	assert.Empty(t, b.look(time.Minute), "it is said once")
	assert.True(t, b.tables.users[0].mapping.AgentTables()[0].Has("614"), "what was good stays in use")

	require.NoError(t, os.Remove(filepath.Join(b.dir, "mappings/agents.csv")))
	assert.Empty(t, b.look(0))
	got := b.look(time.Second)
	require.Len(t, got, 2)
	assert.Contains(t, got[1], "text refused (text.yaml:2:24: tables.owner.file: the table's file can't be read: ")
	assert.Contains(t, got[1], "there is no such file")

	b.write("mappings/agents.csv", "username,crm_id\n612,7\n")
	assert.Empty(t, b.look(time.Second))
	assert.Equal(t, []string{"both changed", "text changed"}, b.look(time.Second))

	b.write("mappings/agents.csv", "crm_id,username\n7,612\n")
	assert.Empty(t, b.look(time.Second))
	assert.Empty(t, b.look(time.Second), "it holds the same")
}

// TestTablesWhileAnotherIsWritten: a destination takes both of its tables at one time, and none is forgotten meanwhile.
func TestTablesWhileAnotherIsWritten(t *testing.T) {
	b := newTableBench(t)
	assert.Empty(t, b.look(0))
	assert.Empty(t, b.look(time.Second))
	b.write("mappings/agents.csv", "username,crm_id\n613,8\n")
	assert.Empty(t, b.look(0))
	b.write("mappings/queues.csv", "queue,team\n104906,support\n")
	assert.Equal(t, []string{"text changed"}, b.look(time.Second))
	assert.Equal(t, []string{"both changed"}, b.look(time.Second))
}

// TestTableChangedWhileItIsRead: what is read of a file that changes meanwhile is not used.
func TestTableChangedWhileItIsRead(t *testing.T) {
	b := newTableBench(t)
	assert.Empty(t, b.look(0))
	assert.Empty(t, b.look(time.Second))
	b.write("mappings/agents.csv", "username,crm_id\n613,8\n")
	assert.Empty(t, b.look(time.Second))
	b.tables.readFile = func(name string) ([]byte, error) {
		if filepath.Base(name) == "agents.csv" {
			defer b.write("mappings/agents.csv", "username,crm_id\n614,9\n")
		}
		return os.ReadFile(name)
	}
	assert.Empty(t, b.look(time.Second))
	b.tables.readFile = os.ReadFile
	assert.Empty(t, b.look(time.Second))
	assert.Equal(t, []string{"both changed", "text changed"}, b.look(time.Second))
	assert.True(t, b.tables.users[1].mapping.AgentTables()[0].Has("614"))
}

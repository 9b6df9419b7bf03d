package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/mappings"
)

// The call of a preview without one is the one that the dialer's documentation tells of.
func TestPreviewsExample(t *testing.T) {
	ours, err := os.ReadFile("demo/record.json")
	require.NoError(t, err)
	golden, err := os.ReadFile("../../connector/correlate/testdata/documented-record.json")
	require.NoError(t, err)
	assert.Equal(t, string(golden), string(ours))
}

// A call that the daemon, or its store, knows can be previewed.
func TestPreviewOfACall(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	s.accepted(documented(t)...)
	s.delivered(sink, 1)
	s.eventually("the delivery to be done", func() bool {
		out, _ := s.run("why", documentedUUID)
		return strings.Contains(out, "sink: delivered")
	})
	for range 2 {
		out, code := s.run("preview", "--destination", "sink", "--call", documentedUUID, "-o", "json")
		require.Zero(t, code, out)
		var p struct {
			Steps []struct {
				Method, URL string
				Body        json.RawMessage
			}
			Ended string
		}
		require.NoError(t, json.Unmarshal([]byte(out), &p), out)
		require.Len(t, p.Steps, 1)
		assert.Equal(t, "POST "+sink.url()+" finished", p.Steps[0].Method+" "+p.Steps[0].URL+" "+p.Ended)
		assert.JSONEq(t, goldenRecord(t), string(p.Steps[0].Body))
		out, code = s.run("preview", "--mapping", "record", "--call", "nobody")
		assert.Equal(t, 1, code)
		assert.Contains(t, out, "No event of a call nobody has come")
		if s.cmd != nil {
			require.Zero(t, s.terminate())
		}
	}
	assert.Len(t, sink.requests(), 1, "nothing is sent by a preview")
}

// Every example and preset can be previewed.
func TestPreviewOfEveryMapping(t *testing.T) {
	t.Parallel()
	var all []string
	files, err := filepath.Glob("../../mappings/testdata/examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all = append(append(all, files...), mappings.Presets()...)
	for _, m := range append(all, "record") {
		args := []string{"preview", "--mapping", m, "--config", "nowhere.yaml"}
		src, preset := mappings.Preset(m)
		if !preset && m != "record" {
			src, err = os.ReadFile(m)
			require.NoError(t, err)
		}
		if s, _ := mappings.Summarize(m, src); s != nil {
			for _, p := range s.Params {
				if p.Required {
					args = append(args, "--param", p.Name+"=7")
				}
			}
		}
		for _, more := range [][]string{nil, {"--nothing-found"}, {"-o", "json"}} {
			out, errs, code := wrapup(t, append(args, more...)...)
			assert.Zero(t, code, "%s: %s%s", m, out, errs)
			assert.Regexp(t, `finished|skipped`, out, m)
		}
	}
}

func TestPreviewUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--mapping", "hubspot", "--destination", "crm"}, {"--mapping", "hubspot", "--record", "a", "--call", "b"},
		{"--destination", "crm", "--url", "https://crm.example.com"}, {"--mapping", "hubspot", "--param", "a"},
		{"--mapping", "hubspot", "--answers", "a", "--nothing-found"},
	} {
		_, errs, code := wrapup(t, append([]string{"preview"}, args...)...)
		assert.Equal(t, 2, code, "%v: %s", args, errs)
	}
}

// Check names the agents of the last days whom a table doesn't know, if there is somebody to ask.
func TestCheckNamesUnknownAgents(t *testing.T) {
	t.Parallel()
	s := newSite(t, `sources: [{kind: nxcloud-events}]
mappings_dir: mappings
destinations: [{name: crm, mapping: desk, url: "http://127.0.0.1:1/"}]
`)
	s.write("mappings/desk.yaml", `tables: {owner: {file: agents.csv, key: username, value: id, missing: {hold: 24h, then: dead}}}
steps: [{name: log, method: PUT, path: /calls, body: {owner: "${tables.owner[call.agent.username]}"}}]
`)
	s.write("mappings/agents.csv", "username,id\nknown,1\n")
	out, code := s.run("check")
	assert.Zero(t, code, out)
	assert.NotContains(t, out, "of the last 7 days")
	s.start()
	for i, name := range []string{"known", "new-one", "another", "old-one"} {
		at := time.Now()
		if name == "old-one" {
			at = at.Add(-8 * 24 * time.Hour)
		}
		s.accepted(fmt.Sprintf(`{"type":1,"state":2,"callid":"1","username":"%s","sipid":"%d","agent_id":"%[2]d","time":"%d"}`, name, i, at.UnixMicro()))
	}
	for range 2 { // asked of the daemon, then of its store
		out, code = s.run("check")
		assert.Zero(t, code, out)
		assert.Contains(t, out, s.dir+`/mappings/agents.csv: warning: table owner of the destination "crm" doesn't know these agents of the `+
			"last 7 days, whose calls are refused: another, new-one\n")
		assert.Contains(t, out, "is fine: 1 source(s), 1 destination(s)")
		if s.cmd != nil {
			require.Zero(t, s.terminate())
		}
	}
}

func TestUnknownAgentsOfInlineTables(t *testing.T) {
	m, problems := mappings.Compile("desk.yaml", []byte(`
tables: {owner: {known: 1, default: 2}, other: {connected: 1, default: 2}}
steps: [{name: log, path: /calls, body: {owner: "${tables.owner[call.agent.username]}", other: "${tables.other[call.outcome]}"}}]
`), mappings.Options{URL: "https://crm.example.com"})
	require.NoError(t, problems.Err())
	cfg := &configs.Config{Destinations: []configs.Destination{{Name: "crm", Compiled: m, MappingFile: "maps/desk.yaml"}}}
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	seen := func(name string, ago time.Duration) connector.AgentNow {
		return connector.AgentNow{Username: connector.Text(name), Since: connector.TimeOf(now.Add(-ago))}
	}
	agents := []connector.AgentNow{seen("known", 0), seen("b", time.Hour), seen("a", 7*24*time.Hour), seen("gone", 8*24*time.Hour), seen("", 0)}
	assert.Equal(t, []string{`maps/desk.yaml: warning: table owner of the destination "crm" doesn't know these agents of the last 7 days, ` +
		"whose calls take its default: a, b"}, unknownAgents(cfg, agents, now))
	assert.Empty(t, unknownAgents(cfg, agents[:1], now))
}

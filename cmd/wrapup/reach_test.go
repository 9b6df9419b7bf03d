package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/admin"
)

// While somebody edits the configuration, and has it wrong, the daemon that runs is asked all the same.
func TestAskedWhileTheFileIsWrong(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	s := reloadable(t, crm)
	public := s.freeAddress()
	s.edit("admin: {", "admin: {listen: "+public+", ", "sources: [{kind: nxcloud-events, auth: {token: {file: dialer.token}}}]", "sources: [{kind: nxcloud-events}]")
	s.start()
	s.accepted(unanswered("a-call")...)
	s.delivered(crm, 1)
	good, err := os.ReadFile(s.config)
	require.NoError(t, err)
	line := s.config + " has problems: run wrapup check --config " + s.config + "\n"
	asks := [][]string{{"why", "a-call"}, {"why", "nobody"}, {"calls"}, {"deliveries", "list"}, {"destinations"}, {"status"}}
	more := [][]string{{"agents"}, {"queues"}, {"sources"}, {"events"}, {"quarantine", "list"}, {"audit"}, {"export"},
		{"destinations", "pause", "crm", "--reason", "because"}, {"destinations", "resume", "crm"}, {"backfill", "--to", "crm", "--since", "1d"},
		{"deliveries", "retry", "--destination", "down", "--dry-run"}, {"destinations", "test", "down"}, {"backup", filepath.Join(s.dir, "copy")}}
	for i, wrong := range []struct {
		edit []string
		says string
	}{
		{[]string{"sources: [", "sources: [["}, "not YAML"},
		{[]string{"correlation:", "corelation:"}, "unknown key (did you mean"},
		{[]string{"settle: 200ms", "settle: 200mss"}, "correlation.settle"},
		{[]string{"socket:", "sockte:"}, "admin.sockte: unknown key"},
		{[]string{"listen: 127.0.0.1:0\n", "listen: 127.0.0.1:0\nlog: {\n"}, "not YAML"},
	} {
		s.edit(wrong.edit...)
		if i == 0 {
			asks = append(asks, more...)
		} else {
			asks = asks[:6]
		}
		for _, args := range asks {
			want := map[string]int{"nobody": 1, "down": exitUntold}[args[len(args)-1]]
			out, errs, code := wrapup(t, append(args, "--config", s.config)...)
			assert.Equal(t, want, code, "%v: %s%s", args, out, errs)
			assert.Equal(t, 1, strings.Count(errs, line), "%v: %s", args, errs)
			assert.NotContains(t, errs, wrong.says, "%v", args)
			assert.NotEmpty(t, out+strings.Replace(errs, line, "", 1), "%v", args)
		}

		// A reload reaches the daemon, which refuses it, with the reasons.
		out, errs, code := wrapup(t, "reload", "--config", s.config)
		assert.Equal(t, 1, code, out)
		assert.Contains(t, errs, wrong.says)
		assert.Contains(t, errs, "The configuration was not reloaded; the one before stays in use.")
		all := scrape(t, public)
		assert.Equal(t, "0", value(t, all, "wrapup_config_last_reload_successful", ""), wrong.says)
		var status admin.Status
		out, _, _ = wrapup(t, "status", "-o", "json", "--config", s.config)
		require.NoError(t, json.Unmarshal([]byte(out), &status), out)
		assert.False(t, status.Reload.OK)

		s.write("wrapup.yaml", string(good))
		assert.Contains(t, s.succeeds("reload"), "nothing else has changed")
	}
	out, errs, _ := wrapup(t, "status", "--config", s.config)
	assert.Contains(t, out, "callback_url")
	assert.Empty(t, errs)
	require.Zero(t, s.terminate())
}

// Where no daemon is reached, what is wrong with the configuration is the answer; the store answers if it can be found.
func TestAskedWithoutDaemonWhileTheFileIsWrong(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	s := newSite(t, config(crm.url()))
	s.start()
	s.accepted(unanswered("a-call")...)
	s.delivered(crm, 1)
	require.Zero(t, s.terminate())
	good, err := os.ReadFile(s.config)
	require.NoError(t, err)

	s.edit("sources: [", "sources: [[")
	out, errs, code := wrapup(t, "why", "a-call", "--config", s.config)
	assert.Zero(t, code, errs)
	assert.True(t, strings.HasPrefix(out, "The call is finished"), out)
	assert.Equal(t, s.config+" has problems: run wrapup check --config "+s.config+"\n", errs)
	out = s.fails("reload")
	assert.Contains(t, out, "not YAML")
	assert.Contains(t, out, "no daemon answers at "+s.dir+"/admin.sock")
	out = s.fails("destinations", "pause", "sink", "--reason", "because")
	assert.Contains(t, out, "not YAML")
	assert.Contains(t, out, "a change needs the daemon to be running")
	s.edit("destinations: [", "destinations: [{name: new, mapping: record, url: \"http://127.0.0.1:1/\"}, ")
	out = s.fails("backfill", "--to", "new", "--since", "1d", "--yes")
	assert.Contains(t, out, "To send to new: 1 call, finished")
	assert.Contains(t, out, "a change in the store needs a configuration that is right")

	s.write("wrapup.yaml", string(good))
	s.edit("data_dir: ", "data_dir: [", "sources: [", "sources: [[")
	out = s.fails("why", "a-call")
	assert.Contains(t, out, "not YAML")
	s.write("wrapup.yaml", "data_dir: {}\nadmin: []\nsources: [{kind: nxcloud-events}]\n")
	out = s.fails("why", "a-call")
	assert.Contains(t, out, "admin: expected a map, not a list")
	assert.Contains(t, out, "data_dir: expected a text, not a map")
	assert.Contains(t, out, "admin.socket can't be read, so the daemon can't be found (WRAPUP_ADMIN_SOCKET may say where it is), and data_dir can't be read")

	require.NoError(t, os.Remove(s.config))
	out = s.fails("calls")
	assert.Contains(t, out, "wrapup.yaml: there is no such file")
}

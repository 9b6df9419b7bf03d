package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// hostileTraffic are the arguments for a few hundred calls of which much comes late, twice or never. The day is quick: what
// takes a minute there takes a third of a second.
func hostileTraffic(more ...string) []string {
	return append([]string{"simulate", "--calls", "320", "--rate", "80", "--speed", "180", "--region", "ID", "--reordered", "0.3",
		"--repeated", "0.1", "--no-hangup", "0.05", "--missing", "0.05", "--transferred", "0.15", "--offline", "0.1",
		"--skewed", "0.02", "--max-delay", "1s", "--withheld", "left=0.03,ready=0.02"}, more...)
}

// What a dialer posts, in whatever order and through a kill -9 on the way, comes out as exactly the records that the
// simulator says must come of it.
func TestSimulatedCallsComeOutAsExpected(t *testing.T) {
	t.Parallel()
	out, errs, code := wrapup(t, hostileTraffic("-o", "json")...)
	require.Zero(t, code, errs)
	var plan struct {
		Events int
		Needs  map[string]float64 `json:"needs_seconds"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &plan))
	require.Less(t, plan.Needs["max_age"], 3.0)
	require.Less(t, plan.Needs["ring_timeout"], 2.0)

	sink := newSink(t)
	s := newSite(t, strings.Replace(config(sink.url()), "{settle: 500ms}", "{settle: 300ms, ring_timeout: 4s, max_age: 5s}", 1))
	s.start()
	fixed, err := os.ReadFile(s.config)
	require.NoError(t, err)
	s.write("wrapup.yaml", strings.Replace(string(fixed), "127.0.0.1:0", s.addr, 1)) // the dialer knows one address

	expect := filepath.Join(s.dir, "expected.ndjson")
	dialer := exec.Command(os.Args[0], hostileTraffic("--to", s.url(), "--insist", "--expect", expect, "-o", "json")...)
	dialer.Env = append(os.Environ(), "BE_WRAPUP=1")
	var summary, problems bytes.Buffer
	dialer.Stdout, dialer.Stderr = &summary, &problems
	require.NoError(t, dialer.Start())
	time.Sleep(2000 * time.Millisecond)
	s.kill()
	s.start()
	require.NoError(t, dialer.Wait(), "%s%s", &summary, &problems)
	var sent struct{ Posted, Lost, Tries int }
	require.NoError(t, json.Unmarshal(summary.Bytes(), &sent))
	assert.Zero(t, sent.Lost)
	assert.Greater(t, sent.Tries, sent.Posted, "the daemon was killed meanwhile")

	want := records(t, expect)
	asExpected := func() bool { return maps.Equal(newest(t, sink), want) }
	for deadline := time.Now().Add(patience); !asExpected() && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	got := newest(t, sink)
	assert.Len(t, got, len(want))
	for id, r := range want {
		if !assert.JSONEq(t, r, got[id]) {
			why, _ := s.run("why", id)
			t.Log(why)
		}
	}
}

// records reads the expected records, by call.
func records(t *testing.T, file string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	out := map[string]string{}
	for line := range strings.Lines(string(content)) {
		var r connector.Record
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		out[r.CallID] = encoded(t, &r)
	}
	return out
}

// newest gives the newest revision of each call that the sink has got, with its revision taken out.
func newest(t *testing.T, sink *sink) map[string]string {
	t.Helper()
	revision, out := map[string]int{}, map[string]string{}
	for _, request := range sink.requests() {
		var r connector.Record
		require.NoError(t, json.Unmarshal([]byte(request.body), &r))
		if r.Revision > revision[r.CallID] {
			revision[r.CallID] = r.Revision
			r.Revision = 0
			out[r.CallID] = encoded(t, &r)
		}
	}
	return out
}

func encoded(t *testing.T, r *connector.Record) string {
	t.Helper()
	b, err := json.Marshal(r)
	require.NoError(t, err)
	return string(b)
}

func TestSimulateWithoutADaemon(t *testing.T) {
	out, errs, code := wrapup(t, "simulate", "--calls", "30", "--seed", "5", "--expect", "-")
	require.Zero(t, code, errs)
	assert.Equal(t, 30, strings.Count(out, "\n"))
	assert.Contains(t, errs, "37 agents, seed 5", "the summary isn't among the records")
	again, _, _ := wrapup(t, "simulate", "--calls", "30", "--seed", "5", "--expect", "-")
	assert.Equal(t, out, again)

	out, _, code = wrapup(t, "simulate", "--calls", "3", "--rate", "1000", "--speed", "1000", "--max-delay", "10ms", "--to", "http://127.0.0.1:1/")
	assert.Equal(t, 1, code, "events were lost")
	assert.Contains(t, out, "connection refused")
}

func TestSimulateRefuses(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--to", "https://crm.example.com/events"}, "crm.example.com is not this machine"},
		{[]string{"--to", "http://192.0.2.1:8080/"}, "--yes-really"},
		{[]string{"--to", "127.0.0.1:8080"}, "expected a URL"},
		{[]string{"--reordered", "30"}, "reordered 30: expected a share"},
		{[]string{"--withheld", "left"}, `"left" is not a kind and its share`},
		{[]string{"--withheld", "gone=0.1"}, "withheld gone"},
		{[]string{"--start", "yesterday"}, "start yesterday"},
		{[]string{"--owner", "me"}, "expected last or first"},
		{[]string{"--workers", "0"}, "workers 0"},
	} {
		_, errs, code := wrapup(t, append([]string{"simulate"}, row.args...)...)
		assert.Equal(t, 2, code, "%v: %s", row.args, errs)
		assert.Contains(t, errs, row.want)
	}
}

package mappings

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/mappings/source"
)

func TestRecordMapping(t *testing.T) {
	m, problems := Record(Options{URL: "https://hook.example.com/calls?key=1", When: "${call.outcome != 'busy'}"})
	require.NoError(t, problems.Err())
	assert.Equal(t, "record", m.Name())
	assert.True(t, m.PostsRevisions())

	r := example(t, `{"queue_name": "A & <B>"}`)
	a, err := m.Next(Call{Record: r})
	require.NoError(t, err)
	assert.Equal(t, ActionSend, a.Kind)
	assert.Equal(t, Repeat{Safe: true}, a.Repeat)
	assert.Equal(t, "POST", a.Request.Method)
	assert.Equal(t, "https://hook.example.com/calls?key=1", a.Request.URL)
	assert.Equal(t, "application/json", a.Request.Header.Get("Content-Type"))
	assert.Equal(t, r.CallID+":1", a.Request.Header.Get("Idempotency-Key"))
	want, err := json.Marshal(r)
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(a.Request.Body))
	assert.Contains(t, string(a.Request.Body), `"queue_name":"A & <B>"`)

	c := Call{Record: r, Progress: m.Judge(Call{Record: r}, a.Step, Answer{Status: 200}).Progress}
	assert.Equal(t, []string{a.Step}, c.Progress.Done)
	a, err = m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, ActionFinished, a.Kind)

	later := example(t, `{"revision": 2, "outcome": "busy"}`) // its condition doesn't matter any more
	a, err = m.Next(Call{Record: later, Sent: r})
	require.NoError(t, err)
	assert.Equal(t, ActionSend, a.Kind)
	assert.Equal(t, r.CallID+":2", a.Request.Header.Get("Idempotency-Key"))

	a, err = m.Next(Call{Record: later})
	require.NoError(t, err)
	assert.Equal(t, ActionSkip, a.Kind)
}

func TestRecordNeedsURL(t *testing.T) {
	m, problems := Record(Options{})
	assert.Nil(t, m)
	assert.EqualError(t, problems.Err(), "record: mapping: record needs a url in the destination")
	m, problems = Record(Options{URL: "example.com", When: "${call.outcome == 'x'}",
		WhenAt: source.Problem{File: "wrapup.yaml", Line: 3, Column: 4, Path: "destinations[0].when"}})
	assert.Nil(t, m)
	assert.EqualError(t, problems.Err(), "record: the destination's url: a url begins with https:// (or http://) and a host\n"+
		`wrapup.yaml:3:4: destinations[0].when: call.outcome is never "x": it is one of `+
		"connected, abandoned, unanswered, busy, no_answer, rejected, canceled, failed, unknown")
}

func TestUnbound(t *testing.T) {
	src := []byte("steps: [{name: a, path: \"/x/${params.a.b}/${date_in(call.started_at, params.zone)}\", body: \"${params.zone + 'x'}\"}]")
	_, problems := Compile("a.yaml", src, Options{Unbound: true})
	assert.NoError(t, problems.Err())
	_, problems = Compile("a.yaml", src, Options{})
	assert.Error(t, problems.Err())
}

func TestProgressIsLeftAlone(t *testing.T) {
	m, problems := Record(Options{URL: "https://example.com"})
	require.NoError(t, problems.Err())
	before := Progress{Done: make([]string, 0, 8)}
	after := m.Judge(Call{Record: example2(), Progress: before}, "post", Answer{Status: 200}).Progress
	assert.Equal(t, []string{"post"}, after.Done)
	assert.Empty(t, before.Done[:cap(before.Done)][0], "the array of the progress that was handed in is shared")
}

func TestPresets(t *testing.T) {
	for _, name := range Presets() {
		src, ok := Preset(name)
		require.True(t, ok, name)
		_, problems := Compile(name+".yaml", src, Options{Unbound: true})
		assert.NoError(t, problems.Err())
	}
	for _, name := range []string{"", "nothing", "../mappings", "README", "presets/hubspot"} {
		_, ok := Preset(name)
		assert.False(t, ok, name)
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]string{"90s": "1m30s", "1h30m": "1h30m0s", "2d": "48h0m0s", "1d12h": "36h0m0s"} {
		got, ok := duration(in)
		assert.True(t, ok, in)
		assert.Equal(t, want, got.String(), in)
	}
	for _, in := range []string{"", "d", "5", "x", "1h2d", "-1d", "99999999d"} {
		_, ok := duration(in)
		assert.False(t, ok, in)
	}
}

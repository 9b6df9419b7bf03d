package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// documented gives the six events of the dialer's documentation, one body each.
func documented(t *testing.T) []string {
	content, err := os.ReadFile("demo/events.ndjson")
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

const documentedUUID = "5c6f5869-752d-46fd-8ac0-797f83222279"

// goldenRecord is the record of the documented events, as compact JSON.
func goldenRecord(t *testing.T) string {
	content, err := os.ReadFile("../../connector/correlate/testdata/documented-record.json")
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, content))
	return b.String()
}

// config is a configuration with one source and one destination that posts the record; quick where real ones are slow.
func config(sinkURL string) string {
	return fmt.Sprintf(`sources: [{kind: nxcloud-events}]
queues: {default: {region: ID}}
correlation: {settle: 500ms}
destinations: [{name: sink, mapping: record, url: "%s", retry: {first: 50ms, max: 200ms}}]
`, sinkURL)
}

// call gives the events of an unanswered call.
func unanswered(uuid string) []string {
	at := time.Now().Add(-time.Minute).Unix()
	event := `{"type":2,"state":%d,"callid":"104906","uuid":"%s","callphone":"812345613","time":"%d","info":"x"}`
	return []string{fmt.Sprintf(event, 1, uuid, at), fmt.Sprintf(event, 4, uuid, at+20)}
}

func (s *site) delivered(sink *sink, n int) []sunk {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d requests at the sink", n), func() bool { return len(sink.requests()) >= n })
	return sink.requests()
}

func TestDemo(t *testing.T) {
	out, errs, code := wrapup(t, "demo")
	require.Zero(t, code, errs)
	for _, want := range []string{"connected", "10.400042 s", "0.339967 s", "359.420034 s", "agent     6122312312",
		"POST /api/calls", `"subject": "Call to +62812345613: connected"`, "delivered"} {
		assert.Contains(t, out, want)
	}
}

// The six documented events in any order, with repeats, arrive as exactly one POST of exactly the record.
func TestOneCallOnePost(t *testing.T) {
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	want := goldenRecord(t)
	for round := range 5 {
		uuid := fmt.Sprintf("5c6f5869-752d-46fd-8ac0-00000000000%d", round)
		day := int64(round+1) * 86400e6 // the agent does one call a day
		var bodies []string
		for _, b := range documented(t) {
			bodies = append(bodies, shift(t, strings.ReplaceAll(b, documentedUUID, uuid), day))
		}
		bodies = append(bodies, bodies[rand.IntN(6)], bodies[rand.IntN(6)])
		rand.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
		s.accepted(bodies...)
		got := s.delivered(sink, round+1)
		require.Len(t, got, round+1)
		r := got[round]
		assert.Equal(t, "POST /calls "+uuid+":1", r.method+" "+r.path+" "+r.key)
		wantRound := strings.ReplaceAll(want, documentedUUID, uuid)
		wantRound = strings.ReplaceAll(wantRound, "2019-05-24T", time.Date(2019, 5, 25+round, 0, 0, 0, 0, time.UTC).Format("2006-01-02T"))
		assert.Equal(t, wantRound, r.body)
	}
}

// shift moves an event's time.
func shift(t *testing.T, body string, micros int64) string {
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &e))
	var at int64
	_, err := fmt.Sscan(e["time"].(string), &at)
	require.NoError(t, err)
	return strings.Replace(body, e["time"].(string), fmt.Sprint(at+micros), 1)
}

func TestKilledBeforeTheCallIsFinished(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	s.accepted(unanswered("a")...)
	s.kill()
	require.Empty(t, sink.requests())
	s.start()
	s.delivered(sink, 1)
	s.accepted(unanswered("b")...) // and life goes on
	got := s.delivered(sink, 2)
	require.Len(t, got, 2)
	assert.Equal(t, "a:1", got[0].key)
	assert.Equal(t, "b:1", got[1].key)
}

func TestSinkDown(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	sink.down()
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("a failed attempt", func() bool { return strings.Contains(s.log.String(), "tried again") })
	out, _ := s.run("deliveries", "list")
	assert.Contains(t, out, "the request was not sent")
	s.kill() // and the retries survive a restart
	s.start()
	sink.up()
	assert.Len(t, s.delivered(sink, 1), 1)
}

func TestThreeTimesRefused(t *testing.T) {
	sink := newSink(t)
	sink.answer = func(n int, w http.ResponseWriter) {
		if n <= 3 {
			http.Error(w, "not now", 500)
		}
	}
	s := newSite(t, config(sink.url()))
	s.start()
	s.accepted(unanswered("a")...)
	for _, r := range s.delivered(sink, 4) {
		assert.Equal(t, "a:1", r.key)
	}
	s.eventually("the delivery to be done", func() bool {
		out, _ := s.run("why", "a")
		return strings.Contains(out, "sink: delivered")
	})
	out, code := s.run("why", "a")
	assert.Zero(t, code)
	assert.Contains(t, out, "500, retry")
	assert.Contains(t, out, "answer: not now")
	assert.Len(t, sink.requests(), 4)
}

func TestRedirectIsDead(t *testing.T) {
	other, sink := newSink(t), newSink(t)
	sink.answer = func(_ int, w http.ResponseWriter) {
		w.Header().Set("Location", other.url())
		w.WriteHeader(http.StatusFound)
	}
	s := newSite(t, config(sink.url()))
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("the delivery to be dead", func() bool {
		out, _ := s.run("deliveries", "list", "--state", "dead")
		return strings.Contains(out, "302")
	})
	out, code := s.run("why", "a")
	assert.Zero(t, code)
	first, _, _ := strings.Cut(out, "\n")
	assert.Contains(t, first, "sink: dead (answered 302 Found, Location "+other.url())
	assert.Empty(t, other.requests())
	assert.Len(t, sink.requests(), 1)
}

func TestWhyWithAndWithoutDaemon(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	s.accepted(documented(t)...)
	s.delivered(sink, 1)
	s.eventually("the delivery to be settled", func() bool {
		out, _ := s.run("why", documentedUUID)
		return strings.Contains(out, "sink: delivered")
	})
	running, code := s.run("why", documentedUUID)
	require.Zero(t, code, running)
	require.Zero(t, s.terminate())
	stopped, code := s.run("why", documentedUUID)
	require.Zero(t, code, stopped)
	assert.Equal(t, running, stopped)

	out, code := s.run("why", "nobody")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "No event of a call nobody has come.")

	out, code = s.run("why", documentedUUID, "-o", "json")
	require.Zero(t, code)
	var story struct {
		Calls []struct {
			Revisions []struct{ Record json.RawMessage }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &story))
	assert.JSONEq(t, goldenRecord(t), string(story.Calls[0].Revisions[0].Record))
}

func TestWhyOfAnOpenCall(t *testing.T) {
	s := newSite(t, config("http://127.0.0.1:1/"))
	s.start()
	s.accepted(unanswered("a")[0])
	for range 2 {
		out, code := s.run("why", "a")
		assert.Zero(t, code)
		assert.Contains(t, out, "The call is still open: 1 event(s)")
		assert.Contains(t, out, "phone 812345613")
		if s.cmd != nil {
			assert.Zero(t, s.terminate())
		}
	}
}

func TestGracefulLife(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	out, code := s.run("serve")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "another wrapup is running on the data in "+s.dir+"/data")
	began := time.Now()
	assert.Zero(t, s.terminate(), s.log)
	assert.Less(t, time.Since(began), 5*time.Second)
	s.start()
	s.accepted(unanswered("a")...)
	s.delivered(sink, 1)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, s.cmd.Wait())
	s.cmd = nil
}

// Whatever is posted gets an answer of its own that names what is wrong, and the next good event is accepted.
func TestHostileBodies(t *testing.T) {
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	event := func(field, value string) string {
		e := map[string]string{"type": "2", "state": "1", "callid": `"1"`, "uuid": `"u"`, "time": `"1558677782655356"`, "info": `""`}
		e[field] = value
		var parts []string
		for k, v := range e {
			parts = append(parts, fmt.Sprintf("%q:%s", k, v))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	answers := map[string]string{}
	for name, row := range map[string]struct {
		body   string
		status int
		names  string
	}{
		"empty":         {"", 400, "empty"},
		"empty object":  {"{}", 400, "type"},
		"empty array":   {"[]", 400, "array"},
		"null":          {"null", 400, "null"},
		"type 3":        {`{"type":3}`, 400, "type"},
		"2 MiB":         {strings.Repeat("x", 2<<20), 413, ""},
		"invalid UTF-8": {event("callphone", "\"\xff\xfe\""), 400, "callphone"},
		"time abc":      {event("time", `"abc"`), 400, "time"},
		"time -5":       {event("time", `"-5"`), 400, "time"},
		"time 1e30":     {event("time", `1e30`), 400, "time"},
		"state 9":       {event("state", `9`), 400, "state"},
		"nested arrays": {strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), 400, "nesting"},
	} {
		began := time.Now()
		status, answer := s.post(row.body)
		assert.Less(t, time.Since(began), time.Second, name)
		assert.Equal(t, row.status, status, "%s: %s", name, answer)
		assert.Contains(t, strings.ToLower(answer), row.names, name)
		assert.Empty(t, answers[answer], "%s has the same answer as %s", name, answers[answer])
		answers[answer] = name
		s.accepted(event("info", `"good"`))
	}
	get, err := http.Get(s.url())
	require.NoError(t, err)
	require.NoError(t, get.Body.Close())
	assert.Equal(t, 405, get.StatusCode)
	assert.Equal(t, "POST", get.Header.Get("Allow"))
	missing, err := http.Post("http://"+s.addr+"/elsewhere", "", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, missing.Body.Close())
	assert.Equal(t, 404, missing.StatusCode)
}

func TestToken(t *testing.T) {
	s := newSite(t, strings.Replace(config("http://127.0.0.1:1/"), "{kind: nxcloud-events}", "{kind: nxcloud-events, auth: {token: {file: token}}}", 1))
	s.write("token", "s3cret-token\n")
	s.start()
	status, _ := s.post(unanswered("a")[0])
	assert.Equal(t, 401, status)
	good, err := http.Post(s.url()+"/s3cret-token", "", strings.NewReader(unanswered("a")[0]))
	require.NoError(t, err)
	require.NoError(t, good.Body.Close())
	assert.Equal(t, 200, good.StatusCode)
	bad, err := http.Post(s.url()+"/s3cret-tokem", "", strings.NewReader(unanswered("a")[0]))
	require.NoError(t, err)
	require.NoError(t, bad.Body.Close())
	assert.Equal(t, 401, bad.StatusCode)
	assert.NotContains(t, s.log.String(), "s3cret")
}

// A wrong configuration is refused whole: everything that is wrong with it at once, by check and serve in the same words.
func TestWrongConfiguration(t *testing.T) {
	s := newSite(t, `sources: [{kind: nxcloud-events}]
mappings_dir: mappings
correlation: {settle: 5 seconds}
destinatons: []
destinations:
  - {name: crm, mapping: crm, url: "http://127.0.0.1:1/"}
`)
	s.write("mappings/crm.yaml", "steps:\n  - name: log\n    path: /calls\n    body:\n      talked: \"${call.talk_secnds}\"\n")
	checked, code := s.run("check")
	assert.Equal(t, 1, code)
	for _, want := range []string{
		s.config + `:6:23: correlation.settle: `,
		s.config + `:7:1: destinatons: unknown key (did you mean "destinations"?)`,
		s.dir + `/mappings/crm.yaml:5:23: steps.log.body.talked: unknown field "talk_secnds" (did you mean "talk_seconds"?)`,
	} {
		assert.Contains(t, checked, want)
	}
	served, code := s.run("serve")
	assert.Equal(t, 1, code)
	assert.Equal(t, checked, served)

	fine := newSite(t, config("http://127.0.0.1:1/"))
	out, code := fine.run("check")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "is fine: 1 source(s), 1 destination(s)")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"why"}, {"serve", "extra"}, {"check", "--nope"}, {"deliveries", "list", "--state", "odd"},
		{"bogus"}, {"deliveries", "bogus"}} {
		_, errs, code := wrapup(t, args...)
		assert.Equal(t, 2, code, "%v: %s", args, errs)
		assert.NotEmpty(t, errs)
	}
	out, _, code := wrapup(t, "version")
	assert.Zero(t, code)
	assert.Contains(t, out, "wrapup ")
}

func TestAgentsAndQueues(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, strings.Replace(config(sink.url()), "queues: {", "queues: {\"104906\": {name: Sales}, ", 1))
	s.start()
	out, _ := s.run("agents")
	assert.Contains(t, out, "no agent yet")
	s.accepted(documented(t)...)
	s.delivered(sink, 1)
	for range 2 { // asked of the daemon, then of its store
		out, code := s.run("agents")
		assert.Zero(t, code, out)
		assert.Regexp(t, `6122312312 +1049002 +in wrap-up +2019-05-24 06:09:12 +`+documentedUUID, out)
		out, code = s.run("queues", "--days", "2")
		assert.Zero(t, code, out)
		assert.Regexp(t, `104906 +Sales +1 +1 +1 +0 +≥ 0.0 % +0 +0`, out)
		if s.cmd != nil {
			assert.Zero(t, s.terminate())
		}
	}
}

// Whoever asks need not be allowed to read the secrets.
func TestAskingNeedsNoSecrets(t *testing.T) {
	sink := newSink(t)
	s := newSite(t, strings.Replace(config(sink.url()), "retry:", "auth: {bearer: {file: token}}, retry:", 1))
	s.write("token", "s3cret")
	s.start()
	require.NoError(t, os.Remove(filepath.Join(s.dir, "token")))
	s.accepted(strings.Replace(unanswered("x")[0], `"x"`, `".."`, 1))
	out, code := s.run("why", "..")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "The call is still open")
	out, code = s.run("check")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "destinations[0].auth.bearer")
}

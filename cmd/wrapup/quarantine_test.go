package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/intake"
	"wrapup/outbox/bolt"
)

func TestQuarantine(t *testing.T) {
	t.Parallel()
	s := newSite(t, config("http://127.0.0.1:1/"))
	s.start()
	assert.Contains(t, s.succeeds("quarantine", "list"), "Nothing of the kind is in quarantine.\n0 kept, 0.0 of 64 MiB.")
	bad := strings.Replace(unanswered("a")[0], `"state":1`, `"state":"\u001b[31mringing\u202e"`, 1)
	for range 3 {
		status, _ := s.post(bad)
		assert.Equal(t, 400, status)
	}
	status, answer := s.post(unanswered("b")[0] + "\n\x1b]0;title\x07\xff\u202e\n" + unanswered("b")[1])
	assert.Equal(t, 400, status)
	assert.Contains(t, answer, `"stored":2`)

	check := func() {
		t.Helper()
		page := s.quarantined()
		require.Len(t, page.Quarantined, 2)
		assert.EqualValues(t, 3, page.Quarantined[0].Count)
		out := s.succeeds("quarantine", "list")
		assert.Regexp(t, `[0-9a-f]{16}  nxcloud-events  3 .* 127\.0\.0\.1  event 1: state: "\\u001b\[31mringing\\u202e": expected`, out)
		out = s.succeeds("quarantine", "show", page.Quarantined[1].ID)
		assert.Contains(t, out, `  \x1b]0;title\a\xff\u202e`)
		out = s.succeeds("quarantine", "show", page.Quarantined[0].ID)
		assert.Contains(t, out, "3 time(s)")
		assert.Contains(t, out, `"state":"\u001b[31mringing\u202e"`)
		var shown struct {
			Body   string
			Base64 []byte `json:"body_base64"`
		}
		require.NoError(t, json.Unmarshal([]byte(s.succeeds("quarantine", "show", page.Quarantined[0].ID, "-o", "json")), &shown))
		assert.Equal(t, bad, shown.Body)
		require.NoError(t, json.Unmarshal([]byte(s.succeeds("quarantine", "show", page.Quarantined[1].ID, "-o", "json")), &shown))
		assert.Equal(t, "\x1b]0;title\x07\xff\u202e", string(shown.Base64))
		out = s.succeeds("quarantine", "retry", "--all", "--dry-run")
		assert.Contains(t, out, "To retry: 2\n")
		assert.Contains(t, out, "  1  nxcloud-events: event 1: state:")
		assert.Contains(t, s.fails("status"), "! 2 post(s) were not understood, and are in quarantine (wrapup quarantine list)\n")
	}
	check()
	require.Zero(t, s.terminate())
	check() // it can be looked at without a daemon
	assert.Contains(t, s.fails("quarantine", "drop", "--all", "--reason", "x"), "a change needs the daemon to be running")
	assert.Contains(t, s.fails("sources"), "only a running daemon can tell")

	s.start()
	check() // also a daemon that has not seen it come
	assert.Contains(t, s.fails("quarantine", "show", "nothing"), `nothing in quarantine is called "nothing"`)
	assert.Contains(t, s.succeeds("quarantine", "list", "--reason", "STATE:"), s.quarantined().Quarantined[0].ID)
	assert.Contains(t, s.succeeds("quarantine", "list", "--until", "1h"), "Nothing of the kind")
	s.kill() // what was answered is on disk
	s.start()
	ids := []string{s.quarantined().Quarantined[0].ID, s.quarantined().Quarantined[1].ID}
	out := s.fails("quarantine", "retry", ids[0])
	assert.Contains(t, out, "To retry: 1\n")
	assert.Contains(t, out, "0 of 1 understood.\n  1  still not understood: event 1: state:")
	assert.Contains(t, s.fails("quarantine", "drop", "--reason", "x", "--all"), "drop 2 posts? Nobody can be asked here: --yes is the answer; nothing was changed")
	assert.Contains(t, s.fails("quarantine", "drop", ids[0], "nothing", "--reason", "x"), "nothing: nothing in quarantine is called so.")
	assert.Contains(t, s.succeeds("quarantine", "drop", "--with-reason", "state:", "--reason", "a test", "--yes"), "1 of 1 dropped.")
	assert.Contains(t, s.succeeds("quarantine", "drop", ids[1], "--reason", "a test"), "1 of 1 dropped.")
	assert.NotContains(t, s.succeeds("status"), "understood, and are", "what was settled needs nobody")
}

func TestQuarantineUsage(t *testing.T) {
	for _, args := range [][]string{{"quarantine", "retry"}, {"quarantine", "drop", "--all"}, {"quarantine", "drop", "--reason", "x"},
		{"quarantine", "show"}, {"quarantine", "list", "x"}, {"quarantine", "list", "--since", "yesterday"}, {"quarantine", "bogus"}, {"sources", "x"}} {
		_, errs, code := wrapup(t, args...)
		assert.Equal(t, 2, code, "%v: %s", args, errs)
		assert.NotEmpty(t, errs)
	}
}

// What was kept because an older wrapup didn't understand it is delivered by one that does, as any other call.
func TestWhatIsUnderstoodLaterIsDelivered(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	require.NoError(t, os.MkdirAll(s.dir+"/data", 0o700))
	store, err := bolt.Open(s.dir+"/data/"+storeFile, bolt.Options{})
	require.NoError(t, err)
	older := intake.NewQuarantine(intake.QuarantineOptions{Store: store})
	keep := intake.New(intake.Options{Store: store, Quarantine: older, Sources: []intake.Source{{Name: "nxcloud-events", Path: "/", Parse: notYet}}})
	for _, uuid := range []string{"a", "b"} {
		for _, body := range unanswered(uuid) {
			assert.Equal(t, 400, serve(keep, body))
		}
	}
	require.NoError(t, store.Close())
	s.start()
	assert.Len(t, s.quarantined().Quarantined, 4)
	out := s.succeeds("quarantine", "retry", "--source", "nxcloud-events", "--yes")
	assert.Contains(t, out, "4 of 4 understood.\n4 event(s) stored, 0 were there already.\n")
	got := s.delivered(sink, 2)
	require.Len(t, got, 2)
	assert.ElementsMatch(t, []string{"a:1", "b:1"}, []string{got[0].key, got[1].key}, "each call whole, in one revision")
	assert.Empty(t, s.quarantined().Quarantined)
}

// notYet is a parser that understands nothing.
func notYet([]byte) ([]connector.Event, []error) { return nil, []error{errors.New("not yet")} }

// serve posts a body to a receiver within this process.
func serve(r http.Handler, body string) int {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
	return w.Code
}

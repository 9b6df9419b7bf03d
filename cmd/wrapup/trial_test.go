package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// desk is a CRM with a login, a lookup and a log of calls, on loopback.
type desk struct {
	*httptest.Server
	mu       sync.Mutex
	password string
	got      []string
	lost     bool // it takes a call and gives no answer
}

func newTrialDesk(t *testing.T) *desk {
	d := &desk{password: "pa55 \"w\"/ord"}
	d.Server = httptest.NewServer(http.HandlerFunc(d.answer))
	t.Cleanup(d.Close)
	return d
}

func (d *desk) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, r.Method+" "+r.URL.Path)
	reply := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	var login struct{ Password string }
	switch {
	case r.URL.Path == "/login" && json.Unmarshal(body, &login) == nil && login.Password == d.password:
		reply(200, map[string]string{"token": "s3ss10n"})
	case r.URL.Path == "/login":
		reply(401, map[string]string{"error": "no such password: " + login.Password})
	case r.Header.Get("X-Session") != "s3ss10n":
		reply(401, map[string]string{"error": "log in first"})
	case r.URL.Path == "/contacts":
		reply(200, map[string]any{"items": []any{map[string]string{"id": "c-77", "for": r.Header.Get("X-Session")}}})
	case d.lost:
		panic(http.ErrAbortHandler)
	default:
		reply(201, map[string]int{"id": 4711})
	}
}

func (d *desk) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *desk) requests() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.got...)
}

const deskMapping = `secrets: [password]
session:
  path: /login
  body: {user: bot, password: "${secrets.password}"}
  save: {token: "${response.body.token}"}
each:
  headers: {X-Session: "${session.token}"}
  answers: {error: "${response.body.error}"}
steps:
  - {name: contact, method: GET, path: /contacts, query: {phone: "${call.phone_e164}"}, found: "${response.body.items[0].id}"}
  - name: log
    path: /calls
    body: {contact: "${saved.contact}", subject: "Call ${call.outcome}"}
    save: {log_id: "${response.body.id}"}
`

func newTrialSite(t *testing.T, d *desk) *site {
	s := newSite(t, `mappings_dir: mappings
sources: [{kind: nxcloud-events, auth: {token: {file: token}}}]
queues: {default: {region: ID}}
destinations:
  - {name: crm, mapping: desk, url: "`+d.URL+`", secrets: {password: {file: password}}}
  - {name: hook, mapping: record, url: "`+d.URL+`", auth: {bearer: {file: password}}}
  - {name: none, mapping: record, when: "${call.outcome == 'busy'}", url: "`+d.URL+`"}
`)
	s.write("mappings/desk.yaml", deskMapping)
	s.write("token", "d1aler-d1aler-d1aler")
	s.write("password", d.password+"\n")
	return s
}

// What is shown of a try-out is the same whether the daemon makes it or not.
func TestDestinationsTest(t *testing.T) {
	t.Parallel()
	d := newTrialDesk(t)
	s := newTrialSite(t, d)
	neat := func(out string) string {
		return strings.NewReplacer(d.URL, "http://DESK", s.dir, "DIR").Replace(out)
	}
	golden := func(name, got string) {
		t.Helper()
		for _, secret := range []string{"pa55", "s3ss10n", `w\"`} {
			assert.NotContains(t, got, secret)
		}
		file := "testdata/trial/" + name + ".txt"
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(want), got)
	}
	for _, running := range []bool{false, true} {
		if running {
			s.start()
		}
		d.change(func() { d.got = nil })
		golden("lookups", neat(s.succeeds("destinations", "test", "crm")))
		assert.Equal(t, []string{"POST /login", "GET /contacts"}, d.requests(), "nothing is created")
		out, code := s.run("destinations", "test", "hook")
		assert.Equal(t, 3, code)
		assert.Contains(t, out, "Authorization: Bearer «auth.bearer»")
		assert.Contains(t, out, "Nothing could be tried without creating something: --create does.")
		out, code = s.run("destinations", "test", "none")
		assert.Equal(t, 3, code)
		assert.Contains(t, out, "skipped: ")
		assert.Len(t, d.requests(), 2)

		assert.Contains(t, s.fails("destinations", "test", "crm", "--create"), "Nobody can be asked here: --yes is the answer")
		assert.Len(t, d.requests(), 2)
		var got trial
		out = s.succeeds("destinations", "test", "crm", "--create", "--yes", "-o", "json")
		require.NoError(t, json.Unmarshal([]byte(out), &got), out)
		assert.Equal(t, "works finished log", strings.Join([]string{got.Result, string(got.Ended), strings.Join(got.Created, " ")}, " "))
		assert.JSONEq(t, `{"contact": "c-77", "log_id": 4711}`, string(got.Saved))
		assert.NotContains(t, out, "pa55")
		assert.NotContains(t, out, "s3ss10n")
		assert.Contains(t, strings.Join(d.requests(), ", "), "POST /calls")
		assert.Contains(t, s.fails("destinations", "test", "cmr"), "crm")
	}
	// The daemon's deliveries are as they were.
	for _, line := range strings.Split(strings.TrimSpace(s.succeeds("destinations")), "\n")[1:] {
		assert.Regexp(t, `^\S+ +running +0 +- .*0 of 0`, line)
	}
	assert.Contains(t, s.log.String(), "a person tried a destination out, and created something")
	d.change(func() { d.lost = true })
	out := s.fails("destinations", "test", "crm", "--create", "--yes")
	assert.Contains(t, out, "MAYBE created: step log was sent, and its answer is not known.")
	require.Zero(t, s.terminate())

	d.change(func() { d.password = "another" })
	golden("refused", neat(s.fails("destinations", "test", "crm")))
}

func TestDestinationsTestOfACall(t *testing.T) {
	d := newTrialDesk(t)
	s := newTrialSite(t, d)
	s.start()
	s.succeeds("destinations", "pause", "crm", "--reason", "not yet")
	s.addr += "/callbacks/nxcloud/events/d1aler-d1aler-d1aler?"
	for _, body := range documented(t) {
		resp, err := http.Post("http://"+s.addr, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode)
	}
	s.eventually("the call to be finished", func() bool { return len(s.listed("--destination", "crm")) == 1 })
	out := s.succeeds("destinations", "test", "crm", "--call", documentedUUID)
	assert.Contains(t, out, "(its newest record)")
	assert.Contains(t, s.succeeds("destinations"), "UTC: not yet", "it is paused as before")
	assert.Equal(t, connector.DeliveryWaiting, s.listed("--destination", "crm")[0].State)
	for _, args := range [][]string{{"--create", "--call", "x"}, {"--record", "a", "--call", "x"}, {"--yes"}, {}} {
		_, _, code := wrapup(t, append([]string{"destinations", "test"}, args...)...)
		assert.Equal(t, 2, code, args)
		if len(args) > 0 {
			_, _, code = wrapup(t, append([]string{"destinations", "test", "crm"}, args...)...)
			assert.Equal(t, 2, code, args)
		}
	}
}

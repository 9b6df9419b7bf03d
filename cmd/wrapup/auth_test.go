package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// granter is a CRM with tokens of its own. Its refresh tokens rotate, and a second use of one fails the test, as it ends the
// access with real ones. Access tokens are good for so many requests; who comes with a used one gets a 401.
type granter struct {
	t   *testing.T
	srv *httptest.Server

	mu     sync.Mutex
	count  int
	live   map[string]bool
	spent  map[string]bool
	uses   map[string]int // of access tokens
	limit  int
	asked  int
	calls  map[string]int // by Idempotency-Key: how often a call was taken
	refuse bool           // answers calls with what a CRM says that repeats what it was sent
	left   int            // so many things happen yet until reached gets a token
	at     string         // where a request for a token is stopped: arrived, rotated, slow (until released) or answered
	// reached gets a token when a request is there, and goes on when it may be given up.
	reached, release chan struct{}
}

func newGranter(t *testing.T, limit int) *granter {
	g := &granter{t: t, live: map[string]bool{}, spent: map[string]bool{}, uses: map[string]int{}, calls: map[string]int{},
		limit: limit, reached: make(chan struct{}, 64), release: make(chan struct{})}
	g.srv = httptest.NewServer(g)
	t.Cleanup(func() {
		g.srv.CloseClientConnections()
		g.srv.Close()
	})
	return g
}

// grant is what a person does: the access is granted anew, and what was good before isn't any more.
func (g *granter) grant() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.live)
	return g.issue()
}

func (g *granter) issue() string {
	g.count++
	token := fmt.Sprintf("r3fresh-%d", g.count)
	g.live[token] = true
	return token
}

func (g *granter) stopAt(point string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = point
}

func (g *granter) revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for token := range g.uses {
		g.uses[token] = g.limit
	}
}

// after says how many things happen until reached gets a token.
func (g *granter) after(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = n
}

func (g *granter) requests() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

func (g *granter) taken() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.calls)
}

// happens counts what happens; mu is held.
func (g *granter) happens() {
	if g.left--; g.left == 0 {
		g.reached <- struct{}{}
	}
}

func (g *granter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		g.token(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	defer g.mu.Unlock()
	used, known := g.uses[token]
	g.happens()
	switch {
	case !known || used >= g.limit:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":"the token %s is no good"}`, token)
	case r.Method == http.MethodGet: // a lookup, whose answer repeats what it was sent
		g.uses[token]++
		_, _ = fmt.Fprintf(w, `{"id":"c-77","for":%q}`, token)
	case g.refuse:
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = fmt.Fprintf(w, `{"error":"not for %s"}`, token)
	default:
		g.uses[token]++
		g.calls[r.Header.Get("Idempotency-Key")]++
	}
}

func (g *granter) token(w http.ResponseWriter, r *http.Request) {
	assert.NoError(g.t, r.ParseForm())
	g.mu.Lock()
	g.asked++
	g.happens()
	point := g.at
	if point == "arrived" {
		g.mu.Unlock()
		g.reached <- struct{}{}
		<-r.Context().Done() // whoever asked is gone, and the token was never looked at
		return
	}
	token := r.Form.Get("refresh_token")
	if g.spent[token] {
		g.t.Errorf("%s is used a second time", token)
	}
	if !g.live[token] {
		g.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	delete(g.live, token)
	g.spent[token] = true
	next := g.issue()
	access := fmt.Sprintf("acc3ss-%d", g.count)
	g.uses[access] = 0
	g.happens()
	g.mu.Unlock()
	runtime.Gosched() // whoever waits for this may be first
	if point == "rotated" {
		g.reached <- struct{}{}
		<-r.Context().Done()
		return
	}
	if point == "slow" {
		g.reached <- struct{}{}
		<-g.release
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"refresh_token":%q,"expires_in":3600}`, access, next)
	g.mu.Lock()
	g.happens()
	g.mu.Unlock()
	if point == "answered" {
		_ = http.NewResponseController(w).Flush()
		g.reached <- struct{}{}
	}
}

// tokenSite is a site whose one destination gets its tokens from the granter.
func tokenSite(t *testing.T, g *granter, more string) *site {
	s := newSite(t, fmt.Sprintf(`sources: [{kind: nxcloud-events}]
correlation: {settle: 10ms}
destinations:
  - name: crm
    mapping: record
    url: %[1]s/calls
    concurrency: 16
    probe: 500ms
    retry: {first: 50ms, max: 200ms}
    auth: {oauth2: {token_url: "%[1]s/token", grant: refresh_token, client_id: id, client_secret: {file: client}, refresh_token: {file: refresh}}}
%[2]s`, g.srv.URL, more))
	s.write("client", "cl1ent-secret\n")
	s.grant(g)
	return s
}

// grant grants the access anew, and writes the refresh token where the configuration has it.
func (s *site) grant(g *granter) { s.write("refresh", g.grant()+"\n") }

// inDoubt says that the destination waits for a person because a refresh token may be spent.
func (s *site) inDoubt() bool {
	out, _ := s.run("destinations")
	return strings.Contains(out, "crm is paused since") && strings.Contains(out, "what became of it is not known") &&
		strings.Contains(out, "grant the access anew")
}

func (s *site) post16(round string) {
	for i := range 16 {
		s.accepted(unanswered(fmt.Sprintf("%s-%d", round, i))...)
	}
}

// A kill -9 while a refresh token is on its way never leads to a second use of it. Where nobody can know what became of it,
// the destination is paused and says so, and no call of it is lost; where the answer was stored, life goes on.
func TestKilledInMidRefresh(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"arrived", "rotated"} {
		t.Run(point, func(t *testing.T) {
			g := newGranter(t, 1000)
			s := tokenSite(t, g, "")
			s.start()
			s.post16("first")
			s.eventually("the calls to be taken", func() bool { return g.taken() == 16 })
			require.Equal(t, 1, g.requests(), "sixteen lanes share a token")

			g.stopAt(point)
			g.revoke()
			s.post16("second")
			<-g.reached
			s.kill()
			require.Equal(t, 2, g.requests())

			g.stopAt("")
			s.start()
			s.eventually("the destination to be paused", s.inDoubt)
			out, _ := s.run("deliveries", "list")
			assert.Contains(t, out, "could end the access for good")
			assert.Equal(t, 2, g.requests(), "it isn't sent again")
			require.Zero(t, s.terminate())

			s.grant(g)
			s.start()
			s.eventually("the calls to be taken", func() bool { return g.taken() == 32 })
			assert.Equal(t, 3, g.requests())
		})
	}
	t.Run("answered", func(t *testing.T) {
		g := newGranter(t, 1000)
		s := tokenSite(t, g, "")
		g.stopAt("answered")
		stored := 0
		for round := range 6 {
			s.start()
			s.post16(fmt.Sprint("round", round))
			if round%2 == 0 { // at once: nobody knows whether it is stored already
				<-g.reached
			} else { // a token that was used is stored
				s.eventually("the calls to be taken", func() bool { return g.taken() > round*16 })
			}
			s.kill()
			before := g.requests()
			s.start()
			switch {
			case s.settles(g, (round+1)*16):
				stored++
				assert.Equal(t, before, g.requests(), "its access token is stored, too")
			default:
				require.Zero(t, round%2, "what was used was stored")
				require.Zero(t, s.terminate())
				s.grant(g)
				s.start()
				s.eventually("the calls to be taken", func() bool { return g.taken() == (round+1)*16 })
			}
			g.revoke()
			require.Zero(t, s.terminate())
			for len(g.reached) > 0 {
				<-g.reached
			}
		}
		assert.GreaterOrEqual(t, stored, 3)
	})
}

// A refresh token belongs to the destination that used it, and to its name: under another one it isn't used a second time.
func TestRenamedDestination(t *testing.T) {
	t.Parallel()
	g := newGranter(t, 1000)
	s := tokenSite(t, g, "")
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("the call to be taken", func() bool { return g.taken() == 1 })
	require.Zero(t, s.terminate())
	content, err := os.ReadFile(s.config)
	require.NoError(t, err)
	s.write("wrapup.yaml", strings.Replace(string(content), "name: crm", "name: crm2", 1))
	s.start()
	s.accepted(unanswered("b")...)
	s.eventually("the destination to be paused", func() bool {
		out, _ := s.run("destinations")
		return strings.Contains(out, `crm2 is paused since`) && strings.Contains(out, `the configured refresh token was used by the destination "crm"`)
	})
	assert.Equal(t, 1, g.requests())
	require.Zero(t, s.terminate())
	s.grant(g)
	s.start()
	s.eventually("the call to be taken", func() bool { return g.taken() == 2 })
}

// Who is told to stop in the middle of a refresh waits for the answer, and stores it.
func TestStoppedInMidRefresh(t *testing.T) {
	t.Parallel()
	g := newGranter(t, 1000)
	s := tokenSite(t, g, "")
	g.stopAt("slow")
	s.start()
	s.accepted(unanswered("a")...)
	<-g.reached
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.eventually("the daemon to stop", func() bool { return strings.Contains(s.log.String(), `"stopping"`) })
	close(g.release)
	require.NoError(t, s.cmd.Wait())
	s.cmd = nil
	g.stopAt("")
	s.start()
	s.eventually("the call to be taken", func() bool { return g.taken() == 1 })
	assert.Equal(t, 1, g.requests(), "its token was stored")
}

// settles waits until so many calls are taken, or a person is needed: then it is false.
func (s *site) settles(g *granter, calls int) bool {
	s.t.Helper()
	doubt := false
	s.eventually("the calls to be taken, or a doubt", func() bool {
		doubt = g.taken() < calls && strings.Contains(s.log.String(), "what became of it is not known")
		return doubt || g.taken() >= calls
	})
	return !doubt
}

// Sixteen lanes, tokens that are used up all the time, and a kill -9 at any moment.
func TestNoRefreshTokenIsUsedTwice(t *testing.T) {
	t.Parallel()
	const rounds = 20
	g := newGranter(t, 48) // more than sixteen lanes use up while they renew
	s := tokenSite(t, g, "")
	people := 0
	for round := range rounds {
		g.revoke()
		if round%2 == 0 {
			g.after(1 + rand.IntN(19)) // so many things are sure to happen
		} else {
			g.stopAt([]string{"arrived", "rotated", "answered"}[rand.IntN(3)])
		}
		s.start()
		s.post16(fmt.Sprint("round", round))
		select {
		case <-g.reached:
		case <-time.After(patience):
			t.Fatalf("nothing happens; the log says:\n%s", s.log)
		}
		s.kill()
		g.stopAt("")
		s.start()
		if !s.settles(g, (round+1)*16) {
			people++
			require.Zero(t, s.terminate())
			s.grant(g)
			s.start()
			s.eventually("the calls to be taken", func() bool { return g.taken() == (round+1)*16 })
		}
		s.kill()
		for len(g.reached) > 0 {
			<-g.reached
		}
	}
	t.Logf("%d requests for tokens; %d times a person was needed", g.requests(), people)
	assert.Equal(t, rounds*16, g.taken())
	assert.GreaterOrEqual(t, g.requests(), rounds, "each round needs a token")
}

// A token that the destination refuses is renewed once; one that is refused again pauses the destination, and costs no call
// an attempt. A person who changes something is believed.
func TestRefusedTokens(t *testing.T) {
	t.Parallel()
	g := newGranter(t, 0) // no token is ever good
	s := tokenSite(t, g, "")
	s.start()
	s.post16("calls")
	s.eventually("the destination to be paused", func() bool {
		out, _ := s.run("destinations")
		return strings.Contains(out, "crm is paused since") && strings.Contains(out, "answered 401")
	})
	assert.Equal(t, 2, g.requests(), "the first token, and the one after it")
	why, _ := s.run("why", "calls-0", "-o", "json")
	assert.NotContains(t, why, `"state":"dead"`)

	g.mu.Lock()
	g.limit = 1000
	for token := range g.uses {
		delete(g.uses, token) // revoked for good
	}
	g.mu.Unlock()
	out, code := s.run("destinations", "resume", "crm")
	require.Zero(t, code, out)
	s.eventually("the calls to be taken", func() bool { return g.taken() == 16 })
	assert.Equal(t, 3, g.requests())
}

// Nothing that shows anything shows a token or a secret, whatever the CRM says.
func TestTokensAreNeverShown(t *testing.T) {
	t.Parallel()
	g := newGranter(t, 1000)
	g.refuse = true
	s := tokenSite(t, g, "")
	s.start()
	s.post16("calls")
	s.eventually("the calls to be dead", func() bool {
		out, _ := s.run("deliveries", "list", "--state", "dead")
		return strings.Count(out, "calls-") == 16
	})
	g.revoke()
	s.accepted(unanswered("last")...)
	s.eventually("a token to be refused", func() bool { return g.requests() >= 2 })
	var shown strings.Builder
	look := func() {
		for _, command := range [][]string{
			{"why", "calls-0"}, {"why", "calls-0", "-o", "json"}, {"why", "last", "-o", "json"}, {"deliveries", "show", "calls-0"},
			{"deliveries", "list", "-o", "json"}, {"deliveries", "list", "--state", "dead", "-o", "json"}, {"destinations", "-o", "json"},
			{"agents", "-o", "json"}, {"audit"}, {"preview", "--destination", "crm", "--call", "calls-0"}, {"check"},
		} {
			out, _ := s.run(command...)
			shown.WriteString(out)
		}
	}
	look()
	require.Zero(t, s.terminate())
	look()
	shown.WriteString(s.log.String())
	assert.Contains(t, shown.String(), "not for ***")
	for _, secret := range []string{"r3fresh-", "acc3ss-", "cl1ent-"} {
		assert.NotContains(t, shown.String(), secret)
	}
}

// The base address comes of the token answer, errors in a 200 are refusals, and the other ways of showing who one is.
func TestOtherWaysOfAuth(t *testing.T) {
	var mu sync.Mutex
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		got = append(got, strings.TrimSpace(strings.Join([]string{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("X-Sig")}, " ")))
		asked := len(got)
		mu.Unlock()
		switch {
		case r.URL.Path != "/login":
		case asked == 1:
			_, _ = io.WriteString(w, `{"error":"invalid_code"}`)
		default:
			_, _ = fmt.Fprintf(w, `{"access_token":"t%d","api_domain":"http://%s/eu","form":%q}`, asked, r.Host, body)
		}
	}))
	t.Cleanup(srv.Close)
	s := newSite(t, fmt.Sprintf(`sources: [{kind: nxcloud-events}]
correlation: {settle: 10ms}
mappings_dir: mappings
destinations:
  - {name: told, mapping: told, probe: 500ms, params: {login: "%[1]s/login"}, auth: {oauth2: {client_id: id, client_secret: {file: secret}, refresh_token: {file: secret}}}}
`, srv.URL))
	s.write("secret", "s3cret")
	s.write("mappings/told.yaml", `
url: "${auth.api_domain}"
params: {login: {type: text}}
headers: {Authorization: "Zoho-oauthtoken ${auth.access_token}"}
auth: {oauth2: {token_url: "${params.login}", grant: refresh_token, refresh_tokens: reusable, failed: "${response.body.error != null}"}}
steps: [{name: log, path: /calls, repeat: safe, body: {id: "${call.call_id}"}}]
`)
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("the destination to be paused", func() bool {
		out, _ := s.run("destinations")
		return strings.Contains(out, "the request for a token was answered 200 OK: invalid_code")
	})
	out, code := s.run("destinations", "resume", "told")
	require.Zero(t, code, out)
	s.eventually("the call to be delivered", func() bool {
		out, _ := s.run("why", "a")
		return strings.Contains(out, "told: delivered")
	})
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []string{"POST /login", "POST /login", "POST /eu/calls Zoho-oauthtoken t2"}, got)
}

// Receivers verify the signature with a stock library, by the new secret or by the old one, over each repetition.
func TestSignedPosts(t *testing.T) {
	secrets := []string{"whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0IQ==", "whsec_b2xkIHNlY3JldCBvbGQgc2VjcmV0IQ=="}
	var mu sync.Mutex
	var ids []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		for _, secret := range secrets {
			key, err := standardwebhooks.NewWebhook(secret)
			if assert.NoError(t, err) {
				assert.NoError(t, key.Verify(body, r.Header))
				assert.Error(t, key.Verify(append(body, ' '), r.Header))
			}
		}
		assert.Equal(t, r.Header.Get("Idempotency-Key"), r.Header.Get("webhook-id"))
		assert.Equal(t, "b0t", r.URL.Query().Get("api_key"))
		var record struct {
			CallID string `json:"call_id"`
		}
		assert.NoError(t, json.Unmarshal(body, &record))
		if ids = append(ids, r.Header.Get("webhook-id")); len(ids) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(srv.Close)
	s := newSite(t, strings.Replace(config(srv.URL), "retry:", "sign: [{file: new}, {file: old}], auth: {query: {name: api_key, value: {file: key}}}, retry:", 1))
	s.write("new", secrets[0]+"\n")
	s.write("old", secrets[1]+"\n")
	s.write("key", "b0t")
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("the call to be delivered", func() bool {
		out, _ := s.run("why", "a")
		return strings.Contains(out, "sink: delivered")
	})
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []string{"a:1", "a:1"}, ids, "the same over repetitions")
}

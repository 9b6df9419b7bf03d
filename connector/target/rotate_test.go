package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// granter is an authorization server whose refresh tokens rotate. It fails the test if one is used twice, as the real ones
// fail their client.
type granter struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	count    int
	live     map[string]bool   // refresh tokens that are good
	spent    map[string]bool   // and those that were
	access   map[string]string // access tokens and the refresh token that came with each
	requests int
	lifetime int
	before   func(w http.ResponseWriter) bool // answers in place of the server, if it says so
	after    func()                           // called when the token is spent and nothing is answered yet
}

func newGranter(t *testing.T) *granter {
	g := &granter{t: t, live: map[string]bool{}, spent: map[string]bool{}, access: map[string]string{}, lifetime: 3600}
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

// grant is what a person does: the access is granted, and there is a refresh token to be configured.
func (g *granter) grant() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.issue()
}

// behave says what comes in between from now on.
func (g *granter) behave(before func(http.ResponseWriter) bool, after func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before, g.after = before, after
}

func (g *granter) asked() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests
}

func (g *granter) issue() string {
	g.count++
	token := fmt.Sprintf("refresh-%d", g.count)
	g.live[token] = true
	return token
}

func (g *granter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	assert.NoError(g.t, r.ParseForm())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests++
	if g.before != nil && g.before(w) {
		return
	}
	token := r.Form.Get("refresh_token")
	if g.spent[token] {
		g.t.Errorf("%s is used a second time", token)
	}
	if !g.live[token] {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	delete(g.live, token)
	g.spent[token] = true
	next := g.issue()
	access := fmt.Sprintf("access-%d", g.count)
	g.access[access] = next
	if g.after != nil {
		g.after()
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"refresh_token":%q,"expires_in":%d}`, access, next, g.lifetime)
}

// disk is what survives a crash.
type disk struct {
	mu    sync.Mutex
	state []byte
}

func (d *disk) refresh() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s tokenState
	_ = json.Unmarshal(d.state, &s)
	return s.Refresh
}

var errKilled = errors.New("killed")

// process is what a crash ends: after it nothing gets out of it, neither to the disk nor to the network.
type process struct {
	disk   *disk
	client *Client
	killAt string      // the point at which it dies
	broken atomic.Bool // saves fail
	saves  int
	dead   atomic.Bool
	tokens *Tokens
}

func (p *process) at(point string) error {
	if p.dead.Load() || point == p.killAt {
		p.dead.Store(true)
		return errKilled
	}
	return nil
}

func (p *process) Load(context.Context) ([]byte, error) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	return p.disk.state, p.at("load")
}

func (p *process) Save(_ context.Context, state []byte) error {
	p.saves++
	if err := p.at(fmt.Sprintf("before save %d", p.saves)); err != nil {
		return err
	}
	if p.broken.Load() {
		return errors.New("the disk is full")
	}
	p.disk.mu.Lock()
	p.disk.state = state
	p.disk.mu.Unlock()
	return p.at(fmt.Sprintf("after save %d", p.saves))
}

func (p *process) DoOnce(ctx context.Context, method, url string, header http.Header, body []byte) (*Answer, error) {
	if err := p.at("before sending"); err != nil {
		return nil, err
	}
	a, err := p.client.DoOnce(ctx, method, url, header, body)
	if err := p.at("after sending"); err != nil {
		return nil, err
	}
	return a, err
}

// clock is a time of day that stands still unless it is moved.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time       { return now.Add(time.Duration(c.nanos.Load())) }
func (c *clock) pass(d time.Duration) { c.nanos.Add(int64(d)) }

// begin starts a process on the disk.
func begin(t *testing.T, g *granter, d *disk, c *clock, configured, killAt string, change func(*TokenOptions)) *process {
	p := &process{disk: d, client: client(t, Options{}), killAt: killAt}
	o := TokenOptions{URL: g.url, Grant: GrantRefreshToken, RefreshToken: configured, ClientID: "id", ClientSecret: "hush", Store: p, Client: p, Now: c.now}
	if change != nil {
		change(&o)
	}
	var err error
	p.tokens, err = NewTokens(o)
	require.NoError(t, err)
	return p
}

func needsPerson(t *testing.T, err error) string {
	t.Helper()
	var e *TokenError
	require.ErrorAs(t, err, &e)
	require.Equal(t, Down, e.Verdict.Kind, e.Verdict.Reason)
	require.NotContains(t, e.Error(), "refresh-")
	require.NotContains(t, e.Error(), "hush")
	return e.Error()
}

func TestRotation(t *testing.T) {
	g, d, c := newGranter(t), &disk{}, &clock{}
	first := g.grant()
	p := begin(t, g, d, c, first, "", nil)
	for i := range 5 {
		values, serial, err := p.tokens.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, i+1, serial)
		assert.Equal(t, g.access[values["access_token"].(string)], d.refresh(), "what follows is on disk before the token is used")
		c.pass(58 * time.Minute)
		again, same, err := p.tokens.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, serial, same)
		assert.Equal(t, values, again)
		c.pass(time.Minute) // a minute before its end it is renewed
	}
	assert.Equal(t, 5, g.asked())
	// The next process goes on where this one ended, with the access token as long as it lasts.
	p = begin(t, g, d, c, first, "", nil)
	c.pass(-time.Minute)
	_, serial, err := p.tokens.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 5, g.asked())
	p.tokens.Expire(serial)
	p.tokens.Expire(serial - 1)
	_, _, err = p.tokens.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 6, g.asked())
	p.tokens.Expire(serial)
	_, _, err = p.tokens.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 6, g.asked(), "it was another one that expired")
}

// A crash may fall anywhere. Each row says what the next process finds.
func TestCrash(t *testing.T) {
	for _, row := range []struct {
		at       string
		doubt    bool // nobody can know whether the refresh token is spent
		requests int  // by both processes, until there is a token
	}{
		{"load", false, 1},
		{"before save 1", false, 1},
		{"after save 1", true, 0},
		{"before sending", true, 0},
		{"after sending", true, 1},
		{"before save 2", true, 1},
		{"after save 2", false, 1},
	} {
		t.Run(row.at, func(t *testing.T) {
			g, d, c := newGranter(t), &disk{}, &clock{}
			configured := g.grant()
			p := begin(t, g, d, c, configured, row.at, nil)
			_, _, err := p.tokens.Token(t.Context())
			require.Error(t, err, "nothing is handed out by a dead process")

			for range 3 { // as often as it is started
				p = begin(t, g, d, c, configured, "", nil)
				_, _, err = p.tokens.Token(t.Context())
				if !row.doubt {
					require.NoError(t, err)
				} else {
					reason := needsPerson(t, err)
					assert.Contains(t, reason, "the refresh token was sent at 2026-03-02T09:00:00Z, and what became of it is not known")
					assert.Contains(t, reason, "configure the refresh token")
				}
				assert.Equal(t, row.requests, g.asked())
			}
			if row.doubt {
				// A person puts it right, and a later process may not go back.
				p = begin(t, g, d, c, g.grant(), "", nil)
				_, _, err = p.tokens.Token(t.Context())
				require.NoError(t, err)
				p = begin(t, g, d, c, configured, "", nil)
				_, _, err = p.tokens.Token(t.Context())
				assert.Contains(t, needsPerson(t, err), "used and replaced before")
			}
		})
	}
}

// A configuration that goes back to an older refresh token must not use it again; one that goes on from what is stored may.
func TestConfiguredAgain(t *testing.T) {
	g, d, c := newGranter(t), &disk{}, &clock{}
	first, unused, third := g.grant(), g.grant(), g.grant()
	use := func(configured string) error {
		p := begin(t, g, d, c, configured, "", nil)
		if _, serial, err := p.tokens.Token(t.Context()); err == nil {
			p.tokens.Expire(serial)
		}
		_, _, err := p.tokens.Token(t.Context())
		return err
	}
	require.NoError(t, use(first))
	require.NoError(t, use(d.refresh()), "the one in use was written down")
	require.NoError(t, use(third))
	for range 2 {
		assert.Contains(t, needsPerson(t, use(first)), "used and replaced before")
	}
	require.NoError(t, use(third))
	require.NoError(t, use(unused))
	assert.Contains(t, needsPerson(t, use(third)), "used and replaced before")
}

func TestCrashWhereTokensStay(t *testing.T) {
	for _, reusable := range []bool{true, false} {
		g, d, c := newGranter(t), &disk{}, &clock{}
		g.behave(func(w http.ResponseWriter) bool {
			_, _ = io.WriteString(w, `{"access_token":"a"}`)
			return true
		}, nil)
		change := func(o *TokenOptions) { o.Reusable = reusable }
		if !reusable { // then it is known after the first time
			_, serial, err := begin(t, g, d, c, "stays", "", nil).tokens.Token(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 1, serial)
		}
		p := begin(t, g, d, c, "stays", "after sending", change)
		if !reusable {
			_, serial, err := p.tokens.Token(t.Context())
			require.NoError(t, err)
			p.tokens.Expire(serial)
		}
		_, _, err := p.tokens.Token(t.Context())
		require.Error(t, err)
		p = begin(t, g, d, c, "stays", "", change)
		_, serial, err := p.tokens.Token(t.Context())
		require.NoError(t, err)
		p.tokens.Expire(serial)
		_, _, err = p.tokens.Token(t.Context())
		require.NoError(t, err)
	}
}

// What went wrong without a crash: the process knows more, but no more than can be known.
func TestRefreshGoesWrong(t *testing.T) {
	abort := func(http.ResponseWriter) bool { panic(http.ErrAbortHandler) }
	says := func(status int, body string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	for name, row := range map[string]struct {
		before func(http.ResponseWriter) bool
		after  func()
		kind   Kind
		doubt  bool
	}{
		"reset before it was looked at": {before: abort, kind: Down, doubt: true},
		"reset after it was exchanged":  {after: func() { panic(http.ErrAbortHandler) }, kind: Down, doubt: true},
		"500":                           {before: says(500, "oops"), kind: Down, doubt: true},
		"502":                           {before: says(502, "<html>"), kind: Down, doubt: true},
		"504":                           {before: says(504, ""), kind: Down, doubt: true},
		"a 200 of somebody else":        {before: says(200, "<html>Log in to the hotel's network"), kind: Down, doubt: true},
		"a 200 without a token":         {before: says(200, "{}"), kind: Down, doubt: true},
		"500 with an OAuth error":       {before: says(500, `{"error":"server_error"}`), kind: Retry},
		"500 of a framework":            {before: says(500, `{"status":500,"error":"Internal Server Error","path":"/token"}`), kind: Down, doubt: true},
		"502 of a gateway, in JSON":     {before: says(502, `{"status":502,"error":"Bad Gateway"}`), kind: Down, doubt: true},
		"500 of an API, in JSON":        {before: says(500, `{"error":{"code":500,"message":"backend"}}`), kind: Down, doubt: true},
		"503":                           {before: says(503, ""), kind: Retry},
		"429":                           {before: says(429, ""), kind: Retry},
		"200 with an error":             {before: says(200, `{"error":"Access Denied","error_description":"too many"}`), kind: Down},
		"400":                           {before: says(400, `{"error":"invalid_client"}`), kind: Down},
		"403 of a firewall":             {before: says(403, "<html>"), kind: Down},
		"302":                           {before: says(302, ""), kind: Down},
	} {
		t.Run(name, func(t *testing.T) {
			g, d, c := newGranter(t), &disk{}, &clock{}
			g.behave(row.before, row.after)
			configured := g.grant()
			p := begin(t, g, d, c, configured, "", nil)
			_, _, err := p.tokens.Token(t.Context())
			var e *TokenError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, row.kind.String(), e.Verdict.Kind.String(), e.Verdict.Reason)
			g.behave(nil, nil)
			c.pass(time.Hour)
			for range 2 { // this process, and the next one
				_, _, err = p.tokens.Token(t.Context())
				if row.doubt {
					assert.Contains(t, needsPerson(t, err), "what became of it is not known")
					assert.Equal(t, 1, g.asked())
				} else {
					require.NoError(t, err)
					assert.Equal(t, 2, g.asked())
				}
				p = begin(t, g, d, c, configured, "", nil)
			}
		})
	}
}

func TestRefreshNotSent(t *testing.T) {
	g, d, c := newGranter(t), &disk{}, &clock{}
	configured := g.grant()
	p := begin(t, g, d, c, configured, "", func(o *TokenOptions) { o.URL = "http://127.0.0.1:1/" })
	_, _, err := p.tokens.Token(t.Context())
	var e *TokenError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, Retry, e.Verdict.Kind)
	p = begin(t, g, d, c, configured, "", nil)
	_, _, err = p.tokens.Token(t.Context())
	require.NoError(t, err, "it was not spent, and that is on disk")
}

func TestDiskFails(t *testing.T) {
	g, d, c := newGranter(t), &disk{}, &clock{}
	configured := g.grant()
	p := begin(t, g, d, c, configured, "", nil)
	p.broken.Store(true)
	_, _, err := p.tokens.Token(t.Context())
	require.ErrorContains(t, err, "the disk is full")
	assert.Zero(t, g.asked(), "nothing is sent that is not noted")

	p.broken.Store(false)
	g.behave(nil, func() { p.broken.Store(true) })
	c.pass(time.Minute)
	for range 3 {
		_, _, err = p.tokens.Token(t.Context())
		require.ErrorContains(t, err, "the disk is full", "nothing is handed out that is not saved")
		c.pass(time.Minute)
	}
	p.broken.Store(false)
	values, _, err := p.tokens.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "access-2", values["access_token"])
	assert.Equal(t, "refresh-2", d.refresh())
	assert.Equal(t, 1, g.asked(), "the answer was kept in memory")
}

func TestUnreadableState(t *testing.T) {
	g, c := newGranter(t), &clock{}
	for _, state := range []string{"{", `{"version":9,"refresh":"x"}`, `{"version":1}`} {
		p := begin(t, g, &disk{state: []byte(state)}, c, g.grant(), "", nil)
		_, _, err := p.tokens.Token(t.Context())
		assert.Contains(t, needsPerson(t, err), "can't be read")
	}
	assert.Zero(t, g.asked())
}

// Sixteen lanes use the token, find it expired, get new ones; the server loses answers, the process dies at any point, a
// person grants the access anew where it is asked for. No refresh token is used twice, and no access token is handed out
// whose successor is not on disk.
func TestStress(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	g, d, c := newGranter(t), &disk{}, &clock{}
	points := []string{"", "", "", "load", "before save 1", "after save 1", "before sending", "after sending", "before save 2", "after save 2",
		"before save 3", "after save 3", "before save 4", "after save 4"}
	configured := g.grant()
	handed, doubts := 0, 0
	for range 300 {
		p := begin(t, g, d, c, configured, points[random.IntN(len(points))], nil)
		fault := random.IntN(8)
		g.behave(func(w http.ResponseWriter) bool {
			switch fault {
			case 0:
				panic(http.ErrAbortHandler)
			case 1:
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}, func() {
			if fault == 2 {
				panic(http.ErrAbortHandler)
			}
		})
		var lanes sync.WaitGroup
		var ok, doubt atomic.Int32
		for range 16 {
			lanes.Go(func() {
				for range 3 {
					values, serial, err := p.tokens.Token(t.Context())
					if err == nil && p.dead.Load() {
						return // nobody is there to use it
					}
					if err != nil {
						var e *TokenError
						if assert.ErrorAs(t, err, &e) && e.Verdict.Kind == Down {
							doubt.Add(1)
						}
						return
					}
					ok.Add(1)
					g.mu.Lock()
					next, known := g.access[values["access_token"].(string)]
					durable := g.spent[next] || next == d.refresh()
					g.mu.Unlock()
					assert.True(t, known)
					assert.True(t, durable, "%s is handed out and %s is not on disk", values["access_token"], next)
					p.tokens.Expire(serial)
				}
			})
		}
		lanes.Wait()
		p.client.Close()
		handed += int(ok.Load())
		if doubt.Load() > 0 && !p.dead.Load() {
			doubts++
			configured = g.grant()
		}
		c.pass(10 * time.Minute)
	}
	assert.Greater(t, handed, 300)
	assert.Greater(t, doubts, 30)
	t.Logf("%d times a token was handed out, %d requests, %d times a person was needed", handed, g.asked(), doubts)
}

// Those who take over find what became of the last request, and the access token that is in force.
func TestRetire(t *testing.T) {
	g, d, c := newGranter(t), &disk{}, &clock{}
	first := g.grant()
	p := begin(t, g, d, c, first, "", nil)
	values, serial, err := p.tokens.Token(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.tokens.Retire(t.Context()))
	again, _, err := p.tokens.Token(t.Context())
	require.NoError(t, err, "what is under way goes on")
	assert.Equal(t, values, again)
	next := begin(t, g, d, c, first, "", nil)
	taken, _, err := next.tokens.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, values, taken)
	assert.Equal(t, 1, g.asked())
	p.tokens.Expire(serial)
	_, _, err = p.tokens.Token(t.Context())
	require.ErrorContains(t, err, "has been changed")
	assert.Equal(t, 1, g.asked(), "two never ask")
}

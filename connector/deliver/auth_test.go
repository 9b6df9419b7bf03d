package deliver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// mint gives tokens, as target.Tokens does; fails says what goes wrong.
type mint struct {
	mu      sync.Mutex
	serial  int
	expired bool
	asked   int // how often anybody came
	made    int // how many tokens there were
	retried int
	fails   *target.TokenError
	more    map[string]any // in the answers that come from now on
	values  map[string]any
}

func (m *mint) Token(context.Context) (map[string]any, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.fails != nil {
		return nil, 0, m.fails
	}
	if m.serial == 0 || m.expired {
		m.serial++
		m.made++
		m.expired = false
		m.values = map[string]any{"access_token": fmt.Sprintf("acc3ss-%d", m.serial)}
		maps.Copy(m.values, m.more)
	}
	return m.values, m.serial, nil
}

func (m *mint) Expire(serial int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expired = m.expired || serial == m.serial
}

func (m *mint) Retry() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retried++
}

func (m *mint) will(fails *target.TokenError) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = fails
}

func (m *mint) counts() (asked, made int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked, m.made
}

// refusing is a CRM that takes the tokens from the given serial on.
type refusing struct {
	*bench
	from int
	seen []string
}

func (r *refusing) Do(ctx context.Context, method, url string, header http.Header, body []byte) (*target.Answer, error) {
	r.mu.Lock()
	var serial int
	_, _ = fmt.Sscanf(header.Get("Authorization"), "Bearer acc3ss-%d", &serial)
	r.seen = append(r.seen, header.Get("Authorization"))
	refused := serial < r.from
	r.mu.Unlock()
	if refused {
		return &target.Answer{Status: 401, Body: fmt.Appendf(nil, "no: %s", header.Get("Authorization"))}, nil
	}
	return r.bench.Do(ctx, method, url, header, body)
}

const withTokens = `
url: "${auth.instance_url}"
auth: {oauth2: {token_path: /token, grant: client_credentials}}
steps: [{name: log, path: "/calls/${call.call_id}", repeat: safe}]
`

func TestTokens(t *testing.T) {
	begin := func(t *testing.T, m *mint, from int) (*bench, *refusing) {
		r := &refusing{from: from}
		if m.more == nil {
			m.more = map[string]any{"instance_url": "http://crm.test/eu"}
		}
		b := newBench(t, yamlMapping(t, withTokens), func(d *Destination) { d.Tokens, d.Sender = m, r })
		r.bench = b
		b.will(status(200))
		return b, r
	}
	virtual(t, "one for all, and the address comes with it", func(t *testing.T) {
		m := &mint{}
		b, _ := begin(t, m, 0)
		for _, id := range []string{"a", "b", "c"} {
			assert.Equal(t, connector.DeliveryDone, b.delivery(b.finish(id)).State)
		}
		assert.Equal(t, []string{"POST /eu/calls/a", "POST /eu/calls/b", "POST /eu/calls/c"}, b.steps())
		_, made := m.counts()
		assert.Equal(t, 1, made)
	})
	virtual(t, "one that is refused is renewed once, which costs no attempt", func(t *testing.T) {
		m := &mint{}
		b, r := begin(t, m, 2)
		d := b.delivery(b.finish("a"))
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Zero(t, d.Failed)
		assert.Equal(t, []string{"Bearer acc3ss-1", "Bearer acc3ss-2"}, r.seen)
		assert.Equal(t, "no: Bearer ***", d.Attempts[0].Answer)
	})
	virtual(t, "and if that is no good either the destination is paused; nobody asks for tokens all the time", func(t *testing.T) {
		m := &mint{}
		b, r := begin(t, m, 1000)
		ref := b.finish("a")
		for i := range 20 {
			b.finish(fmt.Sprint("more", i))
		}
		time.Sleep(time.Hour)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryWaiting, d.State)
		assert.Zero(t, d.Failed, "no attempt counts")
		assert.Contains(t, d.Reason, "the destination is paused: answered 401")
		reason, _, held := b.lane.Paused()
		assert.Contains(t, reason, "401")
		assert.False(t, held)
		_, made := m.counts()
		assert.LessOrEqual(t, made, 2+12, "one in five minutes")
		r.mu.Lock()
		seen := len(r.seen)
		r.from = 0
		r.mu.Unlock()
		assert.LessOrEqual(t, seen, 2+120+12, "one probe in half a minute")
		time.Sleep(2 * time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "no token: the destination is paused, with a telling reason, and probed now and then", func(t *testing.T) {
		for _, kind := range []target.Kind{target.Down, target.Retry} {
			m := &mint{fails: &target.TokenError{Verdict: target.Verdict{Kind: kind, After: 10 * time.Minute, Reason: "the refresh token may be spent"}}}
			b, _ := begin(t, m, 0)
			ref := b.finish("a")
			for i := range 60 {
				b.finish(fmt.Sprint("more", i))
			}
			time.Sleep(time.Hour)
			d := b.delivery(ref)
			assert.Equal(t, connector.DeliveryWaiting, d.State)
			assert.Equal(t, "the destination is paused: the refresh token may be spent", d.Reason)
			assert.Zero(t, d.Failed)
			assert.Empty(t, b.requests())
			asked, _ := m.counts()
			assert.LessOrEqual(t, asked, 121, "a probe in half a minute, not the whole backlog")
			m.will(nil)
			time.Sleep(20 * time.Minute)
			assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
			assert.Len(t, b.requests(), 61)
			b.kill()
		}
	})
	virtual(t, "an answer that doesn't say where the API is pauses the destination, and no call is dead", func(t *testing.T) {
		m := &mint{more: map[string]any{"scope": "x"}}
		b, _ := begin(t, m, 0)
		ref := b.finish("a")
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryWaiting, d.State)
		assert.Contains(t, d.Reason, "the answer to the request for a token is of no use: url: auth.instance_url is null")
		time.Sleep(time.Hour)
		_, made := m.counts()
		assert.LessOrEqual(t, made, 2+12, "one in five minutes")
		m.mu.Lock()
		m.more = map[string]any{"instance_url": "http://crm.test/eu"}
		m.mu.Unlock()
		time.Sleep(10 * time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State, "though none of the tokens ends")
	})
	virtual(t, "a secret that the server repeats is shown nowhere", func(t *testing.T) {
		m := &mint{fails: &target.TokenError{Verdict: target.Verdict{Kind: target.Down, Reason: "answered 400: no such key: pa55word"}}}
		b := newBench(t, yamlMapping(t, withTokens), func(d *Destination) { d.Tokens, d.Secrets = m, []string{"pa55word"} })
		ref := b.finish("a")
		assert.Equal(t, "the destination is paused: answered 400: no such key: ***", b.delivery(ref).Reason)
		reason, _, _ := b.lane.Paused()
		assert.Equal(t, "answered 400: no such key: ***", reason)
	})
	virtual(t, "a person who resumes is believed", func(t *testing.T) {
		m := &mint{}
		b, r := begin(t, m, 3)
		b.finish("a")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, r.seen, 2)
		require.NoError(t, b.lane.Resume(t.Context()))
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 1)
		_, made := m.counts()
		assert.Equal(t, 3, made)
		assert.Equal(t, 1, m.retried)
	})
}

// A login that is refused because of the token is tried again with another one, by a try-out as by a delivery.
func TestLoginWithToken(t *testing.T) {
	for _, try := range []bool{false, true} {
		virtual(t, fmt.Sprintf("try-out %t", try), func(t *testing.T) {
			m := &mint{}
			r := &refusing{from: 2}
			b := newBench(t, yamlMapping(t, `
auth: {oauth2: {token_path: /token, grant: client_credentials}}
session: {path: /login, save: {id: "${response.body.id}"}}
steps: [{name: there, method: GET, path: "/calls/${session.id}", found: "${response.body.id}"}]`), func(d *Destination) { d.Tokens, d.Sender = m, r })
			r.bench = b
			b.will(body(200, `{"id":7}`))
			if try {
				assert.Equal(t, EndedFinished, b.try(false).Ended)
			} else {
				assert.Equal(t, connector.DeliveryDone, b.delivery(b.finish("a")).State)
			}
			assert.Equal(t, []string{"Bearer acc3ss-1", "Bearer acc3ss-2", "Bearer acc3ss-2"}, r.seen)
		})
	}
}

// The others go on as soon as a probe has told, also if a person resumed the destination while it was under way.
func TestAfterAProbe(t *testing.T) {
	for _, resumed := range []bool{false, true} {
		virtual(t, fmt.Sprintf("resumed %t", resumed), func(t *testing.T) {
			b := newBench(t, recordMapping(t), func(d *Destination) { d.Concurrency = 16 })
			release := make(chan struct{})
			b.will(status(401), hang(release), status(200))
			for i := range 5 {
				b.finish(fmt.Sprint("call", i))
				time.Sleep(time.Millisecond)
			}
			time.Sleep(45 * time.Second)
			require.Len(t, b.requests(), 2, "one pauses it, one probes")
			if resumed {
				require.NoError(t, b.lane.Resume(t.Context()))
				time.Sleep(time.Second)
			}
			close(release)
			time.Sleep(5 * time.Second)
			assert.Len(t, b.requests(), 6)
		})
	}
}

// disturbed is a store whose commits fail as they are told.
type disturbed struct {
	Store
	next func(commit func() (outbox.Result, error)) (outbox.Result, error)
}

func (d *disturbed) Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error) {
	if d.next == nil {
		return d.Store.Commit(ctx, tx)
	}
	return d.next(func() (outbox.Result, error) { return d.Store.Commit(ctx, tx) })
}

// Whatever becomes of its commits, and wherever the process ends: the store holds one state, and that is the last one that
// was saved, or one that was tried to be saved after it.
func TestTokenStoreHoldsOneState(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		path := filepath.Join(dir, fmt.Sprintf("%d.db", runs))
		possible, count := []string{""}, 0
		for range rapid.IntRange(1, 5).Draw(t, "processes") {
			store, err := bolt.Open(path, bolt.Options{})
			require.NoError(t, err)
			d := &disturbed{Store: store}
			tokens := NewTokenStore(d, "crm", "")
			var items []string
			require.NoError(t, store.Open(t.Context(), func(group string, list []outbox.Item) error {
				require.Equal(t, connector.DestinationGroup("crm"), group)
				for _, item := range list {
					items = append(items, string(item.Body))
					require.True(t, tokens.restore(item))
				}
				return nil
			}))
			require.LessOrEqual(t, len(items), 1)
			got, err := tokens.Load(t.Context())
			require.NoError(t, err)
			require.Contains(t, possible, string(got))
			possible = []string{string(got)}
			for range rapid.IntRange(0, 6).Draw(t, "saves") {
				count++
				state := fmt.Sprint("state ", count)
				switch rapid.SampledFrom([]string{"well", "full", "before", "after"}).Draw(t, "commit") {
				case "well":
					d.next = nil
					require.NoError(t, tokens.Save(t.Context(), []byte(state)))
					possible = []string{state}
					continue
				case "full":
					d.next = func(func() (outbox.Result, error)) (outbox.Result, error) { return outbox.Result{}, outbox.ErrFull }
				case "before":
					d.next = func(func() (outbox.Result, error)) (outbox.Result, error) {
						return outbox.Result{}, errors.New("unknown")
					}
				case "after":
					d.next = func(commit func() (outbox.Result, error)) (outbox.Result, error) {
						_, err := commit()
						require.NoError(t, err)
						return outbox.Result{}, errors.New("unknown")
					}
					possible = append(possible, state)
				}
				require.Error(t, tokens.Save(t.Context(), []byte(state)))
			}
			possible = possible[len(possible)-1:] // each that came through took all before it away
			require.NoError(t, store.Close())
		}
	})
}

// What is damaged may have been the state: then nothing is taken for granted.
func TestTokenStoreAfterDamage(t *testing.T) {
	s := NewTokenStore(nil, "crm", "")
	l := &Lane{}
	l.current.Store(&setup{Destination: Destination{TokenStore: s}})
	l.Damaged()
	_, err := s.Load(t.Context())
	require.ErrorIs(t, err, target.ErrStateLost)
	require.NoError(t, l.Restore(outbox.Item{ID: tokenItem + "7", Body: []byte("good")}))
	state, err := s.Load(t.Context())
	require.NoError(t, err, "it was something else")
	assert.Equal(t, "good", string(state))
	l.current.Store(&setup{})
	l.Damaged()
}

// What expired logins gave is still a secret, however many workers find the same one expired; what is kept of it is bounded.
func TestMaskOfExpiredSessions(t *testing.T) {
	w := &work{setup: &setup{session: &session{}}}
	s := w.session
	var said []string
	for s.serial = range 3 * keptPast {
		s.values = map[string]any{"token": fmt.Sprintf("s3ssion-%02d", s.serial)}
		said = append(said, s.values["token"].(string))
		for range 2 * keptPast {
			s.expire(s.serial - 1)
			s.expire(s.serial)
		}
		assert.Nil(t, s.values)
	}
	forgotten := said[:len(said)-keptPast]
	assert.Equal(t, strings.Join(forgotten, " ")+strings.Repeat(" ***", keptPast), w.mask(strings.Join(said, " ")))
}

func TestMask(t *testing.T) {
	w := &work{setup: &setup{session: &session{}, secrets: spellings([]string{`pa"ss<word&`, "X", "", "abcdef", "abcdef-and-more"})},
		auth: map[string]any{"access_token": "acc3ss-1", "refresh_token": "r3fresh-1", "token_type": "Bearer", "instance_url": "https://crm.test"}}
	w.session.values = map[string]any{"token": "s3ssion", "id": 7}
	for text, want := range map[string]string{
		"":                                  "",
		"X marks abcdef-and-more":           "X marks ***",
		`{"p":"pa\"ss<word&","q":"abcdef"}`: `{"p":"***","q":"***"}`,
		`{"p":"pa\"ss\u003cword\u0026"}`:    `{"p":"***"}`,
		"p=pa%22ss%3Cword%26&t=acc3ss-1":    "p=***&t=***",
		"Bearer r3fresh-1 at https://crm.test for s3ssion 7": "Bearer *** at https://crm.test for *** 7",
		// What was cut off is still a secret; a few characters of one are none.
		"no: r3fresh-…; pa\"ss<wor…; acc3ss…": "no: ***…; ***…; ***…",
		"no: r3fre…; r3fresh, and so on…":     "no: r3fre…; r3fresh, and so on…",
		"abcdef-and-mor…":                     "***…",
	} {
		assert.Equal(t, want, w.mask(text))
	}
	long := strings.Repeat("x", keptBody-3) + "acc3ss-1"
	assert.Equal(t, strings.Repeat("x", keptBody-3)+"***", w.excerpt([]byte(long)), "a secret is not cut in half before it is known")
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/simulate"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// killsVariable sets how often the daemon is killed; make test-long does.
const killsVariable = "TEST_KILLS"

// callsPerKill is how many calls begin in a second, and a kill comes about each second.
const callsPerKill = 180

// threeWays are three destinations at the same CRM: one that knows a call again by its key, one that doesn't and can't be
// asked, one that can be asked.
const threeWays = `sources: [{kind: nxcloud-events}]
mappings_dir: mappings
queues: {default: {region: ID}}
correlation: {settle: 300ms}
destinations:
  - {name: keyed, mapping: keyed, url: "CRM/keyed", retry: {first: 50ms, max: 200ms}}
  - {name: once, mapping: once, url: "CRM/once", retry: {first: 50ms, max: 200ms}}
  - {name: asked, mapping: asked, url: "CRM/asked", retry: {first: 50ms, max: 200ms}}
`

var threeMappings = map[string]string{
	"keyed": `steps:
  - {name: log, path: /calls, repeat: safe, headers: {Idempotency-Key: "${call.call_id}"}, body: {id: "${call.call_id}"}}
`,
	"once": `steps:
  - {name: log, path: /calls, repeat: never, body: {id: "${call.call_id}"}}
`,
	"asked": `steps:
  - {name: there, finds: log, lag: 500ms, method: GET, path: /search, query: {id: "${call.call_id}"}, found: "${sole(response.body.found)}"}
  - {name: log, path: /calls, body: {id: "${call.call_id}"}, save: {log: "${response.body.number}"}}
`,
}

// ledger is a CRM that writes down each POST before it answers, and takes its time to answer. Only under /keyed it looks at
// the key: what it has already it doesn't write down again.
type ledger struct {
	t  *testing.T
	mu sync.Mutex
	// posts are the POSTs under a way by call; held is how many entries they made.
	posts, held map[string]map[string]int
	// keys are the idempotency keys of calls under /keyed.
	keys map[string]string
}

func newLedger(t *testing.T) (*ledger, string) {
	l := &ledger{t: t, posts: map[string]map[string]int{}, held: map[string]map[string]int{}, keys: map[string]string{}}
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	return l, srv.URL
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	way, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.Method == http.MethodGet {
		found := []string{}
		if id := r.URL.Query().Get("id"); l.entries(way, id) > 0 {
			found = append(found, id)
		}
		assert.NoError(l.t, json.NewEncoder(w).Encode(map[string]any{"found": found}))
		return
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return // the daemon was killed in the middle of it
	}
	var body struct{ ID string }
	if !assert.NoError(l.t, json.Unmarshal(content, &body)) {
		return
	}
	l.write(way, body.ID, r.Header.Get("Idempotency-Key"))
	time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"number": 7}`) // whoever asked may be gone
}

func (l *ledger) write(way, id, key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if way == "keyed" {
		if first, again := l.keys[id]; again {
			assert.Equal(l.t, first, key, "a repeat has the key of the first request")
		}
		assert.NotEmpty(l.t, key)
		l.keys[id] = key
	}
	if l.posts[way] == nil {
		l.posts[way], l.held[way] = map[string]int{}, map[string]int{}
	}
	l.posts[way][id]++
	if way != "keyed" || l.held[way][id] == 0 {
		l.held[way][id]++
	}
}

func (l *ledger) entries(way, id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[way][id]
}

// The daemon is killed again and again while calls come in and go out. No call is lost, and none is logged twice: where the
// CRM knows a call again, or can be asked, each is there once; where it can't, each possible double is parked, not sent.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel() // most of it is waiting
	kills := 20
	if v := os.Getenv(killsVariable); v != "" {
		var err error
		kills, err = strconv.Atoi(v)
		require.NoError(t, err, killsVariable)
	}
	crm, url := newLedger(t)
	s := newSite(t, strings.ReplaceAll(threeWays, "CRM", url))
	for name, content := range threeMappings {
		s.write("mappings/"+name+".yaml", content)
	}
	s.settleDown()
	s.start()

	o := simulate.Defaults()
	o.Calls, o.Rate, o.Speed, o.MaxDelay, o.Seed = kills*callsPerKill, callsPerKill, 180, 500*time.Millisecond, rand.Uint64()
	o.Region = "ID"
	require.NoError(t, o.Check())
	plan := simulate.Generate(o)
	offered := float64(len(plan.Posts)) / plan.Took().Seconds()
	t.Logf("seed %d: %d posts, %.0f/s", o.Seed, len(plan.Posts), offered)
	require.Greater(t, offered, 500.)
	var dialer sync.WaitGroup
	ctx, hangUp := context.WithCancel(t.Context())
	t.Cleanup(func() { hangUp(); dialer.Wait() })
	var report simulate.Report
	var sending error
	wire := newLine()
	t.Cleanup(wire.CloseIdleConnections)
	dialer.Go(func() {
		report, sending = simulate.Send(ctx, &http.Client{Timeout: patience, Transport: wire}, s.url(), plan, simulate.SendOptions{Insist: true})
	})
	for range kills {
		time.Sleep(time.Duration(100+rand.IntN(1200)) * time.Millisecond)
		s.kill()
		s.start()
	}
	dialer.Wait()
	require.NoError(t, sending)
	require.Zero(t, report.Lost)

	s.drained()
	out, code := s.run("audit")
	t.Log("\n" + out)
	assert.Zero(t, code)
	require.Zero(t, s.terminate())
	out, code = s.run("audit")
	assert.Zero(t, code, out)

	lostEvents := 0
	s.readStore(func(store outbox.Store) { lostEvents = lost(t, store, plan.Posts) })
	assert.Zero(t, lostEvents)
	states := s.states()
	parked := 0
	require.Len(t, states, len(plan.Expected))
	for _, r := range plan.Expected {
		id := r.CallID
		for _, way := range []string{"keyed", "asked"} {
			assert.Equal(t, connector.DeliveryDone, states[id][way], "%s %s", way, id)
			assert.Equal(t, 1, crm.held[way][id], "%s %s", way, id)
		}
		switch states[id]["once"] {
		case connector.DeliveryDone:
			assert.Equal(t, 1, crm.posts["once"][id], id)
		case connector.DeliveryParked:
			parked++
			assert.LessOrEqual(t, crm.posts["once"][id], 1, id)
		default:
			assert.Fail(t, "neither delivered nor parked", "%s is %s", id, states[id]["once"])
		}
	}
	for way, held := range crm.held {
		assert.LessOrEqual(t, len(held), len(plan.Expected), "%s holds a call that was never made", way)
	}
	again := 0
	for _, n := range crm.posts["keyed"] {
		again += n - 1
	}
	t.Logf(`
kills                       %d
events offered              %d (%.0f/s), those cut off by a kill again until they were answered
events accepted             %d
accepted events lost        %d
calls finished              %d of %d
at the CRM with a key       %d, each once; %d requests repeated, each with the key of the first
at the CRM by a search      %d, each once
at the CRM without either   %d once, %d parked as maybe delivered, none twice
longest unavailability      %s`,
		kills, len(plan.Posts), offered, report.Posted-report.Lost, lostEvents, len(states), len(plan.Expected), len(crm.held["keyed"]), again,
		len(crm.held["asked"]), len(plan.Expected)-parked, parked, wire.longest.Round(time.Millisecond))
	assert.Positive(t, parked, "a kill meets a request that is under way, or this test shows nothing")
	assert.Positive(t, again)
}

// settleDown gives the site an address that stays the same from start to start, as a dialer needs it. It is none that the system
// gives to others while the daemon is down: those begin at 32768.
func (s *site) settleDown() {
	s.t.Helper()
	config, err := os.ReadFile(s.config)
	require.NoError(s.t, err)
	s.write("wrapup.yaml", strings.Replace(string(config), "127.0.0.1:0", s.freeAddress(), 1))
}

// freeAddress gives an address that nobody listens on, see settleDown.
func (s *site) freeAddress() string {
	s.t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue // somebody has it
		}
		require.NoError(s.t, l.Close())
		return addr
	}
	require.Fail(s.t, "no address is free")
	return ""
}

// drained waits until no delivery waits. It gives up when nothing has changed for a while, however long all of it takes.
func (s *site) drained() {
	s.t.Helper()
	last := -1
	for since := time.Now(); ; time.Sleep(100 * time.Millisecond) { // so that asking takes little away from it
		switch n := s.waiting(); {
		case n == 0:
			return
		case n != last:
			last, since = n, time.Now()
		case time.Since(since) > patience+10*time.Second: // a paused destination is tried every 30 s
			out, _ := s.run("destinations")
			require.Fail(s.t, "deliveries wait in vain", "%s\nThe log says:\n%s", out, s.log)
		}
	}
}

// waiting is how many deliveries wait.
func (s *site) waiting() (n int) {
	s.t.Helper()
	out, code := s.run("destinations", "-o", "json")
	require.Zero(s.t, code, out)
	var list []struct{ Waiting int }
	require.NoError(s.t, json.Unmarshal([]byte(out), &list), out)
	for _, d := range list {
		n += d.Waiting
	}
	return n
}

// states gives the state of each delivery, by call and destination, from the store of a daemon that has ended.
func (s *site) states() map[string]map[string]connector.DeliveryState {
	s.t.Helper()
	out := map[string]map[string]connector.DeliveryState{}
	s.readStore(func(store outbox.Store) {
		require.NoError(s.t, eachEntry(s.t.Context(), store, func(e *outbox.Entry) error {
			assert.NotContains(s.t, out, e.ID, "a call is kept twice")
			out[e.ID] = map[string]connector.DeliveryState{}
			for _, row := range e.Rows {
				d, err := connector.DecodeDelivery(row.Body)
				if err != nil {
					return err
				}
				out[e.ID][row.Name] = d.State
			}
			return nil
		}))
	})
	return out
}

// readStore reads the store of a daemon that has ended.
func (s *site) readStore(read func(store outbox.Store)) {
	s.t.Helper()
	store, err := bolt.Open(filepath.Join(s.dir, "data", storeFile), bolt.Options{ReadOnly: true})
	require.NoError(s.t, err)
	defer func() { assert.NoError(s.t, store.Close()) }()
	read(store)
}

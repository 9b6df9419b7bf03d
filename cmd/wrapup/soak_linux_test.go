package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/simulate"
	"wrapup/outbox"
)

// soakVariable sets how long the soak takes; make soak does. Without it, it is a short one.
const soakVariable = "SOAK"

const shortSoak = 12 * time.Second

// moods are the destinations of the soak: what each does to a request instead of taking it, or besides. It says whether it
// has answered.
var moods = map[string]func(n *neighbour, w http.ResponseWriter) (answered bool){
	"steady": func(*neighbour, http.ResponseWriter) bool { return false },
	"slow": func(*neighbour, http.ResponseWriter) bool {
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
		return false
	},
	"failing": func(_ *neighbour, w http.ResponseWriter) bool {
		switch rand.IntN(10) {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			return false
		}
		return true
	},
	"resetting": func(*neighbour, http.ResponseWriter) bool {
		if rand.IntN(10) == 0 {
			panic(http.ErrAbortHandler) // before it is taken
		}
		return false
	},
	"forgetting": func(*neighbour, http.ResponseWriter) bool { return false }, // it takes some, and their answer is lost
	"moving": func(_ *neighbour, w http.ResponseWriter) bool {
		if rand.IntN(50) > 0 {
			return false
		}
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(http.StatusFound)
		return true
	},
	"away": func(n *neighbour, _ http.ResponseWriter) bool {
		if n.isAway() {
			panic(http.ErrAbortHandler)
		}
		return false
	},
}

// neighbour is where all of the destinations are.
type neighbour struct {
	t  *testing.T
	mu sync.Mutex
	// taken are the requests that were taken by destination and idempotency key: their body, and how often.
	taken map[string]map[string]*taken
	away  bool
	calls int
}

type taken struct {
	body  string
	times int
}

func (n *neighbour) isAway() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.away
}

func (n *neighbour) setAway(away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = away
}

func (n *neighbour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the daemon was killed meanwhile
	}
	n.mu.Lock()
	n.calls++
	n.mu.Unlock()
	if moods[name](n, w) {
		return
	}
	key := r.Header.Get("Idempotency-Key")
	n.mu.Lock()
	if n.taken[name] == nil {
		n.taken[name] = map[string]*taken{}
	}
	had := n.taken[name][key]
	if had == nil {
		had = &taken{body: string(body)}
		n.taken[name][key] = had
	}
	had.times++
	same := had.body == string(body)
	n.mu.Unlock()
	assert.True(n.t, same, "%s: the key %s stands for two bodies", name, key)
	var record connector.Record
	if assert.NoError(n.t, json.Unmarshal(body, &record)) {
		assert.Equal(n.t, fmt.Sprintf("%s:%d", record.CallID, record.Revision), key, "%s: a repeat has the key of the first", name)
	}
	if name == "forgetting" && rand.IntN(10) == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
}

// newest gives the newest record of each call that the destination has taken, with its revision taken out.
func (n *neighbour) newest(name string) map[string]string {
	revision, out := map[string]int{}, map[string]string{}
	for _, had := range n.taken[name] {
		var r connector.Record
		require.NoError(n.t, json.Unmarshal([]byte(had.body), &r))
		if r.Revision > revision[r.CallID] {
			revision[r.CallID] = r.Revision
			r.Revision = 0
			out[r.CallID] = encoded(n.t, &r)
		}
	}
	return out
}

// Calls come in and go out to destinations that all have something, while the daemon is killed every few seconds and its
// disk is filled and freed. At the end the sets are compared: each call that was accepted is finished, as the simulator
// says, and is with each destination, or is dead there and counted so.
func TestSoak(t *testing.T) {
	t.Parallel()
	d := shortSoak
	if v := os.Getenv(soakVariable); v != "" {
		var err error
		d, err = time.ParseDuration(v)
		require.NoError(t, err, soakVariable)
	}
	n := &neighbour{t: t, taken: map[string]map[string]*taken{}}
	srv := httptest.NewServer(n)
	t.Cleanup(srv.Close)
	list := ""
	for name := range moods {
		list += fmt.Sprintf("  - {name: %[1]s, mapping: record, url: \"%[2]s/%[1]s\", probe: 500ms, concurrency: 16, retry: {first: 50ms, max: 500ms}}\n", name, srv.URL)
	}
	s := newSite(t, "sources: [{kind: nxcloud-events}]\nqueues: {default: {region: ID}}\ncorrelation: {settle: 300ms}\ndestinations:\n"+list)
	s.settleDown()
	smallDisk := s.smallDisk(512<<20 + int64(d.Seconds())<<20)
	s.start()

	o := simulate.Defaults()
	o.Rate, o.Speed, o.MaxDelay, o.Seed, o.Region = 60, 180, 500*time.Millisecond, rand.Uint64(), "ID"
	o.Calls = int(d.Seconds() * o.Rate)
	require.NoError(t, o.Check())
	plan := simulate.Generate(o)
	wire := newLine()
	t.Cleanup(wire.CloseIdleConnections)
	ctx, hangUp := context.WithCancel(t.Context())
	var dialer sync.WaitGroup
	t.Cleanup(func() { hangUp(); dialer.Wait() })
	var report simulate.Report
	var sending error
	sent := make(chan struct{})
	dialer.Go(func() {
		defer close(sent)
		report, sending = simulate.Send(ctx, &http.Client{Timeout: patience, Transport: wire}, s.url(), plan, simulate.SendOptions{Insist: true})
	})
	kills, fills := s.torment(n, sent, smallDisk)
	dialer.Wait()
	require.NoError(t, sending)
	require.Zero(t, report.Lost)

	s.drained()
	require.Zero(t, s.terminate())
	audit, code := s.run("audit")
	assert.Zero(t, code, audit)
	lostEvents := 0
	s.readStore(func(store outbox.Store) { lostEvents = lost(t, store, plan.Posts) })
	assert.Zero(t, lostEvents)
	states := s.states()
	want := map[string]string{}
	for i := range plan.Expected {
		want[plan.Expected[i].CallID] = encoded(t, &plan.Expected[i])
	}
	assert.Len(t, states, len(want), "accepted = finished")
	dead, repeats := 0, 0
	for name := range moods {
		got := n.newest(name)
		for id, record := range want {
			switch states[id][name] {
			case connector.DeliveryDone:
				if got[id] != record {
					assert.JSONEq(t, record, got[id], "%s %s", name, id)
				}
			case connector.DeliveryDead:
				dead++
				assert.Equal(t, "moving", name, "%s is dead", id)
			default:
				assert.Fail(t, "neither delivered nor dead", "%s %s: %q", name, id, states[id][name])
			}
		}
		for _, had := range n.taken[name] {
			repeats += had.times - 1
		}
	}
	t.Logf(`
kills                    %d
times the disk was full  %d
events offered           %d in %s, again until they were answered; %d posts refused, %d without an answer
events accepted          %d
accepted events lost     %d
calls finished           %d of %d
destinations             %d, %d requests; dead there because it moved: %d
repeats                  %d, each with the key and the body of the first
longest unavailability   %s
%s`, kills, fills, len(plan.Posts), report.Took.Round(time.Second), wire.refused, wire.failed, report.Posted-report.Lost, lostEvents,
		len(states), len(want), len(moods), n.calls, dead, repeats, wire.longest.Round(time.Millisecond), audit)
	assert.Positive(t, repeats)
	assert.Positive(t, kills)
}

// torment does what may happen to a daemon, until all was sent.
func (s *site) torment(n *neighbour, sent <-chan struct{}, smallDisk string) (kills, fills int) {
	s.t.Helper()
	defer n.setAway(false)
	for cycle := 1; ; cycle++ {
		select {
		case <-sent:
			return kills, fills
		case <-time.After(time.Duration(500+rand.IntN(2500)) * time.Millisecond):
		}
		n.setAway(cycle%3 == 1)
		if smallDisk != "" && cycle%4 == 2 {
			s.fill(filepath.Join(smallDisk, "filler"))
			fills++
			continue
		}
		s.kill()
		s.start()
		kills++
	}
}

// fill takes all room there is, for a moment, in which the daemon goes on.
func (s *site) fill(file string) {
	s.t.Helper()
	f, err := os.Create(file)
	require.NoError(s.t, err)
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		if _, err := f.Write(block); err != nil {
			require.ErrorIs(s.t, err, syscall.ENOSPC)
			block = block[:len(block)/2]
		}
	}
	time.Sleep(time.Second)
	require.NoError(s.t, errors.Join(f.Close(), os.Remove(file)))
	require.NoError(s.t, s.cmd.Process.Signal(syscall.Signal(0)), "the daemon goes on")
}

// smallDisk gives the site a data folder on a disk of its own; "" where none can be mounted.
func (s *site) smallDisk(size int64) string {
	s.t.Helper()
	dir := filepath.Join(s.dir, "data")
	require.NoError(s.t, os.Mkdir(dir, 0o700))
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	if err != nil && os.Getenv("CI") == "" {
		s.t.Logf("NOT TESTED: a full disk, for a tmpfs can't be mounted here (it takes root): %s", err)
		return ""
	}
	require.NoError(s.t, err, "a tmpfs can't be mounted here: it takes root")
	s.t.Cleanup(func() {
		s.kill()
		assert.NoError(s.t, syscall.Unmount(dir, 0))
	})
	return dir
}

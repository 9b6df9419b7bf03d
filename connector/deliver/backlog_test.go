package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// yard is a store with two destinations in real time: one is dead and has a backlog, the other takes everything.
type yard struct {
	testing.TB
	path  string
	store *bolt.Store
	took  chan struct{}
	n     int
}

// newYard makes a store of so many calls, of which the first few wait for the dead destination.
func newYard(t testing.TB, calls, waiting int) *yard {
	y := &yard{TB: t, path: filepath.Join(t.TempDir(), "wrapup.db"), took: make(chan struct{})}
	y.open()
	begun := time.Now()
	turns := make(chan int)
	var committing sync.WaitGroup
	for range 512 { // they share the store's commits
		committing.Go(func() {
			for i := range turns {
				y.put(fmt.Sprintf("old-%d", i), "dead", begun.Add(time.Duration(i)*time.Microsecond), i < waiting)
			}
		})
	}
	for i := range calls {
		turns <- i
	}
	close(turns)
	committing.Wait()
	y.close()
	return y
}

func (y *yard) open() {
	var err error
	y.store, err = bolt.Open(y.path, bolt.Options{})
	require.NoError(y, err)
}

func (y *yard) close() { require.NoError(y, y.store.Close()) }

// finish stores a call with a delivery.
func (y *yard) finish(id, destination string, due time.Time) { y.put(id, destination, due, true) }

// put stores a call with a delivery that waits, or is settled.
func (y *yard) put(id, destination string, due time.Time, waits bool) {
	call := connector.Call{FinishedAt: connector.TimeOf(due), Revisions: []connector.Revision{{
		Record: connector.Record{CallID: id, UUID: id, Attempt: 1, Revision: 1, Outcome: connector.OutcomeConnected},
	}}}
	body, err := json.Marshal(&call)
	if !assert.NoError(y, err) {
		return
	}
	row, err := (&connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}).Encode()
	if !assert.NoError(y, err) {
		return
	}
	tx := outbox.Tx{
		Group: connector.CallGroup(id), Entry: &outbox.EntryPut{ID: id, Day: outbox.DayOf(due), Body: body},
		Put: []outbox.RowPut{{Name: destination, Body: row}},
	}
	if waits {
		tx.Enqueue = []outbox.NewTask{{Queue: destination, Due: due}}
	}
	_, err = y.store.Commit(context.Background(), tx)
	assert.NoError(y, err)
}

// refuses is a CRM that nobody answers for.
type refuses struct{}

func (refuses) Do(context.Context, string, string, http.Header, []byte) (*target.Answer, error) {
	return nil, &target.Error{Err: fmt.Errorf("connection refused")}
}

// takes is a CRM that takes everything at once, and says when.
type takes chan struct{}

func (c takes) Do(context.Context, string, string, http.Header, []byte) (*target.Answer, error) {
	c <- struct{}{}
	return &target.Answer{Status: http.StatusOK}, nil
}

// run opens the store and runs both lanes until the returned function is called. The dead destination is tried all the time.
func (y *yard) run() (stop func()) {
	y.open()
	m, problems := mappings.Record(mappings.Options{URL: "http://crm.test/calls"})
	require.NoError(y, problems.Err())
	ctx, cancel := context.WithCancel(context.Background())
	var lanes sync.WaitGroup
	for name, sender := range map[string]Sender{"dead": refuses{}, "healthy": takes(y.took)} {
		lane := New(Options{
			Destination: Destination{
				Name: name, Mapping: m, Sender: sender, Concurrency: 4, NewestFirst: 50, GiveUpAfter: time.Hour, Probe: 5 * time.Millisecond,
				Backoff: outbox.Backoff{First: time.Second, Max: time.Minute},
			},
			Store: y.store, Now: time.Now, Random: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler), Grace: time.Second,
		})
		require.NoError(y, y.store.Open(ctx, func(string, []outbox.Item) error { return nil }))
		lanes.Go(func() { assert.NoError(y, lane.Run(ctx)) })
	}
	return func() {
		cancel()
		lanes.Wait()
		y.close()
	}
}

// deliver says how long a call to the healthy destination takes, from before its commit until the CRM has it.
func (y *yard) deliver() time.Duration {
	y.n++
	id, begun := fmt.Sprintf("new-%d", y.n), time.Now()
	y.finish(id, "healthy", begun)
	<-y.took
	return time.Since(begun)
}

// start says how long it takes from opening the store until a call is delivered to the healthy destination.
func (y *yard) start() time.Duration {
	begun := time.Now()
	stop := y.run()
	y.deliver()
	took := time.Since(begun)
	stop()
	return took
}

// heap is how much memory is in use, once what is garbage is gone.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func median[T float64 | time.Duration](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}

// What waits for a dead destination costs nobody else anything: neither memory, nor time from a call's finish to its
// delivery elsewhere, nor time at the start. Both stores hold as many calls, and are measured by turns in the same run, so that
// whatever else the machine does meets both.
func TestABacklogForADeadDestinationCostsNobodyElse(t *testing.T) {
	const few = 10
	yards := []*yard{newYard(t, backlog, few), newYard(t, backlog, backlog)}
	var starts, latencies [2][]time.Duration
	var heaps [2][]float64
	for range 9 {
		for i, y := range yards {
			starts[i] = append(starts[i], y.start())
		}
	}
	for range 5 {
		for i, y := range yards {
			stop := y.run()
			y.deliver()
			heaps[i] = append(heaps[i], heap())
			stop()
		}
	}
	stops := []func(){yards[0].run(), yards[1].run()}
	for range 300 {
		for i, y := range yards {
			latencies[i] = append(latencies[i], y.deliver())
		}
	}
	for _, stop := range stops {
		stop()
	}
	depth := func(y *yard) int {
		y.open()
		defer y.close()
		d, err := y.store.Depth(t.Context(), "dead")
		require.NoError(t, err)
		return d.Waiting
	}
	require.Equal(t, few, depth(yards[0]))
	require.Equal(t, backlog, depth(yards[1]))

	compare := func(what string, most, small, large float64) {
		t.Logf("%s: %.3g with %d waiting, %.3g with %d: %.2f times as much", what, small, few, large, backlog, large/small)
		assert.Less(t, large/small, most, what)
	}
	compare("start, in ms", 3, median(starts[0]).Seconds()*1e3, median(starts[1]).Seconds()*1e3)
	compare("from finish to delivery, in ms", 2, median(latencies[0]).Seconds()*1e3, median(latencies[1]).Seconds()*1e3)
	compare("memory, in MB", 1.25, median(heaps[0])/1e6, median(heaps[1])/1e6)
}

func BenchmarkBacklog(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			y := newYard(b, 100_000, n)
			b.Run("start", func(b *testing.B) {
				for b.Loop() {
					y.start()
				}
			})
			b.Run("latency", func(b *testing.B) {
				stop := y.run()
				defer stop()
				for b.Loop() {
					y.deliver()
				}
				b.ReportMetric(heap()/1e6, "heap-MB")
			})
		})
	}
}

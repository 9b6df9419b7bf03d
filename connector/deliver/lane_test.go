package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// bench is a lane on a real store, in virtual time, with a CRM that answers as it is told.
type bench struct {
	t       *testing.T
	store   *bolt.Store
	path    string
	options Options
	fault   func(commit func() error) error // of the store's commits
	began   time.Time
	stop    func()
	lane    *Lane
	wrap    func(Store) Store // around the store that the lane sees

	mu      sync.Mutex
	answers []func(ctx context.Context) (*target.Answer, error) // one for each request, the last one for all that follow
	got     []string
}

func newBench(t *testing.T, mapping *mappings.Mapping, change func(*Destination)) *bench {
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "wrapup.db"), began: time.Now()}
	b.options = Options{
		Destination: Destination{
			Name: "crm", Mapping: mapping, Sender: b, Concurrency: 1, NewestFirst: 50,
			Backoff: outbox.Backoff{First: 4 * time.Second, Max: time.Minute}, GiveUpAfter: time.Hour,
		},
		Now: time.Now, Random: func() float64 { return 0.999999999 }, Logger: slog.New(slog.DiscardHandler), Grace: 5 * time.Second,
	}
	if change != nil {
		change(&b.options.Destination)
	}
	b.start()
	t.Cleanup(func() { b.kill() })
	return b
}

// open opens the store without a lane on it.
func (b *bench) open() *bolt.Store {
	store, err := bolt.Open(b.path, bolt.Options{})
	require.NoError(b.t, err)
	b.store = store
	return store
}

// last is the last request.
func (b *bench) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got[len(b.got)-1]
}

// lastKey is the Idempotency-Key of the last request.
func (b *bench) lastKey() string {
	words := strings.Fields(b.last())
	return words[len(words)-1]
}

func (b *bench) start() {
	var err error
	b.store, err = bolt.Open(b.path, bolt.Options{Commit: func(commit func() error) error {
		if b.fault != nil {
			return b.fault(commit)
		}
		return commit()
	}})
	require.NoError(b.t, err)
	b.options.Store = b.store
	if b.wrap != nil {
		b.options.Store = b.wrap(b.store)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	lane := New(b.options)
	b.lane = lane
	require.NoError(b.t, b.store.Open(ctx, func(group string, items []outbox.Item) error {
		for _, item := range items {
			if name, ok := connector.ParseDestinationGroup(group); ok && name == "crm" {
				require.NoError(b.t, lane.Restore(item))
			}
		}
		return nil
	}))
	go func() { done <- lane.Run(ctx) }()
	b.stop = func() {
		cancel()
		assert.NoError(b.t, <-done)
		assert.NoError(b.t, b.store.Close())
	}
}

func (b *bench) kill() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

// Do is the CRM: it notes when what came, and answers as it is told.
func (b *bench) Do(ctx context.Context, method, url string, header http.Header, _ []byte) (*target.Answer, error) {
	b.mu.Lock()
	b.got = append(b.got, fmt.Sprintf("%gs %s %s %s", time.Since(b.began).Seconds(), method, url, header.Get("Idempotency-Key")))
	answer := b.answers[0]
	if len(b.answers) > 1 {
		b.answers = b.answers[1:]
	}
	b.mu.Unlock()
	return answer(ctx)
}

func (b *bench) will(answers ...func(context.Context) (*target.Answer, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = answers
}

func (b *bench) requests() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.got...)
}

func status(code int, header ...string) func(context.Context) (*target.Answer, error) {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func(context.Context) (*target.Answer, error) { return &target.Answer{Status: code, Header: h}, nil }
}

func lost(sent bool) func(context.Context) (*target.Answer, error) {
	return func(context.Context) (*target.Answer, error) {
		return nil, &target.Error{Sent: sent, Err: errors.New("connection reset")}
	}
}

// hang answers when it is told, or not at all.
func hang(release <-chan struct{}) func(context.Context) (*target.Answer, error) {
	return func(ctx context.Context) (*target.Answer, error) {
		select {
		case <-release:
			return &target.Answer{Status: 200}, nil
		case <-ctx.Done():
			return nil, &target.Error{Sent: true, Err: ctx.Err()}
		}
	}
}

// finish puts a call with one delivery into the store, as the finish does.
func (b *bench) finish(id string) outbox.Ref { b.t.Helper(); return b.finishedAt(0, id) }

// finishedAt is finish by a clock that is ahead.
func (b *bench) finishedAt(ahead time.Duration, id string) outbox.Ref {
	b.t.Helper()
	call := connector.Call{FinishedAt: connector.TimeOf(time.Now().Add(ahead)), Revisions: []connector.Revision{{At: connector.TimeOf(time.Now().Add(ahead)), Record: connector.Record{CallID: id, UUID: id, Attempt: 1, Revision: 1, Outcome: connector.OutcomeConnected}}}}
	body, err := json.Marshal(&call)
	require.NoError(b.t, err)
	row, err := (&connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}).Encode()
	require.NoError(b.t, err)
	result, err := b.store.Commit(b.t.Context(), outbox.Tx{
		Group: connector.CallGroup(id), Entry: &outbox.EntryPut{ID: id, Day: outbox.DayOf(time.Now()), Body: body},
		Put: []outbox.RowPut{{Name: "crm", Body: row}}, Enqueue: []outbox.NewTask{{Queue: "crm", Due: time.Now()}},
		Count: []outbox.Delta{{Day: outbox.DayOf(time.Now()), Name: connector.CountState("crm", connector.DeliveryWaiting), N: 1}},
	})
	require.NoError(b.t, err)
	return result.Ref
}

// amend adds a revision, as the finish does.
func (b *bench) amend(ref outbox.Ref) {
	b.t.Helper()
	entry, err := b.store.Entry(b.t.Context(), ref)
	require.NoError(b.t, err)
	call, err := connector.DecodeCall(entry.Body)
	require.NoError(b.t, err)
	r := *call.Record()
	r.Revision++
	call.Revisions = append(call.Revisions, connector.Revision{Record: r, At: connector.TimeOf(time.Now())})
	body, err := json.Marshal(call)
	require.NoError(b.t, err)
	d, err := connector.DecodeDelivery(entry.Row("crm").Body)
	require.NoError(b.t, err)
	tx := outbox.Tx{Group: entry.Group, Entry: &outbox.EntryPut{ID: entry.ID, Ref: ref, Day: ref.Day, Prev: entry.Version, Body: body}}
	d.Wanted = r.Revision
	if d.State == connector.DeliveryDone || d.State == connector.DeliverySkipped {
		d.State = connector.DeliveryWaiting
		tx.Enqueue = []outbox.NewTask{{Queue: "crm", Ref: ref, Due: time.Now()}}
	}
	row, err := d.Encode()
	require.NoError(b.t, err)
	tx.Put = []outbox.RowPut{{Ref: ref, Name: "crm", Prev: entry.Row("crm").Version, Body: row}}
	_, err = b.store.Commit(b.t.Context(), tx)
	require.NoError(b.t, err)
}

func (b *bench) delivery(ref outbox.Ref) *connector.Delivery {
	b.t.Helper()
	synctest.Wait()
	entry, err := b.store.Entry(b.t.Context(), ref)
	require.NoError(b.t, err)
	d, err := connector.DecodeDelivery(entry.Row("crm").Body)
	require.NoError(b.t, err)
	return d
}

func recordMapping(t *testing.T) *mappings.Mapping {
	m, problems := mappings.Record(mappings.Options{URL: "http://crm.test/calls"})
	require.NoError(t, problems.Err())
	return m
}

func yamlMapping(t *testing.T, content string) *mappings.Mapping {
	m, problems := mappings.Compile("crm.yaml", []byte(content), mappings.Options{URL: "http://crm.test"})
	require.NoError(t, problems.Err())
	return m
}

const neverTwice = "steps: [{name: log, path: /calls, repeat: never, body: {id: \"${call.call_id}\"}}]"

func virtual(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestRetries(t *testing.T) {
	virtual(t, "three times refused, then taken: one key, longer and longer waits", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(500), status(500), status(503), status(200))
		ref := b.finish("a")
		time.Sleep(time.Minute)
		got := b.requests()
		require.Len(t, got, 4)
		for i, at := range []string{"0s", "4s", "12s", "28s"} { // 4, 8 and 16 seconds, a hair less by the jitter
			assert.Contains(t, got[i], "POST http://crm.test/calls a:1")
			var have, want float64
			_, err := fmt.Sscanf(got[i]+" "+at, "%gs POST http://crm.test/calls a:1 %gs", &have, &want)
			require.NoError(t, err)
			assert.InDelta(t, want, have, 0.01)
		}
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State)
		assert.Equal(t, 1, d.Done)
		assert.Zero(t, d.Failed)
		assert.Len(t, d.Attempts, 4)
	})
	virtual(t, "never sooner than the other side asked", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(429, "Retry-After", "90"), status(200))
		b.finish("a")
		time.Sleep(89 * time.Second)
		require.Len(t, b.requests(), 1)
		time.Sleep(time.Second)
		require.Len(t, b.requests(), 2)
	})
	virtual(t, "a restart goes on where it was", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(lost(false))
		ref := b.finish("a")
		time.Sleep(time.Second)
		b.kill()
		b.start()
		time.Sleep(2 * time.Second)
		require.Len(t, b.requests(), 1, "not before it is due")
		b.will(status(200))
		time.Sleep(time.Second)
		assert.Len(t, b.requests(), 2)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "given up in the end, for a person to look at", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(503))
		ref := b.finish("a")
		time.Sleep(2 * time.Hour)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDead, d.State)
		assert.Equal(t, "given up after 1h: answered 503 Service Unavailable", d.Reason)
		assert.Len(t, d.Attempts, 10, "the first and the last")
		assert.Equal(t, len(b.requests())-10, d.Dropped)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Equal(t, 1, depth.Buried)
		assert.Zero(t, depth.Waiting)
	})
}

func TestRefusals(t *testing.T) {
	virtual(t, "a redirect is dead, with its Location", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(302, "Location", "http://elsewhere.test/"))
		ref := b.finish("a")
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDead, d.State)
		assert.Contains(t, d.Reason, "302 Found, Location http://elsewhere.test/")
		time.Sleep(24 * time.Hour)
		assert.Len(t, b.requests(), 1)
		counts, err := b.store.Counts(t.Context(), ref.Day)
		require.NoError(t, err)
		assert.Zero(t, counts[connector.CountState("crm", connector.DeliveryWaiting)])
		assert.EqualValues(t, 1, counts[connector.CountState("crm", connector.DeliveryDead)])
	})
	virtual(t, "a record that can't be rendered is dead at once, and others go on", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "steps: [{name: log, path: \"/calls/${call.order_id}\"}]"), nil)
		b.will(status(200))
		ref := b.finish("a")
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDead, d.State)
		assert.Contains(t, d.Reason, "path")
		assert.Empty(t, b.requests())
	})
	virtual(t, "also where a newer revision can't be rendered either: no hot loop", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "steps: [{name: log, path: \"/calls/${call.revision == 1 ? 'x' : call.order_id}\", repeat: safe}]"), nil)
		b.will(status(503))
		ref := b.finish("a")
		b.delivery(ref)
		b.kill() // begun with revision 1; the mapping that goes on can't render that any more
		b.options.Destination.Mapping = yamlMapping(t, "steps: [{name: log, path: \"/calls/${call.order_id}\"}]")
		b.start()
		b.amend(ref)
		time.Sleep(time.Minute)
		assert.Equal(t, connector.DeliveryDead, b.delivery(ref).State)
		assert.Len(t, b.requests(), 1)
	})
	virtual(t, "a call that the mapping doesn't want is skipped", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "when: \"${call.outcome == 'abandoned'}\"\nsteps: [{name: log, path: /calls}]"), nil)
		b.will(status(200))
		d := b.delivery(b.finish("a"))
		assert.Equal(t, connector.DeliverySkipped, d.State)
		assert.NotEmpty(t, d.Reason)
		assert.Empty(t, b.requests())
	})
}

func TestLostAnswers(t *testing.T) {
	virtual(t, "what may be repeated is repeated", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(lost(true), status(502), status(200))
		ref := b.finish("a")
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 3)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "what must not be repeated is parked as maybe delivered", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, neverTwice), nil)
		b.will(lost(true))
		ref := b.finish("a")
		time.Sleep(24 * time.Hour)
		assert.Len(t, b.requests(), 1)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryParked, d.State)
		assert.Contains(t, d.Reason, "maybe delivered")
	})
	virtual(t, "unless the destination says that a double is the lesser evil", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, neverTwice), func(d *Destination) { d.RetryUnsure = true })
		b.will(lost(true), status(200))
		ref := b.finish("a")
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 2)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "one that was not sent is simply sent again", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, neverTwice), nil)
		b.will(lost(false), status(503), status(201))
		ref := b.finish("a")
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 3)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "within a time it may be repeated, and after it not", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "steps: [{name: log, path: /calls, repeat: 30s}]"), nil)
		b.will(lost(true))
		ref := b.finish("a")
		time.Sleep(time.Hour)
		assert.Len(t, b.requests(), 4, "at 0, 4, 12 and 28 seconds")
		assert.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
	})
	virtual(t, "a crash between sending and settling parks it", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, neverTwice), nil)
		b.will(hang(nil))
		ref := b.finish("a")
		require.Len(t, b.requests(), 1)
		b.kill() // in mid-request: the grace runs out
		b.start()
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryParked, d.State)
		assert.Contains(t, d.Reason, "maybe delivered")
		assert.Len(t, b.requests(), 1)
	})
	virtual(t, "a crash while sending what may be repeated sends it again", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(hang(nil))
		ref := b.finish("a")
		require.Len(t, b.requests(), 1)
		b.kill()
		b.will(status(200))
		b.start()
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State)
		assert.Zero(t, d.Failed, "what we cut off ourselves is no failure")
	})
	virtual(t, "a stop lets a request that is under way complete", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, neverTwice), nil)
		release := make(chan struct{})
		b.will(hang(release))
		ref := b.finish("a")
		require.Len(t, b.requests(), 1)
		time.AfterFunc(3*time.Second, func() { close(release) })
		b.kill()
		b.start()
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
}

func TestRevisions(t *testing.T) {
	virtual(t, "a newer one is posted after the first, in order", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(200))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		b.amend(ref)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State)
		assert.Equal(t, 2, d.Done)
		assert.Equal(t, []string{"0s POST http://crm.test/calls a:1", "0s POST http://crm.test/calls a:2"}, b.requests())
	})
	virtual(t, "one that comes while the first is under way doesn't overtake it", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		release := make(chan struct{})
		b.will(hang(release), status(200))
		ref := b.finish("a")
		require.Len(t, b.requests(), 1)
		b.amend(ref)
		require.Len(t, b.requests(), 1)
		close(release)
		assert.Equal(t, 2, b.delivery(ref).Done)
		assert.Equal(t, []string{"0s POST http://crm.test/calls a:1", "0s POST http://crm.test/calls a:2"}, b.requests())
	})
	virtual(t, "what was begun is repeated as it was, then the newest follows", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(lost(true), status(200))
		ref := b.finish("a")
		require.Len(t, b.requests(), 1)
		b.amend(ref)
		b.amend(ref)
		time.Sleep(time.Minute)
		assert.Equal(t, 3, b.delivery(ref).Done)
		got := b.requests()
		require.Len(t, got, 3)
		assert.Contains(t, got[1], "a:1")
		assert.Contains(t, got[2], "a:3")
	})
	virtual(t, "where there is no update there is nothing to send", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, neverTwice), nil)
		b.will(status(200))
		ref := b.finish("a")
		b.delivery(ref)
		b.amend(ref)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State)
		assert.Len(t, b.requests(), 1)
	})
	virtual(t, "updates wait with a create that is dead", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(400))
		ref := b.finish("a")
		b.delivery(ref)
		b.amend(ref)
		time.Sleep(time.Hour)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDead, d.State)
		assert.Equal(t, 2, d.Wanted)
		assert.Len(t, b.requests(), 1)
	})
}

// meddler is a store in which something happens just before the first Settle.
type meddler struct {
	Store
	once   sync.Once
	meddle func()
}

func (m *meddler) Settle(ctx context.Context, task outbox.Task, o outbox.Outcome, tx outbox.Tx) error {
	m.once.Do(m.meddle)
	return m.Store.Settle(ctx, task, o, tx)
}

func TestStoreTrouble(t *testing.T) {
	for name, mapping := range map[string]func(*testing.T) *mappings.Mapping{
		"may be repeated": recordMapping,
		"must not":        func(t *testing.T) *mappings.Mapping { return yamlMapping(t, neverTwice) },
	} {
		virtual(t, "a full disk after the answer: what the answer means is kept, and not sent again, where it "+name, func(t *testing.T) {
			b := newBench(t, mapping(t), nil)
			var full time.Time
			b.will(func(context.Context) (*target.Answer, error) {
				full = time.Now().Add(20 * time.Second)
				return &target.Answer{Status: 200}, nil
			})
			b.fault = func(commit func() error) error {
				if time.Now().Before(full) {
					return syscall.ENOSPC
				}
				return commit()
			}
			ref := b.finish("a")
			time.Sleep(time.Minute)
			assert.Len(t, b.requests(), 1)
			d := b.delivery(ref)
			assert.Equal(t, connector.DeliveryDone, d.State)
			assert.Len(t, d.Attempts, 1)
		})
	}
	virtual(t, "one delivery that can't be read stands in nobody's way", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(200))
		b.kill()
		b.start()
		result, err := b.store.Commit(t.Context(), outbox.Tx{
			Group: "call/bad", Entry: &outbox.EntryPut{ID: "bad", Day: outbox.DayOf(time.Now()), Body: []byte("no call")},
			Put: []outbox.RowPut{{Name: "crm", Body: []byte("no delivery")}}, Enqueue: []outbox.NewTask{{Queue: "crm", Due: time.Now()}},
		})
		require.NoError(t, err)
		require.NotZero(t, result.Ref)
		ref := b.finish("good")
		time.Sleep(time.Second)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Equal(t, outbox.Depth{Buried: 1}, depth)
	})
	virtual(t, "a revision that comes while a skip is being settled is looked at", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "when: \"${call.revision == 2}\"\nsteps: [{name: log, path: /calls}]"), nil)
		b.will(status(200))
		b.kill()
		var ref outbox.Ref
		b.wrap = func(s Store) Store { return &meddler{Store: s, meddle: func() { b.amend(ref) }} }
		store, err := bolt.Open(b.path, bolt.Options{})
		require.NoError(t, err)
		b.store = store
		ref = b.finish("a")
		require.NoError(t, store.Close())
		b.start()
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State)
		assert.Equal(t, 2, d.Done)
		assert.Len(t, b.requests(), 1)
	})
	virtual(t, "time in which nobody was there to try doesn't count towards giving up", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(503), status(503), status(200))
		ref := b.finish("a")
		time.Sleep(time.Second)
		b.kill()
		time.Sleep(10 * time.Hour) // an hour would be enough to give up
		b.start()
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 3)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
}

func TestConcurrency(t *testing.T) {
	virtual(t, "so many at a time, and no more", func(t *testing.T) {
		b := newBench(t, recordMapping(t), func(d *Destination) { d.Concurrency = 3 })
		release := make(chan struct{})
		b.will(hang(release))
		for i := range 10 {
			b.finish(fmt.Sprint("call", i))
		}
		assert.Len(t, b.requests(), 3)
		close(release)
		assert.Len(t, b.requests(), 10)
	})
}

package intake_test

import (
	"context"
	"errors"
	"fmt"
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
	"wrapup/connector/intake"
	"wrapup/connector/nxcloud"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// ward is a receiver with a quarantine over a real store.
type ward struct {
	*setup
	t     *testing.T
	path  string
	bolt  *bolt.Store
	kept  *intake.Quarantine
	now   time.Time
	fails error // of each commit to the quarantine's group
	room  int64
	// parse is the parser of the day.
	parse func([]byte) ([]connector.Event, []error)
}

func newWard(t *testing.T) *ward {
	w := &ward{t: t, path: filepath.Join(t.TempDir(), "wrapup.db"), now: clock(), parse: nxcloud.ParseEvents}
	w.open()
	t.Cleanup(func() { require.NoError(t, w.bolt.Close()) })
	return w
}

// Commit is the store's, or fails.
func (w *ward) Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error) {
	if w.fails != nil && tx.Group == connector.QuarantineGroup {
		return outbox.Result{}, w.fails
	}
	return w.bolt.Commit(ctx, tx)
}

func (w *ward) open() {
	w.t.Helper()
	store, err := bolt.Open(w.path, bolt.Options{})
	require.NoError(w.t, err)
	w.bolt = store
	now := func() time.Time { return w.now }
	w.kept = intake.NewQuarantine(intake.QuarantineOptions{Store: w, Now: now, Retention: 24 * time.Hour, Room: w.room})
	require.NoError(w.t, store.Open(w.t.Context(), func(group string, items []outbox.Item) error {
		if group == connector.QuarantineGroup {
			return w.kept.Restore(items)
		}
		return nil
	}))
	w.setup = newSetup(w.t, func(o *intake.Options) {
		o.Store, o.Quarantine, o.Now = w, w.kept, now
		o.Observe = func(group string, a connector.Arrival) { w.observed = append(w.observed, group+" "+a.ID()) }
		o.Sources[0].Parse = func(body []byte) ([]connector.Event, []error) { return w.parse(body) }
	})
}

func (w *ward) reopen() {
	w.t.Helper()
	require.NoError(w.t, w.bolt.Close())
	w.open()
}

// events gives the IDs of the events that the store has, by group.
func (w *ward) events() map[string]int {
	found := map[string]int{}
	require.NoError(w.t, w.bolt.Open(w.t.Context(), func(group string, items []outbox.Item) error {
		found[group] += len(items)
		return nil
	}))
	return found
}

func (w *ward) list() []connector.Quarantined {
	return w.kept.List(connector.QuarantineQuery{}).Quarantined
}

func (w *ward) counts() map[string]int64 {
	counts, err := w.bolt.Counts(w.t.Context(), outbox.DayOf(w.now))
	require.NoError(w.t, err)
	return counts
}

const broken = `{"type":2,"state":"ringing","callid":"104906","uuid":"u","time":"1558677782655356","callphone":"812345613"}`

func TestNotUnderstoodIsKept(t *testing.T) {
	w := newWard(t)
	got := w.post(t, broken)
	assert.Equal(t, 400, got.Status)
	assert.Equal(t, "not understood", got.Error)
	first := w.now
	for range 2 { // as it is, and after a crash: it was durable before the answer
		list := w.list()
		require.Len(t, list, 1)
		one, ok := w.kept.Show(list[0].ID)
		require.True(t, ok)
		assert.Equal(t, connector.Quarantined{ID: list[0].ID, Source: "predictive", Sender: "192.0.2.1", Count: 1, Size: len(broken), Body: []byte(broken),
			Reasons: []string{`event 1: state: "ringing": expected a whole number from 0 to 4`},
			First:   connector.TimeOf(first), Last: connector.TimeOf(first)}, one)
		assert.Empty(t, list[0].Body, "lists leave it out")
		w.reopen()
	}
	assert.EqualValues(t, 1, w.counts()[connector.CountQuarantined])
	assert.Zero(t, w.Status().Feeds[0].NotUnderstood, "since the start")
	w.post(t, broken)
	assert.EqualValues(t, 1, w.Status().Feeds[0].NotUnderstood)
	assert.Zero(t, w.Status().Feeds[0].Lost)
}

func TestSameBytesAreFolded(t *testing.T) {
	w := newWard(t)
	for range 5 {
		w.now = w.now.Add(10 * time.Second)
		w.post(t, broken)
	}
	w.post(t, broken+" ")
	for range 2 {
		list := w.list()
		require.Len(t, list, 2)
		assert.EqualValues(t, 5, list[0].Count)
		assert.Equal(t, connector.TimeOf(clock().Add(10*time.Second)), list[0].First)
		assert.Equal(t, connector.TimeOf(clock().Add(50*time.Second)), list[0].Last)
		assert.EqualValues(t, 1, list[1].Count)
		w.reopen()
	}
	assert.Equal(t, 3, w.events()[connector.QuarantineGroup], "two bodies, one count")
	assert.EqualValues(t, 2, w.counts()[connector.CountQuarantined])
	// A count is written once in a second, and when the daemon stops.
	before := w.counts()
	for range 100 {
		w.post(t, broken)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, w.kept.Run(ctx))
	w.reopen()
	assert.EqualValues(t, 105, w.list()[0].Count)
	assert.Equal(t, before, w.counts())
}

// Of a body with good and bad events the good ones are stored, and the bad ones alone are kept.
func TestOnlyTheBadOnesAreKept(t *testing.T) {
	tests := []struct{ name, body, kept string }{
		{"lines", ring + "\n" + broken + "\n" + ended, broken},
		{"several", broken + ring + `{"type":9}` + ended + " null", broken + "\n" + `{"type":9}` + "\nnull"},
		{"an array", "[" + ring + " , " + broken + " ," + ended + "]", broken},
		{"a broken line", ring + "\n{\"type\":2,\n" + ended + "\n", `{"type":2,`},
		{"a broken end", ring + ended + "\n{\"type\":2,", `{"type":2,`},
		{"a broken array", "[" + ring + "," + ended + `,{"type":2,`, "[" + ring + "," + ended + `,{"type":2,`},
		{"a good array behind a bad line", "xyz\n[" + ring + "," + ended + "]", ""},
		{"nothing good", "xyz", "xyz"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWard(t)
			got := w.post(t, tt.body)
			assert.Equal(t, 400, got.Status)
			list := w.list()
			require.Len(t, list, 1)
			one, _ := w.kept.Show(list[0].ID)
			if got.Stored > 0 {
				assert.Equal(t, 2, got.Stored)
			}
			if tt.name == "a good array behind a bad line" {
				tt.kept = tt.body
			}
			assert.Equal(t, tt.kept, string(one.Body))
		})
	}
}

// A parser that understands what it didn't makes calls of all that was kept: nothing is lost by a change of the format.
func TestRetry(t *testing.T) {
	w := newWard(t)
	w.post(t, ring)
	w.post(t, broken)
	mixed := `{"type":2,"state":"over","callid":"1","uuid":"u","time":"1558677782655357"}` + "\n" + `{"type":"?"}`
	w.post(t, mixed)
	list := w.list()
	require.Len(t, list, 2)
	ids := []string{list[0].ID, list[1].ID, "nothing"}

	for _, c := range w.Retry(t.Context(), ids[:2]) {
		assert.False(t, c.Done)
		assert.Contains(t, c.Note, "still not understood: event 1: state:")
	}
	require.Equal(t, list, w.list(), "what is not understood stays as it is")

	w.now = w.now.Add(time.Hour)
	w.parse = func(body []byte) ([]connector.Event, []error) {
		return nxcloud.ParseEvents([]byte(strings.NewReplacer(`"ringing"`, "1        ", `"over"`, "4     ").Replace(string(body))))
	}
	changed := w.Retry(t.Context(), ids)
	assert.Equal(t, connector.QuarantineChange{ID: ids[0], Done: true, Stored: 1}, changed[0])
	assert.True(t, changed[1].Done)
	assert.Equal(t, 1, changed[1].Stored)
	assert.Contains(t, changed[1].Note, "a part is still not understood: event 2: type:")
	assert.Equal(t, connector.QuarantineChange{ID: "nothing", Note: "it is not in quarantine any more"}, changed[2])
	assert.Equal(t, []string{"call/" + call + " " + ringID, "call/u 2/1@1558677782655356", "call/u 2/4@1558677782655357"}, w.observed)
	assert.EqualValues(t, 2, w.counts()[connector.CountQuarantineRead])
	for range 2 {
		list = w.list()
		require.Len(t, list, 1)
		one, _ := w.kept.Show(list[0].ID)
		assert.Contains(t, string(one.Body), `{"type":"?"}`)
		assert.Equal(t, connector.TimeOf(clock()), one.First)
		w.reopen()
	}
	assert.Equal(t, map[string]int{"call/" + call: 1, "call/u": 2, connector.QuarantineGroup: 1}, w.events())
}

// If the process ends between storing the events and taking the post out, a second retry finds repeats.
func TestRetryTwice(t *testing.T) {
	w := newWard(t)
	w.post(t, broken)
	id := w.list()[0].ID
	w.parse = func(body []byte) ([]connector.Event, []error) {
		return nxcloud.ParseEvents([]byte(strings.ReplaceAll(string(body), `"ringing"`, "1")))
	}
	w.fails = errors.New("cut")
	changed := w.Retry(t.Context(), []string{id})
	assert.Equal(t, []connector.QuarantineChange{{ID: id, Stored: 1, Note: "cut"}}, changed)
	parse := w.parse
	w.fails = nil
	w.reopen()
	w.parse = parse
	assert.Equal(t, []connector.QuarantineChange{{ID: id, Done: true, Repeated: 1}}, w.Retry(t.Context(), []string{id}))
	assert.Empty(t, w.list())
	assert.Empty(t, w.observed, "a repeat moves nothing")
}

func TestRetryOfASourceThatIsGone(t *testing.T) {
	w := newWard(t)
	w.post(t, broken)
	other := newSetup(t, func(o *intake.Options) {
		o.Sources[0].Name, o.Quarantine = "other", w.kept
	})
	changed := other.Retry(t.Context(), []string{w.list()[0].ID})
	assert.Equal(t, `its source "predictive" is not configured any more`, changed[0].Note)
	assert.Len(t, w.list(), 1)
}

// When there is no more room, what is kept stays; what comes is answered as before, and logged as lost.
func TestFullQuarantine(t *testing.T) {
	w := newWard(t)
	w.room = 3000
	w.reopen()
	for i := range 10 {
		assert.Equal(t, 400, w.post(t, fmt.Sprintf("%d%s", i, strings.Repeat("x", 400))).Status)
	}
	page := w.kept.List(connector.QuarantineQuery{})
	assert.Equal(t, 3, page.Kept)
	assert.LessOrEqual(t, page.Bytes, page.Room)
	assert.EqualValues(t, 7, page.Refused)
	assert.Equal(t, connector.TimeOf(clock()), page.LastRefused)
	assert.Equal(t, 7, strings.Count(w.log.String(), "the quarantine is full"))
	assert.EqualValues(t, 7, w.Status().Feeds[0].Lost)
	assert.Equal(t, 200, w.post(t, ring).Status, "good events are taken all the same")
	first, _ := w.kept.Show(w.list()[0].ID)
	assert.True(t, w.kept.Drop(t.Context(), []string{first.ID})[0].Done)
	w.post(t, "again"+strings.Repeat("x", 400))
	assert.Len(t, w.list(), 3, "there is room again")
}

// What can't be stored is not answered as if it had been.
func TestQuarantineThatCannotStore(t *testing.T) {
	w := newWard(t)
	w.fails = outbox.ErrFull
	got := w.post(t, ring+broken)
	assert.Equal(t, 503, got.Status)
	assert.Equal(t, "5", got.Header.Get("Retry-After"))
	assert.Equal(t, 1, got.Stored)
	assert.Contains(t, w.log.String(), "events may be lost")
	assert.Empty(t, w.list())
	w.fails = nil
	assert.Equal(t, 400, w.post(t, broken).Status)
	w.fails = errors.New("no")
	w.now = w.now.Add(time.Minute)
	assert.Equal(t, 400, w.post(t, broken).Status, "it is there already; its count is written later")
	assert.EqualValues(t, 2, w.list()[0].Count)
	assert.Equal(t, "no", w.kept.Drop(t.Context(), []string{w.list()[0].ID})[0].Note)
	assert.Len(t, w.list(), 1)
}

func TestDropAndFilters(t *testing.T) {
	w := newWard(t)
	for i := range 5 {
		w.now = clock().Add(time.Duration(i) * time.Minute)
		w.post(t, fmt.Sprintf("%q", fmt.Sprint("body ", i)))
	}
	w.post(t, "{}")
	at := func(minutes int) connector.Time {
		return connector.TimeOf(clock().Add(time.Duration(minutes) * time.Minute))
	}
	for _, tt := range []struct {
		q    connector.QuarantineQuery
		want int
	}{
		{connector.QuarantineQuery{}, 6}, {connector.QuarantineQuery{Source: "predictive"}, 6}, {connector.QuarantineQuery{Source: "x"}, 0},
		{connector.QuarantineQuery{Reason: "TYPE: missing"}, 1}, {connector.QuarantineQuery{Since: at(1)}, 5}, {connector.QuarantineQuery{Until: at(1)}, 1},
		{connector.QuarantineQuery{Since: at(1), Until: at(3)}, 2}, {connector.QuarantineQuery{IDs: []string{"x", w.list()[0].ID}}, 1},
	} {
		assert.Len(t, w.kept.List(tt.q).Quarantined, tt.want, tt.q)
	}
	var paged []connector.Quarantined
	for q := (connector.QuarantineQuery{Limit: 4}); ; {
		page := w.kept.List(q)
		paged = append(paged, page.Quarantined...)
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	assert.Equal(t, w.list(), paged)

	id := w.list()[0].ID
	assert.Equal(t, []connector.QuarantineChange{{ID: id, Done: true}, {ID: "x", Note: "it is not in quarantine any more"}},
		w.kept.Drop(t.Context(), []string{id, "x"}))
	assert.EqualValues(t, 1, w.counts()[connector.CountQuarantineDropped])
	w.reopen()
	assert.Len(t, w.list(), 5)
	w.post(t, `"body 0"`)
	assert.Equal(t, id, w.list()[5-0].ID, "it may come again")
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{}
		q := intake.NewQuarantine(intake.QuarantineOptions{Store: store, Retention: time.Hour})
		s := newSetup(t, func(o *intake.Options) { o.Quarantine, o.Now = q, time.Now })
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { assert.NoError(t, q.Run(ctx)) })
		s.post(t, "a")
		time.Sleep(40 * time.Minute)
		s.post(t, "b")
		time.Sleep(10 * time.Minute)
		s.post(t, "a") // it came again: it stays
		time.Sleep(51 * time.Minute)
		synctest.Wait()
		assert.Len(t, q.List(connector.QuarantineQuery{}).Quarantined, 1)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		assert.Empty(t, q.List(connector.QuarantineQuery{}).Quarantined)
		stop()
		running.Wait()
	})
}

// What is damaged in the store hides nothing else.
func TestRestoreOfDamagedItems(t *testing.T) {
	w := newWard(t)
	w.post(t, "a")
	w.post(t, "b")
	var items []outbox.Item
	require.NoError(t, w.bolt.Open(t.Context(), func(_ string, list []outbox.Item) error { items = list; return nil }))
	items[0].Body = []byte(strings.Replace(string(items[0].Body), "YQ==", "Yg==", 1))
	items = append(items, outbox.Item{ID: "x", Body: []byte("{")}, outbox.Item{ID: items[1].ID + "/7", Body: []byte("[")}, outbox.Item{ID: "y/1"})
	q := intake.NewQuarantine(intake.QuarantineOptions{})
	err := q.Restore(items)
	assert.ErrorContains(t, err, "its body is not the one that was posted")
	assert.ErrorContains(t, err, `"x" can't be read`)
	assert.ErrorContains(t, err, "the count of the post")
	assert.Len(t, q.List(connector.QuarantineQuery{}).Quarantined, 1)
}

// Many at once: what was answered is kept, each bytes once, and the counts add up.
func TestQuarantineManyAtOnce(t *testing.T) {
	w := newWard(t)
	var all sync.WaitGroup
	const workers, each = 16, 20
	for n := range workers {
		all.Go(func() {
			for i := range each {
				assert.Equal(t, 400, w.post(t, fmt.Sprintf("body %d", (n+i)%8)).Status)
				if n == 0 && i%5 == 0 {
					w.kept.Drop(t.Context(), []string{w.list()[0].ID})
				}
			}
		})
	}
	all.Wait()
	for i := range 8 {
		w.post(t, fmt.Sprintf("body %d", i))
	}
	list := w.list()
	assert.Len(t, list, 8)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, w.kept.Run(ctx))
	w.reopen()
	assert.Equal(t, list, w.list())
}

// Whatever comes, is dropped and restarted: nothing that was answered as kept is gone unless it was dropped, nothing is
// there twice, and the counts add up.
func TestQuarantineProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store, now := &fakeStore{}, clock()
		var kept *intake.Quarantine
		var s *setup
		restart := func() {
			kept = intake.NewQuarantine(intake.QuarantineOptions{Store: store, Now: func() time.Time { return now }})
			require.NoError(rt, kept.Restore(store.items(connector.QuarantineGroup)))
			s = newSetup(t, func(o *intake.Options) { o.Store, o.Quarantine = store, kept })
		}
		restart()
		list := func() []connector.Quarantined { return kept.List(connector.QuarantineQuery{}).Quarantined }
		model := map[string]int64{}
		bodies := rapid.SampledFrom([]string{"a", "b", "c", broken, "{}", `{"type":9}`})
		rt.Repeat(map[string]func(*rapid.T){
			"post": func(rt *rapid.T) {
				body := bodies.Draw(rt, "body")
				now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond)
				require.Equal(rt, 400, s.post(t, body).Status)
				model[body]++
			},
			"drop": func(rt *rapid.T) {
				if all := list(); len(all) > 0 {
					one, _ := kept.Show(rapid.SampledFrom(all).Draw(rt, "one").ID)
					require.True(rt, kept.Drop(t.Context(), []string{one.ID})[0].Done)
					delete(model, string(one.Body))
				}
			},
			"stop": func(rt *rapid.T) {
				ctx, stop := context.WithCancel(t.Context())
				stop()
				require.NoError(rt, kept.Run(ctx))
				restart()
			},
			"kill": func(*rapid.T) { // a crash may take a second's worth from a count, and nothing else
				restart()
				for body, n := range model {
					for _, one := range list() {
						if whole, _ := kept.Show(one.ID); string(whole.Body) == body {
							require.LessOrEqual(rt, one.Count, n)
							require.Positive(rt, one.Count)
							model[body] = one.Count
						}
					}
				}
			},
			"": func(rt *rapid.T) {
				got := map[string]int64{}
				for _, one := range list() {
					whole, ok := kept.Show(one.ID)
					require.True(rt, ok)
					got[string(whole.Body)] = one.Count
				}
				require.Equal(rt, model, got)
				require.LessOrEqual(rt, len(store.items(connector.QuarantineGroup)), 2*len(model), "a body and a count")
			},
		})
	})
}

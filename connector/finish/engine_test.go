package finish

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// jumpyClock is a system clock whose time of day can be set.
type jumpyClock struct {
	SystemClock
	jump time.Duration
}

func (c *jumpyClock) Wall() time.Time { return c.SystemClock.Wall().Add(c.jump) }

// world is an engine on a real store, in virtual time. The dialer's clock is not ours: its day is 2026-03-02, and its
// stamps have nothing to do with when events come.
type world struct {
	t        *testing.T
	path     string
	store    *bolt.Store
	engine   *Engine
	clock    *jumpyClock
	settings correlate.Settings
	sinks    []string
	stop     func()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "wrapup.db"), settings: correlate.DefaultSettings(), sinks: []string{"crm"}}
	w.start(0)
	t.Cleanup(func() { w.kill() })
	return w
}

// start opens the store and runs an engine on it, with the time of day off by jump.
func (w *world) start(jump time.Duration) {
	w.t.Helper()
	var err error
	w.store, err = bolt.Open(w.path, bolt.Options{})
	require.NoError(w.t, err)
	w.clock = &jumpyClock{NewSystemClock(), jump}
	w.engine = New(Options{
		Store: w.store, Settings: w.settings, Destinations: func() []string { return w.sinks }, Clock: w.clock,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Looks: 4,
	})
	require.NoError(w.t, w.engine.Load(w.t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.engine.Run(ctx) }()
	w.stop = func() {
		cancel()
		assert.NoError(w.t, <-done)
		assert.NoError(w.t, w.store.Close())
	}
}

// kill ends the engine; what isn't in the store is gone.
func (w *world) kill() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// restart kills the engine and starts another after a while.
func (w *world) restart(after time.Duration) {
	jump := w.clock.jump
	w.kill()
	time.Sleep(after)
	w.start(jump)
	synctest.Wait()
}

// after lets time pass.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// dialer is the start of the dialer's day; stamps are seconds after it.
var dialer = connector.TimeOf(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))

var kinds = map[string]connector.Kind{
	"2/1": connector.KindStarted, "2/3": connector.KindAnswered, "2/4": connector.KindEnded, "1/3": connector.KindJoined,
	"1/4": connector.KindLeft, "1/2": connector.KindReady, "1/0": connector.KindOffline, "2/2": connector.KindOther,
}

// event makes an event of the call "c"; who is an agent, "" for the events about the call.
func event(code string, seconds float64, who string) connector.Event {
	e := connector.Event{Source: "nxcloud-events", Code: code, Kind: kinds[code], Time: dialer + connector.Time(seconds*1e6)}
	if code != "1/2" && code != "1/0" {
		e.UUID = "c"
	}
	if who != "" {
		e.Username, e.AgentID = who, "session of "+who
	}
	return e
}

// post stores events as the intake does, one after the other, and tells the engine.
func (w *world) post(events ...connector.Event) {
	w.t.Helper()
	for _, e := range events {
		a := connector.Arrival{Event: e, At: connector.TimeOf(w.clock.Wall())}
		body, err := json.Marshal(&a)
		require.NoError(w.t, err)
		for _, group := range e.Groups() {
			result, err := w.store.Commit(w.t.Context(), outbox.Tx{Group: group, Add: []outbox.Item{{ID: e.IDIn(group), Body: body}}})
			require.NoError(w.t, err)
			if result.New[0] {
				w.engine.Observe(group, a)
			}
		}
	}
	synctest.Wait()
}

// calls gives what is in the history of the uuid.
func (w *world) calls(uuid string) []*connector.Call {
	w.t.Helper()
	entries, err := w.store.Entries(w.t.Context(), connector.CallGroup(uuid))
	require.NoError(w.t, err)
	var out []*connector.Call
	for _, e := range entries {
		c, err := connector.DecodeCall(e.Body)
		require.NoError(w.t, err)
		out = append(out, c)
	}
	return out
}

// brief says what became of the call "c", in a line for each revision.
func (w *world) brief() (lines []string) {
	for _, c := range w.calls("c") {
		for _, r := range c.Revisions {
			lines = append(lines, fmt.Sprintf("attempt %d revision %d %s %v", r.Record.Attempt, r.Record.Revision, r.Record.Outcome, r.Record.Flags))
		}
		if len(c.Late) > 0 {
			lines = append(lines, fmt.Sprintf("late: %d", len(c.Late)))
		}
	}
	return lines
}

func (w *world) wantNothing() {
	w.t.Helper()
	require.Empty(w.t, w.brief())
}

func (w *world) want(lines ...string) {
	w.t.Helper()
	require.Equal(w.t, lines, w.brief())
}

// queued counts the tasks of a destination.
func (w *world) queued(name string) int {
	w.t.Helper()
	tasks, err := w.store.Tasks(w.t.Context(), name, false, outbox.Key{}, 100)
	require.NoError(w.t, err)
	return len(tasks)
}

func timed(t *testing.T, name string, f func(t *testing.T, w *world)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) }) })
}

var (
	ready    = event("1/2", -60, "dewi")
	created  = event("2/1", 0, "")
	answered = event("2/3", 10, "")
	joined   = event("1/3", 11, "dewi")
	left     = event("1/4", 60, "dewi")
	ended    = event("2/4", 60, "")
)

const connected = "attempt 1 revision 1 connected []"

func TestWhenACallIsFinished(t *testing.T) {
	timed(t, "at once, when nothing is missing", func(_ *testing.T, w *world) {
		w.post(ready, created, answered, joined, left)
		w.wantNothing()
		w.post(ended)
		w.want(connected)
	})
	timed(t, "at once, when what comes last is the agent's readiness", func(_ *testing.T, w *world) {
		w.post(created, answered, joined, left, ended)
		w.after(5 * time.Second)
		w.wantNothing()
		w.post(ready)
		w.want(connected)
	})
	timed(t, "after settle, when it has ended and something is missing", func(_ *testing.T, w *world) {
		w.post(created, ended)
		w.after(10*time.Second - time.Millisecond)
		w.wantNothing()
		w.after(time.Millisecond)
		w.want("attempt 1 revision 1 unanswered []")
	})
	timed(t, "settle counts from the newest event, and a repeat moves nothing", func(_ *testing.T, w *world) {
		w.post(ended)
		w.after(9 * time.Second)
		w.post(created)
		w.after(9 * time.Second)
		w.wantNothing()
		w.post(created, ended, created)
		w.after(time.Second)
		w.want("attempt 1 revision 1 unanswered []")
	})
	timed(t, "after settle, when agent and call hung up more than two seconds apart", func(_ *testing.T, w *world) {
		w.post(ready, created, answered, joined, left, event("2/4", 62.1, ""))
		w.wantNothing()
		w.after(10 * time.Second)
		w.want(connected)
	})
	timed(t, "after the ring timeout, when it was only created", func(_ *testing.T, w *world) {
		w.post(created)
		w.after(10*time.Minute - time.Millisecond)
		w.wantNothing()
		w.after(time.Millisecond)
		w.want("attempt 1 revision 1 unknown [hangup_missing]")
	})
	timed(t, "after max_age, when its end never comes", func(_ *testing.T, w *world) {
		w.post(created)
		w.after(9 * time.Minute)
		w.post(answered, joined)
		w.after(4*time.Hour - time.Millisecond)
		w.wantNothing()
		w.after(time.Millisecond)
		w.want("attempt 1 revision 1 connected [hangup_missing]")
	})
	timed(t, "an event that means nothing makes no call and is let go", func(t *testing.T, w *world) {
		w.post(event("2/2", 0, ""))
		w.after(4 * time.Hour)
		w.wantNothing()
		assert.Zero(t, w.engine.Open())
	})
	timed(t, "each destination gets one delivery, and the counters know", func(t *testing.T, w *world) {
		w.sinks = []string{"crm", "desk"}
		w.post(ready, created, answered, joined, left, ended)
		assert.Equal(t, 1, w.queued("crm"))
		assert.Equal(t, 1, w.queued("desk"))
		counts, err := w.store.Counts(t.Context(), outbox.DayOf(w.clock.Wall()))
		require.NoError(t, err)
		assert.EqualValues(t, 1, counts[connector.CountFinished("desk")])
		assert.EqualValues(t, 1, counts[connector.CountState("desk", connector.DeliveryWaiting)])
		assert.Zero(t, w.engine.Open(), "nothing is left in memory")
	})
	timed(t, "a uuid that is used again is another call", func(_ *testing.T, w *world) {
		w.post(created, ended)
		w.after(time.Hour)
		w.post(event("2/1", 3600, ""))
		w.after(5 * time.Minute)
		w.post(event("2/3", 3610, ""), event("2/4", 3620, ""))
		w.after(10 * time.Second)
		w.want("attempt 1 revision 1 unanswered []", "attempt 2 revision 1 abandoned []")
	})
}

func TestRestart(t *testing.T) {
	for _, down := range []time.Duration{0, 3 * time.Second, time.Minute} {
		timed(t, fmt.Sprintf("before settle, down for %s", down), func(_ *testing.T, w *world) {
			w.post(created, ended)
			w.after(5 * time.Second)
			w.restart(down)
			if left := 5*time.Second - down; left > 0 {
				w.after(left - time.Millisecond)
				w.wantNothing()
				w.after(time.Millisecond)
			}
			w.want("attempt 1 revision 1 unanswered []")
		})
	}
	timed(t, "while it rings", func(_ *testing.T, w *world) {
		w.post(created)
		w.after(6 * time.Minute)
		w.restart(time.Minute)
		w.after(3*time.Minute - time.Millisecond)
		w.wantNothing()
		w.after(time.Millisecond)
		w.want("attempt 1 revision 1 unknown [hangup_missing]")
	})
	timed(t, "in mid-call, with the agent's readiness kept", func(_ *testing.T, w *world) {
		w.post(ready, created, answered, joined)
		w.restart(time.Minute)
		w.post(left, ended)
		w.want(connected)
	})
	timed(t, "after the finish: nothing is done twice", func(t *testing.T, w *world) {
		w.post(ready, created, answered, joined, left, ended)
		w.restart(time.Minute)
		w.after(5 * time.Hour)
		w.want(connected)
		assert.Equal(t, 1, w.queued("crm"))
	})
	timed(t, "with a straggler pending", func(_ *testing.T, w *world) {
		w.post(created, answered, ended)
		w.after(time.Minute)
		w.post(joined)
		w.after(5 * time.Second)
		w.restart(time.Second)
		w.after(4 * time.Second)
		w.want("attempt 1 revision 1 abandoned []", "attempt 1 revision 2 connected []")
	})
}

func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, -100 * time.Hour} {
		timed(t, fmt.Sprintf("by %s while the process lives", jump), func(_ *testing.T, w *world) {
			w.post(created, answered)
			w.after(time.Minute)
			w.clock.jump = jump
			w.after(4*time.Hour - time.Minute - time.Millisecond)
			w.wantNothing()
			w.after(time.Millisecond)
			w.want("attempt 1 revision 1 abandoned [hangup_missing]")
		})
	}
	timed(t, "forth and back", func(_ *testing.T, w *world) {
		w.post(created, ended)
		w.clock.jump = time.Hour
		w.after(4 * time.Second)
		w.clock.jump = 0
		w.after(6*time.Second - time.Millisecond)
		w.wantNothing()
		w.after(time.Millisecond)
		w.want("attempt 1 revision 1 unanswered []")
	})
	timed(t, "back over a restart: an arrival in the future counts as just now", func(_ *testing.T, w *world) {
		w.clock.jump = time.Hour
		w.post(created, ended)
		w.kill()
		w.start(0)
		w.after(10*time.Second - time.Millisecond)
		w.wantNothing()
		w.after(time.Millisecond)
		w.want("attempt 1 revision 1 unanswered []")
	})
}

func TestStragglers(t *testing.T) {
	timed(t, "within the late window it makes a revision, settle after the newest", func(t *testing.T, w *world) {
		w.post(created, answered, joined)
		w.after(4 * time.Hour)
		w.want("attempt 1 revision 1 connected [hangup_missing]")
		w.after(time.Hour)
		w.post(left)
		w.after(9 * time.Second)
		w.post(ended)
		w.after(9 * time.Second)
		w.want("attempt 1 revision 1 connected [hangup_missing]")
		w.after(time.Second)
		w.want("attempt 1 revision 1 connected [hangup_missing]", "attempt 1 revision 2 connected []")
		assert.True(t, w.calls("c")[0].Record().EndedAt.Known())
		assert.Equal(t, 1, w.queued("crm"), "still one delivery: it waits, and now wants revision 2")
	})
	timed(t, "a repeat of what is in the history changes nothing", func(t *testing.T, w *world) {
		w.post(created, ended)
		w.after(time.Minute)
		w.post(created, ended)
		w.after(time.Minute)
		w.want("attempt 1 revision 1 unanswered []")
		assert.Zero(t, w.engine.Open())
	})
	timed(t, "one that changes nothing in the record is kept with the call", func(t *testing.T, w *world) {
		w.post(created, ended)
		w.after(time.Minute)
		w.post(event("2/1", 3, ""))
		w.after(time.Minute)
		w.want("attempt 1 revision 1 unanswered []")
		assert.Len(t, w.calls("c")[0].Events, 3)
	})
	timed(t, "after the late window it is kept and changes nothing", func(t *testing.T, w *world) {
		w.post(created, answered)
		w.after(4*time.Hour + 72*time.Hour + time.Millisecond)
		w.post(ended)
		w.after(72 * time.Hour)
		w.want("attempt 1 revision 1 abandoned [hangup_missing]", "late: 1")
		assert.Equal(t, 1, w.queued("crm"))
		w.post(ended)
		w.after(time.Minute)
		w.want("attempt 1 revision 1 abandoned [hangup_missing]", "late: 1")
	})
	timed(t, "what the agent does after the finish changes no idle time", func(t *testing.T, w *world) {
		w.post(created, answered, joined, left, ended)
		w.after(10 * time.Second)
		w.want(connected)
		w.post(ready)                // too late for revision 1,
		w.post(event("2/1", -1, "")) // and for revision 2, which an earlier start makes
		w.after(10 * time.Second)
		w.want(connected, "attempt 1 revision 2 connected []")
		assert.False(t, w.calls("c")[0].Record().Agent.IdleSeconds.Known)
	})
	timed(t, "what was known of the agent at the finish stays known", func(t *testing.T, w *world) {
		w.post(ready, created, answered, joined, left, ended)
		w.restart(20 * time.Hour) // the timeline is pruned by now
		w.after(time.Hour)
		w.post(event("2/1", -1, ""))
		w.after(10 * time.Second)
		w.want(connected, "attempt 1 revision 2 connected []")
		assert.Equal(t, connector.KnownSpan(71e6), w.calls("c")[0].Record().Agent.IdleSeconds)
	})
}

// counted gives today's counters that are not zero, deliveries aside.
func (w *world) counted() map[string]int64 {
	w.t.Helper()
	all, err := w.store.Counts(w.t.Context(), outbox.DayOf(w.clock.Wall()))
	require.NoError(w.t, err)
	for name, n := range all {
		if n == 0 || strings.HasPrefix(name, "delivery/") || strings.HasPrefix(name, "update/") {
			delete(all, name)
		}
	}
	return all
}

func TestQueueCounters(t *testing.T) {
	in := func(queue string, events ...connector.Event) []connector.Event {
		for i := range events {
			events[i].Queue = queue
		}
		return events
	}
	timed(t, "each call counts once, as what it is", func(t *testing.T, w *world) {
		call := func(uuid string, events ...connector.Event) {
			for i := range events {
				events[i].UUID = uuid
			}
			w.post(in("7", events...)...)
		}
		call("a", created, answered, joined, left, ended)
		call("b", created, answered, event("1/3", 12.5, "dewi"), left, ended)
		call("c", created, answered, ended)
		call("d", created, event("2/4", 14.9, ""))
		call("e", created, event("2/4", 15, ""))
		call("f", created)
		w.after(time.Hour)
		w.post(in("7", created, answered, ended)...) // repeats count nothing
		w.after(time.Hour)
		assert.Equal(t, map[string]int64{
			"calls/finished": 6, "queue/offered/7": 6, "queue/answered/7": 3, "queue/connected/7": 2, "queue/late/7": 1,
			"queue/abandoned/7": 1, "queue/short_ring/7": 1,
		}, w.counted())
	})
	timed(t, "an amendment moves the call from one counter to another", func(t *testing.T, w *world) {
		w.post(in("7", created, answered, ended)...)
		w.after(time.Minute)
		w.post(in("7", joined)...)
		w.after(time.Minute)
		assert.Equal(t, map[string]int64{
			"calls/finished": 1, "calls/amended": 1, "queue/offered/7": 1, "queue/answered/7": 1, "queue/connected/7": 1,
		}, w.counted())
	})
}

// A delivery that is over waits again because of a revision since that revision, not since the call was finished.
func TestSinceWhenADeliveryWaits(t *testing.T) {
	in := func(codes ...string) (out []connector.Event) {
		for i, code := range codes {
			out = append(out, event(code, float64(i), map[string]string{"1/3": "dewi"}[code]))
		}
		return out
	}
	timed(t, "an amendment", func(t *testing.T, w *world) {
		delivery := func() (*connector.Delivery, outbox.Entry) {
			entries, err := w.store.Entries(t.Context(), connector.CallGroup("c"))
			require.NoError(t, err)
			d, err := connector.DecodeDelivery(entries[0].Row("crm").Body)
			require.NoError(t, err)
			return d, entries[0]
		}
		w.post(in("2/1", "2/3", "2/4")...)
		w.after(time.Minute)
		d, entry := delivery()
		assert.False(t, d.Since.Known(), "since it was finished")
		tasks, _, err := w.store.Claim(t.Context(), "crm", time.Now(), 1, outbox.OldestFirst)
		require.NoError(t, err)
		d.State, d.Done = connector.DeliveryDone, 1
		body, err := d.Encode()
		require.NoError(t, err)
		require.NoError(t, w.store.Settle(t.Context(), tasks[0], outbox.Done(), outbox.Tx{
			Put: []outbox.RowPut{{Ref: entry.Ref, Name: "crm", Prev: entry.Row("crm").Version, Body: body}},
		}))
		w.after(time.Hour)
		amended := connector.TimeOf(time.Now())
		w.post(in("1/3")...)
		w.after(time.Minute)
		d, _ = delivery()
		assert.Equal(t, connector.DeliveryWaiting, d.State)
		assert.GreaterOrEqual(t, d.Since, amended)
	})
}

func TestAgentsNow(t *testing.T) {
	now := func(w *world) string {
		agents := w.engine.Agents()
		require.Len(w.t, agents, 1)
		return fmt.Sprintf("%s %s %g %s", agents[0].Username, agents[0].State, agents[0].Since.Sub(dialer).Seconds(), agents[0].UUID)
	}
	timed(t, "by the newest event, over restarts, whatever order they came in", func(t *testing.T, w *world) {
		w.post(joined, ready)
		assert.Equal(t, "dewi on_call 11 c", now(w))
		w.restart(time.Second)
		assert.Equal(t, "dewi on_call 11 c", now(w))
		w.post(left)
		assert.Equal(t, "dewi wrap_up 60 c", now(w))
		w.post(event("1/2", 90, "dewi"))
		assert.Equal(t, "dewi ready 90 ", now(w))
		w.post(event("1/0", 95, "dewi"))
		assert.Equal(t, "dewi offline 95 ", now(w))
	})
	timed(t, "timelines are bounded, and the newest event stays", func(t *testing.T, w *world) {
		for i := range 50 {
			w.post(event("1/2", float64(i), "dewi"))
		}
		w.after(9 * time.Hour)
		w.post(event("1/2", 100, "dewi"))
		w.after(time.Hour)
		items := 0
		w.kill()
		store, err := bolt.Open(w.path, bolt.Options{})
		require.NoError(t, err)
		require.NoError(t, store.Open(t.Context(), func(_ string, i []outbox.Item) error {
			items += len(i)
			return nil
		}))
		require.NoError(t, store.Close())
		assert.Equal(t, 1, items)
		w.start(0)
		assert.Equal(t, "dewi ready 100 ", now(w))
	})
}

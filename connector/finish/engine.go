package finish

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// Store is what the engine needs of an outbox.Store.
type Store interface {
	Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error)
	Open(ctx context.Context, f func(group string, items []outbox.Item) error) error
	Entries(ctx context.Context, group string) ([]outbox.Entry, error)
	Entry(ctx context.Context, ref outbox.Ref) (outbox.Entry, error)
}

// Options of an Engine.
type Options struct {
	Store    Store
	Settings correlate.Settings
	// Destinations names those that are configured now; each gets a delivery of every call that is finished.
	Destinations func() []string
	Clock        Clock
	Logger       *slog.Logger
	// Looks is how many calls are looked at side by side: they share the store's group commit. 0 is 64.
	Looks int
}

// Engine holds the open calls and finishes them.
type Engine struct {
	store        Store
	settings     atomic.Pointer[correlate.Settings]
	destinations func() []string
	clock        Clock
	log          *slog.Logger
	looks        int

	mu     sync.Mutex
	calls  map[string]*call
	agents map[string]*agent
	queue  dueQueue
	wake   chan struct{}
	// doubted are the uuids whose call may have been finished before, see connector.DoubtItem. Only Load writes it.
	doubted map[string]bool

	// began is when the engine was made, by the growing clock: what was due before is not late.
	began time.Duration
	// late counts the looks that came later than lateLook.
	late atomic.Int64
}

// lateLook is how much later than it was due a look is late.
const lateLook = time.Second

// call is an open call, or a finished one of which something new has come.
type call struct {
	uuid    string
	pending []pending
	// looking: a look is under way; again: something came meanwhile.
	looking, again bool
	// ended: an event that ends a call is among the pending ones, so that it may be due at once.
	ended bool
	// unseen: something has come since the last look.
	unseen bool
	// failed counts the looks that failed in a row.
	failed int
	// agents whose timelines the call may have to wait for.
	agents []*agent
	due    time.Duration
	place  int // in the queue; -1 if not in it
}

// New makes an Engine; Load and Run make it work.
func New(o Options) *Engine {
	e := &Engine{
		doubted: map[string]bool{},
		store:   o.Store, destinations: o.Destinations, clock: o.Clock, log: o.Logger, looks: o.Looks,
		calls: map[string]*call{}, agents: map[string]*agent{}, wake: make(chan struct{}, 1), began: o.Clock.Mono(),
	}
	e.settings.Store(&o.Settings)
	if e.looks == 0 {
		e.looks = 64
	}
	return e
}

// Load rebuilds the open calls and the agents' timelines from the store. It is called once, before the first Observe. An
// event that can't be read is an error in the log and hides no other.
func (e *Engine) Load(ctx context.Context) error {
	wall, mono := e.clock.Wall(), e.clock.Mono()
	err := e.store.Open(ctx, func(group string, items []outbox.Item) error {
		if !connector.HoldsEvents(group) {
			return nil
		}
		for _, item := range items {
			var a connector.Arrival
			if uuid, _ := connector.ParseGroup(group); uuid != "" && item.ID == connector.DoubtItem {
				e.doubted[uuid] = true
				continue
			}
			if err := json.Unmarshal(item.Body, &a); err != nil {
				e.log.Error("a stored event can't be read; it is left where it is", "group", group, "event", item.ID, "error", err)
				continue
			}
			// An arrival in the future (the clock was set back) counts as just now: late is better than never.
			ago := max(0, wall.Sub(a.At.Time()))
			e.add(group, a, mono-ago)
		}
		return nil
	})
	switch {
	case errors.Is(err, outbox.ErrDamaged): // everything that is readable has been loaded
		e.log.Error("stored events are damaged; the calls they belong to may be told wrong", "error", err)
	case err != nil:
		return fmt.Errorf("open calls can't be loaded: %w", err)
	}
	return nil
}

// Observe takes a new event of the group, once it is durable.
func (e *Engine) Observe(group string, a connector.Arrival) {
	e.mu.Lock()
	before := e.first()
	e.add(group, a, e.clock.Mono())
	sooner := e.first() < before
	e.mu.Unlock()
	if sooner {
		e.poke()
	}
}

// first is when the next call is due, as far as there is one.
func (e *Engine) first() time.Duration {
	if len(e.queue) == 0 {
		return math.MaxInt64
	}
	return e.queue[0].due
}

// poke makes the feed look at the queue anew: the first call in it is due sooner than the feed knows.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *Engine) add(group string, a connector.Arrival, came time.Duration) {
	uuid, name := connector.ParseGroup(group)
	if uuid == "" {
		e.agent(name).add(a, came)
		// The agent's open calls may have waited for just this.
		for c := range e.agent(name).calls {
			if c.ended {
				e.schedule(c, came)
			}
		}
		return
	}
	c := e.calls[uuid]
	if c == nil {
		c = &call{uuid: uuid, place: -1}
		e.calls[uuid] = c
	}
	c.pending = append(c.pending, pending{Arrival: a, came: came})
	if a.AboutAgent() {
		c.joinedBy(e.agent(a.Agent()))
	}
	c.ended = c.ended || a.Kind == connector.KindEnded
	due := came
	if !c.ended { // a look would find that it is too early, and that for each event of a call
		due += e.settings.Load().WithoutEnd()
	}
	c.unseen = true
	e.schedule(c, due)
}

// schedule makes the call be looked at no later than due.
func (e *Engine) schedule(c *call, due time.Duration) {
	switch {
	case c.looking:
		c.again = true
	case c.place < 0:
		c.due = due
		heap.Push(&e.queue, c)
	case due < c.due:
		c.due = due
		heap.Fix(&e.queue, c.place)
	}
}

// SetSettings takes other rules into use. Calls that are open go by them from now on, and are all looked at once: they may be
// due sooner. What is finished stays as it is.
func (e *Engine) SetSettings(s correlate.Settings) {
	e.settings.Store(&s)
	e.mu.Lock()
	now := e.clock.Mono()
	for _, c := range e.calls {
		e.schedule(c, now)
	}
	e.mu.Unlock()
	e.poke()
}

// Open counts the calls that are open.
func (e *Engine) Open() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.calls)
}

// Looks tells how many calls were looked at later than they were due, by more than a second, and how overdue the next one is:
// the engine doesn't keep up, or the store is slow.
func (e *Engine) Looks() (late int64, overdue time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) > 0 {
		overdue = max(0, e.clock.Mono()-max(e.queue[0].due, e.began))
	}
	return e.late.Load(), overdue
}

// Pending gives the events of the uuid that are in no record yet.
func (e *Engine) Pending(uuid string) []connector.Arrival {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.calls[uuid]
	if c == nil {
		return nil
	}
	out := make([]connector.Arrival, len(c.pending))
	for i := range c.pending {
		out[i] = c.pending[i].Arrival
	}
	return out
}

// Run looks at calls when they are due, until ctx ends; the looks that are under way then are completed. It returns an
// error only if the store is broken.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	due := make(chan *call)
	var looks sync.WaitGroup
	for range e.looks {
		looks.Go(func() {
			for c := range due {
				if err := e.look(context.WithoutCancel(ctx), c); err != nil {
					cancel(err)
				}
			}
		})
	}
	e.feed(ctx, due)
	close(due)
	looks.Wait()
	if err := context.Cause(ctx); errors.Is(err, outbox.ErrBroken) {
		return err
	}
	return nil
}

// feed hands out the calls as they become due.
func (e *Engine) feed(ctx context.Context, due chan<- *call) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	prune := e.clock.Mono() + pruneEvery
	for {
		c, wait := e.next()
		if c != nil {
			select {
			case due <- c:
				continue
			case <-ctx.Done():
				return
			}
		}
		if now := e.clock.Mono(); now >= prune {
			prune = now + pruneEvery
			e.prune(ctx)
		}
		timer.Reset(min(wait, pruneEvery))
		select {
		case <-e.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// next takes the next call that is due out of the queue, or says how long until one is.
func (e *Engine) next() (*call, time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 {
		return nil, time.Hour
	}
	first := e.queue[0]
	if wait := first.due - e.clock.Mono(); wait > 0 {
		return nil, wait
	}
	if e.clock.Mono()-max(first.due, e.began) > lateLook {
		e.late.Add(1)
	}
	heap.Pop(&e.queue)
	first.looking = true
	return first, 0
}

// How long a call that couldn't be written, or read, waits for its next look: longer and longer.
const (
	lookPause    = time.Second
	lookPauseMax = 5 * time.Minute
)

// look decides and writes what is due of one call, and puts it back into the queue for the rest. Only a broken store is
// an error.
func (e *Engine) look(ctx context.Context, c *call) error {
	gone, next, err := e.settle(ctx, c.uuid, e.snapshot(c))
	now := e.clock.Mono()
	switch {
	case err == nil:
		c.failed = 0
	case errors.Is(err, outbox.ErrBroken):
		return err
	case errors.Is(err, outbox.ErrConflict):
		next = now // somebody changed the call meanwhile: look again, with what it is now
	default:
		e.log.Error("a call can't be finished; it is tried again", "call", c.uuid, "error", err)
		next = now + min(lookPause<<min(c.failed, 16), lookPauseMax)
		c.failed++
	}
	e.mu.Lock()
	before := e.first()
	c.looking = false
	c.forget(gone)
	switch {
	case len(c.pending) == 0:
		e.remove(c)
	case c.again && c.failed == 0:
		e.schedule(c, now)
	case next != 0:
		e.schedule(c, next)
	default: // never by design: what is pending is either settled or has a next look
		e.schedule(c, now+lookPause)
	}
	c.again = false
	sooner := e.first() < before
	e.mu.Unlock()
	if sooner {
		e.poke()
	}
	return nil
}

// settle does what is due of the given events of a uuid. It gives the events that are settled, by ID, and when to look
// again.
func (e *Engine) settle(ctx context.Context, uuid string, v *view) (gone []string, next time.Duration, err error) {
	if v.history, err = e.history(ctx, uuid); err != nil {
		return nil, 0, err
	}
	d := decide(v, e.clock.Mono(), e.settings.Load())
	for i := range d.changes {
		if err := e.write(ctx, uuid, &d.changes[i], v.timeline); err != nil {
			return gone, 0, err
		}
		gone = append(gone, d.changes[i].drop...)
	}
	if len(d.drop) > 0 {
		if e.doubted[uuid] && len(d.changes) == 0 && d.next == 0 {
			d.drop = append(d.drop, connector.DoubtItem) // the history has the call
		}
		if _, err := e.store.Commit(ctx, outbox.Tx{Group: connector.CallGroup(uuid), Drop: d.drop}); err != nil {
			return gone, 0, err
		}
		gone = append(gone, d.drop...)
	}
	return gone, d.next, nil
}

func (e *Engine) history(ctx context.Context, uuid string) ([]stored, error) {
	entries, err := e.store.Entries(ctx, connector.CallGroup(uuid))
	if err != nil {
		return nil, err
	}
	var out []stored
	for _, entry := range entries {
		c, err := connector.DecodeCall(entry.Body)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", entry.ID, err)
		}
		out = append(out, stored{entry: entry, call: c})
	}
	return out, nil
}

// snapshot takes what a look needs to see of memory.
func (e *Engine) snapshot(c *call) *view {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.unseen = false
	v := &view{pending: c.pending[:len(c.pending):len(c.pending)], timeline: e.timeline(c)}
	v.arrived = e.arrived
	return v
}

func (e *Engine) timeline(c *call) correlate.Timeline {
	t := correlate.Timeline{}
	for i := range c.pending {
		if p := &c.pending[i]; p.AboutAgent() {
			if a := e.agents[p.Agent()]; a != nil {
				t[p.Agent()] = a.events
			}
		}
	}
	return t
}

func (e *Engine) arrived(name string, by connector.Time) []connector.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.agents[name]; a != nil {
		return a.arrived(by)
	}
	return nil
}

// forget takes settled events out of the pending ones.
func (c *call) forget(gone []string) {
	if len(gone) == 0 {
		return
	}
	settled := make(map[string]bool, len(gone))
	for _, id := range gone {
		settled[id] = true
	}
	var rest []pending
	c.ended = false
	for i := range c.pending {
		if !settled[c.pending[i].ID()] {
			rest = append(rest, c.pending[i])
			c.ended = c.ended || c.pending[i].Kind == connector.KindEnded
		}
	}
	c.pending = rest
}

func (e *Engine) remove(c *call) {
	delete(e.calls, c.uuid)
	for _, a := range c.agents {
		delete(a.calls, c)
	}
}

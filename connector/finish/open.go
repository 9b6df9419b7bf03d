package finish

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
)

// openCall is what there is to see of an open call.
type openCall struct {
	uuid    string
	pending []pending
	// queued says that its next look is due then.
	queued bool
	due    time.Duration
	// timeline is that of its agents, if something has come since the last look; else nil.
	timeline correlate.Timeline
}

// OpenCalls gives the calls that are open whose uuid the function wants, in any order.
func (e *Engine) OpenCalls(wanted func(uuid string) bool) []connector.OpenCall {
	calls, wall, mono := e.openCalls(wanted)
	// No event is taken while the lock is held, and of many calls what follows takes seconds.
	s := e.settings.Load()
	var out []connector.OpenCall
	for i := range calls {
		c := &calls[i]
		open := connector.OpenCall{UUID: c.uuid, Pending: make([]connector.Arrival, len(c.pending))}
		for i := range c.pending {
			open.Pending[i] = c.pending[i].Arrival
		}
		if c.queued {
			due := c.due
			if c.timeline != nil {
				due = max(due, c.expected(s))
			}
			open.Next = connector.TimeOf(wall.Add(max(0, due-mono)))
		}
		out = append(out, open)
	}
	return out
}

func (e *Engine) openCalls(wanted func(uuid string) bool) (out []openCall, wall time.Time, mono time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if wanted == nil {
		out = make([]openCall, 0, len(e.calls))
	}
	for uuid, c := range e.calls {
		if wanted != nil && !wanted(uuid) {
			continue
		}
		open := openCall{uuid: uuid, pending: c.pending[:len(c.pending):len(c.pending)], queued: c.place >= 0, due: c.due}
		if c.unseen {
			open.timeline = e.timeline(c)
		}
		out = append(out, open)
	}
	return out, e.clock.Wall(), e.clock.Mono()
}

// expected says when a look will find the call due, by what has come so far: the next look may only be the one that finds
// that out. Of a finished call, which only the store knows, it tells too much.
func (c *openCall) expected(s *correlate.Settings) (due time.Duration) {
	events, from := make([]connector.Event, len(c.pending)), make([]*pending, len(c.pending))
	for i := range c.pending {
		events[i], from[i] = c.pending[i].Event, &c.pending[i]
	}
	attempts := correlate.Waits(events, correlate.Frozen{}, c.timeline, s)
	for i := range attempts {
		if at, _ := dueAt(&attempts[i], from, s); i == 0 || at < due {
			due = at
		}
	}
	return due
}

package finish

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
)

// OpenCalls gives the calls that are open whose uuid the function wants, in any order.
func (e *Engine) OpenCalls(wanted func(uuid string) bool) []connector.OpenCall {
	e.mu.Lock()
	defer e.mu.Unlock()
	wall, mono := e.clock.Wall(), e.clock.Mono()
	var out []connector.OpenCall
	for uuid, c := range e.calls {
		if wanted != nil && !wanted(uuid) {
			continue
		}
		open := connector.OpenCall{UUID: uuid, Pending: make([]connector.Arrival, len(c.pending))}
		for i := range c.pending {
			open.Pending[i] = c.pending[i].Arrival
		}
		if c.place >= 0 {
			due := c.due
			if c.unseen {
				due = max(due, e.expected(c))
			}
			open.Next = connector.TimeOf(wall.Add(max(0, due-mono)))
		}
		out = append(out, open)
	}
	return out
}

// expected says when a look will find the call due, by what has come so far: the next look may only be the one that finds
// that out. Of a finished call, which only the store knows, it tells too much. e.mu is held.
func (e *Engine) expected(c *call) (due time.Duration) {
	events, from := make([]connector.Event, len(c.pending)), make([]*pending, len(c.pending))
	for i := range c.pending {
		events[i], from[i] = c.pending[i].Event, &c.pending[i]
	}
	s := e.settings.Load()
	attempts := correlate.Waits(events, correlate.Frozen{}, e.timeline(c), s)
	for i := range attempts {
		if at, _ := dueAt(&attempts[i], from, s); i == 0 || at < due {
			due = at
		}
	}
	return due
}

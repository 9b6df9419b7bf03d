package finish

import (
	"wrapup/connector"
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
			open.Next = connector.TimeOf(wall.Add(max(0, c.due-mono)))
		}
		out = append(out, open)
	}
	return out
}

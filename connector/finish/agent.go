package finish

import (
	"context"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// agent is an agent's timeline, and the open calls that he has a part in.
type agent struct {
	// events in the order of arrival, and when each came. Readers keep slices of events: they are appended to and replaced,
	// never changed in place.
	events []connector.Event
	at     []connector.Time
	came   []time.Duration
	calls  map[*call]struct{}
}

// A timeline is bounded by what open calls may still ask of it: their maximal age, and a count that no agent reaches in
// that time. The newest event is kept for longer: it tells what the agent does now.
const (
	timelineEvents = 4096
	newestKept     = 7 * 24 * time.Hour
	pruneEvery     = time.Minute
)

func (e *Engine) agent(name string) *agent {
	a := e.agents[name]
	if a == nil {
		a = &agent{calls: map[*call]struct{}{}}
		e.agents[name] = a
	}
	return a
}

func (a *agent) add(ev connector.Arrival, came time.Duration) {
	a.events = append(a.events, ev.Event)
	a.at = append(a.at, ev.At)
	a.came = append(a.came, came)
}

func (c *call) joinedBy(a *agent) {
	if _, known := a.calls[c]; !known {
		a.calls[c] = struct{}{}
		c.agents = append(c.agents, a)
	}
}

// arrived gives the events that had come by the given time.
func (a *agent) arrived(by connector.Time) []connector.Event {
	var out []connector.Event
	for i := range a.events {
		if a.at[i] <= by {
			out = append(out, a.events[i])
		}
	}
	return out
}

// stale counts the events, from the oldest on, that no open call can ask for any more.
func (a *agent) stale(before time.Duration) int {
	n := max(0, len(a.events)-timelineEvents)
	for n < len(a.events)-1 && a.came[n] < before {
		n++
	}
	if n == len(a.events)-1 && a.came[n] < before-newestKept && len(a.calls) == 0 {
		n++
	}
	return n
}

// prune lets go of what has become too old in the agents' timelines. If it fails, it is done the next time.
func (e *Engine) prune(ctx context.Context) {
	// A call whose end never comes is looked at max_age after its newest event, and that came up to max_age after the
	// events before it, about which the timeline is asked.
	s := e.settings.Load()
	before := e.clock.Mono() - 2*s.MaxAge - s.Settle - pruneEvery
	drops := map[string][]string{}
	e.mu.Lock()
	for name, a := range e.agents {
		n := a.stale(before)
		for i := range n {
			drops[name] = append(drops[name], a.events[i].IDIn(connector.AgentGroup(name)))
		}
	}
	e.mu.Unlock()
	for name, gone := range drops {
		if _, err := e.store.Commit(ctx, outbox.Tx{Group: connector.AgentGroup(name), Drop: gone}); err != nil {
			if ctx.Err() == nil {
				e.log.Warn("an agent's timeline can't be shortened; it is tried again", "error", err)
			}
			return
		}
		e.mu.Lock()
		a, n := e.agents[name], len(gone)
		a.events, a.at, a.came = a.events[n:], a.at[n:], a.came[n:]
		if len(a.events) == 0 && len(a.calls) == 0 {
			delete(e.agents, name)
		}
		e.mu.Unlock()
	}
}

// Agents gives what each agent that is known does now.
func (e *Engine) Agents() []connector.AgentNow {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]connector.AgentNow, 0, len(e.agents))
	for _, a := range e.agents {
		if now, ok := connector.Now(a.events); ok {
			out = append(out, now)
		}
	}
	return out
}

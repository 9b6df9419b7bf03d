package finish

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// pending is an event that is in no record yet, with when it came by the growing clock.
type pending struct {
	connector.Arrival
	came time.Duration
}

// stored is a finished attempt as the history has it.
type stored struct {
	entry outbox.Entry
	call  *connector.Call
}

// view is everything known of one uuid when it is looked at.
type view struct {
	pending  []pending
	history  []stored
	timeline correlate.Timeline
	// arrived gives the part of an agent's timeline that had come by the given time.
	arrived func(agent string, by connector.Time) []connector.Event
}

// change is one attempt that has to be written.
type change struct {
	attempt correlate.Attempt
	// of is the finished attempt that it amends, nil for a new one.
	of *stored
	// record says that there is a new revision; otherwise the events are only kept with the call.
	record bool
	events []connector.Arrival // all that the record is made of
	late   []connector.Arrival // those that came too late to change it
	drop   []string            // what leaves the open group with it, by ID
	// timeline is what an amendment was folded with.
	timeline correlate.Timeline
}

// decision is what a look comes to.
type decision struct {
	changes []change
	// drop names pending events that mean nothing: repeats of what the history has, and events that make no call.
	drop []string
	// next is when to look again, by the growing clock; 0 if nothing is pending then.
	next time.Duration
}

// decide says what is due at now of all that is known of a uuid. It changes nothing.
func decide(v *view, now time.Duration, s *correlate.Settings) decision {
	var d decision
	frozen, known := v.freeze()
	most := len(v.pending)
	for i := range v.history {
		most += len(v.history[i].call.Events)
	}
	events, arrivals := make([]connector.Event, 0, most), make([]connector.Arrival, 0, most)
	from := make([]*pending, 0, most) // of the history's events: nil
	for i := range v.history {
		for _, a := range v.history[i].call.Events {
			events, from, arrivals = append(events, a.Event), append(from, nil), append(arrivals, a)
		}
	}
	for i := range v.pending {
		p := &v.pending[i]
		if known[p.ID()] {
			d.drop = append(d.drop, p.ID())
			continue
		}
		events, from, arrivals = append(events, p.Event), append(from, p), append(arrivals, p.Arrival)
	}
	late := v.late(events, from, frozen, s)
	if len(late) > 0 { // they are kept with their call and must not touch its record
		events, from, arrivals = without(events, late), without(from, late), without(arrivals, late)
	}
	attempts := correlate.Waits(events, frozen, v.timeline, s)
	for i := range attempts { // most looks find that it is too early
		if due, news := dueAt(&attempts[i], from, s); news && due <= now {
			attempts = correlate.Fold(events, frozen, v.timeline, s)
			break
		}
	}
	for i := range attempts {
		v.attempt(&d, &attempts[i], from, arrivals, late, frozen, now, s)
	}
	// A finished call whose only news came too late.
	for number, idx := range lateOf(late) {
		if of := v.number(number); of != nil && of.call.Erased != nil {
			d.drop = append(d.drop, ids(idx)...)
		} else if of != nil && !d.touches(of) {
			d.changes = append(d.changes, change{of: of, events: of.call.Events, late: idx, drop: ids(idx)})
		}
	}
	return d
}

// dueAt says when an attempt is to be finished, or its finished record looked at again, and whether there is news of it at all.
func dueAt(a *correlate.Attempt, from []*pending, s *correlate.Settings) (at time.Duration, news bool) {
	var newest time.Duration
	for _, i := range a.Events {
		if p := from[i]; p != nil && (!news || p.came > newest) {
			newest, news = p.came, true
		}
	}
	if a.Frozen {
		return newest + s.Settle, news
	}
	return newest + a.Wait, news
}

// attempt adds to the decision what is to be done about one attempt.
func (v *view) attempt(d *decision, a *correlate.Attempt, from []*pending, arrivals []connector.Arrival, late map[int]lateEvent, frozen correlate.Frozen, now time.Duration, s *correlate.Settings) {
	at, news := dueAt(a, from, s)
	switch {
	case !news:
		return
	case at > now:
		if d.next == 0 || at < d.next {
			d.next = at
		}
		return
	}
	c := change{attempt: *a, events: make([]connector.Arrival, 0, len(a.Events)), drop: make([]string, 0, len(a.Events))}
	for _, i := range a.Events {
		c.events = append(c.events, arrivals[i])
		if p := from[i]; p != nil {
			c.drop = append(c.drop, p.ID())
		}
	}
	if a.Frozen {
		c.of = v.number(a.Record.Attempt)
		if c.of.call.Erased != nil { // what comes of an erased call is swallowed: that is what is left of it for
			d.drop = append(d.drop, c.drop...)
			return
		}
		c.timeline = frozen.Timeline[a.Record.Attempt]
		// The name is the first finish's for good, also where an earlier creation came late.
		c.attempt.Record.CallID = c.of.call.Record().CallID
		c.late = lateOf(late)[a.Record.Attempt]
		c.drop = append(c.drop, ids(c.late)...)
		c.record = !equal(c.of.call.Record(), &c.attempt.Record)
		d.changes = append(d.changes, c)
		return
	}
	if a.Empty {
		d.drop = append(d.drop, c.drop...)
		return
	}
	c.record = true
	d.changes = append(d.changes, c)
}

// freeze collects what the history settles: which attempt its events belong to, and the timelines as they were.
func (v *view) freeze() (correlate.Frozen, map[string]bool) {
	if len(v.history) == 0 {
		return correlate.Frozen{}, nil
	}
	f := correlate.Frozen{Attempt: map[string]int{}, Timeline: map[int]correlate.Timeline{}}
	known := map[string]bool{}
	for i := range v.history {
		call := v.history[i].call
		number := call.Record().Attempt
		for j := range call.Events {
			f.Attempt[call.Events[j].ID()] = number
			known[call.Events[j].ID()] = true
		}
		for j := range call.Late {
			known[call.Late[j].ID()] = true
		}
		timeline := correlate.ByAgent(call.Timeline)
		for agent := range v.timeline {
			timeline[agent] = append(timeline[agent], v.arrived(agent, call.FinishedAt)...)
		}
		f.Timeline[number] = timeline
	}
	return f, known
}

type lateEvent struct {
	attempt int
	arrival connector.Arrival
}

// late finds the pending events that belong to a finished attempt whose late window was over when they came; by index.
func (v *view) late(events []connector.Event, from []*pending, frozen correlate.Frozen, s *correlate.Settings) map[int]lateEvent {
	if len(v.history) == 0 {
		return nil
	}
	var late map[int]lateEvent
	for _, a := range correlate.Waits(events, frozen, v.timeline, s) {
		if !a.Frozen {
			continue
		}
		of := v.number(a.Record.Attempt)
		until := of.call.FinishedAt + connector.Time(s.LateWindow.Microseconds())
		for _, i := range a.Events {
			if p := from[i]; p != nil && p.At > until {
				if late == nil {
					late = map[int]lateEvent{}
				}
				late[i] = lateEvent{a.Record.Attempt, p.Arrival}
			}
		}
	}
	return late
}

func lateOf(late map[int]lateEvent) map[int][]connector.Arrival {
	by := map[int][]connector.Arrival{}
	for _, l := range late {
		by[l.attempt] = append(by[l.attempt], l.arrival)
	}
	return by
}

func (v *view) number(n int) *stored {
	for i := range v.history {
		if v.history[i].call.Record().Attempt == n {
			return &v.history[i]
		}
	}
	return nil
}

func (d *decision) touches(of *stored) bool {
	for i := range d.changes {
		if d.changes[i].of == of {
			return true
		}
	}
	return false
}

func ids(arrivals []connector.Arrival) []string {
	out := make([]string, len(arrivals))
	for i := range arrivals {
		out[i] = arrivals[i].ID()
	}
	return out
}

func without[T any](all []T, gone map[int]lateEvent) []T {
	var out []T
	for i := range all {
		if _, ok := gone[i]; !ok {
			out = append(out, all[i])
		}
	}
	return out
}

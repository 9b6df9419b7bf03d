package correlate

import (
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"wrapup/connector"
)

// Timeline holds, by agent key ([connector.Event.Agent]), the agent's events in any order: when he was ready, went
// offline, joined and left calls.
type Timeline map[string][]connector.Event

// Frozen is what the first finish of an attempt settled for good. What was posted under one name stays under it: a
// finished attempt is never cut in two and never joined with another.
type Frozen struct {
	// Attempt says, by event ID, which attempt (from 1) an event belongs to.
	Attempt map[string]int
	// Timeline gives, by attempt, the timelines as they were known then.
	Timeline map[int]Timeline
}

// Attempt is one call made under a uuid.
type Attempt struct {
	// Record as far as the events tell; its Revision is not set. An attempt of which only meaningless events are known
	// has none: see Empty.
	Record connector.Record
	// Empty says that no event of it means anything to a call.
	Empty bool
	// Wait is how long after its newest event the attempt is to be finished: 0 if nothing is missing, so that it can be
	// finished at once.
	Wait time.Duration
	// Events are indices into what Fold was given, in the order of time. Repeats are left out.
	Events []int
	// Frozen says that the attempt was finished before.
	Frozen bool
}

// Fold gives the attempts that the events of one uuid tell of, in the order of time. The order and the repetition of the
// events do not matter.
func Fold(events []connector.Event, frozen Frozen, timeline Timeline, s *Settings) []Attempt {
	return fold(events, frozen, timeline, s, true)
}

// Waits gives the attempts that Fold gives, without what only a record is made of, above all the numbers in E.164: enough to
// tell when each is to be finished, for a small part of the work.
func Waits(events []connector.Event, frozen Frozen, timeline Timeline, s *Settings) []Attempt {
	return fold(events, frozen, timeline, s, false)
}

func fold(events []connector.Event, frozen Frozen, timeline Timeline, s *Settings, whole bool) []Attempt {
	order := sorted(events)
	cuts := cut(events, order, frozen, s)
	attempts := make([]Attempt, len(cuts))
	used := make(map[int]bool, len(cuts))
	for _, c := range cuts {
		used[c.number] = true
	}
	next := 1
	for i, c := range cuts {
		number := c.number
		if number == 0 {
			for used[next] {
				next++
			}
			number = next
			used[number] = true
		}
		seen := timeline
		if c.number != 0 {
			seen = frozen.Timeline[number]
		}
		attempts[i] = foldAttempt(events, c.events, number, seen, s, whole)
		attempts[i].Frozen = c.number != 0
	}
	return attempts
}

// sorted gives the indices of the events by time, without repeats. Of two events with one ID it keeps the one that
// CompareEvents puts first, so that not even a repeat that differs in what doesn't count can make a difference.
func sorted(events []connector.Event) []int {
	order := make([]int, len(events))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return connector.CompareEvents(&events[a], &events[b]) })
	out := order[:0]
next:
	for _, i := range order {
		for n := len(out) - 1; n >= 0 && events[out[n]].Time == events[i].Time; n-- {
			if same(&events[i], &events[out[n]]) {
				continue next
			}
		}
		out = append(out, i)
	}
	return out
}

// same says that two events of one uuid have one ID, without building it.
func same(a, b *connector.Event) bool {
	return a.Time == b.Time && a.Code == b.Code && a.AgentID == b.AgentID
}

// part is a uuid's events between two cuts.
type part struct {
	events []int
	number int // 0: not finished yet
	// What the rule for the next cut looks at: the latest end, the latest creation, the earliest event.
	ended, started, first connector.Time
}

func (p *part) add(events []connector.Event, i int) {
	e := &events[i]
	p.events = append(p.events, i)
	switch e.Kind {
	case connector.KindEnded:
		p.ended = max(p.ended, e.Time)
	case connector.KindStarted:
		p.started = max(p.started, e.Time)
	}
	if p.first == 0 {
		p.first = e.Time
	}
}

// endsBefore says that a creation at the time t is another call's: the uuid was used again.
func (p *part) endsBefore(t connector.Time, s *Settings) bool {
	switch {
	case p.ended != 0:
		return t.Sub(p.ended).Micros > reuseAfter.Microseconds()
	case p.started != 0:
		return t.Sub(p.started).Micros > s.MaxAge.Microseconds()
	default:
		return t.Sub(p.first).Micros > s.MaxAge.Microseconds()
	}
}

// cut divides a uuid's events, given in the order of time, into attempts. Events of finished attempts stay where they
// were; the others go to the attempt that is current at their time, and a creation that comes long enough after it
// starts a new one.
func cut(events []connector.Event, order []int, frozen Frozen, s *Settings) []*part {
	var parts []*part
	var current *part
	byNumber := map[int]*part{}
	for _, i := range order {
		e := &events[i]
		number := 0
		if len(frozen.Attempt) > 0 {
			number = frozen.Attempt[e.ID()]
		}
		reused := current != nil && e.Kind == connector.KindStarted && current.endsBefore(e.Time, s)
		switch {
		case number != 0 && byNumber[number] != nil:
			current = byNumber[number]
		case current == nil, reused, number != 0 && current.number != 0:
			current = &part{number: number}
			parts = append(parts, current)
		case number != 0: // the attempt at hand turns out to be the finished one
			current.number = number
		}
		if number != 0 {
			byNumber[number] = current
		}
		current.add(events, i)
	}
	return parts
}

// callID names an attempt: the uuid itself for the first, so that a CRM entry can be found by what the dialer shows;
// later ones get a name that follows from the uuid and their start.
func callID(id string, number int, start connector.Time) string {
	if number == 1 {
		return id
	}
	space, err := uuid.Parse(id)
	if err != nil {
		space = uuid.NewSHA1(uuid.NameSpaceOID, []byte(id))
	}
	return uuid.NewSHA1(space, strconv.AppendInt(nil, int64(start), 10)).String()
}

package correlate

import (
	"cmp"
	"slices"
	"time"

	"wrapup/connector"
)

// attempt is what foldAttempt collects on its way to the record.
type attempt struct {
	events   []connector.Event
	order    []int // of the events that mean something, by time
	timeline Timeline
	settings *Settings
	record   *connector.Record
	flags    map[connector.Flag]bool
	segments []segment
}

// foldAttempt makes the record of one attempt's events, given by their indices in the order of time; whole or only as far as
// it takes to know how long to wait.
func foldAttempt(events []connector.Event, order []int, number int, timeline Timeline, s *Settings, whole bool) Attempt {
	out := Attempt{Events: order}
	a := attempt{events: events, timeline: timeline, settings: s, record: &out.Record, flags: map[connector.Flag]bool{}}
	for _, i := range order {
		if events[i].Kind != connector.KindOther {
			a.order = append(a.order, i)
		}
	}
	if len(a.order) == 0 {
		out.Empty, out.Wait = true, s.MaxAge
		return out
	}
	r := a.record
	r.UUID = events[a.order[0]].UUID
	r.Attempt = number
	r.Direction = connector.Outbound
	r.OccurredAt = events[a.order[0]].Time
	onlyStarted := a.stamps()
	r.CallID = callID(r.UUID, number, cmp.Or(r.StartedAt, r.OccurredAt))
	if whole {
		a.identity()
	}
	a.join()
	a.close()
	a.outcome()
	a.spans()
	a.finish()
	out.Wait = a.wait(onlyStarted)
	return out
}

// stamps takes the earliest creation and answer and the latest end. It says whether the creation is all there is.
func (a *attempt) stamps() (onlyStarted bool) {
	r := a.record
	onlyStarted = true
	for _, i := range a.order {
		e := &a.events[i]
		if e.Kind != connector.KindStarted {
			onlyStarted = false
		}
		switch e.Kind {
		case connector.KindStarted:
			r.StartedAt = cmp.Or(r.StartedAt, e.Time)
		case connector.KindAnswered:
			r.AnsweredAt = cmp.Or(r.AnsweredAt, e.Time)
		case connector.KindEnded:
			r.EndedAt = e.Time
		}
		if !slices.Contains(r.Sources, e.Source) {
			r.Sources = append(r.Sources, e.Source)
		}
	}
	slices.Sort(r.Sources)
	return onlyStarted
}

// identity takes phone and queue: the creation's, else the earliest event's that has them.
func (a *attempt) identity() {
	pick := func(field func(*connector.Event) string) connector.Text {
		chosen, fromStart := "", false
		for _, i := range a.order {
			e := &a.events[i]
			v := field(e)
			switch {
			case v == "" || v == chosen:
			case chosen == "":
				chosen = v
			default:
				a.flags[connector.FlagConflict] = true
				if e.Kind == connector.KindStarted && !fromStart {
					chosen = v
				}
			}
			fromStart = fromStart || v != "" && e.Kind == connector.KindStarted
		}
		return connector.Text(chosen)
	}
	r := a.record
	r.Phone = pick(func(e *connector.Event) string { return e.Phone })
	r.Queue = pick(func(e *connector.Event) string { return e.Queue })
	q := a.settings.queue(string(r.Queue))
	r.QueueName = connector.Text(q.Name)
	r.PhoneE164, r.CountryCode = international(string(r.Phone), q.Region)
}

func (a *attempt) outcome() {
	r := a.record
	switch {
	case len(a.segments) > 0:
		r.Outcome = connector.OutcomeConnected
		a.flags[connector.FlagAnswerMissing] = !r.AnsweredAt.Known()
	case r.AnsweredAt.Known():
		r.Outcome = connector.OutcomeAbandoned
	case r.EndedAt.Known():
		r.Outcome = connector.OutcomeUnanswered
	default:
		r.Outcome = connector.OutcomeUnknown
	}
	a.flags[connector.FlagStartMissing] = !r.StartedAt.Known()
	if !r.EndedAt.Known() {
		a.flags[connector.FlagHangupMissing] = true
		for _, s := range a.segments {
			r.EndedAt = max(r.EndedAt, s.leftSeen)
		}
		for _, s := range a.segments { // a call doesn't end before somebody joined it
			if r.EndedAt.Known() {
				r.EndedAt = max(r.EndedAt, s.JoinedAt)
			}
		}
	}
}

// spans derives the durations. What a missing event would have told stays unknown.
func (a *attempt) spans() {
	r := a.record
	if len(a.segments) == 0 {
		// Known to have talked to nobody only once the call has ended: before that an agent may have joined unseen.
		if r.EndedAt.Known() {
			r.TalkSeconds = connector.KnownSpan(0)
		}
	} else {
		r.TalkSeconds = a.talk()
		r.WaitSeconds = a.between(r.AnsweredAt, r.BridgedAt)
	}
	r.RingSeconds = a.between(r.StartedAt, r.AnsweredAt)
	r.BillSec = a.between(r.AnsweredAt, r.EndedAt)
	if r.Outcome == connector.OutcomeUnanswered {
		r.RingSeconds = a.between(r.StartedAt, r.EndedAt)
		r.BillSec = connector.KnownSpan(0)
	}
	r.DurationSeconds = a.between(r.StartedAt, r.EndedAt)

	late := false
	switch {
	case r.Outcome != connector.OutcomeConnected:
		r.LateConnect = &late
	case r.WaitSeconds.Known:
		late = r.WaitSeconds.Micros > a.settings.LateConnectAfter.Microseconds()
		r.LateConnect = &late
	}
}

// between is the span from one stamp to another. Stamps that contradict each other give 0 and a flag.
func (a *attempt) between(from, to connector.Time) connector.Span {
	span := to.Sub(from)
	if span.Known && span.Micros < 0 {
		a.flags[connector.FlagClockSkew] = true
		span.Micros = 0
	}
	return span
}

// finish puts segments, owner and flags into the record.
func (a *attempt) finish() {
	r := a.record
	r.Agents = make([]connector.Segment, len(a.segments))
	owner := -1
	for i := range a.segments {
		r.Agents[i] = a.segments[i].Segment
		joined := r.Agents[i].JoinedAt.Known()
		switch {
		case owner < 0, joined && !r.Agents[owner].JoinedAt.Known():
			owner = i
		case joined == r.Agents[owner].JoinedAt.Known() && a.settings.Owner != OwnerFirst:
			owner = i
		}
	}
	if owner >= 0 {
		own := r.Agents[owner]
		r.Agent = &own
	}
	r.Flags = make([]connector.Flag, 0, len(a.flags))
	for f, set := range a.flags {
		if set {
			r.Flags = append(r.Flags, f)
		}
	}
	slices.Sort(r.Flags)
}

// wait says how long after the newest event the attempt is finished. Nothing more can come of a call of which everything
// is known: it is finished at once.
func (a *attempt) wait(onlyStarted bool) time.Duration {
	s := a.settings
	ended := !a.flags[connector.FlagHangupMissing]
	switch {
	case ended && a.complete():
		return 0
	case ended:
		return s.Settle
	case onlyStarted:
		return s.RingTimeout
	default:
		return s.MaxAge
	}
}

// complete says that every event that a connected call has is there, and his readiness of each agent.
func (a *attempt) complete() bool {
	r := a.record
	if !r.StartedAt.Known() || !r.AnsweredAt.Known() || len(a.segments) == 0 {
		return false
	}
	var last connector.Time
	for i := range a.segments {
		s := &a.segments[i]
		if !s.JoinedAt.Known() || s.leftSeen == 0 || !s.IdleSeconds.Known {
			return false
		}
		last = max(last, s.leftSeen)
	}
	gap := r.EndedAt - last
	return max(gap, -gap) <= connector.Time(hangupsTogether.Microseconds())
}

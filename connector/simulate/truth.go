package simulate

import (
	"cmp"
	"slices"

	"wrapup/connector"
)

// source is the feed that the events belong to.
const source = "nxcloud-events"

// reader says what the record of a call has to be, by what happened and what was sent of it.
type reader struct {
	call    *call
	options *Options
	record  connector.Record
	flags   map[connector.Flag]bool
	// reads are the agents' events that the record takes something from and that are not the call's own.
	reads []*event
}

// known gives the stamp of an event that was sent, else 0.
func known(e *event) connector.Time {
	if e == nil || e.withheld {
		return 0
	}
	return e.at
}

// read makes the record. It is false if nothing of the call was sent.
func (r *reader) read() bool {
	c, rec := r.call, &r.record
	for _, e := range c.events() {
		if at := known(e); at != 0 && (rec.OccurredAt == 0 || at < rec.OccurredAt) {
			rec.OccurredAt = at
		}
	}
	if rec.OccurredAt == 0 {
		return false
	}
	rec.CallID, rec.UUID, rec.Attempt = c.uuid, c.uuid, 1
	rec.Sources = []string{source}
	rec.Direction = connector.Outbound
	rec.Queue, rec.Phone = connector.Text(r.options.Queue), connector.Text(c.phone)
	if r.options.Region == region {
		rec.PhoneE164, rec.CountryCode = connector.Text(countryCode+c.phone), region
	}
	rec.StartedAt, rec.AnsweredAt, rec.EndedAt = known(c.created), known(c.answered), known(c.ended)
	r.agents()
	if rec.EndedAt == 0 {
		r.flags[connector.FlagHangupMissing] = true
		for _, l := range c.legs {
			rec.EndedAt = max(rec.EndedAt, known(l.left))
		}
		for _, a := range rec.Agents { // whoever joined after that was still on the call
			if rec.EndedAt != 0 && a.JoinedAt > rec.EndedAt {
				rec.EndedAt = a.JoinedAt
			}
		}
	}
	r.flags[connector.FlagStartMissing] = rec.StartedAt == 0
	late := false
	rec.LateConnect = &late
	switch {
	case len(rec.Agents) > 0:
		r.connected()
	case rec.AnsweredAt != 0:
		rec.Outcome = connector.OutcomeAbandoned
	case rec.EndedAt != 0:
		rec.Outcome = connector.OutcomeUnanswered
		rec.BillSec = connector.KnownSpan(0)
		rec.RingSeconds = r.span(rec.StartedAt, rec.EndedAt)
	default:
		rec.Outcome = connector.OutcomeUnknown
	}
	if len(rec.Agents) == 0 && rec.EndedAt != 0 {
		rec.TalkSeconds = connector.KnownSpan(0)
	}
	if rec.AnsweredAt != 0 {
		rec.RingSeconds = r.span(rec.StartedAt, rec.AnsweredAt)
		rec.BillSec = r.span(rec.AnsweredAt, rec.EndedAt)
	}
	rec.DurationSeconds = r.span(rec.StartedAt, rec.EndedAt)
	rec.Flags = []connector.Flag{}
	for f, set := range r.flags {
		if set {
			rec.Flags = append(rec.Flags, f)
		}
	}
	slices.Sort(rec.Flags)
	return true
}

// span is the time between two stamps: unknown if one of them is, and 0 with a flag if they contradict each other.
func (r *reader) span(from, to connector.Time) connector.Span {
	switch {
	case from == 0 || to == 0:
		return connector.Span{}
	case to < from:
		r.flags[connector.FlagClockSkew] = true
		return connector.KnownSpan(0)
	default:
		return connector.KnownSpan(int64(to - from))
	}
}

// agents reads the agents' parts, in the order in which they joined (or left, where the joining wasn't sent).
func (r *reader) agents() {
	rec := &r.record
	rec.Agents = []connector.Segment{}
	for _, l := range r.call.legs {
		joined, left := known(l.joined), known(l.left)
		if joined == 0 && left == 0 {
			continue
		}
		s := connector.Segment{
			Username: connector.Text(l.agent.username), SIPID: connector.Text(l.agent.sip),
			AgentID: connector.Text(l.joined.session), JoinedAt: joined, LeftAt: left,
		}
		if joined == 0 {
			r.flags[connector.FlagJoinMissing] = true
		} else {
			if left == 0 {
				s.LeftAt = r.inferred(l)
			}
			s.IdleSeconds = r.idle(l)
		}
		s.TalkSeconds = r.span(joined, s.LeftAt)
		rec.Agents = append(rec.Agents, s)
	}
	slices.SortStableFunc(rec.Agents, func(a, b connector.Segment) int {
		return cmp.Compare(cmp.Or(a.JoinedAt, a.LeftAt), cmp.Or(b.JoinedAt, b.LeftAt))
	})
}

// inferred is when an agent whose leaving wasn't sent had left: when he did something that he can't do on this call, if
// that was before the call's end; else with the call.
func (r *reader) inferred(l *leg) connector.Time {
	var first *event
	for _, e := range l.agent.events {
		other := e.kind != connector.KindJoined || e.call != r.call
		if other && !e.withheld && e.at > l.joined.at && (first == nil || e.at < first.at) {
			first = e
		}
	}
	ended := known(r.call.ended)
	if first == nil || ended != 0 && first.at >= ended {
		return ended
	}
	r.flags[connector.FlagLeftInferred] = true
	r.reads = append(r.reads, first)
	return first.at
}

// idle is how long the agent had been ready when he joined: since he first said so after he last joined a call or went
// offline.
func (r *reader) idle(l *leg) connector.Span {
	var last, first *event
	before := func(e *event) bool { return !e.withheld && e.at < l.joined.at }
	for _, e := range l.agent.events {
		if e.kind != connector.KindReady && before(e) && (last == nil || e.at > last.at) {
			last = e
		}
	}
	if last != nil {
		r.reads = append(r.reads, last)
	}
	for _, e := range l.agent.events {
		if e.kind == connector.KindReady && before(e) && (last == nil || e.at > last.at) {
			r.reads = append(r.reads, e)
			if first == nil || e.at < first.at {
				first = e
			}
		}
	}
	if first == nil {
		return connector.Span{}
	}
	return connector.KnownSpan(int64(l.joined.at - first.at))
}

// connected fills in what only a call with agents has.
func (r *reader) connected() {
	rec := &r.record
	rec.Outcome = connector.OutcomeConnected
	r.flags[connector.FlagAnswerMissing] = rec.AnsweredAt == 0
	var own *connector.Segment
	var talked connector.Span
	var until connector.Time // talk has been counted up to here
	for i := range rec.Agents {
		s := &rec.Agents[i]
		if s.JoinedAt != 0 && rec.BridgedAt == 0 {
			rec.BridgedAt = s.JoinedAt
		}
		// Who is known to have joined goes before who isn't.
		better := own == nil || own.JoinedAt == 0 && s.JoinedAt != 0
		same := own != nil && (own.JoinedAt == 0) == (s.JoinedAt == 0)
		if better || same && !r.options.OwnerFirst {
			own = s
		}
		if s.JoinedAt != 0 && s.LeftAt != 0 {
			talked = connector.KnownSpan(talked.Micros + int64(max(0, s.LeftAt-max(s.JoinedAt, until))))
			until = max(until, s.LeftAt)
		}
	}
	agent := *own
	rec.Agent, rec.TalkSeconds = &agent, talked
	rec.WaitSeconds = r.span(rec.AnsweredAt, rec.BridgedAt)
	rec.LateConnect = nil
	if rec.WaitSeconds.Known {
		late := rec.WaitSeconds.Micros > r.options.LateConnectAfter.Microseconds()
		rec.LateConnect = &late
	}
}

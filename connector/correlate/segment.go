package correlate

import (
	"cmp"
	"slices"

	"wrapup/connector"
)

// segment is an agent's part of the attempt, as it is put together.
type segment struct {
	connector.Segment
	// leftSeen is the agent's own hang-up (1/4), 0 if none came.
	leftSeen connector.Time
	// agents are the keys of his timelines: what came of him under one name and what came under another.
	agents []string
	// gone says that he did something else before he joined again: this part of his is over, though his leaving never came.
	gone bool
}

func text(have connector.Text, v string) connector.Text { return cmp.Or(have, connector.Text(v)) }

// note fills what the event tells of the agent and the segment doesn't know yet.
func (s *segment) note(e *connector.Event) {
	s.Username = text(s.Username, e.Username)
	s.SIPID = text(s.SIPID, e.SIPID)
	s.AgentID = text(s.AgentID, e.AgentID)
	s.agents = agentKeys(&s.Segment)
}

// agentKeys gives the keys of all timelines that may be the segment's agent's.
func agentKeys(s *connector.Segment) (keys []string) {
	for _, e := range []connector.Event{{Username: string(s.Username)}, {SIPID: string(s.SIPID)}, {AgentID: string(s.AgentID)}} {
		if key := e.Agent(); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// each calls f for each event of the segment's agent.
func (t Timeline) each(agents []string, f func(e *connector.Event)) {
	for _, agent := range agents {
		events := t[agent]
		for i := range events {
			f(&events[i])
		}
	}
}

// match finds the latest segment of the event's agent that fits: by login session, else by account, else by extension.
// An event that names nobody matches only a segment of nobody.
func (a *attempt) match(e *connector.Event, fits func(*segment) bool) *segment {
	keys := []struct {
		event string
		of    func(*segment) connector.Text
	}{
		{e.AgentID, func(s *segment) connector.Text { return s.AgentID }},
		{e.Username, func(s *segment) connector.Text { return s.Username }},
		{e.SIPID, func(s *segment) connector.Text { return s.SIPID }},
	}
	for _, key := range keys {
		if key.event == "" {
			continue
		}
		for i := len(a.segments) - 1; i >= 0; i-- {
			if s := &a.segments[i]; fits(s) && string(key.of(s)) == key.event {
				return s
			}
		}
	}
	if e.Agent() == "" {
		for i := len(a.segments) - 1; i >= 0; i-- {
			if s := &a.segments[i]; fits(s) && len(s.agents) == 0 {
				return s
			}
		}
	}
	return nil
}

// join makes the segments: an agent's join opens one, his leaving closes it. A second join while one is open is a repeat,
// unless his timeline says that he was gone in between; a second leaving of a closed one moves its end.
func (a *attempt) join() {
	open := func(s *segment) bool { return s.JoinedAt.Known() && s.leftSeen == 0 && !s.gone }
	closed := func(s *segment) bool { return s.leftSeen != 0 }
	for _, i := range a.order {
		e := &a.events[i]
		switch e.Kind {
		case connector.KindJoined:
			s := a.match(e, open)
			if s != nil {
				if left := a.leftBy(s); left.Known() && left < e.Time {
					s.gone = true
				}
			}
			if s == nil || s.gone {
				a.segments = append(a.segments, segment{Segment: connector.Segment{JoinedAt: e.Time}})
				s = &a.segments[len(a.segments)-1]
			}
			s.note(e)
		case connector.KindLeft:
			s := a.match(e, open)
			if s == nil {
				s = a.match(e, closed)
			}
			if s == nil {
				a.segments = append(a.segments, segment{})
				s = &a.segments[len(a.segments)-1]
				a.flags[connector.FlagJoinMissing] = true
			}
			s.leftSeen = e.Time
			s.note(e)
		}
	}
	slices.SortStableFunc(a.segments, func(x, y segment) int {
		return cmp.Compare(cmp.Or(x.JoinedAt, x.leftSeen), cmp.Or(y.JoinedAt, y.leftSeen))
	})
	for i := range a.segments {
		if at := a.segments[i].JoinedAt; at.Known() {
			a.record.BridgedAt = at
			break
		}
	}
}

// close gives each segment its end and its durations.
func (a *attempt) close() {
	ended := a.record.EndedAt // the call's own: 0 if it never came
	for i := range a.segments {
		s := &a.segments[i]
		s.LeftAt = s.leftSeen
		if !s.LeftAt.Known() {
			left := a.leftBy(s)
			switch {
			case left.Known() && (!ended.Known() || left < ended):
				s.LeftAt = left
				a.flags[connector.FlagLeftInferred] = true
			case ended.Known():
				s.LeftAt = max(ended, s.JoinedAt)
			}
		}
		s.TalkSeconds = a.between(s.JoinedAt, s.LeftAt)
		s.IdleSeconds = a.idle(s)
	}
}

// leftBy infers when an agent whose leaving never came was gone for sure: when his phone hung up, when he was ready for
// the next call, or when he joined another one.
func (a *attempt) leftBy(s *segment) connector.Time {
	var first connector.Time
	a.timeline.each(s.agents, func(e *connector.Event) {
		gone := e.Kind == connector.KindOffline || e.Kind == connector.KindReady ||
			e.Kind == connector.KindJoined && e.UUID != a.record.UUID
		if gone && e.Time > s.JoinedAt && (first == 0 || e.Time < first) {
			first = e.Time
		}
	})
	return first
}

// idle is how long the agent had been ready when he joined: from the earliest "ready" since he last joined a call or
// went offline.
func (a *attempt) idle(s *segment) connector.Span {
	if !s.JoinedAt.Known() {
		return connector.Span{}
	}
	var since, ready connector.Time
	a.timeline.each(s.agents, func(e *connector.Event) {
		if (e.Kind == connector.KindJoined || e.Kind == connector.KindOffline) && e.Time < s.JoinedAt {
			since = max(since, e.Time)
		}
	})
	for i := range a.segments {
		other := &a.segments[i]
		sameAgent := slices.ContainsFunc(s.agents, func(key string) bool { return slices.Contains(other.agents, key) })
		if sameAgent && other.JoinedAt.Known() && other.JoinedAt < s.JoinedAt {
			since = max(since, other.JoinedAt)
		}
	}
	a.timeline.each(s.agents, func(e *connector.Event) {
		if e.Kind == connector.KindReady && e.Time > since && e.Time <= s.JoinedAt && (ready == 0 || e.Time < ready) {
			ready = e.Time
		}
	})
	return s.JoinedAt.Sub(ready)
}

// talk is the time that at least one agent was on the call; what two of them overlap counts once. It is known as soon as
// one segment is.
func (a *attempt) talk() connector.Span {
	var total int64
	var until connector.Time
	known := false
	for i := range a.segments { // in the order of joining
		s := &a.segments[i]
		if !s.JoinedAt.Known() || !s.LeftAt.Known() {
			continue
		}
		known = true
		if from := max(s.JoinedAt, until); s.LeftAt > from {
			total += int64(s.LeftAt - from)
		}
		until = max(until, s.LeftAt)
	}
	return connector.Span{Micros: total, Known: known}
}

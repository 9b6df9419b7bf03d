package correlate

import "wrapup/connector"

// Used gives the part of the timelines that a record was made of: for each of its agents what bounds his idle time, and
// what he did first after he joined. Folding with this part alone gives the same record.
func Used(r *connector.Record, timeline Timeline) []connector.Event {
	var used []connector.Event
	keep := func(e *connector.Event) {
		if e == nil {
			return
		}
		for i := range used {
			if used[i].UUID == e.UUID && same(&used[i], e) {
				return
			}
		}
		used = append(used, *e)
	}
	for i := range r.Agents {
		s := &r.Agents[i]
		agents := agentKeys(s)
		var boundary, ready, next *connector.Event
		timeline.each(agents, func(e *connector.Event) {
			switch {
			case e.Time < s.JoinedAt && e.Kind != connector.KindReady && e.Kind != connector.KindLeft:
				if boundary == nil || e.Time > boundary.Time {
					boundary = e
				}
			case e.Time > s.JoinedAt && e.Kind != connector.KindLeft && (e.Kind != connector.KindJoined || e.UUID != r.UUID):
				if next == nil || e.Time < next.Time {
					next = e
				}
			}
		})
		timeline.each(agents, func(e *connector.Event) {
			if e.Kind == connector.KindReady && e.Time <= s.JoinedAt && (boundary == nil || e.Time > boundary.Time) &&
				(ready == nil || e.Time < ready.Time) {
				ready = e
			}
		})
		keep(boundary)
		keep(ready)
		keep(next)
	}
	return used
}

// ByAgent makes timelines of agents' events.
func ByAgent(events []connector.Event) Timeline {
	t := Timeline{}
	for _, e := range events {
		t[e.Agent()] = append(t[e.Agent()], e)
	}
	return t
}

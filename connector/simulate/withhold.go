package simulate

import "wrapup/connector"

// withhold decides what is never sent. An agent's joining and leaving are not withheld where he was on the call twice:
// whose they would be, nobody could tell.
func (w *world) withhold() {
	for _, c := range w.calls {
		own := c.events()
		switch {
		case w.chance(w.options.NoHangup):
			if !c.again() {
				c.ended.withheld = true
				for _, l := range c.legs {
					if l.left != nil {
						l.left.withheld = true
					}
				}
			}
		case w.chance(w.options.Missing):
			w.hide(own[w.rand.IntN(len(own))])
		}
	}
	if len(w.options.Withheld) == 0 {
		return
	}
	for _, e := range w.events {
		if w.chance(w.options.Withheld[e.kind]) {
			w.hide(e)
		}
	}
}

func (w *world) hide(e *event) {
	about := e.kind == connector.KindJoined || e.kind == connector.KindLeft
	if about && e.call.has(e.agent, func(l *leg) bool { return l.joined != e && l.left != e }) {
		return
	}
	e.withheld = true
}

// again says that an agent was on the call twice.
func (c *call) again() bool {
	for _, l := range c.legs {
		if c.has(l.agent, func(other *leg) bool { return other != l }) {
			return true
		}
	}
	return false
}

// events are what happened to the call.
func (c *call) events() []*event {
	all := []*event{c.created, c.answered, c.ended}
	for _, l := range c.legs {
		all = append(all, l.joined, l.left)
	}
	out := all[:0]
	for _, e := range all {
		if e != nil {
			out = append(out, e)
		}
	}
	return out
}

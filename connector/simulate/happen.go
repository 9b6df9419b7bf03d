package simulate

import (
	"slices"

	"wrapup/connector"
)

// dial calls the next customer, and plans the call after it.
func (w *world) dial() {
	c := &call{uuid: w.uuid(), phone: w.phone()}
	w.calls = append(w.calls, c)
	c.created = w.tell(&event{kind: connector.KindStarted, at: w.now, call: c})
	if len(w.calls) < w.options.Calls {
		w.in(int64(w.rand.ExpFloat64()*w.options.Speed/w.options.Rate*second), w.dial)
	}
	switch {
	case w.chance(w.options.Answered):
		w.in(w.about(ringLeast, ringMore, ringLongest), func() { w.answer(c) })
	case w.chance(0.2): // busy, or no such number
		w.in(w.between(1*second, 4*second), func() { w.end(c) })
	default:
		w.in(w.between(25*second, 35*second), func() { w.end(c) })
	}
}

// answer is the customer's: he gets an agent, waits for one, or is gone.
func (w *world) answer(c *call) {
	c.answered = w.tell(&event{kind: connector.KindAnswered, at: w.now, call: c})
	if w.chance(w.options.Abandoned) {
		w.in(w.between(second/4, 4*second), func() { w.end(c) })
		return
	}
	if a := w.free(c); a != nil {
		w.bridge(c, a)
		return
	}
	c.waiting = true
	w.waiting = append(w.waiting, c)
	w.in(w.about(patienceLeast, patienceMore, patienceLongest), func() {
		if c.waiting {
			c.waiting = false
			w.waiting = slices.DeleteFunc(w.waiting, func(other *call) bool { return other == c })
			w.end(c)
		}
	})
}

// free takes the agent who has been ready the longest, nil if there is none. Nobody comes back to a call that he was lost
// to: whether his second joining is a repeat of the first, nobody could tell.
func (w *world) free(c *call) *agent {
	i := slices.IndexFunc(w.idle, func(a *agent) bool { return !c.has(a, func(l *leg) bool { return l.lost }) })
	if i < 0 {
		return nil
	}
	a := w.idle[i]
	w.idle = slices.Delete(w.idle, i, i+1)
	return a
}

// bridge connects the agent in a moment.
func (w *world) bridge(c *call, a *agent) {
	w.in(w.between(second/20, second*9/10), func() { w.join(c, a) })
}

// legsMost is after how many agents a call is not transferred any more.
const legsMost = 6

// join begins an agent's part in a call, and plans how it ends.
func (w *world) join(c *call, a *agent) {
	at := w.now
	if len(c.legs) == 0 && w.chance(w.options.Skewed) {
		if early := c.answered.at - connector.Time(w.between(1, second*3/10)); early > a.readyAt {
			at = early
		}
	}
	a.readyAt = 0
	l := &leg{agent: a, joined: w.tell(&event{kind: connector.KindJoined, at: at, call: c, agent: a})}
	c.legs = append(c.legs, l)
	talk := w.about(talkLeast, talkMore, talkLongest)
	switch {
	case w.chance(w.options.Offline / 2):
		w.in(w.between(talkLeast, talk), func() { w.lose(c, l) })
	case w.chance(w.options.Transferred) && len(c.legs) < legsMost:
		w.in(w.between(talkLeast, talk), func() { w.transfer(c, l) })
	default:
		w.in(talk, func() { w.hangUp(c, l) })
	}
}

// hangUp ends the call and its agent's part. Two switches stamp it, and their clocks are not always the same.
func (w *world) hangUp(c *call, l *leg) {
	at := w.now
	if w.chance(0.3) {
		at += connector.Time(w.between(-second*4/10, second*4/10))
	}
	w.leave(c, l, at)
	w.end(c)
}

// leave ends an agent's part in a call. He notes what was said, and is ready again or goes.
func (w *world) leave(c *call, l *leg, at connector.Time) {
	l.left = w.tell(&event{kind: connector.KindLeft, at: at, call: c, agent: l.agent})
	w.in(w.about(wrapLeast, wrapMore, wrapLongest), func() {
		if w.chance(w.options.Offline) {
			w.offline(l.agent, nil)
			return
		}
		w.ready(l.agent)
	})
}

// transfer hands the call to another agent, if there is one: in a talk of three, or one after the other.
func (w *world) transfer(c *call, l *leg) {
	b := w.free(c)
	switch {
	case b == nil:
		w.in(w.between(2*second, 20*second), func() { w.hangUp(c, l) })
	case w.chance(0.5):
		w.in(w.between(second/2, 3*second), func() {
			w.join(c, b)
			w.in(w.between(0, talkLeast-second/2), func() { w.leave(c, l, w.now) })
		})
	default:
		w.leave(c, l, w.now)
		w.in(w.between(second/5, 3*second), func() { w.join(c, b) })
	}
}

// lose ends an agent's part because his phone is gone. The dialer doesn't always say that he has left. The customer gets
// another agent, or hangs up.
func (w *world) lose(c *call, l *leg) {
	if w.chance(0.6) {
		l.left = w.tell(&event{kind: connector.KindLeft, at: w.now + connector.Time(w.between(-second/50, second/50)), call: c, agent: l.agent})
	} else {
		l.lost = true
	}
	if w.chance(0.5) {
		w.offline(l.agent, c)
	} else {
		w.offline(l.agent, nil)
	}
	if b := w.free(c); b != nil && w.chance(0.5) {
		w.in(w.between(second/2, 3*second), func() { w.join(c, b) })
	} else {
		if b != nil {
			w.idle = slices.Insert(w.idle, 0, b)
		}
		w.in(w.between(second/2, 5*second), func() { w.end(c) })
	}
}

// end is the call's: nothing else ends it. The last one sends everybody home.
func (w *world) end(c *call) {
	c.ended = w.tell(&event{kind: connector.KindEnded, at: w.now, call: c})
	w.over++
	if w.closing() {
		for _, a := range w.idle {
			w.in(w.between(second, 5*second), func() { w.offline(a, nil) })
		}
		w.idle = nil
	}
}

// ready makes the agent wait for a call, or gives him the one that waits for him.
func (w *world) ready(a *agent) {
	if w.closing() {
		w.offline(a, nil)
		return
	}
	a.readyAt = w.now
	w.tell(&event{kind: connector.KindReady, at: w.now, agent: a})
	for i, c := range w.waiting {
		if !c.has(a, func(l *leg) bool { return l.lost }) {
			w.waiting = slices.Delete(w.waiting, i, i+1)
			c.waiting = false
			w.bridge(c, a)
			return
		}
	}
	w.idle = append(w.idle, a)
	if since := a.readyAt; w.chance(w.options.Offline / 2) {
		w.in(w.about(second, 60*second, 600*second), func() {
			if i := slices.Index(w.idle, a); i >= 0 && a.readyAt == since {
				w.idle = slices.Delete(w.idle, i, i+1)
				w.offline(a, nil)
			}
		})
	}
}

// offline hangs up the agent's phone, in the middle of the call if one is given. He logs in again after a break, with a
// new session, unless the day is over.
func (w *world) offline(a *agent, in *call) {
	a.readyAt = 0
	w.tell(&event{kind: connector.KindOffline, at: w.now, agent: a, call: in})
	a.session = w.uuid()
	w.in(w.between(20*second, 240*second), func() {
		if !w.closing() {
			w.ready(a)
		}
	})
}

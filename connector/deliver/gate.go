package deliver

import (
	"sync"
	"time"
)

// gate says when a lane may take the next delivery. A destination that is in trouble itself (credentials, certificates)
// is paused: one delivery per probe interval goes out to see whether it has recovered, another one each time. Then the
// lane resumes slowly, because a system that comes back is not at its best. The gate has no clock.
type gate struct {
	probe time.Duration

	mu sync.Mutex
	// paused is why the destination is paused, "" if it isn't; since when.
	paused string
	since  time.Time
	// next is when the next delivery may be taken: of a paused destination the next probe.
	next time.Time
	// probing says that a probe is under way.
	probing bool
	// ramp is the gap between two deliveries while the lane resumes; it halves with each second. 0: no ramp.
	ramp    time.Duration
	rampEnd time.Time // when the gap halves next
}

// rampFirst is the gap between deliveries right after a resume; below rampLast there is none any more.
const (
	rampFirst = time.Second
	rampLast  = time.Millisecond
)

// wait says how long until the next delivery may be taken: 0 is now. It is a minute at most while a probe is under way,
// whose end wakes the lane.
func (g *gate) wait(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.probing {
		return time.Minute
	}
	return max(0, g.next.Sub(now))
}

// take says that a delivery is taken.
func (g *gate) take(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused != "" {
		g.probing = true
		return
	}
	for g.ramp > 0 && !now.Before(g.rampEnd) {
		g.ramp /= 2
		g.rampEnd = g.rampEnd.Add(time.Second)
		if g.ramp < rampLast {
			g.ramp = 0
		}
	}
	if g.ramp > 0 {
		g.next = now.Add(g.ramp)
	}
}

// end says that a delivery ended. A probe that told nothing, because nothing was sent, makes room for another.
func (g *gate) end() {
	g.mu.Lock()
	g.probing = false
	g.mu.Unlock()
}

// down says that the destination is in trouble. It is true if that is news.
func (g *gate) down(now time.Time, reason string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	news := g.paused == ""
	if news {
		g.since = now
	}
	g.paused, g.next, g.ramp = reason, now.Add(g.probe), 0
	return news
}

// up says that the destination answered as a destination should. It is true if that is news.
func (g *gate) up(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused == "" {
		return false
	}
	g.paused, g.since = "", time.Time{}
	g.ramp, g.rampEnd, g.next = rampFirst, now.Add(time.Second), now.Add(rampFirst)
	return true
}

// state gives why and since when the destination is paused, "" if it isn't.
func (g *gate) state() (paused string, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused, g.since
}

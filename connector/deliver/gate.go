package deliver

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"wrapup/mappings"
)

// gate says when a lane may take the next delivery. It has no clock.
//
// A destination that is in trouble itself (its credentials are refused, it answers nobody) is paused: one delivery per
// probe interval goes out to see whether it has recovered, another one each time. Then the lane resumes slowly, because a
// system that comes back is not at its best. A destination that a person paused, or that the brake stopped, waits for a
// person.
//
// What is found out about one step says nothing of another: credentials that may read contacts may not be allowed to log
// calls, and lookups that succeed are no reason to go on with what is refused.
type gate struct {
	probe time.Duration
	brake mappings.Rate

	mu sync.Mutex
	// paused is why the destination is paused, "" if it isn't; since when. held says that only a person resumes it.
	paused string
	since  time.Time
	held   bool
	// at is the step whose success ends the pause; "": that of any.
	at string
	// next is when the next delivery may be taken: of a paused destination the next probe.
	next time.Time
	// busyUntil is until when the destination asked everybody to wait.
	busyUntil time.Time
	// probing says that a probe is under way.
	probing bool
	// ramp is the gap between two deliveries while the lane resumes; it halves with each second. 0: no ramp.
	ramp    time.Duration
	rampEnd time.Time // when the gap halves next
	// suspects are the calls that failed at a step since it last succeeded, by step, each call once: several of them in a row
	// mean that it is not the calls. Under "" are those that reached no step.
	suspects map[string]map[string]bool
	// taken is when each step last succeeded.
	taken map[string]time.Time
	// created are the latest calls that were logged, or were to be, as many as the brake allows.
	created []creation
}

// creation is a call that was sent to be logged, and when that was first tried.
type creation struct {
	call string
	at   time.Time
}

const (
	// rampFirst is the gap between deliveries right after a resume; below rampLast there is none any more.
	rampFirst = time.Second
	rampLast  = time.Millisecond
	// suspectsRefused and suspectsFailed are how many calls in a row have to be refused with 403 or 404, or to fail, before
	// it counts as the destination's trouble.
	suspectsRefused = 3
	suspectsFailed  = 5
	// keptSuspects bounds those that are remembered: more tell nothing more.
	keptSuspects = 2 * suspectsFailed
)

// wait says how long until the next delivery may be taken: 0 is now. Where only an event can change that it is a minute:
// whatever changes it wakes the lane.
func (g *gate) wait(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held || g.probing {
		return time.Minute
	}
	return max(0, g.next.Sub(now))
}

// take says that a delivery is taken. It is true if it is a probe. One that is taken while the destination is just being
// paused is none: it finds that before it sends a step.
func (g *gate) take(now time.Time) (probe bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused != "" {
		if g.held || now.Before(g.next) {
			return false
		}
		g.probing = true
		g.next = now.Add(g.probe)
		return true
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
	return false
}

// probed says that the probe ended. One that told nothing, because nothing was sent, makes room for another at once.
func (g *gate) probed(now time.Time, sent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	if !sent && g.paused != "" {
		g.next = now
	}
}

// trouble is what speaks against a destination.
type trouble struct {
	// step at which it was met; "" if it has to do with none of them, as a connection that can't be made.
	step string
	// call that met it, and why it was not taken, in words.
	call, reason string
	// after is how long the destination asked to wait; 0 if it didn't.
	after time.Duration
}

// down says that the destination is in trouble, whatever becomes of other calls. It is true if that is news.
func (g *gate) down(now time.Time, t trouble) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pause(now, t, g.probe)
}

func (g *gate) pause(now time.Time, t trouble, next time.Duration) bool {
	if g.held {
		return false
	}
	news := g.paused == ""
	if news {
		g.since = now
	}
	g.paused, g.at, g.next, g.ramp = t.reason, t.step, now.Add(next), 0
	return news
}

// suspect says that a call was refused or failed in a way that may be the destination's fault; so many different calls in
// a row at the same step, without a success of it between them, mean that it is. down is whether the destination is paused
// now, news whether that is new.
func (g *gate) suspect(now time.Time, t trouble, enough int) (down, news bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.suspects == nil {
		g.suspects = map[string]map[string]bool{}
	}
	if g.suspects[t.step] == nil {
		g.suspects[t.step] = map[string]bool{}
	}
	if len(g.suspects[t.step]) < keptSuspects { // while it is paused each probe is another call
		g.suspects[t.step][t.call] = true
	}
	if g.paused == "" && len(g.suspects[t.step]) < enough {
		return false, false
	}
	next := g.probe
	if t.after > 0 { // who says when to come back is believed, if that is sooner
		next = min(next, t.after)
	}
	return true, g.pause(now, t, next)
}

// busy says that the destination asked everybody to wait. Nothing is taken so long, but now and then: it may have meant
// one call alone.
func (g *gate) busy(now time.Time, after time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	until := now.Add(min(after, g.probe))
	if g.paused == "" && until.After(g.next) {
		g.next = until
	}
	if until.After(g.busyUntil) {
		g.busyUntil = until
	}
}

// rest says for how long those still have to wait that were taken before the destination asked everybody to; 0 is not at all.
func (g *gate) rest(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, g.busyUntil.Sub(now))
}

// up says that a step was taken. It is true if that ends a pause.
func (g *gate) up(now time.Time, step string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.taken == nil {
		g.taken = map[string]time.Time{}
	}
	g.taken[step] = now
	delete(g.suspects, step)
	return g.answered(now, step)
}

// answers says that the destination refused a call at a step as a destination should: it is there. It is true if that ends
// a pause.
func (g *gate) answers(now time.Time, step string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.answered(now, step)
}

func (g *gate) answered(now time.Time, step string) bool {
	delete(g.suspects, "")
	return (g.at == "" || g.at == step) && g.back(now)
}

// delivered says that a call was taken in full, with whatever steps it has. It is true if that ends a pause.
func (g *gate) delivered(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.back(now)
}

func (g *gate) back(now time.Time) bool {
	if g.paused == "" || g.held {
		return false
	}
	g.paused, g.at, g.since = "", "", time.Time{}
	g.ramp, g.rampEnd, g.next = rampFirst, now.Add(time.Second), now.Add(rampFirst)
	return true
}

// ownFault says that it must be the call's own fault that it is refused at the step, as it was at the given time: the step
// was taken of others since, and no other call is refused there just now. Then it speaks no longer against the destination.
func (g *gate) ownFault(step, call string, since time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	others := len(g.suspects[step])
	if g.suspects[step][call] {
		others--
	}
	if g.paused != "" || others > 0 || g.taken[step].Before(since) {
		return false
	}
	delete(g.suspects[step], call)
	return true
}

// braked asks whether one more call may be logged now, and counts it. If not, the destination is held for a person: so
// many calls at once are more likely a mistake than calls. One that is tried again and again, in an outage say, is one call.
func (g *gate) braked(now time.Time, call string) (reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.brake.N == 0 {
		return ""
	}
	for len(g.created) > 0 && now.Sub(g.created[0].at) >= g.brake.Per {
		g.created = g.created[1:]
	}
	if slices.ContainsFunc(g.created, func(c creation) bool { return c.call == call }) {
		return ""
	}
	if len(g.created) < g.brake.N {
		g.created = append(g.created, creation{call, now})
		return ""
	}
	reason = fmt.Sprintf("the brake: more than %d calls in %s would be logged", g.brake.N, g.brake.Per)
	g.paused, g.since, g.held = reason, now, true
	return reason
}

// change takes other settings into use.
func (g *gate) change(probe time.Duration, brake mappings.Rate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probe, g.brake = probe, brake
}

// hurry makes a pause that no person ends be probed at once.
func (g *gate) hurry(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused != "" && !g.held {
		g.next = now
	}
}

// hold pauses the destination until a person resumes it.
func (g *gate) hold(since time.Time, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paused, g.since, g.held, g.ramp = reason, since, true, 0
}

// resume ends any pause, slowly.
func (g *gate) resume(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paused, g.at, g.since, g.held, g.created = "", "", time.Time{}, false, nil
	clear(g.suspects)
	g.ramp, g.rampEnd, g.next, g.busyUntil = rampFirst, now.Add(time.Second), now, time.Time{}
}

// state gives why and since when the destination is paused, "" if it isn't, and whether it waits for a person.
func (g *gate) state() (paused string, since time.Time, held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused, g.since, g.held
}

package deliver

import (
	"context"
	"errors"
	"time"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/outbox"
)

// A clock that was ahead for a while leaves times behind that lie far in the future once it is right: deliveries that are
// due in years, and beginnings of waits that are still to come. Neither may hold a call up. What of it is a due time is
// set right by clamp, at the start and every now and then, for the clock may be set right while the lane runs; what stands in
// a delivery's row is taken for what it can be at most, when it is read.

// latest is how far ahead a delivery can be due by any right clock: the longest of all delays there are. A hold and a
// pause are looked at again much sooner.
func (l *Lane) latest() time.Duration {
	s := l.current.Load()
	return max(s.Backoff.Max, target.MaxRetryAfter, s.Mapping.LongestDelay(), 2*s.Timeout, s.Probe, holdLookup) + retrySlack
}

// clampEvery is how soon what a clock put off is due once the clock is right.
const clampEvery = time.Minute

// clamp makes those deliveries due now that are due later than any delay could make them, in their order. Nothing else
// about them changes: no attempt is counted.
func (l *Lane) clamp(ctx context.Context) error {
	now := l.now()
	due := l.started
	if now.Before(due) { // the lane began by the clock that was ahead
		due = now
	}
	// Just before the lane began: as all that was due before then, it may have been sent before.
	n, err := l.store.Hasten(ctx, l.Name, now.Add(l.latest()), due.Add(-time.Microsecond))
	switch {
	case errors.Is(err, outbox.ErrBroken):
		return err
	case err != nil && ctx.Err() == nil:
		l.log.Error("deliveries that are due too far in the future can't be made due; that is tried again", "error", err)
	}
	if n > 0 {
		l.log.Warn("deliveries were due further in the future than any delay allows, as if the clock had been ahead; they are due now", "count", n)
	}
	return nil
}

// present takes times of the delivery that are still to come for what they can be at most.
func (w *work) present() {
	now := connector.TimeOf(w.now())
	for on, since := range w.delivery.Held {
		w.delivery.Held[on] = min(since, now)
	}
	if w.delivery.RefusedAt > now {
		w.delivery.RefusedAt, w.delivery.RefusedStep = 0, ""
	}
}

// passed takes a time of a doubt for what it can be at most; known is false if it can't be told. Then it was not after the
// lane began: the clock was set back between.
func (w *work) passed(at connector.Time) (t time.Time, known bool) {
	if t = at.Time(); !t.After(w.now()) {
		return t, true
	}
	if w.started.Before(w.now()) {
		return w.started, false
	}
	return w.now(), false
}

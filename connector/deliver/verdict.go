package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
)

// stopped is the verdict on an exchange that was cut off because the lane is being stopped.
const stopped target.Kind = -1

// exchange sends a request and judges the answer by its status. The answer is nil if there was none.
func (w *work) exchange(ctx context.Context, action mappings.Action) (*target.Answer, target.Verdict) {
	w.sent = true
	w.sentAt = w.now()
	r := action.Request
	got, err := w.Sender.Do(ctx, r.Method, r.URL, r.Header, r.Body)
	if err == nil {
		return got, target.Judge(got, nil, w.now())
	}
	if ctx.Err() != nil {
		return nil, target.Verdict{Kind: stopped}
	}
	var lost *target.Error
	if !errors.As(err, &lost) {
		lost = &target.Error{Sent: true, Err: err}
	}
	return nil, target.Judge(nil, lost, w.now())
}

// note keeps an exchange with the delivery.
func (w *work) note(record *connector.Record, action mappings.Action, got *target.Answer, v target.Verdict, warning string) {
	r := action.Request
	a := connector.Attempt{
		At: connector.TimeOf(w.sentAt), Revision: record.Revision, Step: action.Step, Method: r.Method, URL: w.mask(w.shownURL(r.URL)),
		Mapping: w.mapping.Stamp(), Verdict: v.Kind.String(), Warning: warning, Took: connector.KnownSpan(max(0, w.now().Sub(w.sentAt)).Microseconds()),
	}
	if got != nil {
		a.Status = got.Status
	}
	if v.Kind != target.Done {
		a.Error, a.Request = v.Reason, w.excerpt(r.Body)
		if got != nil {
			a.Answer = w.excerpt(got.Body)
		}
	}
	w.delivery.Note(a)
	w.watch.Attempted(w.Name, a.Verdict, time.Duration(a.Took.Micros)*time.Microsecond)
}

// retrySlack is how much later than planned an attempt may be and still count in full towards giving up.
const retrySlack = time.Minute

// judged does what the verdict on a step's request says; safe says that the request may be sent again. settled is false
// if the next step is to be done now.
func (w *work) judged(ctx context.Context, record *connector.Record, action mappings.Action, v target.Verdict, safe bool) (settled bool, err error) {
	now := w.now()
	met := trouble{step: action.Step, call: record.CallID, reason: v.Reason, after: v.After}
	if v.Unsent || action.Kind != mappings.ActionSend {
		met.step = ""
	}
	if v.Kind != stopped && v.Kind != target.Done {
		w.flow.failed(now, v.Reason)
	}
	switch v.Kind {
	case stopped:
		return false, context.Canceled
	case target.Done:
		w.back(w.gate.up(now, met.step))
		delete(w.delivery.Unsure, action.Step)
		if !action.Lookup { // a lookup is asked again with each attempt: its success is none
			w.delivery.Succeed()
		}
		if w.delivery.RefusedStep == action.Step {
			w.delivery.RefusedAt, w.delivery.RefusedStep = 0, ""
		}
		w.dirty = true
		return false, nil
	case target.Dead:
		w.back(w.gate.answers(now, met.step))
		return true, w.dead(ctx, record, action, v.Reason)
	case target.Suspect:
		return true, w.suspect(ctx, record, action, v, met)
	case target.Down:
		w.noEffect(action)
		if w.refused(now, action, met) {
			// A 410 may be about what this call is linked with, and others are taken: it alone is tried again, and given up.
			return true, w.again(ctx, record, v)
		}
		if w.outdated() { // it says nothing of the credentials that there are now
			return true, w.paused(ctx, v, now)
		}
		if w.gate.down(now, met) {
			w.log.Error("the destination is paused; it is tried again now and then", "reason", w.unnumbered(v.Reason), "every", w.Probe)
		}
		return true, w.paused(ctx, v, now.Add(max(w.Probe, v.After)))
	case target.Unsure:
		if !safe && !w.RetryUnsure && slices.Contains(w.doubles, action.Step) {
			w.speaksAgainst(now, met, suspectsFailed)
			w.log.Error("a call may have been delivered; it is parked", "call", record.CallID, "step", action.Step, "reason", w.unnumbered(v.Reason))
			return true, w.settle(ctx, ending{state: connector.DeliveryParked, reason: "maybe delivered: " + v.Reason})
		}
		if action.Kind == mappings.ActionSend && !action.Lookup {
			w.unsure(action.Step, 0)
		}
	default:
		// A 500 is no word about whether it was done. Where a lookup can find out, it is asked before the step is sent again;
		// where none can, it is sent again: else an hour of a CRM's trouble would be an hour's calls for a person to look at.
		if v.Doubt && action.Findable {
			w.unsure(action.Step, 0)
		} else {
			w.noEffect(action)
		}
		if v.Busy && v.After > 0 {
			w.gate.busy(now, v.After)
		}
	}
	return true, w.failed(ctx, record, v, met)
}

// back tells people, and the lane, that a pause is over: it may be another call than the probe that found it out.
func (w *work) back(over bool) {
	if over {
		w.log.Info("the destination is back; deliveries resume slowly")
		w.poke()
	}
}

// speaksAgainst notes that a call failed, and says whether the destination is paused now.
func (w *work) speaksAgainst(now time.Time, t trouble, enough int) (down bool) {
	if w.outdated() {
		return false
	}
	down, news := w.gate.suspect(now, t, enough)
	if news {
		w.log.Error("several calls in a row were not taken: the destination is paused; it is tried again now and then",
			"reason", w.unnumbered(t.reason), "every", w.Probe)
	}
	return down
}

// dead ends a delivery that the destination will never take.
func (w *work) dead(ctx context.Context, record *connector.Record, action mappings.Action, reason string) error {
	w.delivery.RefusedAt, w.delivery.RefusedStep = 0, ""
	w.noEffect(action)
	w.letGo(record)
	w.log.Error("a call was refused; it is dead", "call", record.CallID, "step", action.Step, "reason", w.unnumbered(reason))
	return w.settle(ctx, ending{state: connector.DeliveryDead, reason: reason})
}

// paused settles a call that met a destination in trouble: no attempt is counted, and another call is the next probe.
func (w *work) paused(ctx context.Context, v target.Verdict, due time.Time) error {
	w.delivery.Idle(connector.TimeOf(w.now()))
	return w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: "the destination is paused: " + v.Reason, due: due})
}

// refused notes that a step was refused, and says whether it must be this call's own fault: it was refused before, and others
// were taken since.
func (w *work) refused(now time.Time, action mappings.Action, met trouble) (ownFault bool) {
	if met.step == "" {
		return false
	}
	d := w.delivery
	before := d.RefusedAt.Known() && (d.RefusedStep == "" || d.RefusedStep == action.Step)
	if before && w.gate.ownFault(met.step, met.call, d.RefusedAt.Time()) {
		return true
	}
	d.RefusedAt, d.RefusedStep = connector.TimeOf(now), action.Step
	return false
}

// suspect settles a call that was refused with a 403 or 404. Where another call was taken since it was refused before, it is
// this call's fault. Where several are refused one after the other it is the destination's. Until then nobody knows.
func (w *work) suspect(ctx context.Context, record *connector.Record, action mappings.Action, v target.Verdict, met trouble) error {
	now := w.now()
	if w.refused(now, action, met) {
		return w.dead(ctx, record, action, v.Reason)
	}
	w.noEffect(action)
	if w.speaksAgainst(now, met, suspectsRefused) {
		return w.paused(ctx, v, now.Add(max(w.Probe, v.After)))
	}
	return w.again(ctx, record, v)
}

// failed settles a call whose attempt had no success and that is tried again. Where the destination doesn't answer anybody
// it is paused, and the attempt doesn't count.
func (w *work) failed(ctx context.Context, record *connector.Record, v target.Verdict, met trouble) error {
	now := w.now()
	if !w.speaksAgainst(now, met, suspectsFailed) {
		return w.again(ctx, record, v)
	}
	wait := v.After
	if wait == 0 {
		wait = w.Probe
	}
	return w.paused(ctx, v, now.Add(wait))
}

// again settles a call that is tried again later, or given up.
func (w *work) again(ctx context.Context, record *connector.Record, v target.Verdict) error {
	now := w.now()
	w.delivery.Fail(connector.TimeOf(now), retrySlack.Microseconds())
	if time.Duration(w.delivery.Tried)*time.Microsecond >= w.GiveUpAfter {
		reason := fmt.Sprintf("given up after %s: %s", mappings.InWords(w.GiveUpAfter), v.Reason)
		w.log.Error("a call can't be delivered; it is dead", "call", record.CallID, "reason", w.unnumbered(reason))
		return w.settle(ctx, ending{state: connector.DeliveryDead, reason: reason})
	}
	// Never sooner than asked.
	delay := max(w.Backoff.Delay(w.delivery.Failed, w.random()), v.After)
	w.log.Warn("a call is not delivered yet; it is tried again", "call", record.CallID, "reason", w.unnumbered(v.Reason), "failed", w.delivery.Failed, "in", delay.Round(time.Millisecond).String())
	return w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: v.Reason, due: now.Add(delay)})
}

// stop holds the destination for a person, because of the brake.
func (w *work) stop(ctx context.Context, reason string) error {
	w.log.Error("the destination is held until somebody resumes it", "reason", w.unnumbered(reason))
	if err := w.remember(context.WithoutCancel(ctx), heldPause{Reason: reason, Since: connector.TimeOf(w.now())}); err != nil {
		return err
	}
	return w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: reason, due: w.now()})
}

// keptBody is how much of a failed attempt's request and answer is kept.
const keptBody = 2048

func (w *work) excerpt(body []byte) string {
	text := w.mask(string(body)) // before it is cut: half a secret would not be known again
	if len(text) <= keptBody {
		return text
	}
	cut := keptBody
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

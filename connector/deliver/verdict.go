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

// exchange sends a request when the destination's rates allow it, and judges the answer by its status. The answer is nil
// if there was none.
func (w *work) exchange(ctx context.Context, action mappings.Action) (*target.Answer, target.Verdict) {
	if w.limits.wait(ctx, action) != nil {
		return nil, target.Verdict{Kind: stopped}
	}
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
		At: connector.TimeOf(w.sentAt), Revision: record.Revision, Step: action.Step, Method: r.Method, URL: w.shownURL(r.URL),
		Verdict: v.Kind.String(), Warning: warning, Took: connector.KnownSpan(max(0, w.now().Sub(w.sentAt)).Microseconds()),
	}
	if got != nil {
		a.Status = got.Status
	}
	if v.Kind != target.Done {
		a.Error, a.Request = v.Reason, excerpt(r.Body)
		if got != nil {
			a.Answer = excerpt(got.Body)
		}
	}
	w.delivery.Note(a)
}

// retrySlack is how much later than planned an attempt may be and still count in full towards giving up.
const retrySlack = time.Minute

// judged does what the verdict on a step's request says; safe says that the request may be sent again. settled is false
// if the next step is to be done now.
func (w *work) judged(ctx context.Context, record *connector.Record, action mappings.Action, v target.Verdict, safe bool) (settled bool, err error) {
	log := w.log.With("call_id", record.CallID, "revision", record.Revision, "step", action.Step)
	now := w.now()
	if v.Kind == target.Done || v.Kind == target.Dead {
		if w.gate.up(now) {
			w.log.Info("the destination is back; deliveries resume slowly")
		}
	}
	switch v.Kind {
	case stopped:
		return false, context.Canceled
	case target.Done:
		delete(w.delivery.Unsure, action.Step)
		w.delivery.Succeed()
		w.dirty = true
		log.Debug("sent")
		return false, nil
	case target.Dead:
		w.delivery.Sending = 0
		delete(w.delivery.Unsure, action.Step)
		log.Error("a call was refused; it is dead", "reason", v.Reason)
		return true, w.settle(ctx, ending{state: connector.DeliveryDead, reason: v.Reason})
	case target.Down:
		// The destination is in trouble, not the record: no attempt is counted, and another record is the next probe.
		delete(w.delivery.Unsure, action.Step)
		if w.gate.down(now, v.Reason) {
			w.log.Error("the destination is paused; it is tried again now and then", "reason", v.Reason, "every", w.gate.probe)
		}
		return true, w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: "the destination is paused: " + v.Reason,
			due: now.Add(max(w.gate.probe, v.After))})
	case target.Unsure:
		if !safe && !w.RetryUnsure && slices.Contains(w.doubles, action.Step) {
			log.Error("a call may have been delivered; it is parked", "reason", v.Reason)
			return true, w.settle(ctx, ending{state: connector.DeliveryParked, reason: "maybe delivered: " + v.Reason})
		}
		w.unsure(action.Step)
	default: // the request had no effect
		delete(w.delivery.Unsure, action.Step)
	}
	w.delivery.Fail(connector.TimeOf(now), retrySlack.Microseconds())
	if time.Duration(w.delivery.Tried)*time.Microsecond >= w.GiveUpAfter {
		reason := fmt.Sprintf("given up after %s: %s", w.GiveUpAfter, v.Reason)
		log.Error("a call can't be delivered; it is dead", "reason", reason)
		return true, w.settle(ctx, ending{state: connector.DeliveryDead, reason: reason})
	}
	// Never sooner than asked.
	delay := max(w.Backoff.Delay(w.delivery.Failed, w.random()), v.After)
	log.Warn("a call is not delivered yet; it is tried again", "reason", v.Reason, "failed", w.delivery.Failed, "in", delay)
	return true, w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: v.Reason, due: now.Add(delay)})
}

// keptBody is how much of a failed attempt's request and answer is kept.
const keptBody = 2048

func excerpt(body []byte) string {
	if len(body) <= keptBody {
		return string(body)
	}
	cut := keptBody
	for cut > 0 && !utf8.RuneStart(body[cut]) {
		cut--
	}
	return string(body[:cut]) + "…"
}

package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
	"wrapup/outbox"
)

// deliver does what can be done now of one delivery, and settles it. It says whether it was given back unsettled. Only a
// broken store is an error.
func (l *Lane) deliver(ctx context.Context, task outbox.Task) (released bool, err error) {
	w := &work{Lane: l, task: task}
	err = w.load(ctx)
	switch {
	case err == nil && w.delivery.State == connector.DeliveryWaiting:
		err = w.steps(ctx)
	case err == nil:
		l.log.Warn("a delivery was ended by somebody else", "call_id", w.entry.ID)
		err = l.store.Settle(ctx, task, outbox.Done(), outbox.Tx{})
	}
	if errors.Is(err, errSettled) {
		err = l.store.Settle(context.WithoutCancel(ctx), task, outbox.Done(), outbox.Tx{})
	}
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, outbox.ErrBroken):
		return false, err
	case errors.Is(err, errUnreadable), errors.Is(err, outbox.ErrDamaged), errors.Is(err, outbox.ErrInvalid), errors.Is(err, outbox.ErrNotFound):
		// It will never be readable: it must not stand in the way of the others.
		l.log.Error("a delivery can't be read; it is dead", "day", task.Ref.Day.String(), "seq", task.Ref.Seq, "error", err)
		if err = l.store.Settle(context.WithoutCancel(ctx), task, outbox.Bury(l.now()), outbox.Tx{}); err == nil {
			return false, nil
		}
	case errors.Is(err, context.Canceled):
		l.store.Release(task) // stopped: as if it had not been tried
		return true, nil
	}
	l.log.Error("a delivery can't be settled; it is tried again", "error", err)
	select {
	case <-time.After(storePauseMax):
	case <-ctx.Done():
	}
	l.store.Release(task)
	return true, nil
}

// steps runs the mapping's steps from the first that is not done, until the delivery is settled.
func (w *work) steps(ctx context.Context) error {
	for {
		record := w.revision()
		call := mappings.Call{Record: record, Sent: w.call.Revision(w.delivery.Done), Progress: w.progress}
		call.Repeated = w.delivery.Failed > 0 || w.delivery.Unsure != ""
		action, err := w.Mapping.Next(call)
		if err != nil { // a template that can't be rendered for this record never will be: no hot loop
			w.log.Error("a call can't be rendered; it is dead", "call_id", record.CallID, "error", err)
			return w.settle(ctx, ending{state: connector.DeliveryDead, reason: err.Error(), of: record.Revision})
		}
		switch action.Kind {
		case mappings.ActionSkip:
			return w.settle(ctx, ending{state: connector.DeliverySkipped, reason: action.Reason, of: record.Revision})
		case mappings.ActionFinished:
			w.delivery.Done, w.delivery.Sending = record.Revision, 0
			w.delivery.Succeed()
			w.sure()
			w.progress.Done = nil
			return w.settle(ctx, ending{state: connector.DeliveryDone, of: record.Revision})
		}
		again, err := w.send(ctx, call, action)
		if err != nil || !again {
			return err
		}
	}
}

// send sends one step's request, unless it may have been sent before and must not be repeated, and notes what came of it.
// It says whether the next step is to be done now.
func (w *work) send(ctx context.Context, call mappings.Call, action mappings.Action) (again bool, err error) {
	maybeSent := w.delivery.Unsure == action.Step
	safe := action.Repeat.Safe || w.within(action)
	if maybeSent && !safe && !w.RetryUnsure {
		return false, w.settle(ctx, ending{state: connector.DeliveryParked, reason: fmt.Sprintf(
			"maybe delivered: step %s was sent and its answer is not known; sending it again could log the call twice", action.Step)})
	}
	w.delivery.Sending = call.Record.Revision
	if !action.Repeat.Safe && !maybeSent {
		w.delivery.Unsure, w.delivery.UnsureSince = action.Step, connector.TimeOf(w.now())
		w.dirty = true
	}
	if w.dirty {
		// A crash before this commit finds the step not sent. A crash after it finds it marked: maybe sent.
		if err := w.persist(ctx); err != nil {
			return false, err
		}
	}
	began := w.now()
	r := action.Request
	got, err := w.Sender.Do(ctx, r.Method, r.URL, r.Header, r.Body)
	if err != nil && ctx.Err() != nil {
		return false, context.Canceled
	}
	now := w.now()
	verdict, progress := w.judge(call, action, got, err, now)
	attempt := connector.Attempt{
		At: connector.TimeOf(began), Revision: call.Record.Revision, Step: action.Step, Method: r.Method, URL: w.shownURL(r.URL),
		Verdict: verdict.Kind.String(), Took: connector.KnownSpan(max(0, now.Sub(began)).Microseconds()),
	}
	if got != nil {
		attempt.Status = got.Status
	}
	if verdict.Kind != target.Done {
		attempt.Error = verdict.Reason
		attempt.Request = excerpt(r.Body)
		if got != nil {
			attempt.Answer = excerpt(got.Body)
		}
	}
	w.delivery.Note(attempt)
	return w.act(ctx, call.Record, action, verdict, progress, safe, now)
}

// act does what the verdict says.
func (w *work) act(ctx context.Context, record *connector.Record, action mappings.Action, v target.Verdict, progress mappings.Progress, safe bool, now time.Time) (again bool, err error) {
	log := w.log.With("call_id", record.CallID, "revision", record.Revision, "step", action.Step)
	switch v.Kind {
	case target.Done:
		w.progress = progress
		w.delivery.Succeed()
		w.sure()
		w.dirty = true
		log.Debug("sent")
		return true, nil
	case target.Dead:
		w.delivery.Sending = 0
		w.sure()
		log.Error("a call was refused; it is dead", "reason", v.Reason)
		return false, w.settle(ctx, ending{state: connector.DeliveryDead, reason: v.Reason})
	case target.Unsure:
		if !safe && !w.RetryUnsure {
			log.Error("a call may have been delivered; it is parked", "reason", v.Reason)
			return false, w.settle(ctx, ending{state: connector.DeliveryParked, reason: "maybe delivered: " + v.Reason})
		}
		if w.delivery.Unsure == "" {
			w.delivery.Unsure, w.delivery.UnsureSince = action.Step, connector.TimeOf(now)
		}
	default: // the request had no effect
		w.sure()
	}
	w.delivery.Fail(connector.TimeOf(now), retrySlack.Microseconds())
	if time.Duration(w.delivery.Tried)*time.Microsecond >= w.GiveUpAfter {
		reason := fmt.Sprintf("given up after %s: %s", w.GiveUpAfter, v.Reason)
		log.Error("a call can't be delivered; it is dead", "reason", reason)
		return false, w.settle(ctx, ending{state: connector.DeliveryDead, reason: reason})
	}
	// Never sooner than asked.
	delay := max(w.Backoff.Delay(w.delivery.Failed, w.random()), v.After)
	log.Warn("a call is not delivered yet; it is tried again", "reason", v.Reason, "failed", w.delivery.Failed, "in", delay)
	return false, w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: v.Reason, due: now.Add(delay)})
}

// within says that a step may be repeated for some time, and that it was first sent no longer ago than that.
func (w *work) within(action mappings.Action) bool {
	if w.delivery.Unsure != action.Step {
		return action.Repeat.Within > 0
	}
	return w.now().Sub(w.delivery.UnsureSince.Time()) < action.Repeat.Within
}

// sure notes that no request is in doubt.
func (w *work) sure() { w.delivery.Unsure, w.delivery.UnsureSince = "", 0 }

// judge asks the mapping first, then the status table.
func (w *work) judge(call mappings.Call, action mappings.Action, got *target.Answer, err error, now time.Time) (target.Verdict, mappings.Progress) {
	if err != nil {
		var lost *target.Error
		if !errors.As(err, &lost) {
			lost = &target.Error{Sent: true, Err: err}
		}
		return target.Judge(nil, lost, now), w.progress
	}
	byStatus := target.Judge(got, nil, now)
	j := w.Mapping.Judge(call, action.Step, mappings.Answer{Status: got.Status, Header: got.Header, Body: got.Body, Cut: got.Cut})
	v := byStatus
	switch j.Verdict {
	case mappings.VerdictDone:
		v.Kind = target.Done
	case mappings.VerdictDead:
		v.Kind = target.Dead
	case mappings.VerdictRetry:
		v.Kind = target.Retry
	case mappings.VerdictReauth:
		v.Kind = target.Down
	case mappings.VerdictAmbiguous:
		v.Kind = target.Unsure
	}
	v.After = max(v.After, j.After)
	if j.Message != "" {
		v.Reason += ": " + j.Message
	}
	return v, j.Progress
}

// retrySlack is how much later than planned an attempt may be and still count in full towards giving up.
const retrySlack = time.Minute

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

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

// deliver does what can be done now of one delivery, and settles it. Only a broken store is an error; after any other
// trouble with the store the delivery is given back, to be claimed again.
func (l *Lane) deliver(ctx context.Context, task outbox.Task) (released bool, err error) {
	w := &work{Lane: l, task: task}
	// What is decided is written also while the process is being stopped; only requests are given up.
	stored := context.WithoutCancel(ctx)
	err = w.load(stored)
	switch {
	case err == nil && w.delivery.State == connector.DeliveryWaiting:
		err = w.steps(ctx, stored)
	case err == nil, errors.Is(err, outbox.ErrNotFound):
		// Nothing is to be done: the call is beyond its retention, or the delivery was ended by a person.
		l.log.Warn("a delivery has nothing to deliver; it is ended", "reason", err)
		err = l.store.Settle(stored, task, outbox.Done(), outbox.Tx{})
	}
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, outbox.ErrBroken):
		return false, err
	case errors.Is(err, context.Canceled):
		l.store.Release(task) // stopped in mid-request: as if it had not been tried
		return true, nil
	}
	l.log.Error("a delivery can't be settled; it is tried again", "error", err)
	select {
	case <-time.After(storeTrouble):
	case <-ctx.Done():
	}
	l.store.Release(task)
	return true, nil
}

// steps runs the mapping's steps from the first that is not done, until the delivery is settled.
func (w *work) steps(ctx, stored context.Context) error {
	for {
		record := w.revision()
		call := mappings.Call{Record: record, Sent: w.call.Revision(w.delivery.Done), Progress: w.progress}
		call.Repeated = w.delivery.Failed > 0 || w.delivery.Unsure != ""
		action, err := w.Mapping.Next(call)
		if err != nil { // a template that can't be rendered for this record never will be: no hot loop
			w.log.Error("a call can't be rendered; it is dead", "call_id", record.CallID, "error", err)
			return w.settle(stored, connector.DeliveryDead, err.Error(), time.Time{})
		}
		switch action.Kind {
		case mappings.ActionSkip:
			return w.settle(stored, connector.DeliverySkipped, action.Reason, time.Time{})
		case mappings.ActionFinished:
			w.delivery.Done, w.delivery.Sending = record.Revision, 0
			w.delivery.Failed, w.delivery.FirstFailed = 0, 0
			w.sure()
			w.progress.Done = nil
			return w.settle(stored, connector.DeliveryDone, "", time.Time{})
		}
		again, err := w.send(ctx, stored, call, action)
		if err != nil || !again {
			return err
		}
	}
}

// send sends one step's request, unless it may have been sent before and must not be repeated, and notes what came of it.
// It says whether the next step is to be done now.
func (w *work) send(ctx, stored context.Context, call mappings.Call, action mappings.Action) (again bool, err error) {
	maybeSent := w.delivery.Unsure == action.Step
	safe := action.Repeat.Safe || w.within(action)
	if maybeSent && !safe && !w.RetryUnsure {
		return false, w.settle(stored, connector.DeliveryParked,
			fmt.Sprintf("maybe delivered: step %s was sent and its answer is not known; sending it again could log the call twice", action.Step), time.Time{})
	}
	w.delivery.Sending = call.Record.Revision
	if !action.Repeat.Safe && !maybeSent {
		w.delivery.Unsure, w.delivery.UnsureSince = action.Step, connector.TimeOf(w.now())
		w.dirty = true
	}
	if w.dirty {
		// A crash before this commit finds the step not sent. A crash after it finds it marked: maybe sent.
		if err := w.persist(stored); err != nil {
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
	return w.act(stored, call.Record, action, verdict, progress, safe, now)
}

// act does what the verdict says.
func (w *work) act(ctx context.Context, record *connector.Record, action mappings.Action, v target.Verdict, progress mappings.Progress, safe bool, now time.Time) (again bool, err error) {
	log := w.log.With("call_id", record.CallID, "revision", record.Revision, "step", action.Step)
	switch v.Kind {
	case target.Done:
		w.progress = progress
		w.delivery.Failed, w.delivery.FirstFailed = 0, 0
		w.sure()
		w.dirty = true
		log.Debug("sent")
		return true, nil
	case target.Dead:
		w.delivery.Sending = 0
		w.sure()
		log.Error("a call was refused; it is dead", "reason", v.Reason)
		return false, w.settle(ctx, connector.DeliveryDead, v.Reason, time.Time{})
	case target.Unsure:
		if !safe && !w.RetryUnsure {
			log.Error("a call may have been delivered; it is parked", "reason", v.Reason)
			return false, w.settle(ctx, connector.DeliveryParked, "maybe delivered: "+v.Reason, time.Time{})
		}
		if w.delivery.Unsure == "" {
			w.delivery.Unsure, w.delivery.UnsureSince = action.Step, connector.TimeOf(now)
		}
	default: // the request had no effect
		w.sure()
	}
	w.delivery.Failed++
	if w.delivery.FirstFailed == 0 {
		w.delivery.FirstFailed = connector.TimeOf(now)
	}
	if now.Sub(w.delivery.FirstFailed.Time()) >= w.GiveUpAfter {
		reason := fmt.Sprintf("given up after %s: %s", w.GiveUpAfter, v.Reason)
		log.Error("a call can't be delivered; it is dead", "reason", reason)
		return false, w.settle(ctx, connector.DeliveryDead, reason, time.Time{})
	}
	// Never sooner than asked.
	delay := max(w.Backoff.Delay(w.delivery.Failed, w.random()), v.After)
	log.Warn("a call is not delivered yet; it is tried again", "reason", v.Reason, "failed", w.delivery.Failed, "in", delay)
	return false, w.settle(ctx, connector.DeliveryWaiting, v.Reason, now.Add(delay))
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

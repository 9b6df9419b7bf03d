package deliver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
	"wrapup/outbox"
)

// deliver does what can be done now of one delivery, and settles it; probe says that it is to find out whether a paused
// destination is back. It says whether that told anything about the destination as it is configured now, and whether the
// delivery was given back unsettled. Only a broken store is an error.
func (l *Lane) deliver(ctx context.Context, task outbox.Task, probe bool) (told, released bool, err error) {
	s := l.current.Load()
	w := &work{Lane: l, setup: s, task: task, mapping: s.Mapping, probe: probe, stopping: l.stopping}
	released, err = w.settled(ctx)
	return w.sent && !w.outdated(), released, err
}

func (w *work) settled(ctx context.Context) (released bool, err error) {
	l, task := w.Lane, w.task
	err = w.load(ctx)
	switch {
	case err == nil && w.delivery.State == connector.DeliveryWaiting:
		err = w.attempt(ctx)
	case err == nil:
		l.log.Warn("a delivery was ended by somebody else", "call", w.entry.ID)
		err = errSettled
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

// attempt runs the mapping's steps from the first that is not done, until the delivery is settled.
func (w *work) attempt(ctx context.Context) error {
	finished := w.call.FinishedAt.Time()
	if due := finished.Add(w.mapping.Wait()); w.delivery.Done == 0 && w.now().Before(due) && !finished.After(w.now()) {
		return w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: "the mapping waits for late events first", due: due})
	}
	w.begin()
	if gone := w.unknownStep(); gone != "" {
		w.log.Error("a call may have been delivered by a step that the mapping doesn't have any more; it is parked", "call", w.entry.ID, "step", gone)
		return w.settle(ctx, ending{state: connector.DeliveryParked, reason: "maybe delivered: step " + gone +
			" was sent, or may have been, and the mapping has no step of that name any more; what it has could log the call twice"})
	}
	for {
		record := w.revision()
		call, login := w.view(record)
		action, err := w.mapping.Next(call)
		if err != nil { // a template that can't be rendered for this record never will be: no hot loop
			w.log.Error("a call can't be rendered; it is dead", "call", record.CallID, "error", w.unnumbered(err.Error()))
			w.flow.failed(w.now(), err.Error())
			return w.settle(ctx, ending{state: connector.DeliveryDead, reason: err.Error(), of: w.letGo(record)})
		}
		settled := false
		switch action.Kind {
		case mappings.ActionSkip:
			if action.Step == "" { // nothing of it was created: what was in doubt was looked for, and isn't there
				w.delivery.Unsure = nil
			}
			return w.settle(ctx, ending{state: connector.DeliverySkipped, reason: action.Reason, of: w.letGo(record)})
		case mappings.ActionFinished:
			w.delivery.Done, w.delivery.Sending, w.delivery.Held, w.delivery.Unsure = record.Revision, 0, nil, nil
			w.delivery.Begun = false
			w.delivery.Succeed()
			w.progress = w.progress.Finished()
			if w.sent {
				w.back(w.gate.delivered(w.now()))
			}
			return w.settle(ctx, ending{state: connector.DeliveryDone, of: record.Revision})
		case mappings.ActionHold:
			return w.hold(ctx, action)
		case mappings.ActionAuth:
			if w.dirty { // asking for a token can take as long as a login
				if err := w.persist(ctx); err != nil {
					return err
				}
			}
			if v := w.authorize(ctx); v.Kind != target.Done {
				settled, err = w.judged(ctx, record, action, v, true)
			}
		case mappings.ActionSession:
			if w.dirty {
				// A crash during the login finds the steps before as done as they are.
				if err := w.persist(ctx); err != nil {
					return err
				}
			}
			v := w.login(ctx, action, call)
			if v.Kind != target.Done && (v.Kind != target.Down || w.Tokens == nil || !w.renew(action, login)) {
				settled, err = w.judged(ctx, record, action, v, true)
			}
		case mappings.ActionSend:
			settled, err = w.send(ctx, record, call, action, login)
		default:
			return w.settle(ctx, ending{state: connector.DeliveryDead, reason: "the mapping needs " + action.Kind.String() + ", which this version doesn't do"})
		}
		if err != nil || settled {
			return err
		}
	}
}

// begin does what a person who had the delivery tried again expects of that: what may be done any number of times is done
// again, for what was wrong may have been mended meanwhile, and a step that the mapping has no more stands in nobody's way.
func (w *work) begin() {
	if w.delivery.Retried && !w.delivery.Redone {
		w.delivery.Begun = w.delivery.Begun || w.mapping.Begun(w.progress)
		w.progress = w.mapping.Retried(w.progress)
		w.delivery.Redone, w.dirty = true, true
	}
	if !w.delivery.Insist {
		return
	}
	gone := func(step string) bool { return !w.mapping.HasStep(step) }
	w.progress.Done = slices.DeleteFunc(slices.Clone(w.progress.Done), gone)
	maps.DeleteFunc(w.delivery.Unsure, func(step string, _ connector.Doubt) bool { return gone(step) })
}

// begun says that something of the revision under way was sent, or may have been.
func (w *work) begun() bool {
	return w.delivery.Begun || len(w.progress.Done) > 0 || len(w.delivery.Unsure) > 0
}

// letGo lets go of the revision under way, so that a newer one may be looked at, and gives its number. What has begun is
// kept instead, and the number is 0: it is finished as what it began as, so that the newer one is still an update.
func (w *work) letGo(record *connector.Record) int {
	if w.begun() {
		return 0
	}
	w.delivery.Sending = 0
	return record.Revision
}

// unknownStep names a step that was sent, or may have been, and that the mapping doesn't have, "" if there is none.
func (w *work) unknownStep() string {
	for _, step := range w.progress.Done {
		if !w.mapping.HasStep(step) {
			return step
		}
	}
	for step := range w.delivery.Unsure {
		if !w.mapping.HasStep(step) {
			return step
		}
	}
	return ""
}

// view is what the mapping sees of the delivery; login says of which login the session's values are.
func (w *work) view(record *connector.Record) (call mappings.Call, login int) {
	now := w.now()
	call = mappings.Call{
		Record: record, Sent: w.call.Revision(w.delivery.Done), Progress: w.progress, Now: now,
		// Age is by our own clock: the dialer's may be off by any time.
		Age: now.Sub(w.call.FinishedAt.Time()),
		// What was due before this process began may have been sent by the one before.
		Begun:    w.delivery.Begun,
		Untold:   w.untold(),
		Repeated: w.delivery.Retried || w.task.Due.Before(w.started) || w.untold(),
	}
	for step := range w.delivery.Unsure {
		call.MaybeSent = append(call.MaybeSent, step)
	}
	for on, since := range w.delivery.Held {
		if call.Held == nil {
			call.Held = map[string]time.Duration{}
		}
		call.Held[on] = now.Sub(since.Time())
	}
	call.Session, login = w.session.now()
	if now.Sub(w.authAt) > authFor {
		w.auth = nil
	}
	call.Auth = w.auth
	return call, login
}

// How often a held call is looked at again: what it waits for may have come. A lookup asks the CRM each time.
const (
	holdTable  = time.Minute
	holdLookup = 5 * time.Minute
)

// hold settles a call that has to wait for something that isn't there yet. It costs no attempt.
func (w *work) hold(ctx context.Context, action mappings.Action) error {
	now := w.now()
	if _, held := w.delivery.Held[action.Hold.On]; !held {
		if w.delivery.Held == nil {
			w.delivery.Held = map[string]connector.Time{}
		}
		w.delivery.Held[action.Hold.On] = connector.TimeOf(now)
	}
	again := holdLookup
	if action.Hold.Table != "" {
		again = holdTable
	}
	w.delivery.Idle(connector.TimeOf(now))
	return w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: "held: " + action.Reason, due: now.Add(min(again, action.Hold.For))})
}

// send sends one step's request, unless it may have been sent before and must not be repeated, and does what the answer
// says. settled is false if the next step is to be done now.
func (w *work) send(ctx context.Context, record *connector.Record, call mappings.Call, action mappings.Action, login int) (settled bool, err error) {
	var safe, maybeSent bool
	mayNot := func() bool {
		safe, maybeSent = w.safe(action)
		return maybeSent && !safe && !w.RetryUnsure && !w.delivery.Insist
	}
	if mayNot() {
		return true, w.doubled(ctx, action)
	}
	// The CRM's search can't know yet of what was sent last; nor can it of what a slow server is still at, which we gave up.
	doubt, _ := w.doubt(action.Finds)
	last, _ := w.passed(doubt.Last)
	lag := max(action.Lag, w.Timeout)
	if due := last.Add(lag); action.Finds != "" && w.now().Before(due) {
		return true, w.settle(ctx, ending{state: connector.DeliveryWaiting, due: due,
			reason: "step " + action.Finds + " may have been done; whether it was, the CRM can be asked after " + lag.String()})
	}
	if err := w.wait(ctx, action); err != nil { // before anything is noted: nothing has been sent
		return false, err
	}
	if mayNot() { // any more: its time may be over after the wait
		return true, w.doubled(ctx, action)
	}
	if reason, _, held := w.gate.state(); reason != "" && (held || !w.probe) { // since the delivery was claimed, or while it waited for its turn
		return true, w.paused(ctx, target.Verdict{Reason: reason}, w.now())
	}
	if rest := w.gate.rest(w.now()); rest > 0 && !w.probe { // likewise
		w.delivery.Idle(connector.TimeOf(w.now()))
		return true, w.settle(ctx, ending{state: connector.DeliveryWaiting, reason: "the destination asked all calls to wait", due: w.now().Add(rest)})
	}
	if call.Sent == nil && !action.Lookup && !w.counted {
		if reason := w.gate.braked(w.now(), record.CallID); reason != "" {
			return true, w.stop(ctx, reason)
		}
		w.counted = true
	}
	w.marked = false
	if !action.Lookup { // a lookup begins nothing
		w.delivery.Sending = record.Revision
		if maybeSent && (action.NotThere || w.delivery.Insist) && w.untold() {
			// Steps are done in order: where this one wasn't, no later one was.
			w.delivery.Sure, w.dirty = connector.TimeOf(w.restored.At), true
		}
		if !action.Repeat.Safe {
			// After a crash nobody knows for how long the request was under way.
			w.unsure(action.Step, w.Timeout)
			w.marked, w.dirty = !maybeSent, true
		}
		if w.delivery.Insist && maybeSent {
			w.delivery.Insist, w.dirty = false, true
		}
	}
	if w.dirty {
		// A crash before this commit finds the step not sent. A crash after it finds it marked: maybe sent.
		if err := w.persist(ctx); err != nil {
			return false, err
		}
	}
	got, verdict := w.exchange(ctx, action)
	if verdict.Kind == stopped {
		return false, context.Canceled
	}
	warning, duplicate, reauth := "", false, false
	if got != nil {
		var j mappings.Judgement
		verdict, j = verdictOn(w.mapping, call, action.Step, got, verdict)
		warning, duplicate, reauth = j.Warning, j.Duplicate, verdict.Kind == target.Down
		if verdict.Kind == target.Done {
			w.progress = j.Progress
		}
	}
	if verdict.Kind == target.Done && w.Tokens != nil {
		w.renewals.took(w.authSerial)
	}
	verdict.Reason, warning = w.mask(verdict.Reason), w.mask(warning)
	w.note(record, action, got, verdict, warning)
	w.delivery.Attempts[len(w.delivery.Attempts)-1].Duplicate = duplicate && verdict.Kind == target.Done
	if reauth && w.renew(action, login) { // once: credentials that are no good either pause the destination
		return false, nil
	}
	return w.judged(ctx, record, action, verdict, safe)
}

// safe says whether the step's request may be sent now, as often as needed, and whether it may have been sent before.
func (w *work) safe(action mappings.Action) (safe, maybeSent bool) {
	doubt, maybeSent := w.doubt(action.Step)
	since, known := w.passed(doubt.Since)
	return action.Repeat.Safe || action.NotThere ||
		action.Repeat.Within > 0 && (!maybeSent || known && w.now().Sub(since) < action.Repeat.Within), maybeSent
}

// doubled settles a call that could be logged twice if the step were sent again.
func (w *work) doubled(ctx context.Context, action mappings.Action) error {
	reason := "maybe delivered: step " + action.Step + " was sent and its answer is not known; sending it again could log the call twice"
	if _, known := w.delivery.Unsure[action.Step]; !known {
		reason = "maybe delivered: " + w.unknownSince() + ", and step " + action.Step + " may have been sent before; sending it again could log the call twice"
	}
	return w.settle(ctx, ending{state: connector.DeliveryParked, reason: reason})
}

// verdictOn is the verdict on the answer to a step: the mapping's where it has one, else v, the status table's. It is pure.
func verdictOn(m *mappings.Mapping, call mappings.Call, step string, got *target.Answer, v target.Verdict) (target.Verdict, mappings.Judgement) {
	j := m.Judge(call, step, mappings.Answer{Status: got.Status, Header: got.Header, Body: got.Body, Cut: got.Cut})
	switch j.Verdict {
	case mappings.VerdictDone:
		v.Kind = target.Done
	case mappings.VerdictDead:
		if v.Kind == target.Done {
			v.Reason += ", which the mapping takes for a refusal"
		}
		v.Kind = target.Dead
	case mappings.VerdictRetry:
		if v.Kind != target.Retry {
			v.Reason += ", which the mapping takes for \"not now\""
		}
		// It says when to send it again, which is not that it had no effect.
		v.Doubt = v.Doubt || v.Kind == target.Unsure
		v.Kind = target.Retry
	case mappings.VerdictReauth:
		if v.Kind != target.Down {
			v.Reason += ", which the mapping takes for credentials that are no good"
		}
		v.Kind = target.Down
	case mappings.VerdictAmbiguous:
		v.Kind = target.Unsure
		switch {
		case j.Message != "":
		case len(got.Body) == 0:
			v.Reason += " without the body that the step reads"
		default:
			v.Reason += " with a body that can't be read"
		}
	}
	v.After = max(v.After, j.After)
	if j.Duplicate {
		v.Reason = "it was there already"
	}
	if j.Message != "" {
		v.Reason += ": " + j.Message
	}
	return v, j
}

// noEffect notes that the request of this attempt had no effect. An earlier one, whose answer was lost, may have had.
func (w *work) noEffect(action mappings.Action) {
	if w.marked {
		delete(w.delivery.Unsure, action.Step)
		w.marked = false
	}
}

// unsure notes that from now on nobody can be sure whether the step was done; its request may be under way for so long yet.
func (w *work) unsure(step string, yet time.Duration) {
	if w.delivery.Unsure == nil {
		w.delivery.Unsure = map[string]connector.Doubt{}
	}
	now := connector.TimeOf(w.now())
	doubt, known := w.delivery.Unsure[step]
	if !known {
		doubt.Since = now
	}
	doubt.Last = connector.TimeOf(w.now().Add(yet))
	w.delivery.Unsure[step] = doubt
}

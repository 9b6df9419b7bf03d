package deliver

import (
	"context"
	"net/http"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
	"wrapup/outbox"
)

// Ending says how a try-out of a destination ended.
type Ending string

// The endings.
const (
	EndedFinished Ending = "finished"   // all steps were done
	EndedSkipped  Ending = "skipped"    // the mapping doesn't want the call
	EndedHeld     Ending = "held"       // the call would wait for something
	EndedUnsent   Ending = "not sent"   // the next request would create something, and that was not asked for
	EndedCut      Ending = "cut off"    // there was no time for the next request, which was not sent
	EndedRefused  Ending = "refused"    // the destination didn't take a request
	EndedDead     Ending = "unrendered" // a request can't be made for this call
)

// Tried is one exchange of a try-out. The answer to a login isn't there: it holds secrets.
type Tried struct {
	mappings.Exchange
	// Sent says that the request went out; then Verdict is what came of it.
	Sent    bool
	Verdict target.Verdict
}

// Trial is what a try-out found.
type Trial struct {
	Exchanges []Tried
	Ended     Ending
	// Reason says why, or what of it.
	Reason string
	// Created names the steps that created something, Maybe those that may have: their answers were lost.
	Created, Maybe []string
	// Saved is what the steps saved.
	Saved map[string]any
	// LoggedIn says that the lane was logged in before, so that the login was not tried.
	LoggedIn bool
	// Secrets are values that must not be shown: what a login or a token server has given.
	Secrets []string
}

// mostTried bounds the requests of a try-out: no mapping needs so many.
const mostTried = 200

// Try sends what a call would meet first at the destination: the login and the lookups; with create also all that creates,
// up to the end. It goes the way of any delivery, with the lane's own login and within its rates, also while the lane is
// paused. But nothing of it is stored, and it changes nothing about the lane: neither does a failure pause it nor a success
// resume it.
func (l *Lane) Try(ctx context.Context, record *connector.Record, create bool) *Trial {
	now, s := l.now(), l.current.Load()
	w := &work{
		Lane: l, setup: s, mapping: s.Mapping, task: outbox.Task{Due: now}, stopping: ctx,
		call:     &connector.Call{FinishedAt: connector.TimeOf(now), Revisions: []connector.Revision{{Record: *record}}},
		delivery: &connector.Delivery{State: connector.DeliveryWaiting, Wanted: record.Revision},
	}
	t := &Trial{}
	values, _ := s.session.now()
	t.LoggedIn = values != nil
	for range mostTried {
		if done := w.try(ctx, t, record, create); done {
			break
		}
	}
	t.Saved = w.progress.Saved
	t.Secrets = append(t.Secrets, w.granted()...)
	return t
}

func (t *Trial) end(how Ending, why string) (done bool) {
	t.Ended, t.Reason = how, why
	return true
}

// try does the next thing of a try-out.
func (w *work) try(ctx context.Context, t *Trial, record *connector.Record, create bool) (done bool) {
	call, login := w.view(record)
	action, err := w.mapping.Next(call)
	if err != nil {
		return t.end(EndedDead, err.Error())
	}
	switch action.Kind {
	case mappings.ActionFinished:
		return t.end(EndedFinished, "all steps are done")
	case mappings.ActionSkip:
		return t.end(EndedSkipped, action.Reason)
	case mappings.ActionHold:
		t.Exchanges = append(t.Exchanges, Tried{Exchange: mappings.Exchange{Action: action}})
		return t.end(EndedHeld, action.Reason)
	case mappings.ActionSession:
		w.sent = false
		v := w.login(ctx, action, call)
		t.Exchanges = append(t.Exchanges, Tried{Exchange: mappings.Exchange{Action: action}, Sent: w.sent || v.Kind != stopped, Verdict: v})
		if v.Kind == stopped && !w.sent {
			return t.cut(ctx)
		}
		if v.Kind != target.Done && (v.Kind != target.Down || w.Tokens == nil || !w.renew(action, login)) {
			return t.refused(ctx, v)
		}
		return false
	case mappings.ActionAuth:
		v := w.authorize(ctx)
		t.Exchanges = append(t.Exchanges, Tried{Exchange: mappings.Exchange{Action: action}, Sent: true, Verdict: v})
		t.Secrets = append(t.Secrets, w.granted()...)
		if v.Kind != target.Done {
			return t.refused(ctx, v)
		}
		return false
	}
	return w.trySend(ctx, t, call, action, login, create)
}

// trySend sends one step's request, if it creates nothing or that is wanted.
func (w *work) trySend(ctx context.Context, t *Trial, call mappings.Call, action mappings.Action, login int, create bool) (done bool) {
	at := Tried{Exchange: mappings.Exchange{Action: action}}
	asks := action.Lookup || action.Request.Method == http.MethodGet || action.Request.Method == http.MethodHead
	if !asks && !create {
		t.Exchanges = append(t.Exchanges, at)
		return t.end(EndedUnsent, "step "+action.Step+" would be the first to change anything")
	}
	if w.wait(ctx, action) != nil {
		t.Exchanges = append(t.Exchanges, at)
		return t.cut(ctx)
	}
	got, v := w.exchange(ctx, action)
	reauth := false
	if got != nil {
		var j mappings.Judgement
		v, j = verdictOn(w.mapping, call, action.Step, got, v)
		reauth = v.Kind == target.Down
		at.Answer, at.Judgement = &mappings.Answer{Status: got.Status, Header: got.Header, Body: got.Body, Cut: got.Cut}, &j
		if v.Kind == target.Done {
			w.progress = j.Progress
		}
	}
	at.Sent, at.Verdict = true, v
	t.Exchanges = append(t.Exchanges, at)
	switch {
	case v.Kind == target.Done:
		if !asks {
			t.Created = append(t.Created, action.Step)
		}
		return false
	case reauth && w.renew(action, login):
		return false
	case !asks && (v.Kind == target.Unsure || v.Kind == stopped):
		t.Maybe = append(t.Maybe, action.Step)
	}
	return t.refused(ctx, v)
}

// cut ends a try-out whose next request was still waiting for its turn.
func (t *Trial) cut(ctx context.Context) (done bool) {
	why := "the rate of the destination is used up"
	if ctx.Err() != nil {
		why = context.Cause(ctx).Error()
	}
	return t.end(EndedCut, "there was no time left: "+why)
}

func (t *Trial) refused(ctx context.Context, v target.Verdict) (done bool) {
	if v.Kind == stopped {
		return t.end(EndedRefused, "no answer came in time: "+context.Cause(ctx).Error())
	}
	return t.end(EndedRefused, v.Reason)
}

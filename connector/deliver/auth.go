package deliver

import (
	"context"
	"errors"
	"sync"
	"time"

	"wrapup/connector/target"
	"wrapup/mappings"
)

// Tokens gives the access tokens of a destination to all of its deliveries; a *target.Tokens does.
type Tokens interface {
	// Token gives what the token answer in force holds, and its serial. Its error is a *target.TokenError, or that of ctx.
	Token(ctx context.Context) (values map[string]any, serial int, err error)
	// Expire says that the token of that serial was refused.
	Expire(serial int)
	// Retry says that something has changed: the next Token asks, whatever was answered before.
	Retry()
}

// authFor is how long a delivery goes on with a token before it asks whether that is still the one: its next request may be
// long after this one.
const authFor = 5 * time.Second

// authorize gets the token for the next request. The verdict is Done, or why there is none: that is the destination's
// trouble, never the call's.
func (w *work) authorize(ctx context.Context) target.Verdict {
	if w.Tokens == nil {
		w.sent = true
		return target.Verdict{Kind: target.Down, Reason: "the destination has no credentials to get a token by"}
	}
	values, serial, err := w.Tokens.Token(ctx)
	if err == nil {
		w.auth, w.authSerial, w.authAt = values, serial, w.now()
		if err = w.mapping.CheckToken(values); err == nil {
			return target.Verdict{Kind: target.Done}
		}
		// It could be in force for good: its server need not say when it ends. So another one is asked for now and then.
		if w.renewals.refused(serial, w.now()) {
			w.Tokens.Expire(serial)
		}
		err = &target.TokenError{Verdict: target.Verdict{Kind: target.Down, Reason: "the answer to the request for a token is of no use: " + err.Error()}}
	}
	if ctx.Err() != nil {
		return target.Verdict{Kind: stopped}
	}
	// A probe has told what there is to tell, whoever asked: another one would tell the same.
	w.sent = true
	v := target.Verdict{Kind: target.Down, Reason: w.mask(err.Error())}
	var failed *target.TokenError
	if errors.As(err, &failed) {
		v.After = failed.Verdict.After
	}
	return v
}

// renew gives up the credentials that the destination has just refused, once for each attempt. It is false if there is
// nothing to renew, or if they are new: then it is not they, and the destination is paused.
func (w *work) renew(action mappings.Action, login int) bool {
	if w.renewed || w.Tokens == nil && !w.mapping.HasSession() {
		return false
	}
	w.renewed = true
	if w.Tokens != nil {
		if !w.renewals.refused(w.authSerial, w.now()) {
			return false
		}
		w.Tokens.Expire(w.authSerial)
		w.auth = nil
	}
	w.session.expire(login)
	w.noEffect(action)
	return true
}

// renewEvery is how soon a token is renewed again if the one before did no good either. Each probe of a paused destination
// would ask for one otherwise, and authorization servers count: Zoho gives ten in ten minutes.
const renewEvery = 5 * time.Minute

// renewals remembers which tokens were refused.
type renewals struct {
	mu sync.Mutex
	// serial is the newest token that was given up, at when; at is zero if a newer one was taken since.
	serial int
	at     time.Time
}

// refused says whether a token that was refused is to be given up, and notes it.
func (r *renewals) refused(serial int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if serial <= r.serial {
		return true // it was, by another worker: there is a newer one
	}
	if !r.at.IsZero() && now.Sub(r.at) < renewEvery {
		return false
	}
	r.serial, r.at = serial, now
	return true
}

// took says that a token did its work.
func (r *renewals) took(serial int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if serial > r.serial {
		r.at = time.Time{}
	}
}

// reset says that something has changed, by a person.
func (r *renewals) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = time.Time{}
}

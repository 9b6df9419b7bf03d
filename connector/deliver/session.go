package deliver

import (
	"context"
	"sync"

	"golang.org/x/time/rate"

	"wrapup/connector/target"
	"wrapup/mappings"
)

// session holds the values of the destination's login, shared by all of its deliveries. One of them logs in, the others
// wait for it.
type session struct {
	mu     sync.Mutex
	values map[string]any
	// serial counts the logins, so that the expiry of one that is gone already renews nothing.
	serial int
}

// now gives the values, nil if nobody is logged in, and which login they are of.
func (s *session) now() (map[string]any, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values, s.serial
}

// expire forgets the values of that login.
func (s *session) expire(serial int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serial == serial {
		s.values = nil
	}
}

// login gets new values with the request, unless somebody else has meanwhile. The verdict is Done, or what went wrong.
func (w *work) login(ctx context.Context, action mappings.Action, call mappings.Call) target.Verdict {
	s := &w.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values != nil {
		return target.Verdict{Kind: target.Done}
	}
	got, verdict := w.exchange(ctx, action)
	if got == nil {
		return verdict
	}
	j := w.Mapping.JudgeSession(call, mappings.Answer{Status: got.Status, Header: got.Header, Body: got.Body, Cut: got.Cut})
	switch {
	case j.Verdict == mappings.VerdictDone && verdict.Kind == target.Done:
		s.values = j.Values
		s.serial++
		return verdict
	case verdict.Kind == target.Done, verdict.Kind == target.Dead, verdict.Kind == target.Suspect:
		// A login that is refused is the destination's trouble, not the call's.
		verdict.Kind = target.Down
	}
	verdict.Reason = "the login " + verdict.Reason
	if j.Message != "" {
		verdict.Reason += ": " + j.Message
	}
	return verdict
}

// limits are the destination's rates: of all requests, and of single steps.
type limits struct {
	all   *rate.Limiter
	mu    sync.Mutex
	steps map[string]*rate.Limiter
}

func limiter(r mappings.Rate) *rate.Limiter {
	if r.N == 0 || r.Per == 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	// One at a time: a burst of what a minute allows is what APIs call abuse.
	return rate.NewLimiter(rate.Limit(float64(r.N)/r.Per.Seconds()), 1)
}

// wait waits until the step's next request may go out.
func (l *limits) wait(ctx context.Context, action mappings.Action) error {
	if action.Rate.N > 0 {
		l.mu.Lock()
		step := l.steps[action.Step]
		if step == nil {
			step = limiter(action.Rate)
			l.steps[action.Step] = step
		}
		l.mu.Unlock()
		if err := step.Wait(ctx); err != nil {
			return context.Canceled
		}
	}
	if l.all.Wait(ctx) != nil {
		return context.Canceled
	}
	return nil
}

package deliver

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"wrapup/connector/target"
	"wrapup/mappings"
)

// session holds the values of the destination's login, shared by all of its deliveries. One of them logs in, the others
// wait for it.
type session struct {
	// turn is taken by the one that logs in.
	turn chan struct{}

	mu     sync.Mutex // guards what follows
	values map[string]any
	// past are the values of the last logins that have expired: an answer may still repeat them.
	past []map[string]any
	// serial counts the logins, so that the expiry of one that is gone already renews nothing.
	serial int
	// failed is why the last login failed, and when: those who waited for it take its word.
	failed   target.Verdict
	failedAt time.Time
}

// keptPast is how many expired logins are remembered, so that what they gave is kept out of what is shown.
const keptPast = 8

// secrets gives the texts that this login and those before it gave.
func (s *session) secrets() (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, values := range append([]map[string]any{s.values}, s.past...) {
		for _, v := range values {
			if text, ok := v.(string); ok {
				texts = append(texts, text)
			}
		}
	}
	return texts
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
	if s.serial == serial && s.values != nil { // several workers may find the same login expired
		s.past = append(s.past[max(0, len(s.past)-keptPast+1):], s.values)
		s.values = nil
	}
}

// login gets new values with the request, unless somebody else has meanwhile. The verdict is Done, or what went wrong.
func (w *work) login(ctx context.Context, action mappings.Action, call mappings.Call) target.Verdict {
	s := w.session
	asked := w.now()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return target.Verdict{Kind: stopped}
	}
	if v, known := s.since(asked); known {
		return v
	}
	if w.wait(ctx, action) != nil {
		return target.Verdict{Kind: stopped}
	}
	values, verdict := w.logIn(ctx, action, call)
	s.mu.Lock()
	defer s.mu.Unlock()
	if verdict.Kind == target.Done {
		s.values = values
		s.serial++
	} else {
		s.failed, s.failedAt = verdict, w.now()
	}
	return verdict
}

// since says how a login ended that somebody else made after the given time: a wrong password is not tried by each worker
// in turn.
func (s *session) since(t time.Time) (v target.Verdict, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values != nil {
		return target.Verdict{Kind: target.Done}, true
	}
	return s.failed, s.failedAt.After(t)
}

func (w *work) logIn(ctx context.Context, action mappings.Action, call mappings.Call) (map[string]any, target.Verdict) {
	got, verdict := w.exchange(ctx, action)
	if got == nil {
		return nil, verdict
	}
	j := w.mapping.JudgeSession(call, mappings.Answer{Status: got.Status, Header: got.Header, Body: got.Body, Cut: got.Cut})
	switch {
	case j.Verdict == mappings.VerdictDone && verdict.Kind == target.Done:
		return j.Values, verdict
	case verdict.Kind == target.Done, verdict.Kind == target.Dead, verdict.Kind == target.Suspect:
		// A login that is refused is the destination's trouble, not the call's.
		verdict.Kind = target.Down
	}
	verdict.Reason = "the login " + verdict.Reason
	if j.Message != "" {
		verdict.Reason += ": " + j.Message
	}
	verdict.Reason = w.mask(verdict.Reason)
	return nil, verdict
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

// wait waits for the step's turn, as the rates have it. Once the lane is stopping, or if ctx ends, it is an error.
func (w *work) wait(ctx context.Context, action mappings.Action) error {
	if w.dirty && w.limits.some(action) {
		// This may take a while: a crash meanwhile finds the steps before as done as they are.
		if err := w.persist(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.stopping, cancel)()
	if !w.sent { // what has not begun may begin with what is configured now, at its rate
		defer context.AfterFunc(w.replaced, cancel)()
	}
	return w.limits.wait(ctx, action)
}

// set takes other rates into use.
func (l *limits) set(r mappings.Rate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	like := limiter(r)
	if l.all.Limit() != like.Limit() {
		l.all.SetBurst(like.Burst())
		l.all.SetLimit(like.Limit())
	}
	clear(l.steps)
}

// some says that there is a limit to the step's requests.
func (l *limits) some(action mappings.Action) bool {
	return action.Rate.N > 0 || l.all.Limit() != rate.Inf
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

package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// tokenState is what is stored of a refresh token.
type tokenState struct {
	Version int `json:"version"`
	// Origin is the fingerprint of the configured refresh token that Refresh descends from.
	Origin  string `json:"origin"`
	Refresh string `json:"refresh"`
	// Sending is since when Refresh is being used, and it isn't known what became of it. Lost says why, if that is known.
	Sending *time.Time `json:"sending,omitempty"`
	Lost    string     `json:"lost,omitempty"`
	// Kept says that Refresh has been used before and was still the one to use afterwards.
	Kept bool `json:"kept,omitempty"`
	// Answer is the newest token answer, for the process that comes next.
	Answer  []byte    `json:"answer,omitempty"`
	Status  int       `json:"status,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	// Spent are fingerprints of configured refresh tokens that are no good any more, the newest last.
	Spent []string `json:"spent,omitempty"`
}

const (
	tokenStateVersion = 1
	maxSpent          = 32
)

// fingerprint knows a refresh token again. It is as random as a key, so a bare hash doesn't give it away.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte("refresh token\n" + token))
	return hex.EncodeToString(sum[:16])
}

// spend notes that Refresh must not be used again, should it ever be configured.
func (s *tokenState) spend() {
	f := fingerprint(s.Refresh)
	if slices.Contains(s.Spent, f) || f != s.Origin { // only what stood in a configuration can come back by it
		return
	}
	s.Spent = append(slices.Clone(s.Spent), f)
	if n := len(s.Spent) - maxSpent; n > 0 {
		s.Spent = s.Spent[n:]
	}
}

// start gives the state to go on from: what was stored, or else the configured refresh token.
func start(stored []byte, configured string, reusable bool) (tokenState, error) {
	s := tokenState{Version: tokenStateVersion, Origin: fingerprint(configured), Refresh: configured}
	if len(stored) == 0 {
		return s, nil
	}
	var old tokenState
	if err := json.Unmarshal(stored, &old); err != nil || old.Version != tokenStateVersion || old.Refresh == "" {
		// The configured one is spent, most likely: starting from it would be the second use.
		return s, errors.New("what is stored of the destination's refresh token can't be read by this version")
	}
	switch {
	case old.Origin == s.Origin:
		return old, nil
	case old.Refresh == configured: // somebody wrote down the one that is in use
		old.Origin = s.Origin
		return old, nil
	}
	if old.Sending != nil && !old.Kept {
		old.spend()
	}
	s.Spent = old.Spent
	if slices.Contains(s.Spent, s.Origin) && !reusable {
		return s, errors.New("the configured refresh token was used and replaced before; it can't be used a second time: " + anew)
	}
	return s, nil
}

const anew = "grant the access anew and configure the refresh token that this gives"

// UsesRefreshToken says whether a stored state says of a configured refresh token that it is, or was, in use.
func UsesRefreshToken(state []byte, token string) bool {
	var s tokenState
	if json.Unmarshal(state, &s) != nil {
		return false
	}
	f := fingerprint(token)
	return s.Origin == f || s.Refresh == token || slices.Contains(s.Spent, f)
}

// Doubted gives a stored state of which it isn't known whether its refresh token was used since, and why. One that is known
// to stay the same from use to use is as good as it was.
func Doubted(state []byte, why string) []byte {
	var s tokenState
	if json.Unmarshal(state, &s) != nil || s.Sending != nil || s.Kept {
		return state
	}
	s.Sending, s.Lost = &s.Since, why
	doubted, err := json.Marshal(s)
	if err != nil {
		return state
	}
	return doubted
}

// refresh gets a token by the refresh token, and whatever must be on disk before and after onto it.
func (t *Tokens) refresh(ctx context.Context, now time.Time) error {
	if err := t.load(ctx); err != nil || t.hasToken(now) {
		return err
	}
	if t.unsaved != nil {
		return t.keep(ctx, *t.unsaved)
	}
	s := t.state
	if err := t.doubt(); err != nil {
		return err
	}
	s.Sending, s.Lost = &now, ""
	if err := t.save(ctx, s); err != nil {
		return err // nothing was sent
	}
	// A crash from here on until keep has saved finds Sending.
	got := t.send(ctx, s.Refresh, now)
	switch {
	case got.err == nil:
		return t.keep(ctx, s.after(got, now))
	case got.spent:
		t.state = s
		t.state.Lost = got.err.Error()
		_ = t.save(ctx, t.state) // what matters of it is on disk
		if err := t.doubt(); err != nil {
			return err
		}
	default: // as if it had not been sent
		s.Sending = nil
		t.state = s
		_ = t.save(ctx, s) // if it fails, only a crash before the next attempt leaves a doubt that isn't one
	}
	return got.err
}

// after gives the state that an answer leads to.
func (s tokenState) after(got reply, now time.Time) tokenState {
	s.Sending, s.Lost = nil, ""
	s.Answer, s.Status, s.Since, s.Expires = got.body, got.status, now, got.expires(now)
	if next, _ := got.values["refresh_token"].(string); next != "" && next != s.Refresh {
		s.spend()
		s.Refresh, s.Kept = next, false
	} else {
		s.Kept = true
	}
	return s
}

// keep saves the state that an answer led to, and only then puts its access token in force.
func (t *Tokens) keep(ctx context.Context, s tokenState) error {
	t.unsaved = &s
	if err := t.save(ctx, s); err != nil {
		return err
	}
	t.unsaved, t.state = nil, s
	// A crash from here on finds the new refresh token, and the access token too.
	_, values := t.o.Parse(s.Answer, s.Status)
	t.adopt(values, s.Expires, s.Since)
	return nil
}

// load reads what is stored, once.
func (t *Tokens) load(ctx context.Context) error {
	if t.loaded {
		return nil
	}
	stored, err := t.o.Store.Load(ctx)
	if errors.Is(err, ErrStateLost) {
		return t.lostState(ctx)
	}
	if known, ok := errors.AsType[*TokenError](err); ok {
		return known
	}
	if err != nil {
		return &TokenError{Verdict: Verdict{Kind: Retry, Reason: fmt.Sprintf("the stored refresh token can't be read: %v", err)}, Err: err}
	}
	s, err := start(stored, t.o.RefreshToken, t.o.Reusable)
	if err != nil {
		return &TokenError{Verdict: Verdict{Kind: Down, Reason: err.Error()}, Err: err}
	}
	t.state, t.loaded = s, true
	if len(s.Answer) > 0 {
		if refused, values := t.o.Parse(s.Answer, s.Status); !refused {
			t.adopt(values, s.Expires, s.Since)
		}
	}
	return nil
}

// lostState begins with a doubt: what was stored may have said that the configured refresh token is spent. It is stored, so
// that the next configured one is known to be another.
func (t *Tokens) lostState(ctx context.Context) error {
	now := t.o.Now()
	s := tokenState{Version: tokenStateVersion, Origin: fingerprint(t.o.RefreshToken), Refresh: t.o.RefreshToken,
		Sending: &now, Lost: ErrStateLost.Error()}
	if err := t.save(ctx, s); err != nil {
		return err
	}
	t.state, t.loaded = s, true
	return nil
}

// hasToken says that what was loaded will do.
func (t *Tokens) hasToken(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now.fresh(now)
}

// doubt is the error if the refresh token may be spent, nil if it may be sent.
func (t *Tokens) doubt() error {
	s := &t.state
	if s.Sending == nil || s.Kept || t.o.Reusable {
		return nil
	}
	why := s.Lost
	if why == "" {
		why = "the process ended before an answer was stored"
	}
	if why == ErrStateLost.Error() {
		return &TokenError{Verdict: Verdict{Kind: Down, Reason: why + "; the configured one may be spent, and using it a second time could " +
			"end the access for good: " + anew}}
	}
	return &TokenError{Verdict: Verdict{Kind: Down, Reason: fmt.Sprintf("the refresh token was sent at %s, and what became of it is not known (%s). "+
		"It may be spent, and using it a second time could end the access for good: %s",
		s.Sending.UTC().Format(time.RFC3339), why, anew)}}
}

// save makes a state durable.
func (t *Tokens) save(ctx context.Context, s tokenState) error {
	b, err := json.Marshal(s)
	if err == nil {
		err = t.o.Store.Save(ctx, b)
	}
	if err != nil {
		return &TokenError{Verdict: Verdict{Kind: Retry, Reason: fmt.Sprintf("the refresh token can't be stored, so it isn't used: %v", err)}, Err: err}
	}
	return nil
}

package target

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// TokenStore keeps what must not be forgotten about a destination's tokens. It holds secrets.
type TokenStore interface {
	// Load gives what was saved last, nil if nothing was. An error that is ErrStateLost says that something may have been,
	// and can't be read any more; a *TokenError says why there can't be a token.
	Load(ctx context.Context) ([]byte, error)
	// Save puts it in place of what was saved before. It is durable when Save returns nil; after an error either may be
	// there.
	Save(ctx context.Context, state []byte) error
}

// ErrStateLost says that what a TokenStore kept is gone.
var ErrStateLost = errors.New("what was stored of the destination's refresh token may be damaged")

// TokenClient sends requests for tokens; a *Client without Auth does.
type TokenClient interface {
	DoOnce(ctx context.Context, method, url string, header http.Header, body []byte) (*Answer, error)
}

// The grants, as grant_type names them.
const (
	GrantClientCredentials = "client_credentials"                          // RFC 6749, section 4.4
	GrantPassword          = "password"                                    // RFC 6749, section 4.3
	GrantRefreshToken      = "refresh_token"                               // RFC 6749, section 6
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // RFC 7523, section 2.1; a name, no secret
)

// TokenOptions say where and how tokens are asked for.
type TokenOptions struct {
	URL   string
	Grant string
	// Method is POST, or GET with all fields in the address (Bitrix24). "" is POST.
	Method string
	// JSON sends a POST's fields as a JSON object, else as a form.
	JSON bool
	// Basic sends id and secret of the client in the header Authorization, else they are fields.
	Basic                  bool
	ClientID, ClientSecret string
	Scope                  string
	// Extra are more fields.
	Extra map[string]string

	// User and Password are for GrantPassword, JWT for GrantJWTBearer.
	User, Password string
	JWT            JWT
	// RefreshToken is the one that a person got and configured, for GrantRefreshToken; those that follow are in Store.
	RefreshToken string
	// Reusable says that a refresh token may be sent again when it isn't known what became of it: the server doesn't rotate
	// them, or takes one again whose answer got lost (as FAPI 2.0 asked of servers that rotate).
	Reusable bool
	// Store is needed for GrantRefreshToken only: the other grants start afresh from the configuration.
	Store TokenStore

	// Parse says whether an answer is a refusal whatever its status is (Zoho's is 200), and gives the values of one that
	// isn't. nil takes each 2xx whose body is a JSON object with an access_token.
	Parse  func(body []byte, status int) (refused bool, values map[string]any)
	Client TokenClient
	// Now is the time of day.
	Now func() time.Time
}

// Tokens gets access tokens and renews them, for all who need one at the same time. It is safe for concurrent use and
// starts no goroutine.
//
// A refresh token that rotates is good for one use. A second one is taken for theft by servers that follow RFC 9700,
// section 4.14.2, and ends the access until a person grants it anew. So:
//
//   - One caller asks, the others wait for his answer.
//   - Before a refresh token is sent, it is on disk that it is being used. What a start finds marked like this may be spent:
//     nobody can know whether the request got there. It is not sent, and Token says so until the configuration holds
//     another one. The same holds where the process lives and the answer was lost on the way.
//   - The refresh token in an answer is on disk before the access token is handed out. If it can't be saved, the answer is
//     kept in memory, and the next caller saves it.
//   - An answer by which the server says no (any 4xx, 503, or an OAuth error) spends nothing; nor does a connection that
//     never carried the request.
//   - A refresh token that has been used and came back, or for which no other came, doesn't rotate. It may be used again
//     whatever happened.
//   - What is stored knows by a fingerprint which configured refresh token it descends from. Another one in the
//     configuration starts afresh; one that was spent already is refused.
//
// A store put back from a backup holds a token that may be spent; that can't be seen from here.
//
// golang.org/x/oauth2 is not used: it has no place for what must be on disk before a refresh token is sent, its token
// sources give the new refresh token together with the access token, when nothing can be put between the two, and unless it
// is told how a server takes the client's secret, it finds out by sending the same request twice.
type Tokens struct {
	o   TokenOptions
	key *rsa.PrivateKey

	mu     sync.Mutex
	flight *flight
	now    held
	// again says that a failure is not taken for the answer to what is asked next.
	again bool
	// retired says that others have taken over: nothing is asked any more.
	retired bool

	// These belong to whoever is in flight.
	loaded    bool
	state     tokenState
	unsaved   *tokenState // what an answer brought and couldn't be saved yet
	failed    error
	notBefore time.Time // until when failed is what there is to say
}

// held is an access token with all else that its answer held.
type held struct {
	values  map[string]any
	serial  int
	expires time.Time // zero: not known
	renew   time.Time // when it is renewed, somewhat before
	refused bool      // somebody said that it is expired
}

// flight is a renewal that is under way.
type flight struct {
	done chan struct{}
	got  held
	err  error
}

// NewTokens checks the options.
func NewTokens(o TokenOptions) (*Tokens, error) {
	t := &Tokens{o: o}
	if t.o.Parse == nil {
		t.o.Parse = parseToken
	}
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" {
		return nil, errors.New("tokens need an address that begins with https://")
	}
	if o.Method != "" && o.Method != http.MethodPost && o.Method != http.MethodGet {
		return nil, fmt.Errorf("tokens are asked for by POST or GET, not %s", o.Method)
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// check looks at what the grant needs.
func (t *Tokens) check() (err error) {
	o := &t.o
	need := func(name, value string) {
		if value == "" && err == nil {
			err = fmt.Errorf("the grant %s needs a %s", o.Grant, name)
		}
	}
	switch o.Grant {
	case GrantClientCredentials:
		need("client id", o.ClientID)
		need("client secret", o.ClientSecret)
	case GrantPassword:
		need("user", o.User)
		need("password", o.Password)
	case GrantRefreshToken:
		need("refresh token", o.RefreshToken)
		if o.Store == nil {
			return errors.New("refresh tokens need a store")
		}
	case GrantJWTBearer:
		need("issuer", o.JWT.Issuer)
		need("audience", o.JWT.Audience)
		if err == nil {
			t.key, err = parseRSAKey(o.JWT.Key)
		}
	default:
		return fmt.Errorf("unknown grant %q", o.Grant)
	}
	return err
}

// TokenError says why there is no token. That is never the fault of the record that needed one.
type TokenError struct {
	// Verdict is Down if a person has to do something, Retry if it may come right by itself, after Verdict.After at least.
	Verdict Verdict
	// Err is what lies behind it, if anything.
	Err error
}

// Error gives the sentence.
func (e *TokenError) Error() string { return e.Verdict.Reason }

// Unwrap gives what lies behind it.
func (e *TokenError) Unwrap() error { return e.Err }

// Token gives what the token answer in force holds, which nobody may change, and its serial for Expire. It asks for a new
// one where that is due. An error is a *TokenError, or that of ctx.
//
// A caller who asks may be kept longer than his ctx lasts, by the client's timeout at most: an answer that nobody waits for
// is a refresh token lost.
func (t *Tokens) Token(ctx context.Context) (values map[string]any, serial int, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	t.mu.Lock()
	if t.now.fresh(t.o.Now()) {
		defer t.mu.Unlock()
		return t.now.values, t.now.serial, nil
	}
	if t.retired {
		defer t.mu.Unlock()
		if t.now.good(t.o.Now()) {
			return t.now.values, t.now.serial, nil
		}
		return nil, 0, &TokenError{Verdict: Verdict{Kind: Retry, Reason: "how tokens are asked for has been changed"}}
	}
	f := t.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		t.flight = f
		t.mu.Unlock()
		t.fly(context.WithoutCancel(ctx), f)
	} else {
		t.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	if f.err == nil {
		return f.got.values, f.got.serial, nil
	}
	// It was to be renewed in time. There is still some left.
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now.good(t.o.Now()) {
		return t.now.values, t.now.serial, nil
	}
	return nil, 0, f.err
}

// Expire says that the token of that serial was refused where it was used: the next Token asks for another one. Nothing
// happens if there is another one already.
func (t *Tokens) Expire(serial int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now.serial == serial {
		t.now.refused = true
	}
}

// Retry says that something has changed, by a person: the next Token asks again, however short ago it was refused.
func (t *Tokens) Retry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.again = true
}

// Retire ends the asking, so that others can take over with the same Store: it waits for a request that is under way. What
// an answer brought and couldn't be saved yet is saved. The token in force can still be had as long as it lasts.
func (t *Tokens) Retire(ctx context.Context) error {
	t.mu.Lock()
	t.retired = true
	f := t.flight
	t.mu.Unlock()
	if f != nil {
		<-f.done // it doesn't last longer than a request may
	}
	if t.unsaved == nil {
		return nil
	}
	return t.keep(context.WithoutCancel(ctx), *t.unsaved)
}

// good says that the token can be used.
func (h *held) good(now time.Time) bool {
	return h.values != nil && !h.refused && (h.expires.IsZero() || now.Before(h.expires))
}

// fresh says that it can be used, and need not be renewed yet.
func (h *held) fresh(now time.Time) bool {
	return h.good(now) && (h.renew.IsZero() || now.Before(h.renew))
}

// fly renews the token for all who wait.
func (t *Tokens) fly(ctx context.Context, f *flight) {
	f.err = &TokenError{Verdict: Verdict{Kind: Retry, Reason: "the request for a token broke off"}} // should it panic
	defer func() {
		t.mu.Lock()
		t.flight = nil
		f.got = t.now
		t.mu.Unlock()
		close(f.done)
	}()
	now := t.o.Now()
	t.mu.Lock()
	again := t.again
	t.again = false
	t.mu.Unlock()
	if now.Before(t.notBefore) && !again {
		f.err = t.failed
		return
	}
	t.failed, t.notBefore = nil, time.Time{}
	if t.o.Grant == GrantRefreshToken {
		f.err = t.refresh(ctx, now)
	} else {
		f.err = t.ask(ctx, now)
	}
	t.pause(f.err)
}

// How long nobody asks again after a failure. Authorization servers count refusals, and shut out who collects too many:
// Zoho takes ten requests in ten minutes.
const (
	pauseRefused = 5 * time.Minute
	pauseFailed  = 5 * time.Second
)

// pause keeps a failure for a while.
func (t *Tokens) pause(err error) {
	var failed *TokenError
	if !errors.As(err, &failed) {
		return
	}
	least := pauseFailed
	if failed.Verdict.Kind == Down {
		least = pauseRefused
	}
	t.failed, t.notBefore = err, t.o.Now().Add(max(failed.Verdict.After, least))
}

// ask gets a token with a grant that can be used any number of times.
func (t *Tokens) ask(ctx context.Context, now time.Time) error {
	got := t.send(ctx, "", now)
	if got.err == nil {
		t.adopt(got.values, got.expires(now), now)
	}
	return got.err
}

// adopt puts a token in force.
func (t *Tokens) adopt(values map[string]any, expires, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = held{values: values, serial: t.now.serial + 1, expires: expires}
	if !expires.IsZero() {
		t.now.renew = expires.Add(-min(leeway, expires.Sub(since)/10))
	}
}

// leeway is how long before its end a token is renewed: it must last while a request is on its way, and clocks differ.
const leeway = time.Minute

package target

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reply is what a request for a token led to.
type reply struct {
	body   []byte
	status int
	values map[string]any
	// err is a *TokenError, nil if there is a token. spent says that the server may have taken the request for good, so
	// that a refresh token in it may be spent.
	err   error
	spent bool
}

// send asks for a token, once.
func (t *Tokens) send(ctx context.Context, refresh string, now time.Time) reply {
	r, err := t.request(refresh, now)
	if err != nil {
		return reply{err: &TokenError{Verdict: Verdict{Kind: Down, Reason: err.Error()}, Err: err}}
	}
	a, err := t.o.Client.DoOnce(ctx, r.Method, r.URL, r.Header, r.Body)
	if err != nil {
		return t.lost(err)
	}
	refused, values := t.o.Parse(a.Body, a.Status)
	if !refused && a.Status >= 200 && a.Status < 300 {
		return reply{body: a.Body, status: a.Status, values: values}
	}
	return t.refused(a, refresh)
}

// lost is a request without an answer.
func (t *Tokens) lost(err error) reply {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Sent: true, Err: err}
	}
	v := judgeError(e)
	r := reply{spent: v.Kind == Unsure}
	if v.Kind == Unsure {
		v.Kind = Retry // a refresh token that may be spent is the caller's matter; everything else can be asked for again
	}
	v.Reason = "the request for a token: " + v.Reason
	r.err = &TokenError{Verdict: v, Err: err}
	return r
}

// refused is an answer without a token.
func (t *Tokens) refused(a *Answer, refresh string) reply {
	code, sentence := oauthError(a.Body)
	v := Verdict{Kind: Down, After: retryAfter(a.Header, t.o.Now()), Reason: "the request for a token was answered " + statusText(a.Status)}
	switch {
	case a.Status >= 300 && a.Status < 400:
		v.Reason += toWhere(a.Header) + ": redirects are not followed; set the address that it points at"
	case code != "":
		v.Reason += ": " + shortened(t.mask(sentence)) // in this order: half a secret would not be known again
	case a.Status >= 200 && a.Status < 300:
		v.Reason += " without a token in it"
	}
	if a.Status == http.StatusRequestTimeout || a.Status == http.StatusTooEarly || a.Status == http.StatusTooManyRequests || a.Status >= 500 {
		v.Kind = Retry
	}
	if refresh != "" && code == "invalid_grant" {
		v.Reason += "; the refresh token is no good any more: " + anew
	}
	r := reply{err: &TokenError{Verdict: v}}
	switch {
	case code != "" && (a.Status < 500 || saysOAuth(code)): // it was not exchanged
	case a.Status >= 300 && a.Status < 500, a.Status == http.StatusServiceUnavailable:
	default: // a 2xx that can't be read, a 500 in the middle, a 502 of a proxy that lost the answer
		r.spent = true
	}
	return r
}

// saysOAuth says that an error is an authorization server's own, which knows what it did (RFC 6749, sections 5.2 and 4.1.2.1).
// Frameworks and gateways write their own trouble in JSON that looks alike: {"status":502,"error":"Bad Gateway"}.
func saysOAuth(code string) bool {
	return slices.Contains([]string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "access_denied", "server_error", "temporarily_unavailable"}, code)
}

// shortened cuts a sentence where nobody would read on.
func shortened(s string) string {
	const most = 300
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// parseToken reads an answer as RFC 6749, section 5.1, has it.
func parseToken(body []byte, status int) (refused bool, values map[string]any) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if status < 200 || status > 299 || d.Decode(&values) != nil {
		return true, nil
	}
	if token, _ := values["access_token"].(string); token == "" || values["error"] != nil {
		return true, nil
	}
	return false, values
}

// oauthError reads an error as RFC 6749, section 5.2, has it: a code, and a sentence with the code in it. The code is "" if
// the body isn't one.
func oauthError(body []byte) (code, sentence string) {
	var e struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	_ = json.Unmarshal(body, &e) // a field of another kind leaves the others
	if json.Unmarshal(e.Error, &code) != nil {
		if len(e.Error) == 0 || string(e.Error) == "null" {
			return "", ""
		}
		code = "error" // ServiceNow's and others' are objects
	}
	if code == "" {
		return "", ""
	}
	sentence = code
	if e.Description != "" {
		sentence += ": " + e.Description
	}
	return code, sentence
}

// mask takes out of a server's words what it may have repeated of ours.
func (t *Tokens) mask(s string) string {
	for _, secret := range []string{t.o.ClientSecret, t.o.Password, t.o.RefreshToken, t.state.Refresh} {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "***")
			s = strings.ReplaceAll(s, url.QueryEscape(secret), "***")
		}
	}
	if t.o.ClientSecret != "" { // as it stands in the header Authorization
		pair := url.QueryEscape(t.o.ClientID) + ":" + url.QueryEscape(t.o.ClientSecret)
		s = strings.ReplaceAll(s, base64.StdEncoding.EncodeToString([]byte(pair)), "***")
	}
	return s
}

// maxLifetime bounds what expires_in can say.
const maxLifetime = 366 * 24 * time.Hour

// expires says until when the token is good, counted from when it was asked for; zero if the answer doesn't say it.
func (r reply) expires(asked time.Time) time.Time {
	v := r.values["expires_in"]
	if v == nil {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(fmt.Sprint(v)), 64) // some send a text
	if err != nil || !(seconds > 0) {
		return time.Time{}
	}
	return asked.Add(time.Duration(math.Min(seconds, maxLifetime.Seconds()) * float64(time.Second)))
}

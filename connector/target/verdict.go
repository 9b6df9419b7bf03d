package target

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Kind is what an exchange means for the record that was sent.
type Kind int

// The kinds of verdict.
const (
	// Done: the other side has it.
	Done Kind = iota
	// Retry: the same again, later. The request had no effect, as far as anybody can tell (see Verdict.Doubt).
	Retry
	// Dead: the other side will never take this record as it is.
	Dead
	// Unsure: the request may have taken effect. What follows depends on whether it may be repeated.
	Unsure
	// Down: it is the destination that is in trouble, not the record: credentials, certificates.
	Down
	// Suspect: refused in a way (403, 404) that may be the record's fault or the destination's. Where several records in a
	// row are refused it is the destination's.
	Suspect
)

// String gives the word that people read.
func (k Kind) String() string {
	switch k {
	case Done:
		return "done"
	case Retry:
		return "retry"
	case Dead:
		return "dead"
	case Unsure:
		return "maybe delivered"
	case Down:
		return "destination in trouble"
	case Suspect:
		return "refused"
	default:
		return "verdict " + strconv.Itoa(int(k))
	}
}

// Verdict on an exchange.
type Verdict struct {
	Kind Kind
	// After is how long the other side asked to wait before the next attempt; 0 if it didn't.
	After time.Duration
	// Unsent says that the request never reached the other side.
	Unsent bool
	// Doubt says of a Retry that the request may have taken effect all the same: a server that fails after it has committed
	// answers with a 500, too. It costs nothing to ask, where somebody can be asked; where nobody can, it is a Retry.
	Doubt bool
	// Busy says that the other side has too much to do, so that After is meant for all that is sent there.
	Busy bool
	// Reason in words.
	Reason string
}

// MaxRetryAfter is the longest wait that an answer can ask for.
const MaxRetryAfter = 24 * time.Hour

// Judge says what an exchange means by its status, or by how it failed (err is an *Error then, or nil). now is the time
// of the answer, for a Retry-After that is a date. It is pure.
//
// The kinds are those of the table of verdicts. That a 500 or 503, which the table has tried again, may have taken effect all
// the same is a reading of it: who can ask asks first (Verdict.Doubt), everybody else does as the table says.
func Judge(a *Answer, err *Error, now time.Time) Verdict {
	if err != nil {
		return judgeError(err)
	}
	reason := "answered " + statusText(a.Status)
	switch {
	case a.Status >= 200 && a.Status < 300:
		return Verdict{Kind: Done, Reason: reason}
	case a.Status == http.StatusNotModified:
		return Verdict{Kind: Dead, Reason: reason + ", as if it had been asked for something that it has already"}
	case a.Status >= 300 && a.Status < 400:
		return Verdict{Kind: Dead, Reason: reason + toWhere(a.Header) + ": redirects are not followed, because a POST would become a GET; set the address that it points at"}
	}
	switch a.Status {
	case http.StatusUnauthorized, http.StatusGone:
		return Verdict{Kind: Down, Reason: reason, After: retryAfter(a.Header, now)}
	case http.StatusForbidden, http.StatusNotFound:
		return Verdict{Kind: Suspect, Reason: reason, After: retryAfter(a.Header, now)}
	case http.StatusTooManyRequests:
		return Verdict{Kind: Retry, Reason: reason, After: retryAfter(a.Header, now), Busy: true}
	case http.StatusServiceUnavailable:
		// Who says for how long to wait has refused the request. Without that it may come from a proxy whose server is gone in
		// the middle of it.
		return Verdict{Kind: Retry, Reason: reason, After: retryAfter(a.Header, now), Busy: true, Doubt: a.Header.Get("Retry-After") == ""}
	case http.StatusInternalServerError:
		return Verdict{Kind: Retry, Reason: reason, After: retryAfter(a.Header, now), Doubt: true}
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return Verdict{Kind: Retry, Reason: reason, After: retryAfter(a.Header, now)}
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return Verdict{Kind: Unsure, Reason: reason, After: retryAfter(a.Header, now)}
	default:
		return Verdict{Kind: deadUnlessServer(a.Status), Reason: reason, After: retryAfter(a.Header, now)}
	}
}

// deadUnlessServer: what the table doesn't list of 4xx is the record's fault; of 5xx and of what is no status at all
// (Cloudflare's 52x) nobody knows what happened.
func deadUnlessServer(status int) Kind {
	if status >= 400 && status < 500 {
		return Dead
	}
	return Unsure
}

// toWhere shows where a redirect points at, without the parts in which a secret may stand: whoever redirects to a login
// likes to add what was asked for.
func toWhere(h http.Header) string {
	to := h.Get("Location")
	if to == "" {
		return ""
	}
	u, err := url.Parse(to)
	if err != nil {
		return ", with a Location that can't be read"
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return ", Location " + u.String()
}

func judgeError(err *Error) Verdict {
	switch {
	case err.Certificate, err.Forbidden:
		return Verdict{Kind: Down, Reason: err.Error(), Unsent: true}
	case err.Sent:
		return Verdict{Kind: Unsure, Reason: err.Error()}
	default:
		return Verdict{Kind: Retry, Reason: err.Error(), Unsent: true}
	}
}

// retryAfter reads the header of that name: seconds, or any of the three forms of an HTTP date (RFC 9110, sections 5.6.7 and
// 10.2.3). Broken seconds, which the RFC doesn't know and some APIs send, are rounded up: never sooner than asked. It is
// capped, and 0 if there is none or it makes no sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if digits(v) {
		seconds, err := strconv.ParseFloat(v, 64) // what is too large for it is infinite
		if err != nil && !math.IsInf(seconds, 1) {
			return 0
		}
		return time.Duration(min(math.Ceil(seconds), MaxRetryAfter.Seconds())) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), MaxRetryAfter)
}

// digits says that s is a decimal number without a sign or an exponent.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") < 2
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return fmt.Sprintf("%d %s", status, text)
	}
	return strconv.Itoa(status)
}

package intake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"

	"wrapup/connector"
)

// receipt is the answer to a post that was stored.
type receipt struct {
	// Stored counts the events that are new, Repeated those that were there already.
	Stored   int `json:"stored"`
	Repeated int `json:"repeated"`
	// fresh are those that are new.
	fresh []*connector.Event
}

// refusal is why a post, or a part of it, was not stored, and the answer that says so.
type refusal struct {
	status int
	// text is for the sender and the log: it holds nothing of the store's insides, and no secret.
	text string
	// reasons say what is wrong in the body.
	reasons []string
	// stored and repeated count the events of the body that are durable all the same.
	stored, repeated int
	// why says it to those who run wrapup, in the log and in the count; "" is the text. It is one of a few constants.
	why string
	// allow, challenge (WWW-Authenticate) and retryAfter (seconds) are headers, if they are set.
	allow, challenge, retryAfter string
	// source that the post was for, as far as it is known. It is for the log only.
	source string
	// admitted says that the sender was let in: it is the dialer.
	admitted bool
	// last says that the connection is closed behind it: whoever isn't let in has no body to wait for.
	last bool
	// kept says that all of it that wasn't stored is in quarantine.
	kept bool
	// noted says that those who watch know of it.
	noted bool
	// logged says that it is in the log already, as lost.
	logged bool
}

// reason is why, in words for those who run wrapup.
func (r *refusal) reason() string { return cmp.Or(r.why, r.text) }

// How many reasons are answered, and logged.
const (
	answeredReasons = 20
	loggedReasons   = 3
)

// firstFew gives at most n of the reasons, and says how many more there are.
func firstFew(reasons []string, n int) []string {
	if len(reasons) <= n {
		return reasons
	}
	few := make([]string, n, n+1)
	copy(few, reasons)
	return append(few, fmt.Sprintf("and %d more", len(reasons)-n))
}

// write renders the refusal.
func (r *refusal) write(w http.ResponseWriter) {
	if r.allow != "" {
		w.Header().Set("Allow", r.allow)
	}
	if r.retryAfter != "" {
		w.Header().Set("Retry-After", r.retryAfter)
	}
	if r.challenge != "" {
		w.Header().Set("WWW-Authenticate", r.challenge)
	}
	if r.last || !r.admitted {
		w.Header().Set("Connection", "close")
	}
	writeJSON(w, r.status, struct {
		Error    string   `json:"error"`
		Reasons  []string `json:"reasons,omitempty"`
		Stored   int      `json:"stored"`
		Repeated int      `json:"repeated,omitempty"`
	}{r.text, firstFew(r.reasons, answeredReasons), r.stored, r.repeated})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // A client that is gone gets no answer; what it posted is stored.
}

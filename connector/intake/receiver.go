// Package intake receives what dialers post. A dialer doesn't ask twice: an event that is not stored when it arrives is
// a call lost for good. So 200 is only ever said once everything in the body is durable, and whatever else is said is
// said clearly enough for a person to set it right.
package intake

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// Source is a feed that a dialer posts.
type Source struct {
	// Name says in the log which feed it is.
	Name string
	// Path that it is posted to, compared exactly, such as "/callbacks/nxcloud/events".
	Path string
	// Token that the sender must show; if it is empty, everybody may post.
	Token string
	// TokenIn is where the token stands: [InPath], [InQuery] or [InHeader]. It means nothing without a token.
	TokenIn string
	// Parse gives the good events of a body and an error for each thing that is wrong with the others. The errors' texts
	// are logged and answered: they hold no whole phone number. What it returns shares no memory with the body.
	Parse func(body []byte) ([]connector.Event, []error)
}

// Where a token can stand. A dialer that lets one set a URL and nothing else can only carry it in the path or the query.
const (
	InPath   = "path"   // behind the path: Path + "/" + token
	InQuery  = "query"  // ?token=
	InHeader = "header" // "Authorization: Bearer" or "token"
)

// Store is what the receiver needs of an [outbox.Store].
type Store interface {
	// Commit applies the Tx; it is durable when the error is nil. It is safe for concurrent use.
	Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error)
}

// Options of a receiver. Sources and Store are required.
type Options struct {
	Sources []Source
	Store   Store
	// Observe is called for each new event and each of its groups, once it is durable and before the answer is given. It
	// is never called for a repeat, and may be called by several requests at once. It may be nil.
	Observe func(group string, a connector.Arrival)
	// Now is wrapup's clock; nil is time.Now.
	Now func() time.Time
	// Logger; nil is silence.
	Logger *slog.Logger
	// MaxBody is the largest body that is read, in bytes; 0 is 1 MiB.
	MaxBody int64
}

const defaultMaxBody = 1 << 20

// Receiver is the handler of what dialers post.
type Receiver struct {
	doors   []door
	store   Store
	observe func(group string, a connector.Arrival)
	now     func() time.Time
	maxBody int64
	// Three logs, so that a flood of strangers can't crowd out what the dialer posts: that is all there is left of an event
	// that wasn't understood.
	strange *foldedLog
	refused *foldedLog
	lost    *foldedLog
}

// New makes a receiver. It starts nothing.
func New(o Options) *Receiver {
	if o.Observe == nil {
		o.Observe = func(string, connector.Arrival) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	r := &Receiver{
		store:   o.Store,
		observe: o.Observe,
		now:     o.Now,
		maxBody: o.MaxBody,
		strange: newFoldedLog(o.Logger, slog.LevelWarn),
		refused: newFoldedLog(o.Logger, slog.LevelWarn),
		lost:    newFoldedLog(o.Logger, slog.LevelError),
	}
	for _, s := range o.Sources {
		r.doors = append(r.doors, newDoor(s))
	}
	return r
}

// ServeHTTP takes one post. It is the only place that answers, and that logs a refusal.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	done, no := r.receive(w, req)
	if no == nil {
		writeJSON(w, http.StatusOK, done)
		return
	}
	if no.status != http.StatusServiceUnavailable || len(no.reasons) > 0 { // What the store failed at is logged as lost.
		r.logRefusal(no, req.RemoteAddr)
	}
	no.write(w)
}

// logRefusal logs neither the path nor the query: each may hold a token, a misspelt one too.
func (r *Receiver) logRefusal(no *refusal, remote string) {
	attrs := []slog.Attr{slog.Int("status", no.status), slog.String("reason", no.text), slog.String("remote", remote)}
	if no.source != "" {
		attrs = append(attrs, slog.String("source", no.source))
	}
	if len(no.reasons) > 0 {
		attrs = append(attrs, slog.String("reasons", strings.Join(firstFew(no.reasons, loggedReasons), "; ")),
			slog.Int("stored", no.stored))
	}
	log := r.refused
	if !no.admitted {
		log = r.strange
	}
	log.log(r.now(), "post refused", attrs...)
}

// receive takes one post and tells what was stored, or why it, or a part of it, was refused.
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) (receipt, *refusal) {
	s, no := r.admit(req)
	if no != nil {
		return receipt{}, no
	}
	body, no := readBody(w, req, r.maxBody)
	if no != nil {
		no.source, no.admitted = s.Name, true
		return receipt{}, no
	}
	events, wrong := s.Parse(body)
	// From here on the client's leaving changes nothing: it has said what it had to say.
	done, no := r.keep(context.WithoutCancel(req.Context()), s.Name, events)
	if len(wrong) == 0 && no == nil {
		return done, nil
	}
	if no == nil {
		no = &refusal{status: http.StatusBadRequest, text: "not understood", stored: done.Stored, repeated: done.Repeated}
	}
	no.source, no.admitted = s.Name, true
	for _, err := range wrong {
		no.reasons = append(no.reasons, err.Error())
	}
	return done, no
}

// Package intake receives what dialers post. A dialer doesn't ask twice: an event that is not stored when it arrives is
// a call lost for good. So 200 is only ever said once everything in the body is durable, and whatever else is said is
// said clearly enough for a person to set it right.
package intake

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"wrapup/connector"
	"wrapup/outbox"
)

// Source is a feed that a dialer posts.
type Source struct {
	// Name says in the log which feed it is.
	Name string
	// Path that it is posted to, compared exactly, such as "/callbacks/nxcloud/events".
	Path string
	// Token that the sender must show, unless it is empty. All that is set must be shown; if nothing is, everybody may post.
	Token string
	// TokenIn is where the token stands: [InPath], [InQuery] or [InHeader]. It means nothing without a token.
	TokenIn string
	// User and Password that the sender must show (Authorization: Basic), unless User is empty.
	User, Password string
	// Allow holds the networks that the sender must be in, unless it is empty.
	Allow []netip.Prefix
	// Parse gives the good events of a body and an error for each thing that is wrong with the others. The errors' texts
	// are logged and answered: they hold no whole phone number. What it returns shares no memory with the body. An error may
	// have the method Part() (from, to int), which says which part of the body it is about, if what stands around that part
	// was understood.
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
	// Trusted holds the networks of the proxies that may say for whom they speak.
	Trusted []netip.Prefix
	// Quarantine keeps what can't be understood; if it is nil, nothing does.
	Quarantine *Quarantine
	// Watch is told of all that comes; it may be nil.
	Watch *Watch
	// Gate that the connections come by; it may be nil.
	Gate *Gate
	// MaxBody is the largest body that is read, in bytes; 0 is 1 MiB.
	MaxBody int64
}

const defaultMaxBody = 1 << 20

// Receiver is the handler of what dialers post.
type Receiver struct {
	way     atomic.Pointer[way]
	store   Store
	observe func(group string, a connector.Arrival)
	now     func() time.Time
	maxBody int64
	bodies  *semaphore.Weighted
	counts  *tally
	gate    *Gate
	watch   *Watch // may be nil
	// quarantine may be nil.
	quarantine *Quarantine
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
		bodies:  semaphore.NewWeighted(max(maxBodies, o.MaxBody)),
		counts:  newTally(o.Sources, o.Now()),
		gate:    o.Gate,
		watch:   o.Watch,

		quarantine: o.Quarantine,

		strange: newFoldedLog(o.Logger, slog.LevelWarn),
		refused: newFoldedLog(o.Logger, slog.LevelWarn),
		lost:    newFoldedLog(o.Logger, slog.LevelError),
	}
	r.way.Store(newWay(o.Sources, o.Trusted))
	if r.gate != nil {
		r.gate.mu.Lock()
		r.gate.refused = func(from netip.Addr, reason string) { r.counts.refuse(from, "", reason, r.now()) }
		r.gate.mu.Unlock()
	}
	return r
}

// way is how one gets in.
type way struct {
	doors   []door
	proxies proxies
}

func newWay(sources []Source, trusted []netip.Prefix) *way {
	w := &way{proxies: trusted}
	for _, s := range sources {
		w.doors = append(w.doors, newDoor(s))
	}
	return w
}

// Change takes other sources and proxies into use, from the next post on. What was counted stays counted, but for sources that
// are gone.
func (r *Receiver) Change(sources []Source, trusted []netip.Prefix) {
	r.counts.change(sources)
	r.way.Store(newWay(sources, trusted))
}

// Status tells what the receiver has seen since it was made.
func (r *Receiver) Status() connector.IntakeStatus {
	s := r.counts.status()
	if r.gate != nil {
		s.Most = r.gate.most
		s.Connections, s.Strangers = r.gate.numbers()
	}
	return s
}

// ServeHTTP takes one post. It is the only place that answers, and that logs and counts a refusal.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if c := connOf(req); c != nil {
		c.hasAsked()
	}
	in := r.way.Load()
	from := in.proxies.sender(req)
	done, no := r.receive(w, req, in, from)
	if no == nil {
		writeJSON(w, http.StatusOK, done)
		return
	}
	if !from.IsValid() {
		from = peerOf(req.RemoteAddr)
	}
	r.counts.refuse(from, no.source, no.reason(), r.now())
	if !no.noted {
		r.watch.note(connector.Received{At: connector.TimeOf(r.now()), Result: connector.ReceivedRefused, Source: no.source,
			Sender: senderText(network(from)), Reason: no.reason()})
	}
	if !no.logged || len(no.reasons) > 0 {
		r.logRefusal(no, req.RemoteAddr, from)
	}
	no.write(w)
}

// logRefusal logs neither the path nor the query: each may hold a token, a misspelt one too.
func (r *Receiver) logRefusal(no *refusal, remote string, from netip.Addr) {
	attrs := []slog.Attr{slog.Int("status", no.status), slog.String("reason", no.reason()), slog.String("remote", remote)}
	if from != peerOf(remote) {
		attrs = append(attrs, slog.String("sender", from.String()))
	}
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
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request, in *way, from netip.Addr) (receipt, *refusal) {
	s, no := in.admit(req, from)
	if no != nil {
		return receipt{}, no
	}
	done, no := r.take(w, req, s, from)
	r.counts.feed(s.Name, func(f *feed) {
		f.Posts++
		f.Last = connector.TimeOf(r.now())
		f.Stored += int64(done.Stored)
		f.Repeated += int64(done.Repeated)
		if done.Stored+done.Repeated > 0 {
			f.LastEvent = f.Last
		}
		if no != nil && no.kept {
			f.NotUnderstood++
		} else if no != nil {
			f.Lost++
		}
	})
	if no != nil {
		no.source, no.admitted = s.Name, true
	}
	return done, no
}

// take takes a post that was let in.
func (r *Receiver) take(w http.ResponseWriter, req *http.Request, s *Source, from netip.Addr) (receipt, *refusal) {
	if c := connOf(req); c != nil && !c.gate.admit(c) {
		return receipt{}, r.overload(s.Name, &refusal{status: http.StatusServiceUnavailable, text: "too many connections",
			retryAfter: retryAfter, last: true})
	}
	release, no := r.reserve(req)
	if no != nil {
		return receipt{}, r.overload(s.Name, no)
	}
	defer release()
	body, no := readBody(w, req, r.maxBody)
	if no != nil {
		return receipt{}, no
	}
	events, wrong := s.Parse(body)
	// From here on the client's leaving changes nothing: it has said what it had to say.
	ctx := context.WithoutCancel(req.Context())
	done, no := r.keep(ctx, s.Name, events)
	r.counts.see(s.Name, done.fresh, r.now())
	if len(wrong) == 0 {
		return done, no
	}
	reasons := texts(wrong)
	sender := senderText(network(from))
	not := r.setAside(ctx, s.Name, sender, notUnderstood(body, wrong, len(events)), reasons)
	aside := connector.Received{At: connector.TimeOf(r.now()), Result: connector.ReceivedLost, Source: s.Name, Sender: sender,
		Reason: strings.Join(firstFew(reasons, loggedReasons), "; ")}
	if not.kept {
		aside.Result = connector.ReceivedQuarantined
	}
	r.watch.note(aside)
	if no == nil {
		no = not
	}
	no.stored, no.repeated, no.reasons, no.noted = done.Stored, done.Repeated, reasons, true
	return done, no
}

func texts(errs []error) []string {
	list := make([]string, len(errs))
	for i, err := range errs {
		list[i] = err.Error()
	}
	return list
}

// overload logs that a good event may be lost because there is too much to do.
func (r *Receiver) overload(source string, no *refusal) *refusal {
	no.logged = true
	r.lost.log(r.now(), "an event may be lost: there is too much to do", slog.String("source", source), slog.String("reason", no.text))
	return no
}

// setAside puts what was not understood into quarantine, and gives the answer to the post.
func (r *Receiver) setAside(ctx context.Context, source, sender string, body []byte, reasons []string) *refusal {
	no := &refusal{status: http.StatusBadRequest, text: connector.ReasonNotUnderstood}
	if r.quarantine == nil {
		return no
	}
	err := r.quarantine.keep(ctx, connector.Quarantined{Source: source, Sender: sender, Reasons: reasons, Body: body})
	switch {
	case err == nil:
		no.kept = true
	case errors.Is(err, errNoRoom):
		r.lost.log(r.now(), "events may be lost: they were not understood, and the quarantine is full", slog.String("source", source),
			slog.Int("bytes", len(body)))
	default:
		no.logged = true
		no.status, no.text, no.retryAfter = http.StatusServiceUnavailable, "could not be stored", retryAfter
		r.lost.log(r.now(), "events may be lost: they were not understood, and could not be stored", slog.String("source", source),
			slog.Any("error", err))
	}
	return no
}

// notUnderstood gives the parts of the body that the errors are about, or the whole where that can't be said. What was
// understood is stored already: nobody needs it twice.
func notUnderstood(body []byte, wrong []error, understood int) []byte {
	if understood == 0 {
		return body
	}
	var rest [][]byte
	last := 0
	for _, err := range wrong {
		var located interface{ Part() (from, to int) }
		if !errors.As(err, &located) {
			return body
		}
		from, to := located.Part()
		if from >= to || to > len(body) {
			return body
		}
		if to > last { // several errors may be about one event
			rest = append(rest, bytes.TrimSpace(body[from:to]))
			last = to
		}
	}
	return bytes.Join(rest, []byte("\n"))
}

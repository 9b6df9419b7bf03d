package intake

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"wrapup/connector"
	"wrapup/outbox"
)

// CounterIgnored begins the name of the counter of events of a kind that means nothing to a call; the source's own code
// of the kind follows, as in "events/ignored/2/2". It counts each event once, in the commit that stores it.
const CounterIgnored = "events/ignored/"

// retryAfter is what a sender is told to wait after a failure of the store, in seconds.
const retryAfter = "5"

// entry is an event on its way into one of its groups.
type entry struct {
	// event is its index in the body.
	event   int
	arrival connector.Arrival
	tx      outbox.Tx
	// isNew says that the group didn't have it yet. It is set only if err is nil.
	isNew bool
	err   error
}

// keep stores the events and returns when all of them are durable, or the fate of each is known. It tells what was
// stored even if it has to refuse.
func (r *Receiver) keep(ctx context.Context, source string, events []connector.Event) (receipt, *refusal) {
	if len(events) == 0 {
		return receipt{}, nil
	}
	entries := r.entries(events)
	// All at once, so that they share a sync of the disk.
	var group sync.WaitGroup
	for i := range entries[1:] {
		group.Go(func() { r.commit(ctx, &entries[1+i]) })
	}
	r.commit(ctx, &entries[0])
	group.Wait()
	// A crash here loses nothing: what is durable and wasn't observed is read back at the next start.

	outcome := make([]eventOutcome, len(events))
	for i := range entries {
		e := &entries[i]
		o := &outcome[e.event]
		if e.err != nil {
			o.err = e.err
			continue
		}
		if e.isNew {
			o.isNew = true
			r.observe(e.tx.Group, e.arrival)
		}
	}
	done, no := r.tally(source, events, outcome)
	reason := ""
	if no != nil {
		no.noted, reason = true, no.text
	}
	r.noteEvents(source, events, outcome, reason)
	return done, no
}

// entries gives the commits that store the events, one for each group of each event.
func (r *Receiver) entries(events []connector.Event) []entry {
	now := r.now()
	at := connector.TimeOf(now)
	most := 0
	for i := range events {
		most++
		if events[i].AboutCall() && events[i].AboutAgent() {
			most++ // it goes into both groups
		}
	}
	entries := make([]entry, 0, most)
	for i := range events {
		arrival := connector.Arrival{Event: events[i], At: at}
		body, err := json.Marshal(arrival)
		if err != nil { // No parser gives such an event; it must not take the others with it.
			entries = append(entries, entry{event: i, err: err})
			continue
		}
		for n, name := range arrival.Groups() {
			if n > 0 { // the call has it whole; an agent's timeline has no use for the customer's number
				arrival.Event = arrival.Bare()
				if body, err = json.Marshal(arrival); err != nil {
					entries = append(entries, entry{event: i, err: err})
					break
				}
			}
			tx := outbox.Tx{Group: name, Add: []outbox.Item{{ID: arrival.IDIn(name), Body: body}}}
			if n == 0 && arrival.Kind == connector.KindOther {
				tx.Count = []outbox.Delta{{Day: outbox.DayOf(now), Name: CounterIgnored + arrival.Code, N: 1}}
			}
			entries = append(entries, entry{event: i, arrival: arrival, tx: tx})
		}
	}
	return entries
}

func (r *Receiver) commit(ctx context.Context, e *entry) {
	if e.err != nil {
		return
	}
	result, err := r.store.Commit(ctx, e.tx)
	if err != nil {
		e.err = err
		return
	}
	e.isNew = len(result.New) > 0 && result.New[0]
}

// eventOutcome is what became of one event, over all its groups.
type eventOutcome struct {
	isNew bool
	err   error
}

// tally counts what became of the events. If one failed it logs that it may be lost (the dialer won't send it again) and
// refuses the post.
func (r *Receiver) tally(source string, events []connector.Event, outcome []eventOutcome) (receipt, *refusal) {
	var (
		done   receipt
		failed int
		first  int
		full   bool
		barred bool
	)
	for i, o := range outcome {
		switch {
		case o.err != nil:
			if failed++; failed == 1 {
				first = i
			}
			full = full || errors.Is(o.err, outbox.ErrFull)
			barred = barred || errors.Is(o.err, outbox.ErrReadOnly)
		case o.isNew:
			done.Stored++
			done.fresh = append(done.fresh, &events[i])
		default:
			done.Repeated++
		}
	}
	if failed == 0 {
		return done, nil
	}
	no := &refusal{status: http.StatusServiceUnavailable, text: "could not be stored", retryAfter: retryAfter, logged: true,
		stored: done.Stored, repeated: done.Repeated}
	switch {
	case barred:
		no.text = "disk read-only"
	case full:
		no.text = "disk full"
	}
	r.lost.log(r.now(), "an event may be lost: it could not be stored",
		slog.String("source", source), slog.String("reason", no.text), slog.Any("error", outcome[first].err),
		slog.Int("events", failed), slog.Int("stored", done.Stored), slog.String("call", events[first].UUID),
		slog.String("first_code", events[first].Code), slog.String("first_time", events[first].Time.String()))
	return done, no
}

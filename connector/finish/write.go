package finish

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// equal says that two records say the same, whatever their revision.
func equal(a, b *connector.Record) bool {
	x, y := *a, *b
	x.Revision, y.Revision = 0, 0
	xs, errX := json.Marshal(&x)
	ys, errY := json.Marshal(&y)
	return errX == nil && errY == nil && bytes.Equal(xs, ys)
}

// write commits one change: a new call with a delivery for each destination, a new revision, or events that are only to
// be kept. Before the commit the events are in the open group and after it in the history; a crash finds one or the other.
func (e *Engine) write(ctx context.Context, uuid string, c *change, timeline correlate.Timeline) error {
	now := e.clock.Wall()
	tx := outbox.Tx{Group: connector.CallGroup(uuid), Drop: c.drop}
	var err error
	if c.of == nil {
		err = e.create(&tx, c, timeline, now)
	} else {
		err = e.amend(ctx, &tx, c, now)
	}
	if err != nil {
		return err
	}
	if _, err := e.store.Commit(ctx, tx); err != nil {
		return err
	}
	e.tell(c)
	return nil
}

// tell logs what was made of a call.
func (e *Engine) tell(c *change) {
	r := &c.attempt.Record
	switch {
	case c.of == nil:
		e.log.Info("a call is finished", "call", r.CallID, "outcome", string(r.Outcome), "queue", string(r.Queue),
			"phone", connector.MaskNumber(string(r.Phone)), "deliveries", len(e.destinations()))
	case c.record:
		e.log.Info("a finished call is amended", "call", c.of.entry.ID, "outcome", string(r.Outcome), "events", len(c.drop))
	case len(c.late) == 0:
		e.log.Debug("events came that tell nothing new of their call", "call", c.of.entry.ID, "events", len(c.drop))
	default:
		e.log.Info("events came too late to change their call", "call", c.of.entry.ID, "events", len(c.late))
	}
}

func (e *Engine) create(tx *outbox.Tx, c *change, timeline correlate.Timeline, now time.Time) error {
	r := c.attempt.Record
	r.Revision = 1
	day := outbox.DayOf(now)
	call := connector.Call{
		Revisions:  []connector.Revision{{Record: r, At: connector.TimeOf(now)}},
		Events:     c.events,
		Timeline:   correlate.Used(&r, timeline),
		FinishedAt: connector.TimeOf(now),
	}
	for i := range call.Timeline { // another call's customer has no place in it
		call.Timeline[i] = call.Timeline[i].Bare()
	}
	body, err := json.Marshal(&call)
	if err != nil {
		return fmt.Errorf("call %s can't be stored: %w", r.CallID, err)
	}
	tx.Entry = &outbox.EntryPut{ID: r.CallID, Day: day, Body: body}
	tx.Label = labels(outbox.Ref{}, &call)
	waiting := connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}
	if uuid, _ := connector.ParseGroup(tx.Group); e.doubted[uuid] {
		// The lane parks it: nobody knows whether the call was delivered before.
		waiting.Unsure = map[string]connector.Doubt{connector.DoubtStep: {Since: connector.TimeOf(now), Last: connector.TimeOf(now)}}
		tx.Drop = append(tx.Drop[:len(tx.Drop):len(tx.Drop)], connector.DoubtItem)
	}
	row, err := waiting.Encode()
	if err != nil {
		return err
	}
	tx.Count = append(tally(day, &r, 1), outbox.Delta{Day: day, Name: connector.CountCalls, N: 1})
	for _, name := range e.destinations() {
		tx.Put = append(tx.Put, outbox.RowPut{Name: name, Body: row})
		tx.Enqueue = append(tx.Enqueue, outbox.NewTask{Queue: name, Due: now})
		tx.Count = append(tx.Count, moved(day, name, connector.Standing{}, waiting.Standing())...)
	}
	return nil
}

// moved counts the delivery to a destination that gets another standing.
func moved(day outbox.Day, destination string, from, to connector.Standing) []outbox.Delta {
	var out []outbox.Delta
	for _, c := range connector.CountMove(destination, from, to) {
		out = append(out, outbox.Delta{Day: day, Name: c.Name, N: c.N})
	}
	return out
}

// amend puts the change into a finished call. Each destination that has had its say about an earlier revision is asked
// again; what is still waiting only learns that there is a newer one; what is dead or parked keeps its state, since a
// newer revision must not overtake the create that a person still has to decide on.
func (e *Engine) amend(ctx context.Context, tx *outbox.Tx, c *change, now time.Time) error {
	ref := c.of.entry.Ref
	entry, err := e.store.Entry(ctx, ref) // its rows may have changed since the look began
	if err != nil {
		return err
	}
	if entry.Version != c.of.entry.Version {
		return outbox.ErrConflict
	}
	call := *c.of.call
	call.Late = append(call.Late[:len(call.Late):len(call.Late)], c.late...)
	if n := len(c.late); n > 0 {
		tx.Count = append(tx.Count, outbox.Delta{Day: ref.Day, Name: connector.CountLate, N: int64(n)})
	}
	call.Events = c.events
	revision := call.Record().Revision
	if c.record {
		revision++
		r := c.attempt.Record
		call.Timeline = correlate.Used(&r, c.timeline)
		for i := range call.Timeline {
			call.Timeline[i] = call.Timeline[i].Bare()
		}
		r.Revision = revision
		tx.Count = append(tx.Count, outbox.Delta{Day: ref.Day, Name: connector.CountRevisions, N: 1})
		tx.Count = append(tx.Count, tally(ref.Day, call.Record(), -1)...)
		tx.Count = append(tx.Count, tally(ref.Day, &r, 1)...)
		call.Revisions = append(call.Revisions[:len(call.Revisions):len(call.Revisions)],
			connector.Revision{Record: r, At: connector.TimeOf(now)})
	}
	body, err := json.Marshal(&call)
	if err != nil {
		return fmt.Errorf("call %s can't be stored: %w", call.Record().CallID, err)
	}
	tx.Entry = &outbox.EntryPut{ID: entry.ID, Ref: ref, Day: ref.Day, Prev: entry.Version, Body: body}
	tx.Label = labels(ref, &call)
	if !c.record {
		return nil
	}
	for _, row := range entry.Rows {
		d, err := connector.DecodeDelivery(row.Body)
		if err != nil {
			return fmt.Errorf("call %s, destination %s: %w", entry.ID, row.Name, err)
		}
		was := d.Standing()
		d.Wanted = revision
		if d.State == connector.DeliveryDone || d.State == connector.DeliverySkipped {
			d.State, d.Since, d.Reason = connector.DeliveryWaiting, connector.TimeOf(now), ""
			tx.Enqueue = append(tx.Enqueue, outbox.NewTask{Queue: row.Name, Ref: ref, Due: now})
		}
		tx.Count = append(tx.Count, moved(ref.Day, row.Name, was, d.Standing())...)
		put, err := d.Encode()
		if err != nil {
			return err
		}
		tx.Put = append(tx.Put, outbox.RowPut{Ref: ref, Name: row.Name, Prev: row.Version, Body: put})
	}
	return nil
}

// labels are what the call is found by.
func labels(ref outbox.Ref, call *connector.Call) []outbox.Label {
	var out []outbox.Label
	for _, name := range call.Labels() {
		out = append(out, outbox.Label{Ref: ref, Name: name})
	}
	return out
}

// tally counts a record for its queue, or takes it back.
func tally(day outbox.Day, r *connector.Record, n int64) []outbox.Delta {
	counts := r.Counts()
	out := make([]outbox.Delta, len(counts))
	for i, c := range counts {
		out[i] = outbox.Delta{Day: day, Name: connector.CountQueue(string(r.Queue), c), N: n}
	}
	return out
}

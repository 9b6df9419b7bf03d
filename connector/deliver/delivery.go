package deliver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"wrapup/connector"
	"wrapup/mappings"
	"wrapup/outbox"
)

// errUnreadable says that what is stored of a delivery makes no sense.
var errUnreadable = errors.New("it can't be read")

// work is one delivery while a lane has it.
type work struct {
	*Lane
	*setup
	task     outbox.Task
	mapping  *mappings.Mapping
	entry    outbox.Entry
	version  uint64 // of the row
	call     *connector.Call
	delivery *connector.Delivery
	// stored is how the delivery is counted, as it is stored.
	stored connector.Standing
	// labels are those that the call has for the sake of this delivery.
	labels   []string
	progress mappings.Progress
	// dirty says that a step's success is not durable yet.
	dirty bool
	// stopping ends when nobody should wait for a turn any more: the lane's, or that of a try-out.
	stopping context.Context
	// probe says that it is to find out whether a paused destination is back.
	probe bool
	// sent says that a request went out, sentAt when the last one did.
	sent   bool
	sentAt time.Time
	// marked says that this attempt noted its step as maybe sent.
	marked bool
	// counted says that the brake knows of this attempt.
	counted bool
	// renewed says that the credentials were renewed for this attempt already.
	renewed bool
	// auth is the token answer for the next request, nil if it is to be asked for; authSerial is of the last one, had at authAt.
	auth       map[string]any
	authSerial int
	authAt     time.Time
}

// load reads the delivery as it is stored.
func (w *work) load(ctx context.Context) (err error) {
	if w.entry, err = w.store.Entry(ctx, w.task.Ref); err != nil {
		return err
	}
	if w.call, err = connector.DecodeToDeliver(w.entry.Body); err != nil {
		return fmt.Errorf("%w: call %s: %w", errUnreadable, w.entry.ID, err)
	}
	row := w.entry.Row(w.Name)
	if w.version = row.Version; row.Version == 0 {
		return fmt.Errorf("call %s has no delivery to %s: %w", w.entry.ID, w.Name, outbox.ErrNotFound)
	}
	if w.delivery, err = connector.DecodeDelivery(row.Body); err != nil {
		return fmt.Errorf("%w: call %s: %w", errUnreadable, w.entry.ID, err)
	}
	w.stored, w.labels = w.delivery.Standing(), w.delivery.SavedLabels()
	w.progress = mappings.Progress{}
	if len(w.delivery.Progress) > 0 {
		d := json.NewDecoder(bytes.NewReader(w.delivery.Progress))
		d.UseNumber() // ids keep all their digits
		if err := d.Decode(&w.progress); err != nil {
			return fmt.Errorf("%w: call %s: the progress of its delivery: %w", errUnreadable, w.entry.ID, err)
		}
	}
	w.progress = w.progress.Fresh()
	w.present()
	return nil
}

// revision is the one to be sent: that of the attempt under way, else the newest.
func (w *work) revision() *connector.Record {
	if r := w.call.Revision(w.delivery.Sending); r != nil {
		return r
	}
	return w.call.Record()
}

// tx gives the delivery's row as a Tx.
func (w *work) tx() (outbox.Tx, error) {
	progress, err := json.Marshal(w.progress)
	if err != nil {
		return outbox.Tx{}, fmt.Errorf("the progress of a delivery can't be stored: %w", err)
	}
	w.delivery.Progress = nil
	if string(progress) != "{}" {
		w.delivery.Progress = progress
	}
	body, err := w.delivery.Encode()
	if err != nil {
		return outbox.Tx{}, err
	}
	tx := outbox.Tx{
		Group: w.entry.Group,
		Put:   []outbox.RowPut{{Ref: w.task.Ref, Name: w.Name, Prev: w.version, Body: body}},
	}
	for _, label := range w.delivery.SavedLabels() {
		if !slices.Contains(w.labels, label) {
			tx.Label = append(tx.Label, outbox.Label{Ref: w.task.Ref, Name: label})
		}
	}
	return tx, nil
}

// persist makes the delivery's row durable and goes on with the delivery.
func (w *work) persist(ctx context.Context) error {
	err := w.write(ctx, func(ctx context.Context, tx outbox.Tx) error {
		_, err := w.store.Commit(ctx, tx)
		return err
	}, w.tx)
	if err == nil {
		w.version++
		w.labels = w.delivery.SavedLabels()
		w.dirty = false
	}
	return err
}

// write makes a Tx and commits it, until it is durable: what an answer means is not thrown away because the disk is full
// just now, or the call would be sent again. Meanwhile the delivery holds its place in the lane, so that no more is sent
// than can be settled. It gives up when ctx ends, and on errors that no repetition heals.
func (w *work) write(ctx context.Context, commit func(context.Context, outbox.Tx) error, make func() (outbox.Tx, error)) error {
	for pause := storePause; ; pause = min(2*pause, storePauseMax) {
		tx, err := make()
		if err != nil {
			return err
		}
		err = commit(context.WithoutCancel(ctx), tx)
		switch {
		case err == nil, errors.Is(err, outbox.ErrBroken), errors.Is(err, outbox.ErrDamaged), errors.Is(err, outbox.ErrInvalid),
			errors.Is(err, outbox.ErrClosed):
			return err
		case errors.Is(err, outbox.ErrConflict):
			if err := w.refresh(context.WithoutCancel(ctx)); err != nil {
				return err
			}
			continue
		}
		w.log.Error("a delivery can't be stored; it is tried again", "call", w.entry.ID, "error", w.unnumbered(err.Error()))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Canceled
		}
	}
}

// refresh takes over what somebody else changed: while a delivery waits that is only that there is a newer revision.
func (w *work) refresh(ctx context.Context) error {
	fresh := &work{Lane: w.Lane, setup: w.setup, task: w.task}
	if err := fresh.load(ctx); err != nil {
		return err
	}
	if fresh.version == w.version {
		return errSettled
	}
	if fresh.delivery.State != connector.DeliveryWaiting {
		// Erased meanwhile. What was sent stays in the destination, and its answer must not come back into the store.
		w.log.Warn("a call was erased while it was being sent: the destination may have it", "call", w.entry.ID)
		return errSettled
	}
	w.entry, w.version, w.call = fresh.entry, fresh.version, fresh.call
	w.delivery.Wanted, w.stored = fresh.delivery.Wanted, fresh.stored
	return nil
}

// errSettled says that the task has left its place without us.
var errSettled = errors.New("it was settled by somebody else")

// ending is how a delivery is settled.
type ending struct {
	state  connector.DeliveryState
	reason string
	// due is when a delivery that waits is tried again.
	due time.Time
	// of is the revision that the ending is about: if a newer one has come meanwhile, that one is looked at next. 0 if the
	// newer one has to wait for a person.
	of int
}

// settle ends the claim.
func (w *work) settle(ctx context.Context, e ending) error {
	var outcome outbox.Outcome
	err := w.write(ctx, func(ctx context.Context, tx outbox.Tx) error {
		return w.store.Settle(ctx, w.task, outcome, tx)
	}, func() (outbox.Tx, error) {
		outcome = outbox.Done()
		end, reason, due := e.state, e.reason, e.due
		if e.of != 0 && w.delivery.Wanted > e.of {
			end, reason, due = connector.DeliveryWaiting, "", w.now()
		}
		switch end {
		case connector.DeliveryWaiting:
			outcome = outbox.RetryAt(due)
			w.delivery.Next = connector.TimeOf(due)
		case connector.DeliveryDead, connector.DeliveryParked:
			outcome = outbox.Bury(w.now())
			w.delivery.Next = 0
		default:
			w.delivery.Next = 0
		}
		if end != connector.DeliveryWaiting {
			w.delivery.Retried, w.delivery.Redone, w.delivery.Insist = false, false, false
		}
		w.delivery.State, w.delivery.Reason, w.delivery.Mapping = end, reason, w.mapping.Stamp()
		tx, err := w.tx()
		for _, c := range connector.CountMove(w.Name, w.stored, w.delivery.Standing()) {
			tx.Count = append(tx.Count, outbox.Delta{Day: w.task.Ref.Day, Name: c.Name, N: c.N})
		}
		return tx, err
	})
	if err == nil {
		w.observe()
	}
	if err == nil && w.delivery.State != connector.DeliveryWaiting {
		w.flow.left(w.now(), w.delivery.State, func() int {
			depth, _ := w.store.Depth(ctx, w.Name) // a store that is being closed tells nothing
			return depth.Waiting
		})
	}
	return err
}

// observe tells how the delivery was settled.
func (w *work) observe() {
	var since time.Duration
	if w.delivery.State == connector.DeliveryDone {
		newest := w.call.FinishedAt
		for i := range w.call.Events {
			if i == 0 || w.call.Events[i].At > newest {
				newest = w.call.Events[i].At
			}
		}
		since = max(0, w.now().Sub(newest.Time()))
	}
	switch w.delivery.State {
	case connector.DeliveryDone:
		w.log.Info("a call is delivered", "call", w.entry.ID, "revision", w.delivery.Done, "after", since.Round(time.Millisecond).String())
	case connector.DeliverySkipped:
		w.log.Debug("a call is not wanted", "call", w.entry.ID, "reason", w.unnumbered(w.delivery.Reason))
	default: // said where it was decided
	}
	w.watch.Settled(w.Name, w.delivery.State, since)
}

// shownURL is the address as it may be stored and shown: without query, and not at all if it is a secret itself.
func (s *setup) shownURL(url string) string {
	if s.SecretURL {
		return "(secret)"
	}
	if i := slices.Index([]byte(url), '?'); i >= 0 {
		return url[:i] + "?…"
	}
	return url
}

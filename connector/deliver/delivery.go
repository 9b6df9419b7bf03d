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

// work is one delivery while a lane has it.
type work struct {
	*Lane
	task     outbox.Task
	entry    outbox.Entry
	version  uint64 // of the row
	call     *connector.Call
	delivery *connector.Delivery
	progress mappings.Progress
	// dirty says that a step's success is not durable yet.
	dirty bool
}

// load reads the delivery as it is stored.
func (w *work) load(ctx context.Context) (err error) {
	if w.entry, err = w.store.Entry(ctx, w.task.Ref); err != nil {
		return err
	}
	if w.call, err = connector.DecodeCall(w.entry.Body); err != nil {
		return fmt.Errorf("call %s: %w", w.entry.ID, err)
	}
	row := w.entry.Row(w.Name)
	if w.version = row.Version; row.Version == 0 {
		return fmt.Errorf("call %s has no delivery to %s: %w", w.entry.ID, w.Name, outbox.ErrNotFound)
	}
	if w.delivery, err = connector.DecodeDelivery(row.Body); err != nil {
		return fmt.Errorf("call %s: %w", w.entry.ID, err)
	}
	w.progress = mappings.Progress{}
	if len(w.delivery.Progress) > 0 {
		d := json.NewDecoder(bytes.NewReader(w.delivery.Progress))
		d.UseNumber() // ids keep all their digits
		if err := d.Decode(&w.progress); err != nil {
			return fmt.Errorf("call %s: the progress of its delivery can't be read: %w", w.entry.ID, err)
		}
	}
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
	return outbox.Tx{
		Group: w.entry.Group,
		Put:   []outbox.RowPut{{Ref: w.task.Ref, Name: w.Name, Prev: w.version, Body: body}},
	}, nil
}

// persist makes the delivery's row durable and goes on with the delivery.
func (w *work) persist(ctx context.Context) error {
	for {
		tx, err := w.tx()
		if err != nil {
			return err
		}
		_, err = w.store.Commit(ctx, tx)
		switch {
		case err == nil:
			w.version++
			w.dirty = false
			return nil
		case !errors.Is(err, outbox.ErrConflict):
			return err
		}
		if err := w.refresh(ctx); err != nil {
			return err
		}
	}
}

// refresh takes over what somebody else changed: while a delivery waits that is only that there is a newer revision.
func (w *work) refresh(ctx context.Context) error {
	fresh := &work{Lane: w.Lane, task: w.task}
	if err := fresh.load(ctx); err != nil {
		return err
	}
	w.entry, w.version, w.call = fresh.entry, fresh.version, fresh.call
	w.delivery.Wanted = fresh.delivery.Wanted
	return nil
}

// settle ends the claim with the delivery in the given state. due is when a delivery that waits is tried again.
func (w *work) settle(ctx context.Context, state connector.DeliveryState, reason string, due time.Time) error {
	for {
		outcome := outbox.Done()
		end := state
		if state == connector.DeliveryDone && w.delivery.Wanted > w.delivery.Done {
			end, due, reason = connector.DeliveryWaiting, w.now(), "" // a newer revision came meanwhile
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
		w.delivery.State, w.delivery.Reason = end, reason
		tx, err := w.tx()
		if err != nil {
			return err
		}
		if end != connector.DeliveryWaiting {
			tx.Count = []outbox.Delta{
				{Day: w.task.Ref.Day, Name: connector.CountState(w.Name, connector.DeliveryWaiting), N: -1},
				{Day: w.task.Ref.Day, Name: connector.CountState(w.Name, end), N: 1},
			}
		}
		err = w.store.Settle(ctx, w.task, outcome, tx)
		if err == nil || !errors.Is(err, outbox.ErrConflict) {
			return err
		}
		if err := w.refresh(ctx); err != nil {
			return err
		}
	}
}

// shownURL is the address as it may be stored and shown: without query, and not at all if it is a secret itself.
func (l *Lane) shownURL(url string) string {
	if l.SecretURL {
		return "(secret)"
	}
	if i := slices.Index([]byte(url), '?'); i >= 0 {
		return url[:i] + "?…"
	}
	return url
}

package deliver

import (
	"context"
	"errors"
	"fmt"

	"wrapup/connector"
	"wrapup/outbox"
)

// AnswerStore is what DropAnswers needs of an outbox.Store.
type AnswerStore interface {
	Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error)
	Walk(ctx context.Context, day outbox.Day, after uint64, limit int) ([]outbox.Entry, error)
}

// DropAnswers takes the requests and answers out of the attempts of a day's deliveries that are over, from the entry after
// the given one on, at most limit entries; last is the one it came to, and more says that there may be others behind it.
// What is waiting, dead or parked keeps them: whoever has to decide on it needs them. That there was an attempt, when, and
// what was wrong, stays.
func DropAnswers(ctx context.Context, store AnswerStore, day outbox.Day, after uint64, limit int) (last uint64, more bool, err error) {
	entries, err := store.Walk(ctx, day, after, limit)
	if err != nil && !errors.Is(err, outbox.ErrDamaged) { // what is damaged is audit's to tell
		return after, false, err
	}
	last = after
	for i := range entries {
		e := &entries[i]
		tx := outbox.Tx{}
		for _, row := range e.Rows {
			body, err := withoutAnswers(row.Body)
			if err != nil {
				return last, true, fmt.Errorf("call %s, destination %s: %w", e.ID, row.Name, err)
			}
			if body != nil {
				tx.Put = append(tx.Put, outbox.RowPut{Ref: e.Ref, Name: row.Name, Prev: row.Version, Body: body})
			}
		}
		if len(tx.Put) > 0 {
			// One that changed meanwhile is not so old: it keeps what it has.
			if _, err := store.Commit(ctx, tx); err != nil && !errors.Is(err, outbox.ErrConflict) {
				return last, true, err
			}
		}
		last = e.Ref.Seq
	}
	return last, len(entries) == limit, nil
}

// withoutAnswers gives the stored form of a delivery without them; nil if there is nothing to take out. One that can't be
// read stays as it is.
func withoutAnswers(body []byte) ([]byte, error) {
	d, err := connector.DecodeDelivery(body)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // audit tells of it
	}
	switch d.State {
	case connector.DeliveryDone, connector.DeliverySkipped, connector.DeliveryDropped:
	default:
		return nil, nil //nolint:nilnil // nothing to take out
	}
	some := false
	for i := range d.Attempts {
		a := &d.Attempts[i]
		some = some || a.Request != "" || a.Answer != ""
		a.Request, a.Answer = "", ""
	}
	if !some {
		return nil, nil //nolint:nilnil // as above
	}
	return d.Encode()
}

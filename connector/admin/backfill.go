package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// BackfillOrder says which stored calls a destination is to get that it has not been given.
type BackfillOrder struct {
	To string `json:"to"`
	// Calls narrows them; its After goes on, and its order and limit mean nothing.
	Calls CallQuery `json:"calls"`
	// Do is false to count only.
	Do bool `json:"do,omitempty"`
}

// Backfill is what a part of a backfill found, and gave to the destination if it was to.
type Backfill struct {
	// Calls that the destination gets: a delivery of each waits now.
	Calls int `json:"calls"`
	// First and Last are when the first and the last of these were finished.
	First connector.Time `json:"first"`
	Last  connector.Time `json:"last"`
	// Already have a delivery to the destination, in whatever state, also by the name that it had before; Erased have nothing
	// left to send, and Unreadable are damaged.
	Already    int `json:"already"`
	Erased     int `json:"erased"`
	Unreadable int `json:"unreadable"`
	// Paused says why the destination is paused, "" if it isn't or no daemon runs.
	Paused string `json:"paused,omitempty"`
	// Read is how many calls were read.
	Read int `json:"read"`
	// Next goes on, "" at the end.
	Next string `json:"next,omitempty"`
}

// backfillTries is how often a call is read again that changed while it was given to the destination.
const backfillTries = 5

// Backfill does a part of a backfill, the oldest calls first. A pair of call and destination that has a delivery is left
// alone, so it may be stopped at any time, repeated, and run twice at once.
func (s Source) Backfill(ctx context.Context, o BackfillOrder) (*Backfill, error) {
	if err := s.backfillable(o); err != nil {
		return nil, err
	}
	b := &backfill{Source: s, to: o.To, now: s.Now(), page: &Backfill{}}
	if lane := s.Lanes[o.To]; lane != nil {
		b.page.Paused, _, _ = lane.Paused()
	}
	q := o.Calls
	q.OldestFirst, q.Records, q.Limit = true, false, maxLimit
	page, err := s.calls(ctx, q, b.choose)
	if err != nil {
		return nil, err
	}
	b.page.Read, b.page.Next, b.page.Unreadable = page.Read, page.Next, page.unreadable
	if !o.Do {
		for i := range b.chosen {
			b.count(&b.chosen[i])
		}
		return b.page, nil
	}
	return b.page, b.give(ctx)
}

func (s Source) backfillable(o BackfillOrder) error {
	switch {
	case o.Calls.Open:
		return BadRequest("open calls reach every destination once they are finished")
	case !s.configured(o.To) || slices.Contains(s.formerNames(), o.To):
		return refusal(fmt.Sprintf("no destination %q is configured", o.To))
	case o.Do && s.NoRoom != nil:
		if why := s.NoRoom(); why != "" {
			return fmt.Errorf("there is no room for more that waits: %s", why)
		}
	}
	return nil
}

func (s Source) formerNames() (names []string) {
	for _, name := range s.Former {
		names = append(names, name)
	}
	return names
}

// backfill does a part of a backfill.
type backfill struct {
	Source
	to     string
	now    time.Time
	mu     sync.Mutex // guards the page while calls are given
	page   *Backfill
	chosen []chosenCall
}

// chosenCall is a call that the destination is to get.
type chosenCall struct {
	entry    outbox.Entry
	revision int
	finished connector.Time
}

// choose looks at a call that is asked for.
func (b *backfill) choose(entry *outbox.Entry, c *FinishedCall) {
	switch {
	case b.given(entry):
		b.page.Already++
	case c.Erased != nil:
		b.page.Erased++
	default:
		b.chosen = append(b.chosen, chosenCall{entry: *entry, revision: c.Record().Revision, finished: c.FinishedAt})
	}
}

// given says that the call has a delivery to the destination. What was sent under its former name went to the same place.
func (b *backfill) given(entry *outbox.Entry) bool {
	former := b.Former[b.to]
	return entry.Row(b.to).Version > 0 || former != "" && entry.Row(former).Version > 0
}

func (b *backfill) count(c *chosenCall) {
	p := b.page
	p.Calls++
	if p.First == 0 || c.finished < p.First {
		p.First = c.finished
	}
	p.Last = max(p.Last, c.finished)
}

// give gives the destination its calls: many at the same time, so that they share a sync of the disk. Whoever asked may be
// gone meanwhile: what is under way is completed, and no more is begun.
func (b *backfill) give(ctx context.Context) error {
	var (
		all   sync.WaitGroup
		first error
	)
	free := make(chan struct{}, changeWorkers)
	for i := range b.chosen {
		free <- struct{}{}
		b.mu.Lock()
		stop := first != nil
		b.mu.Unlock()
		if stop || ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-free }()
			// Each gets a time of its own, in the order of the calls.
			err := b.giveOne(context.WithoutCancel(ctx), &b.chosen[i], b.now.Add(time.Duration(i)*time.Microsecond))
			if err != nil {
				b.mu.Lock()
				defer b.mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	all.Wait()
	if first == nil {
		first = context.Cause(ctx)
	}
	return first
}

// giveOne makes the delivery of one call, as the finish would have made it. Delivery, task and counters are one commit; a
// crash leaves all of it or nothing.
func (b *backfill) giveOne(ctx context.Context, c *chosenCall, due time.Time) error {
	for try := 0; ; try++ {
		tx, err := b.plan(c, due)
		if err != nil {
			return err
		}
		_, err = b.Store.Commit(ctx, tx)
		switch {
		case err == nil:
			b.mu.Lock()
			defer b.mu.Unlock()
			b.count(c)
			return nil
		case !errors.Is(err, outbox.ErrConflict) || try == backfillTries:
			return fmt.Errorf("call %s: %w", c.entry.ID, err)
		}
		// It was amended, erased, given by somebody else, or dropped with its day meanwhile.
		entry, err := b.Store.Entry(ctx, c.entry.Ref)
		if errors.Is(err, outbox.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("call %s: %w", c.entry.ID, err)
		}
		call, err := connector.DecodeCall(entry.Body)
		if err != nil {
			return fmt.Errorf("call %s: %w", c.entry.ID, err)
		}
		if gone := b.given(&entry); gone || call.Erased != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			if gone {
				b.page.Already++
			} else {
				b.page.Erased++
			}
			return nil
		}
		c.entry, c.revision = entry, call.Record().Revision
	}
}

// plan gives the commit that makes the delivery. The entry is put as it is, for its version's sake: a revision or an erasure
// that comes between would not know of the new row.
func (b *backfill) plan(c *chosenCall, due time.Time) (outbox.Tx, error) {
	d := connector.Delivery{State: connector.DeliveryWaiting, Since: connector.TimeOf(due), Wanted: c.revision}
	row, err := d.Encode()
	if err != nil {
		return outbox.Tx{}, err
	}
	e := &c.entry
	tx := outbox.Tx{
		Group:   e.Group,
		Entry:   &outbox.EntryPut{ID: e.ID, Ref: e.Ref, Day: e.Ref.Day, Prev: e.Version, Body: e.Body},
		Put:     []outbox.RowPut{{Ref: e.Ref, Name: b.to, Body: row}},
		Enqueue: []outbox.NewTask{{Queue: b.to, Ref: e.Ref, Due: due}},
	}
	for _, n := range connector.CountMove(b.to, connector.Standing{}, d.Standing()) {
		tx.Count = append(tx.Count, outbox.Delta{Day: e.Ref.Day, Name: n.Name, N: n.N})
	}
	return tx, nil
}

package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// Target names a delivery to change as a list gave it. If anything has happened to it since, it is left as it is.
type Target struct {
	Destination string `json:"destination"`
	Task        string `json:"task"`
}

// Order is what to do with deliveries.
type Order struct {
	Deliveries []Target `json:"deliveries"`
	// Parked says that a retry may send what is parked, too: it may be logged twice.
	Parked bool `json:"parked,omitempty"`
	// Reason of a drop.
	Reason string `json:"reason,omitempty"`
}

// MaxTargets is how many deliveries one order may name.
const MaxTargets = 500

// Changed tells what became of one delivery of an order.
type Changed struct {
	Destination string                  `json:"destination"`
	CallID      string                  `json:"call_id,omitempty"`
	State       connector.DeliveryState `json:"state,omitempty"` // before
	Done        bool                    `json:"done"`
	// Note says why nothing was done, or what else there is to know.
	Note string `json:"note,omitempty"`
}

// Retry makes deliveries due now: those that are dead or parked wait again, and their failures are forgotten. They are
// rendered with the mapping as it is now.
func (s Source) Retry(ctx context.Context, o Order) ([]Changed, error) {
	return s.change(ctx, o, func(c *change) error {
		d := c.delivery
		if c.was == connector.DeliveryParked && !o.Parked {
			return notDone("it is parked: its answer was lost, and a retry may log the call twice")
		}
		if _, err := connector.DecodeCall(c.entry.Body); err != nil {
			return notDone(err.Error())
		}
		d.Succeed()
		d.RefusedAt, d.Reason = 0, ""
		// The newest revision is sent, unless the delivery had begun with an earlier one: that is finished first. What may have
		// been done stays noted: where the mapping can look for it, that comes first.
		if c.was != connector.DeliveryWaiting {
			d.Since = connector.TimeOf(c.now)
			d.Retried, d.Redone = true, false
			d.Insist = c.was == connector.DeliveryParked
		}
		d.State, d.Next = connector.DeliveryWaiting, connector.TimeOf(c.due)
		return nil
	})
}

// Drop ends deliveries: they are not sent any more.
func (s Source) Drop(ctx context.Context, o Order) ([]Changed, error) {
	why := strings.TrimSpace(o.Reason)
	if why == "" {
		return nil, BadRequest("a drop needs a reason")
	}
	return s.change(ctx, o, func(c *change) error {
		d := c.delivery
		was := string(c.was)
		if d.Reason != "" {
			was += ": " + d.Reason
		}
		d.Reason = fmt.Sprintf("dropped by a person at %s: %s (it was %s)", connector.TimeOf(c.now), why, was)
		d.State, d.Next = connector.DeliveryDropped, 0
		return nil
	})
}

// notDone says why a delivery is left as it is.
type notDone string

func (n notDone) Error() string { return string(n) }

// changeWorkers is how many deliveries are changed at the same time: their commits share a sync of the disk.
const changeWorkers = 16

// change does what an order says with each delivery.
func (s Source) change(ctx context.Context, o Order, edit func(*change) error) ([]Changed, error) {
	if len(o.Deliveries) > MaxTargets {
		return nil, BadRequest(fmt.Sprintf("%d deliveries: at most %d at a time", len(o.Deliveries), MaxTargets))
	}
	now := s.Now()
	taking := new(sync.Mutex)
	changes := make([]*change, len(o.Deliveries))
	for i, target := range o.Deliveries {
		task, err := parseTask(target.Destination, target.Task)
		if err != nil {
			return nil, err
		}
		// Each gets a time of its own: that is how it is found again.
		changes[i] = &change{Source: s, task: task, edit: edit, taking: taking, now: now, due: now.Add(time.Duration(i) * time.Microsecond)}
	}
	out := make([]Changed, len(changes))
	free := make(chan struct{}, changeWorkers)
	var all sync.WaitGroup
	for i, c := range changes {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			out[i] = c.result(ctx)
		})
	}
	all.Wait()
	return out, nil
}

// change is one delivery while it is changed.
type change struct {
	Source
	task outbox.Task
	edit func(*change) error
	// taking is held while a task is taken: on the way others may be taken, and given back.
	taking *sync.Mutex
	now    time.Time
	due    time.Time

	entry    outbox.Entry
	version  uint64 // of the row
	delivery *connector.Delivery
	was      connector.DeliveryState
	stored   connector.Standing // how it is counted
	note     string
}

func (c *change) result(ctx context.Context) Changed {
	err := ctx.Err() // whoever asked is gone
	if err == nil {
		err = c.do(context.WithoutCancel(ctx))
	}
	r := Changed{Destination: c.task.Queue, CallID: c.entry.ID, State: c.was, Done: err == nil}
	switch lane := c.Lanes[c.task.Queue]; {
	case err != nil:
		r.Note = err.Error()
	case c.delivery.State != connector.DeliveryWaiting, c.note != "":
		r.Note = c.note
	case lane == nil:
		r.Note = "the destination is not configured any more: it waits"
	default:
		if why, _, _ := lane.Paused(); why != "" {
			r.Note = "the destination is paused: it waits (" + why + ")"
		}
	}
	return r
}

// do changes the delivery and moves its task, in one Tx.
func (c *change) do(ctx context.Context) error {
	if c.task.Buried {
		return c.buried(ctx)
	}
	if err := c.read(ctx); err != nil { // for what there is to say
		return err
	}
	return c.waiting(ctx)
}

// buried changes a delivery that is set aside.
func (c *change) buried(ctx context.Context) error {
	due := c.due
	err := c.attempt(ctx, func(tx outbox.Tx) error {
		if c.delivery.State != connector.DeliveryWaiting {
			// A store takes a task only from where it is due, so the task is made due in a while, and is taken from there
			// next. Should the process end before that, a lane finds a delivery that has ended, and ends the task.
			due = c.due.Add(time.Minute)
		}
		return c.Store.Revive(ctx, c.task, due, tx)
	})
	if err != nil || c.delivery.State == connector.DeliveryWaiting {
		return err
	}
	moved := c.task
	moved.Buried, moved.Due = false, due
	if task, ok, err := c.take(ctx, moved); err == nil && ok {
		_ = c.Store.Settle(ctx, task, outbox.Done(), outbox.Tx{}) // else a lane does it
	}
	return nil
}

// waiting changes a delivery that waits, unless a lane has it.
func (c *change) waiting(ctx context.Context) error {
	outcome := func() outbox.Outcome {
		if c.delivery.State == connector.DeliveryWaiting {
			return outbox.RetryAt(c.due)
		}
		return outbox.Done()
	}
	if err := c.edit(c); err != nil {
		return err
	}
	if c.delivery.State == connector.DeliveryWaiting && !c.task.Due.After(c.now) {
		c.note = "it was due already"
		return nil
	}
	task, ok, err := c.take(ctx, c.task)
	if err != nil {
		return err
	}
	if ok && !task.Due.Equal(c.task.Due) {
		c.giveBack(ctx, task)
		ok = false
	}
	if !ok {
		return notDone("it is being sent just now, or something else has happened to it meanwhile")
	}
	err = c.attempt(ctx, func(tx outbox.Tx) error { return c.Store.Settle(ctx, task, outcome(), tx) })
	if err != nil {
		c.giveBack(ctx, task)
	}
	return err
}

// attempt reads, edits and commits until nobody comes between.
func (c *change) attempt(ctx context.Context, commit func(outbox.Tx) error) error {
	var last uint64
	for {
		if err := c.read(ctx); err != nil {
			return err
		}
		if c.version == last { // the row is as it was: it is the task that is gone
			return notDone("something else has happened to it meanwhile")
		}
		last = c.version
		if err := c.edit(c); err != nil {
			return err
		}
		body, err := c.delivery.Encode()
		if err != nil {
			return err
		}
		tx := outbox.Tx{
			Group: c.entry.Group,
			Put:   []outbox.RowPut{{Ref: c.task.Ref, Name: c.task.Queue, Prev: c.version, Body: body}},
		}
		for _, n := range connector.CountMove(c.task.Queue, c.stored, c.delivery.Standing()) {
			tx.Count = append(tx.Count, outbox.Delta{Day: c.task.Ref.Day, Name: n.Name, N: n.N})
		}
		if err = commit(tx); !errors.Is(err, outbox.ErrConflict) {
			return err
		}
	}
}

// read takes over what is stored of the delivery.
func (c *change) read(ctx context.Context) (err error) {
	if c.entry, err = c.Store.Entry(ctx, c.task.Ref); err != nil {
		return notDone("the call can't be read: " + err.Error())
	}
	row := c.entry.Row(c.task.Queue)
	if row.Version == 0 {
		return notDone("the call has no delivery to this destination")
	}
	if c.delivery, err = connector.DecodeDelivery(row.Body); err != nil {
		return notDone(err.Error())
	}
	c.version, c.was, c.stored = row.Version, c.delivery.State, c.delivery.Standing()
	switch {
	case c.task.Buried && c.was == connector.DeliveryWaiting:
		c.was = StateUnreadable
	case c.task.Buried && (c.was == connector.DeliveryDead || c.was == connector.DeliveryParked),
		!c.task.Buried && c.was == connector.DeliveryWaiting:
	default:
		return notDone("it is " + string(c.was) + " by now")
	}
	return nil
}

// take claims the task about the same call, and only it: of the tasks up to its time the newest is claimed. It says false
// if somebody else has it, or it is gone.
func (c *change) take(ctx context.Context, want outbox.Task) (task outbox.Task, ok bool, err error) {
	c.taking.Lock()
	defer c.taking.Unlock()
	var others []outbox.Task // that are due at the same microsecond
	defer func() {
		for _, t := range others {
			c.giveBack(ctx, t)
		}
	}()
	for {
		got, _, err := c.Store.Claim(ctx, want.Queue, want.Due, 1, outbox.NewestFirst)
		switch {
		case err != nil:
			return outbox.Task{}, false, err
		case len(got) == 0:
			return outbox.Task{}, false, nil
		case got[0].Ref == want.Ref:
			return got[0], true, nil
		}
		others = append(others, got[0])
		if got[0].Due.Before(want.Due) {
			return outbox.Task{}, false, nil
		}
	}
}

// giveBack puts a claimed task back where it was. Unlike a release that wakes its lane, which may have looked for it
// meanwhile.
func (c *change) giveBack(ctx context.Context, task outbox.Task) {
	if err := c.Store.Settle(ctx, task, outbox.RetryAt(task.Due), outbox.Tx{}); err != nil {
		c.Store.Release(task)
	}
}

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

var t0 = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// desk is a store with deliveries to "crm", and whoever changes them.
type desk struct {
	*testing.T
	Source
	store *bolt.Store
	now   time.Time
}

// idle is a lane that does nothing.
type idle struct {
	paused string
	flow   connector.Flow
}

func (l *idle) Paused() (reason string, since time.Time, held bool) {
	return l.paused, t0, l.paused != ""
}
func (l *idle) Pause(_ context.Context, reason string) error { l.paused = reason; return nil }
func (l *idle) Flow(int) connector.Flow                      { return l.flow }
func (l *idle) Resume(context.Context) error                 { l.paused = ""; return nil }

func newDesk(t *testing.T) *desk {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "wrapup.db"), bolt.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	d := &desk{T: t, store: store, now: t0}
	d.Source = Source{
		Store: store, Now: func() time.Time { return d.now }, Destinations: func() []string { return []string{"crm"} },
		Lanes: map[string]Lane{"crm": &idle{}},
	}
	return d
}

// call stores a finished call with a delivery that waits, due at the given time.
func (d *desk) call(uuid string, due time.Time) outbox.Ref {
	d.Helper()
	record := connector.Record{CallID: uuid, UUID: uuid, Revision: 1, Queue: "104906"}
	body, err := json.Marshal(&connector.Call{Revisions: []connector.Revision{{Record: record}}, FinishedAt: connector.TimeOf(d.now)})
	require.NoError(d, err)
	row, err := (&connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1, Failed: 3, Tried: 5, Reason: "answered 500"}).Encode()
	require.NoError(d, err)
	day := outbox.DayOf(d.now)
	res, err := d.store.Commit(d.Context(), outbox.Tx{
		Group: connector.CallGroup(uuid), Entry: &outbox.EntryPut{ID: uuid, Day: day, Body: body},
		Put: []outbox.RowPut{{Name: "crm", Body: row}}, Enqueue: []outbox.NewTask{{Queue: "crm", Due: due}},
		Count: []outbox.Delta{
			{Day: day, Name: connector.CountCalls, N: 1}, {Day: day, Name: connector.CountFinished("crm"), N: 1},
			{Day: day, Name: connector.CountState("crm", connector.DeliveryWaiting), N: 1},
		},
	})
	require.NoError(d, err)
	return res.Ref
}

// end settles the call's delivery, which is due, as a lane would.
func (d *desk) end(ref outbox.Ref, state connector.DeliveryState, change func(*connector.Delivery)) {
	d.Helper()
	tasks, _, err := d.store.Claim(d.Context(), "crm", d.now, 100, outbox.OldestFirst)
	require.NoError(d, err)
	for _, task := range tasks {
		if task.Ref != ref {
			d.store.Release(task)
			continue
		}
		if state == StateUnreadable {
			require.NoError(d, d.store.Settle(d.Context(), task, outbox.Bury(d.now), outbox.Tx{}))
			continue
		}
		row := d.row(ref)
		delivery := d.delivery(ref)
		was := delivery.Standing()
		delivery.State, delivery.Reason = state, "because"
		if change != nil {
			change(delivery)
		}
		body, err := delivery.Encode()
		require.NoError(d, err)
		tx := outbox.Tx{Put: []outbox.RowPut{{Ref: ref, Name: "crm", Prev: row.Version, Body: body}}}
		for _, c := range connector.CountMove("crm", was, delivery.Standing()) {
			tx.Count = append(tx.Count, outbox.Delta{Day: ref.Day, Name: c.Name, N: c.N})
		}
		require.NoError(d, d.store.Settle(d.Context(), task, outbox.Bury(d.now), tx))
	}
}

func (d *desk) row(ref outbox.Ref) outbox.Row {
	e, err := d.store.Entry(d.Context(), ref)
	require.NoError(d, err)
	return e.Row("crm")
}

func (d *desk) delivery(ref outbox.Ref) *connector.Delivery {
	v, err := connector.DecodeDelivery(d.row(ref).Body)
	require.NoError(d, err)
	return v
}

func (d *desk) list(q ListQuery) []ListedDelivery {
	d.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	page, err := d.Deliveries(d.Context(), q)
	require.NoError(d, err)
	require.Empty(d, page.Next)
	return page.Deliveries
}

// order names all deliveries that the query finds.
func (d *desk) order(q ListQuery) (o Order) {
	for _, line := range d.list(q) {
		o.Deliveries = append(o.Deliveries, Target{Destination: line.Destination, Task: line.Task})
	}
	o.Reason = "a test"
	return o
}

// holds checks that the sum holds, and how many deliveries the queue has.
func (d *desk) holds(waiting, buried int) {
	d.Helper()
	a, err := d.Audit(d.Context(), outbox.DayOf(t0).String())
	require.NoError(d, err)
	assert.Empty(d, a.Gaps)
	depth, err := d.store.Depth(d.Context(), "crm")
	require.NoError(d, err)
	assert.Equal(d, waiting, depth.Waiting)
	assert.Equal(d, buried, depth.Buried)
}

func TestRetryOfEachState(t *testing.T) {
	d := newDesk(t)
	dead, parked, unreadable := d.call("dead", t0), d.call("parked", t0), d.call("unreadable", t0)
	d.call("due", t0)
	later := d.call("later", t0.Add(time.Hour))
	d.end(dead, connector.DeliveryDead, func(v *connector.Delivery) { v.Sending = 1 })
	d.end(parked, connector.DeliveryParked, func(v *connector.Delivery) {
		v.Sending, v.Unsure = 1, map[string]connector.Doubt{"log": {Since: connector.TimeOf(t0)}}
	})
	d.end(unreadable, StateUnreadable, nil)
	states := map[string]connector.DeliveryState{}
	for _, line := range d.list(ListQuery{}) {
		states[line.UUID] = line.State
	}
	assert.Equal(t, map[string]connector.DeliveryState{"dead": "dead", "parked": "parked", "unreadable": "unreadable",
		"due": "waiting", "later": "waiting"}, states)
	d.holds(2, 3)

	d.now = t0.Add(time.Minute)
	o := d.order(ListQuery{})
	changed, err := d.Retry(t.Context(), o)
	require.NoError(t, err)
	notes := map[string]string{}
	for _, c := range changed {
		notes[c.CallID] = fmt.Sprint(c.State, " ", c.Done, " ", c.Note)
	}
	assert.Equal(t, map[string]string{
		"dead": "dead true ", "unreadable": "unreadable true ", "due": "waiting true it was due already", "later": "waiting true ",
		"parked": "parked false it is parked: its answer was lost, and a retry may log the call twice",
	}, notes)
	d.holds(4, 1)
	assert.Equal(t, 1, d.delivery(dead).Sending, "what it began with is finished first")
	for _, ref := range []outbox.Ref{dead, unreadable, later} {
		v := d.delivery(ref)
		assert.Equal(t, "0 0", fmt.Sprint(v.Failed, v.Tried))
		assert.Empty(t, v.Reason)
		assert.Equal(t, ref != later, v.Retried)
		assert.False(t, v.Insist)
		assert.Equal(t, connector.DeliveryWaiting, v.State)
		assert.WithinDuration(t, d.now, v.Next.Time(), time.Second)
	}
	changed, err = d.Retry(t.Context(), o) // it has been done
	require.NoError(t, err)
	for _, c := range changed {
		if c.CallID != "due" {
			assert.False(t, c.Done, c)
		}
	}

	o = d.order(ListQuery{States: []connector.DeliveryState{connector.DeliveryParked}})
	o.Parked = true
	changed, err = d.Retry(t.Context(), o)
	require.NoError(t, err)
	assert.True(t, changed[0].Done, changed)
	v := d.delivery(parked)
	assert.Equal(t, map[string]connector.Doubt{"log": {Since: connector.TimeOf(t0)}}, v.Unsure, "the mapping may know how to look for it")
	assert.True(t, v.Insist)
	o = d.order(ListQuery{States: []connector.DeliveryState{connector.DeliveryWaiting}})
	_, err = d.Retry(t.Context(), o) // while it waits for its turn
	require.NoError(t, err)
	v = d.delivery(parked)
	assert.True(t, v.Retried && v.Insist, "it is still to be done")
	assert.Equal(t, 1, v.Sending, "it is that revision which may have been sent")
	d.holds(5, 0)
	tasks, _, err := d.store.Claim(t.Context(), "crm", d.now.Add(time.Second), 9, outbox.OldestFirst)
	require.NoError(t, err)
	assert.Len(t, tasks, 5)
}

func TestDropOfEachState(t *testing.T) {
	d := newDesk(t)
	dead, parked, unreadable := d.call("dead", t0), d.call("parked", t0), d.call("unreadable", t0)
	d.end(dead, connector.DeliveryDead, nil)
	d.end(parked, connector.DeliveryParked, nil)
	d.end(unreadable, StateUnreadable, nil)
	taken := d.call("taken", t0)
	got, _, err := d.store.Claim(t.Context(), "crm", t0, 1, outbox.OldestFirst)
	require.NoError(t, err)
	require.Equal(t, taken, got[0].Ref)
	due := d.call("due", t0)                    // at the same time as the one that is taken
	later := d.call("later", t0.Add(time.Hour)) // not due yet
	changed, err := d.Drop(t.Context(), d.order(ListQuery{}))
	require.NoError(t, err)
	for _, c := range changed {
		assert.Equal(t, c.CallID != "taken", c.Done, c)
	}
	d.holds(1, 0)
	for _, ref := range []outbox.Ref{dead, parked, unreadable, due, later} {
		v := d.delivery(ref)
		assert.Equal(t, connector.DeliveryDropped, v.State)
		assert.Contains(t, v.Reason, "dropped by a person at 2026-05-01T12:00:00.000000Z: a test (it was ")
	}
	assert.Len(t, d.list(ListQuery{}), 1)
	_, err = d.Drop(t.Context(), Order{})
	require.ErrorContains(t, err, "needs a reason")
}

// A lane settles what it has whatever a person does, and what a person has changed it doesn't undo.
func TestChangesWhileLanesWork(t *testing.T) {
	d := newDesk(t)
	const calls = 60
	var refs []outbox.Ref
	for i := range calls {
		refs = append(refs, d.call(fmt.Sprint(i), t0.Add(time.Duration(i%7)*time.Microsecond)))
	}
	d.now = t0.Add(time.Second)
	o := d.order(ListQuery{States: []connector.DeliveryState{connector.DeliveryWaiting}})
	sent := map[outbox.Ref]int{}
	var work sync.WaitGroup
	work.Go(func() {
		for idle := 0; idle < 50; {
			tasks, _, err := d.store.Claim(t.Context(), "crm", d.now, 1, outbox.OldestFirst)
			require.NoError(t, err)
			if len(tasks) == 0 {
				idle++
				time.Sleep(time.Millisecond)
				continue
			}
			idle = 0
			ref := tasks[0].Ref
			row := d.row(ref)
			v := d.delivery(ref)
			if !assert.Equal(t, connector.DeliveryWaiting, v.State) {
				return
			}
			sent[ref]++
			v.State = connector.DeliveryDone
			body, err := v.Encode()
			require.NoError(t, err)
			require.NoError(t, d.store.Settle(t.Context(), tasks[0], outbox.Done(), outbox.Tx{
				Put: []outbox.RowPut{{Ref: ref, Name: "crm", Prev: row.Version, Body: body}},
				Count: []outbox.Delta{
					{Day: ref.Day, Name: connector.CountState("crm", connector.DeliveryWaiting), N: -1},
					{Day: ref.Day, Name: connector.CountState("crm", connector.DeliveryDone), N: 1},
				},
			}), "nobody takes a task from a lane")
		}
	})
	time.Sleep(5 * time.Millisecond)
	changed, err := d.Drop(t.Context(), o)
	require.NoError(t, err)
	work.Wait()
	dropped := 0
	for _, c := range changed {
		if c.Done {
			dropped++
		}
	}
	for _, ref := range refs {
		v := d.delivery(ref)
		if v.State == connector.DeliveryDropped {
			assert.Zero(t, sent[ref])
		} else {
			assert.Equal(t, 1, sent[ref])
		}
	}
	assert.Equal(t, calls, len(sent)+dropped)
	t.Logf("%d sent, %d dropped", len(sent), dropped)
	d.holds(0, 0)
}

// conflicting lets somebody change a row right before a change of it is committed.
type conflicting struct {
	Store
	before func()
}

func (c *conflicting) Revive(ctx context.Context, task outbox.Task, due time.Time, tx outbox.Tx) error {
	if f := c.before; f != nil {
		c.before = nil
		f()
	}
	return c.Store.Revive(ctx, task, due, tx)
}

func TestAChangeReadsAgain(t *testing.T) {
	d := newDesk(t)
	ref := d.call("a", t0)
	d.end(ref, connector.DeliveryDead, nil)
	o := d.order(ListQuery{})
	d.Store = &conflicting{Store: d.store, before: func() { // a straggler made a new revision
		v := d.delivery(ref)
		was := v.Standing()
		v.Wanted = 2
		body, err := v.Encode()
		require.NoError(t, err)
		tx := outbox.Tx{Put: []outbox.RowPut{{Ref: ref, Name: "crm", Prev: d.row(ref).Version, Body: body}}}
		for _, c := range connector.CountMove("crm", was, v.Standing()) {
			tx.Count = append(tx.Count, outbox.Delta{Day: ref.Day, Name: c.Name, N: c.N})
		}
		_, err = d.store.Commit(t.Context(), tx)
		require.NoError(t, err)
	}}
	changed, err := d.Retry(t.Context(), o)
	require.NoError(t, err)
	assert.True(t, changed[0].Done, changed)
	assert.Equal(t, 2, d.delivery(ref).Wanted)
	d.holds(1, 0)

	d.now = d.now.Add(time.Second)
	d.end(ref, connector.DeliveryDead, nil)
	o = d.order(ListQuery{})
	d.Store = &conflicting{Store: d.store, before: func() { // somebody else retries it
		other := Source{Store: d.store, Now: d.Now, Destinations: d.Destinations, Lanes: d.Lanes}
		changed, err := other.Retry(t.Context(), o)
		require.NoError(t, err)
		require.True(t, changed[0].Done)
	}}
	changed, err = d.Drop(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, []Changed{{Destination: "crm", CallID: "a", State: StateUnreadable, Note: "something else has happened to it meanwhile"}}, changed)
	d.holds(1, 0)
}

func TestOrdersThatCantBeMeant(t *testing.T) {
	d := newDesk(t)
	var bad BadRequest
	for _, task := range []string{"", "b", "b00.1.1.1", "x" + fmt.Sprintf("%032x", 1) + ".1.1.1", "nonsense"} {
		_, err := d.Retry(t.Context(), Order{Deliveries: []Target{{Destination: "crm", Task: task}}})
		assert.True(t, errors.As(err, &bad), task)
	}
	_, err := d.Retry(t.Context(), Order{Deliveries: make([]Target, MaxTargets+1)})
	assert.True(t, errors.As(err, &bad))
	_, err = d.Deliveries(t.Context(), ListQuery{After: "x"})
	assert.True(t, errors.As(err, &bad))
	_, err = d.Audit(t.Context(), "today")
	assert.True(t, errors.As(err, &bad))
	var no refusal // it can be meant, and there is none
	assert.True(t, errors.As(d.Resume(t.Context(), "nobody"), &no))
}

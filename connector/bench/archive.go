package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// Archive is what a store has that has run for a month: calls that were finished over 30 days and delivered, each with five
// events and a delivery of two requests. They are named so that each can be asked for.
type Archive struct {
	Calls int
	// Begin is when the first of them was made.
	Begin time.Time
	// Destination that they were delivered to.
	Destination string
}

// UUID names the i-th call: in no order, as the dialer's do.
func (a Archive) UUID(i int) string {
	return fmt.Sprintf("%08x-752d-46fd-8ac0-797f%08x", uint32(i)*2654435761, i) //nolint:gosec // it may wrap around
}

// Phone is the customer's number of the i-th call, without the country: Indonesia.
func (Archive) Phone(i int) string { return strconv.Itoa(81_000_0000_0 + i*7919%1_000_000_000) }

// ID is what the CRM calls the entry of the i-th call.
func (Archive) ID(i int) string { return strconv.Itoa(50_000_000 + i) }

// Fill puts the calls into the store of a daemon that doesn't run.
func (a Archive) Fill(ctx context.Context, store outbox.Store) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	settings := correlate.DefaultSettings()
	settings.DefaultQueue.Region = "ID"
	turns := make(chan int)
	var committing sync.WaitGroup
	for range 1024 { // who commit together share a sync
		committing.Go(func() {
			for i := range turns {
				tx, err := a.tx(i, &settings)
				if err == nil {
					_, err = store.Commit(ctx, tx)
				}
				if err != nil {
					fail(fmt.Errorf("filling the store: %w", err))
				}
			}
		})
	}
	for i := range a.Calls {
		if ctx.Err() != nil {
			break
		}
		turns <- i
	}
	close(turns)
	committing.Wait()
	return context.Cause(ctx)
}

// tx is the i-th call as the daemon stores it.
func (a Archive) tx(i int, settings *correlate.Settings) (outbox.Tx, error) {
	started := connector.TimeOf(a.Begin.Add(time.Duration(i*30/a.Calls)*24*time.Hour + time.Duration(i)*time.Millisecond))
	arrivals := make([]connector.Arrival, 0, 5)
	events := make([]connector.Event, 0, 5)
	for j, kind := range []connector.Kind{connector.KindStarted, connector.KindAnswered, connector.KindJoined, connector.KindLeft, connector.KindEnded} {
		at := started + connector.Time(j*7_000_000+i%1000)
		events = append(events, connector.Event{Source: "nxcloud-events", Kind: kind, Code: "2/" + strconv.Itoa(j), UUID: a.UUID(i), Time: at,
			Queue: "104906", Phone: a.Phone(i), Username: "6122312312", SIPID: "1049002", AgentID: a.UUID(i % 50), Info: "通话"})
		arrivals = append(arrivals, connector.Arrival{At: at + 200_000, Event: events[j]})
	}
	record := correlate.Fold(events, correlate.Frozen{}, nil, settings)[0].Record
	record.Revision = 1
	call := &connector.Call{Revisions: []connector.Revision{{Record: record, At: started}}, Events: arrivals, FinishedAt: started}
	body, err := json.Marshal(call)
	if err != nil {
		return outbox.Tx{}, err
	}
	attempt := connector.Attempt{At: started, Revision: 1, Step: "log", Method: "POST", URL: "https://crm.example.com/calls", Status: 201, Verdict: "done"}
	d := &connector.Delivery{State: connector.DeliveryDone, Wanted: 1, Done: 1, Attempts: []connector.Attempt{attempt, attempt},
		Progress: json.RawMessage(fmt.Sprintf(`{"saved":{"contact":"%d","log":"%s"}}`, 70_000_000+i%100_000, a.ID(i)))}
	row, err := d.Encode()
	if err != nil {
		return outbox.Tx{}, err
	}
	day := outbox.DayOf(started.Time())
	tx := outbox.Tx{
		Group: connector.CallGroup(a.UUID(i)), Entry: &outbox.EntryPut{ID: a.UUID(i), Day: day, Body: body},
		Put:   []outbox.RowPut{{Name: a.Destination, Body: row}},
		Count: []outbox.Delta{{Day: day, Name: connector.CountCalls, N: 1}},
	}
	for _, c := range connector.CountMove(a.Destination, connector.Standing{}, d.Standing()) {
		tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: c.Name, N: c.N})
	}
	for _, c := range record.Counts() {
		tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: connector.CountQueue(string(record.Queue), c), N: 1})
	}
	for _, name := range append(call.Labels(), d.SavedLabels()...) {
		tx.Label = append(tx.Label, outbox.Label{Name: name})
	}
	return tx, nil
}

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/connector/nxcloud"
	"wrapup/outbox"
)

// Fill puts finished calls into the store of a daemon that doesn't run, as the finish does: each with a delivery to the
// destination that is due. The calls are those of the documentation, but for their uuids.
func Fill(ctx context.Context, store outbox.Store, destination string, calls int, now time.Time) error {
	day := outbox.DayOf(now)
	row, err := (&connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}).Encode()
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	t := newTraffic(now)
	turns := make(chan struct{})
	var committing sync.WaitGroup
	for range 256 { // who commit together share a sync
		committing.Go(func() {
			for range turns {
				call, err := storedCall(t, now)
				var body []byte
				if err == nil {
					body, err = json.Marshal(&call)
				}
				if err != nil {
					fail(err)
					continue
				}
				id := call.Record().CallID
				var labels []outbox.Label
				for _, l := range call.Labels() {
					labels = append(labels, outbox.Label{Name: l})
				}
				counts := []outbox.Delta{
					{Day: day, Name: connector.CountCalls, N: 1}, {Day: day, Name: connector.CountFinished(destination), N: 1},
					{Day: day, Name: connector.CountState(destination, connector.DeliveryWaiting), N: 1},
				}
				for _, c := range call.Record().Counts() {
					counts = append(counts, outbox.Delta{Day: day, Name: connector.CountQueue(string(call.Record().Queue), c), N: 1})
				}
				_, err = store.Commit(ctx, outbox.Tx{
					Group: connector.CallGroup(id), Entry: &outbox.EntryPut{ID: id, Day: day, Body: body},
					Put: []outbox.RowPut{{Name: destination, Body: row}}, Enqueue: []outbox.NewTask{{Queue: destination, Due: now}},
					Count: counts, Label: labels,
				})
				if err != nil {
					fail(fmt.Errorf("filling the store: %w", err))
				}
			}
		})
	}
	for range calls {
		if ctx.Err() != nil {
			break
		}
		turns <- struct{}{}
	}
	close(turns)
	committing.Wait()
	return context.Cause(ctx)
}

// storedCall is a whole call as the finish stores it.
func storedCall(t *traffic, now time.Time) (connector.Call, error) {
	_, bodies := t.call(&agent{name: "000000000001"})
	call := connector.Call{FinishedAt: connector.TimeOf(now)}
	timeline := correlate.Timeline{}
	var events []connector.Event
	for _, body := range bodies {
		parsed, wrong := nxcloud.ParseEvents(body)
		if len(wrong) > 0 {
			return call, wrong[0]
		}
		for i := range parsed {
			e := &parsed[i]
			if e.AboutAgent() {
				timeline[e.Agent()] = append(timeline[e.Agent()], *e)
			}
			if e.AboutCall() {
				events = append(events, *e)
				call.Events = append(call.Events, connector.Arrival{Event: *e, At: connector.TimeOf(now)})
			}
		}
	}
	attempts := correlate.Fold(events, correlate.Frozen{}, timeline, &correlate.Settings{Settle: time.Minute, RingTimeout: time.Minute, MaxAge: time.Hour, LateWindow: time.Hour})
	if len(attempts) != 1 {
		return call, fmt.Errorf("the events of one call are %d", len(attempts))
	}
	r := attempts[0].Record
	r.Revision = 1
	call.Timeline = correlate.Used(&r, timeline)
	call.Revisions = []connector.Revision{{At: connector.TimeOf(now), Record: r}}
	return call, nil
}

// recordOf gives a call's record as a plain webhook carries it.
func recordOf(call *connector.Call) ([]byte, error) { return json.Marshal(call.Record()) }

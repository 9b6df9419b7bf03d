package admin

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/outbox"
)

func TestDrain(t *testing.T) {
	const over = 5 * time.Minute
	for _, row := range []struct {
		waiting int
		state   DestinationState
		flow    *connector.Flow
		want    string
	}{
		{0, DestinationPaused, nil, "nothing waits (0)"},
		{0, DestinationRunning, &connector.Flow{Over: over}, "nothing waits (0)"},
		{9, DestinationStopped, nil, "unknown: stopped"},
		{9, DestinationUnconfigured, nil, "unknown: not configured"},
		{9, DestinationHeld, &connector.Flow{Over: over, Ended: 60, Shrinking: 60}, "unknown: held"},
		{9, DestinationPaused, &connector.Flow{Over: over, Ended: 60, Shrinking: 60}, "unknown: paused"},
		{9, DestinationRunning, &connector.Flow{Over: 9 * time.Second}, "unknown: measured for too short a time"},
		{9, DestinationRunning, &connector.Flow{Over: over}, "unknown: nothing was delivered lately"},
		{600, DestinationRunning, &connector.Flow{Over: over, Ended: 90, Shrinking: 60}, "in about 10m (600)"},
		{600, DestinationRunning, &connector.Flow{Over: over, Ended: 90, Shrinking: 1200}, "in about 30s (30)"},
		{100_000, DestinationRunning, &connector.Flow{Over: over, Ended: 90, Shrinking: 50}, "in about 1d9h (120000)"},
		{6000, DestinationRunning, &connector.Flow{Over: over, Ended: 90, Shrinking: 60}, "in about 1h40m (6000)"},
		{6000, DestinationRunning, &connector.Flow{Over: over, Ended: 90, Shrinking: 0.001}, "unknown: more than a year"},
		{600, DestinationRunning, &connector.Flow{Over: over, Ended: 90, Shrinking: -3}, "unknown: the backlog grows"},
		{600, DestinationRunning, &connector.Flow{Over: over, Ended: 90}, "unknown: the backlog does not shrink"},
		{3, DestinationRunning, &connector.Flow{Over: over, Ended: 60, Shrinking: -3}, "in about 3s (3)"},
	} {
		d := DestinationStatus{State: row.state, Waiting: row.waiting}
		got := drain(&d, row.flow)
		if d.DrainSeconds != nil {
			got += fmt.Sprintf(" (%.0f)", *d.DrainSeconds)
		}
		assert.Equal(t, row.want, got, "%+v", row)
	}
}

func TestStatusCostsTheSameHoweverMuchThereIs(t *testing.T) {
	d := newDesk(t)
	d.Lanes = map[string]Lane{"crm": &idle{flow: connector.Flow{Over: time.Minute, Delivered: 1.5, Ended: 2}}}
	reads := func() int {
		store := &reading{Store: d.store}
		s := d.Source
		s.Store = store
		list, err := s.DestinationStatus(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.NotNil(t, list[0].PerMinute)
		return store.tasks + store.entries
	}
	fill := func(n int) {
		for range n {
			d.now = d.now.Add(time.Second)
			d.end(d.call(d.now.String(), d.now), connector.DeliveryDead, nil)
			d.call(d.now.String()+" waits", d.now.Add(time.Hour))
		}
	}
	first := d.now.Add(time.Second)
	fill(110)
	few := reads()
	fill(220)
	assert.Equal(t, few, reads())

	list, err := d.DestinationStatus(t.Context())
	require.NoError(t, err)
	assert.Equal(t, outbox.DayOf(t0).String(), list[0].Oldest)
	assert.Equal(t, connector.TimeOf(first), list[0].OldestAt)
	assert.Equal(t, connector.TimeOf(d.now), list[0].LastErrorAt, "that of the one that was set aside last")
	d.Lanes["crm"] = &idle{flow: connector.Flow{LastError: "answered 418", LastErrorAt: d.now.Add(time.Second)}}
	list, err = d.DestinationStatus(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "answered 418", list[0].LastError, "the lane knows a later one")
}

// reading counts what is read of a store.
type reading struct {
	Store
	tasks, entries int
}

func (r *reading) Tasks(ctx context.Context, queue string, buried bool, after outbox.Key, limit int) ([]outbox.Task, error) {
	got, err := r.Store.Tasks(ctx, queue, buried, after, limit)
	r.tasks += len(got)
	return got, err
}

func (r *reading) Entry(ctx context.Context, ref outbox.Ref) (outbox.Entry, error) {
	r.entries++
	return r.Store.Entry(ctx, ref)
}

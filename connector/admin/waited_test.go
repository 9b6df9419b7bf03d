package admin

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// oldest says for how long the delivery has waited that has waited longest.
func (d *desk) oldest() time.Duration {
	d.Helper()
	list, err := d.DestinationStatus(d.Context())
	require.NoError(d, err)
	require.True(d, list[0].OldestAt.Known())
	return d.now.Sub(list[0].OldestAt.Time())
}

// What waits has waited since somebody asked for it, however old its call is.
func TestTheOldestThatWaits(t *testing.T) {
	d := newDesk(t)
	dead := d.call("dead", t0)
	d.end(dead, connector.DeliveryDead, nil)
	d.now = t0.Add(48 * time.Hour)
	d.Destinations = func() []string { return []string{"new", "crm"} }
	_, err := d.Backfill(t.Context(), BackfillOrder{To: "new", Do: true})
	require.NoError(t, err)
	d.now = d.now.Add(time.Minute)
	assert.Equal(t, time.Minute, d.oldest(), "a backfill counts from when it was given")

	d.Destinations = func() []string { return []string{"crm"} }
	_, err = d.Retry(t.Context(), d.order(ListQuery{Destination: "crm", States: []connector.DeliveryState{connector.DeliveryDead}}))
	require.NoError(t, err)
	d.now = d.now.Add(time.Minute)
	assert.Equal(t, time.Minute, d.oldest(), "a retry counts from when a person asked for it")

	_, err = d.Retry(t.Context(), d.order(ListQuery{Destination: "crm", States: []connector.DeliveryState{connector.DeliveryWaiting}}))
	require.NoError(t, err)
	d.now = d.now.Add(time.Minute)
	assert.Equal(t, 2*time.Minute, d.oldest(), "what waited anyhow goes on waiting")

	d.now = d.now.Add(24 * time.Hour)
	d.call("fails", d.now.Add(30*time.Minute))
	d.now = d.now.Add(time.Minute)
	for i := range 3 * waitingSample {
		d.call(fmt.Sprint("new ", i), d.now)
	}
	d.end(dead, connector.DeliveryDone, nil)
	assert.Equal(t, time.Minute, d.oldest(), "what has failed and is due later is seen behind all that are due")
}

package connector

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However a delivery goes from one standing to another, the counters add up: those of the calls, and those of the updates.
func TestCountMoveKeepsTheSums(t *testing.T) {
	states := []DeliveryState{DeliveryWaiting, DeliveryDone, DeliverySkipped, DeliveryDead, DeliveryParked, DeliveryDropped}
	rapid.Check(t, func(t *rapid.T) {
		counts := map[string]int64{}
		var all []Delivery
		move := func(from, to Standing) {
			for _, c := range CountMove("crm", from, to) {
				require.NotZero(t, c.N)
				counts[c.Name] += c.N
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			i := rapid.IntRange(0, len(all)).Draw(t, "delivery")
			if i == len(all) {
				all = append(all, Delivery{State: DeliveryWaiting, Wanted: 1})
				move(Standing{}, all[i].Standing())
				continue
			}
			d := &all[i]
			was := d.Standing()
			d.State = rapid.SampledFrom(states).Draw(t, "state")
			if rapid.Bool().Draw(t, "amended") {
				d.Wanted++
			}
			d.Done = rapid.IntRange(d.Done, d.Wanted).Draw(t, "done")
			move(was, d.Standing())
		}
		var calls, updates, revisions int64
		for name, n := range counts {
			require.GreaterOrEqual(t, n, int64(0), name)
			switch {
			case strings.HasSuffix(name, "/finished"):
			case strings.HasPrefix(name, "delivery/"):
				calls += n
			default:
				updates += n
			}
		}
		for _, d := range all {
			revisions += int64(d.Wanted - 1)
		}
		require.Equal(t, counts[CountFinished("crm")], calls)
		require.EqualValues(t, len(all), calls)
		require.Equal(t, counts[CountUpdates("crm")], updates)
		require.Equal(t, revisions, updates)
	})
}

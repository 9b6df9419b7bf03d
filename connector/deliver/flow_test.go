package deliver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"wrapup/connector"
)

// What has left is counted for as long as the flow looks back and no longer, however unevenly it left.
func TestFlowCountsTheLastMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begun := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		f := flow{begun: begun}
		now := begun
		var left []time.Time
		waiting := rapid.IntRange(1000, 2000).Draw(t, "waiting")
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds")) * time.Second)
			waiting--
			left = append(left, now)
			f.left(now, connector.DeliveryDone, func() int { return waiting })
		}
		now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds at last")) * time.Second)
		got := f.measure(now, waiting)
		if now.Sub(begun) < 10*time.Second {
			require.Equal(t, connector.Flow{Over: now.Sub(begun)}, got)
			return
		}
		const window = flowSlots * flowSlotTime
		require.Equal(t, min(window, now.Sub(begun)), got.Over)
		surely, maybe := 0, 0
		for _, at := range left {
			if now.Sub(at) <= window-flowSlotTime {
				surely++
			}
			if now.Sub(at) <= window+flowSlotTime {
				maybe++
			}
		}
		counted := got.Delivered * got.Over.Minutes()
		require.LessOrEqual(t, float64(surely), counted+1e-6)
		require.GreaterOrEqual(t, float64(maybe), counted-1e-6)
		require.GreaterOrEqual(t, got.Shrinking, 0.0)
	})
}

func TestFlowOfALane(t *testing.T) {
	virtual(t, "the rate, by how much the backlog shrinks, and the last error", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "rate: 60/m\nsteps: [{name: log, path: /calls, repeat: safe}]"), nil)
		b.will(status(200))
		refused := time.Now()
		assert.Equal(t, connector.Flow{}, b.lane.Flow(0))
		b.kill()
		store := b.open()
		for i := range 600 {
			b.finish(time.Duration(i).String())
		}
		require.NoError(t, store.Close())
		b.start()
		time.Sleep(4*time.Minute + 500*time.Millisecond)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		f := b.lane.Flow(depth.Waiting)
		assert.InDelta(t, 60, f.Delivered, 1)
		assert.InDelta(t, 60, f.Ended, 1)
		assert.InDelta(t, 60, f.Shrinking, 1)
		assert.Empty(t, f.LastError)
		b.will(status(400))
		time.Sleep(time.Second)
		f = b.lane.Flow(depth.Waiting)
		assert.Contains(t, f.LastError, "400")
		assert.True(t, f.LastErrorAt.After(refused))
		b.will(status(500))
		time.Sleep(10 * time.Minute)
		f = b.lane.Flow(depth.Waiting)
		assert.Zero(t, f.Delivered, "it has no memory beyond some minutes")
	})
}

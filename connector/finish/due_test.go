package finish

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/correlate"
)

// A call is finished when the rules say so, no sooner and no later, whatever comes in whatever order, and whenever the rules
// are changed meanwhile: what the engine saves by not looking at it must not be seen. A failure names its seed.
func TestFinishedWhenDue(t *testing.T) {
	finished, changed := 0, 0
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t)
			events := []connector.Event{ready, created, answered, joined, left, ended, event("2/2", 30, ""), event("1/0", 70, "dewi")}
			r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			var posted []connector.Event
			var newest time.Duration // when the call's newest event came
			isDue := func() bool {
				var call []connector.Event
				for _, e := range posted {
					if e.UUID != "" {
						call = append(call, e)
					}
				}
				attempts := correlate.Fold(call, correlate.Frozen{}, correlate.ByAgent(posted), &w.settings)
				if len(attempts) == 0 || attempts[0].Empty {
					return false
				}
				require.Len(t, attempts, 1, "seed %d", seed)
				return newest+attempts[0].Wait <= w.clock.Mono()
			}
			done := func() bool {
				is := isDue()
				require.Equal(t, is, len(w.calls("c")) > 0, "seed %d, after %v", seed, w.clock.Mono())
				return is
			}
			w.after(500 * time.Millisecond) // what is due is due between two looks of the test
			for range 400 {
				if done() {
					finished++
					break
				}
				if len(events) > 0 && r.IntN(8) == 0 {
					w.post(events[0])
					posted = append(posted, events[0])
					if events[0].UUID != "" {
						newest = w.clock.Mono()
					}
					events = events[1:]
				}
				if r.IntN(20) == 0 {
					second := func(n int) time.Duration { return time.Duration(1+r.IntN(n)) * time.Second }
					w.settings.Settle, w.settings.RingTimeout, w.settings.MaxAge = second(20), second(60), second(120)
					w.engine.SetSettings(w.settings)
					synctest.Wait()
					changed++
				}
				if done() {
					finished++
					break
				}
				w.after(time.Second)
			}
			w.kill()
		})
	}
	require.Greater(t, finished, 100)
	require.Greater(t, changed, 100)
}

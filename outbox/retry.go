package outbox

import (
	"math"
	"time"
)

// Backoff is a retry schedule: exponential, capped, fully jittered. It has no state and no clock.
type Backoff struct {
	// First is the longest delay before the second attempt; it doubles with each attempt.
	First time.Duration
	// Max is the longest delay there is.
	Max time.Duration
}

// Delay gives the time to wait after the given number of failed attempts (1 or more). random is in [0, 1) and comes from
// the caller. Full jitter: anything from a tenth of the step to the whole step, so that a thousand calls that failed
// together don't come back together, and none comes back at once.
func (b Backoff) Delay(failed int, random float64) time.Duration {
	step := b.Max
	if e := math.Ldexp(float64(b.First), min(max(failed, 1)-1, 64)); e < float64(b.Max) {
		step = time.Duration(e)
	}
	least := step / 10
	return least + time.Duration(random*float64(step-least))
}

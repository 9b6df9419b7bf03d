package finish

import "time"

// Clock tells the time.
type Clock interface {
	// Wall is the time of day, which may jump.
	Wall() time.Time
	// Mono is the time since some fixed point, which only grows.
	Mono() time.Duration
}

// SystemClock is the machine's own clock.
type SystemClock struct{ start time.Time }

// NewSystemClock starts counting.
func NewSystemClock() SystemClock { return SystemClock{start: time.Now()} }

// Wall is the time of day.
func (c SystemClock) Wall() time.Time { return time.Now().Round(0) }

// Mono is the time since the clock was made, by the machine's monotonic clock.
func (c SystemClock) Mono() time.Duration { return time.Since(c.start) }

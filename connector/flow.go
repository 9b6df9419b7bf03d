package connector

import "time"

// Flow is what a destination's lane has measured lately.
type Flow struct {
	// Over is how long it was measured, up to now. If that was too short (Measured is false) the rates are 0.
	Over time.Duration
	// Delivered and Ended are how many deliveries a minute were delivered, and ended in any way.
	Delivered, Ended float64
	// Shrinking is by how many deliveries a minute the backlog has become smaller, what was added counted in; negative if
	// it has grown. It is 0 if that can't be told.
	Shrinking float64
	// LastError is why an attempt failed last, and LastErrorAt when, since the lane began; "" if none has.
	LastError   string
	LastErrorAt time.Time
}

// measuredAtLeast is how long has to be measured to tell a rate.
const measuredAtLeast = 10 * time.Second

// Measured says that it was measured for long enough to tell a rate.
func (f Flow) Measured() bool { return f.Over >= measuredAtLeast }

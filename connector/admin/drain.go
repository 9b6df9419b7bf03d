package admin

import (
	"fmt"
	"time"

	"wrapup/connector"
)

// flow says how fast the destination's deliveries are going on, and how long that would take to empty its backlog.
func (s Source) flow(d *DestinationStatus) {
	lane := s.Lanes[d.Destination]
	if lane == nil {
		d.Drain = drain(d, nil)
		return
	}
	f := lane.Flow(d.Waiting)
	if at := connector.TimeOf(f.LastErrorAt); f.LastError != "" && at > d.LastErrorAt {
		d.LastError, d.LastErrorAt = f.LastError, at
	}
	if f.Measured() {
		d.PerMinute = &f.Delivered
	}
	d.Drain = drain(d, &f)
}

// drain projects when nothing waits any more. Nobody knows what will come and what the destination will do, so it says
// nothing where the last minutes say nothing.
func drain(d *DestinationStatus, f *connector.Flow) string {
	in := func(minutes float64) string {
		const most = 365 * 24 * 60
		if minutes > most {
			return "unknown: more than a year"
		}
		seconds := minutes * 60
		d.DrainSeconds = &seconds
		return "in about " + roughly(time.Duration(minutes*float64(time.Minute)))
	}
	switch {
	case d.Waiting == 0:
		d.DrainSeconds = new(float64)
		return "nothing waits"
	case d.State != DestinationRunning:
		return "unknown: " + string(d.State)
	case f == nil || !f.Measured():
		return "unknown: measured for too short a time"
	case f.Ended == 0:
		return "unknown: nothing was delivered lately"
	case f.Shrinking > 0:
		return in(float64(d.Waiting) / f.Shrinking)
	case float64(d.Waiting) <= f.Ended: // it comes and goes
		return in(float64(d.Waiting) / f.Ended)
	case f.Shrinking < 0:
		return "unknown: the backlog grows"
	}
	return "unknown: the backlog does not shrink"
}

// roughly gives a time in one unit, or two.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(max(d, time.Second).Round(time.Second)/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Round(time.Minute)/time.Minute))
	case d < day:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", int(d/time.Hour), int(d%time.Hour/time.Minute))
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%dd%dh", int(d/day), int(d%day/time.Hour))
}

// inWords gives a time to the second, or in days where it is long.
func inWords(d time.Duration) string {
	if d < 48*time.Hour {
		return short(d.Round(time.Second))
	}
	return roughly(d)
}

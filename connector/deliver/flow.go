package deliver

import (
	"sync"
	"time"

	"wrapup/connector"
)

// flow measures how fast deliveries leave the lane, over the last minutes. It has no clock, and takes up the same room
// whatever there is to measure.
type flow struct {
	mu    sync.Mutex
	begun time.Time // when the lane began
	slots [flowSlots]flowSlot
	// failure is why the last attempt failed, and when.
	failure  string
	failedAt time.Time
}

// flowSlot is one of the times that the flow is measured in.
type flowSlot struct {
	from time.Time
	// delivered of the deliveries, and ended of them in any way.
	delivered, ended int
	// waiting is how many deliveries the queue had at a moment of it.
	waiting int
	moment  time.Time
}

const (
	flowSlots    = 30
	flowSlotTime = 10 * time.Second
)

// left counts a delivery that has left the queue; waiting counts the queue, and is asked once for each slot.
func (f *flow) left(now time.Time, end connector.DeliveryState, waiting func() int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := now.Truncate(flowSlotTime)
	at := &f.slots[int(from.Unix()/int64(flowSlotTime/time.Second))%flowSlots]
	if !at.from.Equal(from) {
		*at = flowSlot{from: from, waiting: waiting(), moment: now}
	}
	at.ended++
	if end == connector.DeliveryDone {
		at.delivered++
	}
}

// failed notes why an attempt failed.
func (f *flow) failed(now time.Time, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure, f.failedAt = reason, now
}

// measure says what was measured lately. waiting is how many deliveries the queue has now.
func (f *flow) measure(now time.Time, waiting int) connector.Flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := connector.Flow{LastError: f.failure, LastErrorAt: f.failedAt}
	oldest := now.Add(-flowSlots * flowSlotTime)
	if f.begun.After(oldest) {
		oldest = f.begun
	}
	if got.Over = max(0, now.Sub(oldest)); !got.Measured() {
		return got
	}
	var first *flowSlot
	for i := range f.slots {
		s := &f.slots[i]
		if s.ended == 0 || s.from.Add(flowSlotTime).Before(oldest) || s.from.After(now) {
			continue
		}
		got.Delivered += float64(s.delivered)
		got.Ended += float64(s.ended)
		if first == nil || s.from.Before(first.from) {
			first = s
		}
	}
	minutes := got.Over.Minutes()
	got.Delivered, got.Ended = got.Delivered/minutes, got.Ended/minutes
	if first != nil && now.Sub(first.moment) >= flowSlotTime {
		got.Shrinking = float64(first.waiting-waiting) / now.Sub(first.moment).Minutes()
	}
	return got
}

// Flow says how fast deliveries leave the lane lately, where so many wait now.
func (l *Lane) Flow(waiting int) connector.Flow { return l.flow.measure(l.now(), waiting) }

package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wrapup/connector"
	"wrapup/outbox"
)

// DestinationState is what a destination does.
type DestinationState string

// The states of a destination.
const (
	DestinationRunning      DestinationState = "running"
	DestinationPaused       DestinationState = "paused"         // it is in trouble, and tried now and then
	DestinationHeld         DestinationState = "held"           // it waits for a person
	DestinationUnconfigured DestinationState = "not configured" // its backlog waits
	DestinationStopped      DestinationState = "stopped"        // no daemon runs
)

// DestinationStatus is how a destination is doing.
type DestinationStatus struct {
	Destination string           `json:"destination"`
	State       DestinationState `json:"state"`
	// Reason and Since tell of a pause.
	Reason string         `json:"reason,omitempty"`
	Since  connector.Time `json:"since"`
	// Waiting is how many deliveries wait, those that are being sent included; Due is when the first of them is or was due.
	Waiting int            `json:"waiting"`
	Sending int            `json:"sending"`
	Due     connector.Time `json:"due"`
	// Oldest is the day (UTC) on which the oldest of the calls that wait was finished, "" if none waits.
	Oldest string `json:"oldest_day"`
	// OldestAt is since when the one waits that has waited longest, 0 if none does: since the call was finished, or since a
	// backfill, a later revision or a person asked for it. Of a large backlog it is the longest of a sample.
	OldestAt connector.Time `json:"oldest_at"`
	Dead     int64          `json:"dead"`
	Parked   int64          `json:"parked"`
	// Unreadable were set aside because they couldn't be read.
	Unreadable int64 `json:"unreadable"`
	// Finished and Delivered are of the calls that were finished today (UTC).
	Finished  int64 `json:"finished_today"`
	Delivered int64 `json:"delivered_today"`
	// PerMinute is how many deliveries a minute were delivered in the last minutes; null if that wasn't measured, or not
	// for long enough.
	PerMinute *float64 `json:"per_minute"`
	// DrainSeconds is how long it takes until nothing waits any more, as the backlog has shrunk in the last minutes; null if
	// that can't be known. Drain says it in words, or why it can't.
	DrainSeconds *float64 `json:"drain_seconds"`
	Drain        string   `json:"drain"`
	// LastError is why the last attempt failed, as far as the daemon that runs and the deliveries that wait, are dead or
	// parked can tell; LastErrorAt is when.
	LastError   string         `json:"last_error"`
	LastErrorAt connector.Time `json:"last_error_at"`
}

// DestinationStatus tells how each destination is doing: those that are configured, in their order, then others that have a
// backlog.
func (s Source) DestinationStatus(ctx context.Context) ([]DestinationStatus, error) {
	queues, err := s.Store.Queues(ctx)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(s.Destinations())
	for _, q := range queues {
		if !slices.Contains(names, q) {
			names = append(names, q)
		}
	}
	days, err := s.Store.Days(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]DestinationStatus, len(names))
	for i, name := range names {
		out[i] = DestinationStatus{Destination: name}
		s.lane(&out[i])
		depth, err := s.Store.Depth(ctx, name)
		if err != nil {
			return nil, err
		}
		out[i].Waiting, out[i].Sending, out[i].Due = depth.Waiting, depth.Claimed, connector.TimeOf(depth.Oldest)
		out[i].Unreadable = int64(depth.Buried)
		if err := s.lookAtSome(ctx, &out[i]); err != nil {
			return nil, err
		}
		s.flow(&out[i])
	}
	today := outbox.DayOf(s.Now())
	for _, day := range days {
		counts, err := s.Store.Counts(ctx, day)
		if err != nil {
			return nil, err
		}
		for i := range out {
			d := &out[i]
			if d.Oldest == "" && counts[connector.CountState(d.Destination, connector.DeliveryWaiting)] > 0 {
				d.Oldest = day.String() // the days come oldest first
			}
			d.Dead += counts[connector.CountState(d.Destination, connector.DeliveryDead)]
			d.Parked += counts[connector.CountState(d.Destination, connector.DeliveryParked)]
			if day == today {
				d.Finished = counts[connector.CountFinished(d.Destination)]
				d.Delivered = counts[connector.CountState(d.Destination, connector.DeliveryDone)]
			}
		}
	}
	for i := range out {
		out[i].Unreadable = max(0, out[i].Unreadable-out[i].Dead-out[i].Parked)
	}
	return out, nil
}

// lane says what the destination's lane does.
func (s Source) lane(d *DestinationStatus) {
	lane := s.Lanes[d.Destination]
	switch {
	case !s.configured(d.Destination):
		d.State = DestinationUnconfigured
	case lane == nil:
		d.State = DestinationStopped
	default:
		reason, since, held := lane.Paused()
		switch {
		case held:
			d.State = DestinationHeld
		case reason != "":
			d.State = DestinationPaused
		default:
			d.State = DestinationRunning
		}
		d.Reason, d.Since = reason, connector.TimeOf(since)
	}
}

// waitingSample is how many of the waiting deliveries are looked at, of those that are due and of those that will be.
const waitingSample = 50

// lookAtSome looks for the latest failure, and for what has waited longest: among the first of the deliveries that are due,
// the first of those that will be, which have mostly failed before, and the one that was set aside last. It costs the same
// however many there are.
func (s Source) lookAtSome(ctx context.Context, d *DestinationStatus) error {
	queue := d.Destination
	var finished outbox.Entry // of the calls that have waited since they were finished, the one that was first
	look := func(task outbox.Task) {
		entry, err := s.Store.Entry(ctx, task.Ref)
		if err != nil {
			return // it has just left, or can't be read: the lane says so
		}
		row, err := connector.DecodeDelivery(entry.Row(queue).Body)
		if err != nil {
			return
		}
		failed := row.LastFailed
		switch {
		case task.Buried:
			failed = connector.TimeOf(task.Due)
		case row.Since.Known():
			if !d.OldestAt.Known() || row.Since < d.OldestAt {
				d.OldestAt = row.Since
			}
		case finished.Ref.IsZero() || entry.Ref.Before(finished.Ref):
			finished = entry
		}
		if (task.Buried || row.Failed > 0) && failed > d.LastErrorAt {
			d.LastError, d.LastErrorAt = row.Reason, failed
		}
	}
	after := outbox.Key{}
	for range 2 {
		waiting, err := s.Store.Tasks(ctx, queue, false, after, waitingSample)
		if err != nil && !errors.Is(err, outbox.ErrDamaged) {
			return err
		}
		for _, task := range waiting {
			look(task)
		}
		if len(waiting) < waitingSample {
			break
		}
		if after, err = s.lastDue(ctx, queue); err != nil {
			return err
		}
		if last := waiting[len(waiting)-1].Key; bytes.Compare(after[:], last[:]) < 0 {
			after = last
		}
	}
	last, ok, err := s.Store.LastBuried(ctx, queue)
	if err != nil && !errors.Is(err, outbox.ErrDamaged) {
		return err
	}
	if ok {
		look(last)
	}
	if finished.Ref.IsZero() {
		return nil
	}
	if call, err := connector.DecodeCall(finished.Body); err == nil && (!d.OldestAt.Known() || call.FinishedAt < d.OldestAt) {
		d.OldestAt = call.FinishedAt
	}
	return nil
}

// lastDue gives a key behind which are the tasks of the queue that will be due later. As keys are in the order of the tasks, each
// look settles one bit of it.
func (s Source) lastDue(ctx context.Context, queue string) (outbox.Key, error) {
	now := s.Now()
	var key outbox.Key
	for bit := range 8 * len(key) {
		further := key
		further[bit/8] |= 0x80 >> (bit % 8)
		next, err := s.Store.Tasks(ctx, queue, false, further, 1)
		if err != nil && !errors.Is(err, outbox.ErrDamaged) {
			return key, err
		}
		if len(next) == 1 && !next[0].Due.After(now) {
			key = further
		}
	}
	return key, nil
}

// Pause holds a destination until it is resumed.
func (s Source) Pause(ctx context.Context, destination, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return BadRequest("a pause needs a reason")
	}
	lane, err := s.laneOf(destination)
	if err != nil {
		return err
	}
	return lane.Pause(ctx, reason)
}

// Resume ends a pause, whoever or whatever began it.
func (s Source) Resume(ctx context.Context, destination string) error {
	lane, err := s.laneOf(destination)
	if err != nil {
		return err
	}
	return lane.Resume(ctx)
}

func (s Source) laneOf(destination string) (Lane, error) {
	lane := s.Lanes[destination]
	if lane == nil {
		return nil, refusal(fmt.Sprintf("there is no destination %q; there are: %s", destination, strings.Join(s.Destinations(), ", ")))
	}
	return lane, nil
}

// RunningMapping is the mapping that a destination's calls are delivered by.
type RunningMapping struct {
	Destination string `json:"destination"`
	// Stamp names the mapping and a part of its text's checksum, as attempts have it.
	Stamp string `json:"stamp"`
	// Text is that of its file as it was when it was taken into use; empty of the one that is built in.
	Text string `json:"text"`
}

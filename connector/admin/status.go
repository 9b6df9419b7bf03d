package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"wrapup/connector"
	"wrapup/outbox"
)

// Self is what a daemon, or whoever reads its store, knows of itself.
type Self struct {
	// Running says that a daemon runs; else what it alone knows is missing.
	Running bool           `json:"running"`
	Version string         `json:"version,omitempty"`
	Started connector.Time `json:"started"`
	// Unready says why events can't be taken, nil if they can.
	Unready []string `json:"unready,omitempty"`
	// OpenCalls are not finished yet. LastEvent is when the newest event came of those that are in no record, or tell what an
	// agent does; 0 if there is none.
	OpenCalls int            `json:"open_calls"`
	LastEvent connector.Time `json:"last_event"`
	// Store is the file, StoreBytes its size, FreeBytes what its disk has left.
	Store      string `json:"store"`
	StoreBytes int64  `json:"store_bytes"`
	FreeBytes  int64  `json:"free_bytes"`
}

// Status is how all of it is doing, on one screen.
type Status struct {
	Self
	// Attention is what needs a person, in words. Nothing: all is well.
	Attention []string `json:"attention"`
	// Intake is what the dialer has posted since the start; nil where no daemon runs.
	Intake       *connector.IntakeStatus `json:"intake,omitempty"`
	Destinations []DestinationSummary    `json:"destinations"`
	// Reload is the last one; nil where no daemon runs.
	Reload *connector.Reload `json:"reload,omitempty"`
}

// DestinationSummary is a destination's status and how many of its calls are held.
type DestinationSummary struct {
	DestinationStatus
	// Held are those of the waiting calls that wait for something to appear, a key of a table say. HeldMore says that there may
	// be more of them: not all of a large backlog is looked at.
	Held     int  `json:"held"`
	HeldMore bool `json:"held_more,omitempty"`
}

// Status tells how all of it is doing.
func (s Source) Status(ctx context.Context) (*Status, error) {
	self, err := s.Self(ctx)
	if err != nil {
		return nil, err
	}
	out := &Status{Self: *self, Attention: []string{}, Destinations: []DestinationSummary{}}
	if s.Intake != nil {
		intake, err := s.IntakeStatus(ctx)
		if err != nil {
			return nil, err
		}
		out.Intake = intake
	}
	list, err := s.DestinationStatus(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		sum := DestinationSummary{DestinationStatus: d}
		if sum.Held, sum.HeldMore, err = s.held(ctx, d.Destination); err != nil {
			return nil, err
		}
		out.Destinations = append(out.Destinations, sum)
	}
	if s.LastReload != nil {
		r := s.LastReload()
		out.Reload = &r
	}
	out.attention()
	return out, nil
}

// heldSample is how many of the waiting calls are asked whether they are held.
const heldSample = 1000

func (s Source) held(ctx context.Context, queue string) (n int, more bool, err error) {
	tasks, err := s.Store.Tasks(ctx, queue, false, outbox.Key{}, heldSample)
	if err != nil && !errors.Is(err, outbox.ErrDamaged) {
		return 0, false, err
	}
	for _, task := range tasks {
		entry, err := s.Store.Entry(ctx, task.Ref)
		if err != nil {
			continue // it has just left, or can't be read
		}
		if d, err := connector.DecodeDelivery(entry.Row(queue).Body); err == nil && strings.HasPrefix(d.Reason, "held: ") {
			n++
		}
	}
	return n, len(tasks) == heldSample, nil
}

// attention collects what needs a person.
func (s *Status) attention() {
	add := func(format string, args ...any) { s.Attention = append(s.Attention, fmt.Sprintf(format, args...)) }
	if !s.Running {
		add("no daemon runs: events are lost, and nothing is delivered (wrapup serve)")
	}
	for _, why := range s.Unready {
		add("not ready: %s", why)
	}
	if s.Reload != nil && !s.Reload.OK {
		add("the last reload was refused, and the configuration before it is in use: %d problem(s) (wrapup check)", len(s.Reload.Problems))
	}
	if s.Intake != nil {
		for _, f := range s.Intake.Feeds {
			if f.Lost > 0 {
				add("source %s: of %d post(s) not everything could be kept (the log says why)", f.Source, f.Lost)
			}
			if f.NotUnderstood > 0 {
				add("source %s: %d post(s) were not understood (wrapup quarantine list)", f.Source, f.NotUnderstood)
			}
		}
	}
	for i := range s.Destinations {
		d := &s.Destinations[i]
		switch {
		case d.State == DestinationHeld:
			add("%s waits for a person: %s (wrapup destinations resume %[1]s)", d.Destination, d.Reason)
		case d.State == DestinationPaused:
			add("%s is paused, and tried now and then: %s", d.Destination, d.Reason)
		case d.State == DestinationUnconfigured && d.Waiting > 0:
			add("%s is not configured, and %d call(s) wait for it (wrapup reload --help)", d.Destination, d.Waiting)
		}
		for _, set := range []struct {
			n     int64
			state string
		}{{d.Dead, "dead"}, {d.Parked, "parked"}, {d.Unreadable, "unreadable"}} {
			if set.n > 0 {
				add("%s: %d %s (wrapup deliveries list --destination %[1]s --state %[3]s)", d.Destination, set.n, set.state)
			}
		}
	}
}

func (s Source) handleStatus(handle func(pattern string, answer func(r *http.Request) (any, error))) {
	handle("GET /v1/status", func(r *http.Request) (any, error) { return s.Status(r.Context()) })
}

// Status asks how all of it is doing.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := new(Status)
	return s, c.get(ctx, "/v1/status", s)
}

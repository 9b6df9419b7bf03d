package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// Self is what a daemon, or whoever reads its store, knows of itself.
type Self struct {
	// Running says that a daemon runs; else what it alone knows is missing.
	Running bool           `json:"running"`
	Version string         `json:"version,omitempty"`
	Started connector.Time `json:"started"`
	// Listen is where the daemon takes posts, as host:port. That is not always what the configuration says: systemd may hold the
	// socket, and a change waits for the next start.
	Listen string `json:"listen,omitempty"`
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
	// DamagedFiles were set aside beside the store, and take DamagedBytes until somebody moves them away.
	DamagedFiles int   `json:"damaged_files,omitempty"`
	DamagedBytes int64 `json:"damaged_bytes,omitempty"`
	// RoomLow says that there will soon be no more room for events, "" if there is enough.
	RoomLow string `json:"room_low,omitempty"`
}

// Status is how all of it is doing, on one screen.
type Status struct {
	Self
	// Attention is what needs a person, in words. Nothing: all is well.
	Attention []string `json:"attention"`
	// Intake is what the dialer has posted since the start; nil where no daemon runs.
	Intake *connector.IntakeStatus `json:"intake,omitempty"`
	// Quarantined are the posts in quarantine.
	Quarantined  int                  `json:"quarantined"`
	Destinations []DestinationSummary `json:"destinations"`
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
		for i := range intake.Feeds {
			s.Expect(&intake.Feeds[i])
		}
	}
	if s.Quarantine != nil {
		out.Quarantined = s.Quarantine.List(connector.QuarantineQuery{Limit: 1}).Kept
	}
	list, err := s.DestinationStatus(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		sum := DestinationSummary{DestinationStatus: d}
		if sum.Held, sum.HeldMore, err = s.Held(ctx, d.Destination); err != nil {
			return nil, err
		}
		out.Destinations = append(out.Destinations, sum)
	}
	if s.LastReload != nil {
		r := s.LastReload()
		out.Reload = &r
	}
	out.attention(s.Now())
	return out, nil
}

// Expect notes since when the feed is silent, if it should not be.
func (s Source) Expect(f *connector.FeedStatus) {
	if s.Silent == nil {
		return
	}
	if since, silent := s.Silent(f.Source, f.LastEvent); silent {
		f.SilentSince = since
	}
}

// heldSample is how many of the waiting calls are asked whether they are held.
const heldSample = 1000

// Held counts the waiting calls of a destination that wait for something to appear, among the first heldSample ones; more says
// that there are others.
func (s Source) Held(ctx context.Context, queue string) (n int, more bool, err error) {
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

// backlogAge is how long a call may wait to be delivered before somebody should look.
const backlogAge = time.Hour

// attention collects what needs a person.
func (s *Status) attention(now time.Time) {
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
	if s.RoomLow != "" && len(s.Unready) == 0 {
		add("there is little room left for events: %s", s.RoomLow)
	}
	if s.Intake != nil {
		for i := range s.Intake.Feeds {
			f := &s.Intake.Feeds[i]
			if f.SilentSince.Known() {
				add("source %s: nothing has come for %s, and calls are made at this time: does the dialer post to the callback_url below?",
					f.Source, inWords(now.Sub(f.SilentSince.Time())))
			}
			for _, u := range f.Unpaired {
				if u.Missing(now) {
					add("source %s: %s", f.Source, missing(u))
				}
			}
			if behind := time.Duration(f.Behind.Micros) * time.Microsecond; f.Behind.Known && behind.Abs() > connector.MaxClockDifference {
				add("source %s: the dialer's clock is %s %s ours: its times are the ones in the CRM", f.Source, inWords(behind.Abs()),
					map[bool]string{true: "behind", false: "ahead of"}[behind > 0])
			}
			if f.Lost > 0 {
				add("source %s: of %d post(s) not everything could be kept (the log says why)", f.Source, f.Lost)
			}
		}
	}
	if s.Intake != nil {
		s.refused(now, add)
	}
	if s.Quarantined > 0 { // and not what came since the start: it stays over a restart, and somebody may have taken it out
		add("%d post(s) were not understood, and are in quarantine (wrapup quarantine list)", s.Quarantined)
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
		if age := now.Sub(d.OldestAt.Time()); d.OldestAt.Known() && age > backlogAge {
			add("%s: %d call(s) wait, and one of them has waited for %s (wrapup deliveries list --destination %[1]s)", d.Destination, d.Waiting,
				inWords(age))
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

// As many posts to a source as may be refused, and how long ago the last of them was, before somebody should look: strangers try
// now and then, a dialer with a wrong token or address does it all the time.
const (
	mostRefused   = 10
	refusedLately = 15 * time.Minute
)

// refused tells of the sources to which posts are being refused, and why.
func (s *Status) refused(now time.Time, add func(format string, args ...any)) {
	type kind struct{ source, reason string }
	var order []kind
	sums := map[kind]connector.RefusedPosts{}
	for i := range s.Intake.Refused {
		r := &s.Intake.Refused[i]
		if r.Source == "" || r.Reason == connector.ReasonNotUnderstood || now.Sub(r.Last.Time()) > refusedLately {
			continue
		}
		k := kind{r.Source, r.Reason}
		sum, seen := sums[k]
		if !seen {
			order = append(order, k)
		}
		sum.Count, sum.Last = sum.Count+r.Count, max(sum.Last, r.Last)
		sums[k] = sum
	}
	for _, k := range order {
		if sum := sums[k]; sum.Count > mostRefused {
			add("source %s: %d post(s) were refused, the last one %s ago: %s. If they are the dialer's, their events are lost (wrapup sources)",
				k.source, sum.Count, inWords(now.Sub(sum.Last.Time())), k.reason)
		}
	}
}

// missing says what it means that a kind of event doesn't come.
func missing(u connector.Unpaired) string {
	means := map[connector.Kind]string{
		connector.KindJoined:   "no agent has joined a call (1/3)",
		connector.KindLeft:     "no agent has left a call (1/4)",
		connector.KindStarted:  "no call was created (2/1)",
		connector.KindAnswered: "no customer has answered (2/3)",
		connector.KindEnded:    "no call has ended (2/4)",
	}
	while := map[connector.Kind]string{
		connector.KindJoined:   "agents joined",
		connector.KindStarted:  "calls were created",
		connector.KindAnswered: "customers answered",
		connector.KindEnded:    "calls ended",
	}
	text := fmt.Sprintf("%s since %s UTC, while %d times %s: does the dialer post all events of calls and agents to us?",
		means[u.Kind], u.Since.Time().Format(time.TimeOnly), u.N, while[u.By])
	if u.Kind == connector.KindJoined {
		text += " Every call counts as abandoned meanwhile"
	}
	return text
}

func (s Source) handleStatus(handle func(pattern string, answer func(r *http.Request) (any, error))) {
	handle("GET /v1/status", func(r *http.Request) (any, error) { return s.Status(r.Context()) })
}

// Status asks how all of it is doing.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := new(Status)
	return s, c.get(ctx, "/v1/status", s)
}

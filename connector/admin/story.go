package admin

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// Store is what people's questions and changes need of an outbox.Store.
type Store interface {
	Entries(ctx context.Context, group string) ([]outbox.Entry, error)
	Entry(ctx context.Context, ref outbox.Ref) (outbox.Entry, error)
	Queues(ctx context.Context) ([]string, error)
	Tasks(ctx context.Context, queue string, buried bool, after outbox.Key, limit int) ([]outbox.Task, error)
	Counts(ctx context.Context, day outbox.Day) (map[string]int64, error)
	Depth(ctx context.Context, queue string) (outbox.Depth, error)
	LastBuried(ctx context.Context, queue string) (task outbox.Task, ok bool, err error)
	Days(ctx context.Context) ([]outbox.Day, error)
	Dropped(ctx context.Context) (newest outbox.Day, ok bool, err error)
	Walk(ctx context.Context, day outbox.Day, after uint64, limit int) ([]outbox.Entry, error)
	WalkBack(ctx context.Context, day outbox.Day, before uint64, limit int) ([]outbox.Entry, error)
	Labeled(ctx context.Context, label string, limit int) (refs, unlabeled []outbox.Ref, err error)
	Groups(ctx context.Context, prefix string, limit int) ([]string, error)
	Open(ctx context.Context, f func(group string, items []outbox.Item) error) error
	Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error)

	Claim(ctx context.Context, queue string, now time.Time, limit int, order outbox.Order) ([]outbox.Task, time.Time, error)
	Settle(ctx context.Context, task outbox.Task, outcome outbox.Outcome, tx outbox.Tx) error
	Release(task outbox.Task)
	Revive(ctx context.Context, buried outbox.Task, due time.Time, tx outbox.Tx) error
}

// Lane is what delivers to a destination.
type Lane interface {
	// Paused gives why and since when the destination is paused, "" if it isn't; held says that it waits for a person.
	Paused() (reason string, since time.Time, held bool)
	// Pause holds the destination until Resume.
	Pause(ctx context.Context, reason string) error
	// Resume ends a pause, whoever or whatever began it.
	Resume(ctx context.Context) error
	// Flow says how fast deliveries leave the lane lately, where so many wait now.
	Flow(waiting int) connector.Flow
}

// Live is what is not in the history: open calls and what the agents do.
type Live interface {
	// Pending gives the events of a uuid that are in no record yet.
	Pending(ctx context.Context, uuid string) ([]connector.Arrival, error)
	// OpenCalls gives the calls of which events are in no record yet, whose uuid the function wants (nil: all), in any order.
	OpenCalls(ctx context.Context, wanted func(uuid string) bool) ([]connector.OpenCall, error)
	// Agents gives what each agent does now, in any order.
	Agents(ctx context.Context) ([]connector.AgentNow, error)
}

// Source of what people ask for.
type Source struct {
	Store Store
	Live  Live
	// Destinations names the destinations that are configured now.
	Destinations func() []string
	// Former has the name that a destination had before, by the one that it has now.
	Former map[string]string
	// NoRoom says why nothing may be added to the store, "" if it may; nil never says so.
	NoRoom func() string
	// Lanes are the destinations' lanes; nil where no daemon runs, and then nothing can be changed.
	Lanes map[string]Lane
	// Test tries a destination out; nil where nobody can.
	Test func(ctx context.Context, o TestOrder) (any, error)
	// Quarantine is what was not understood; nil where there is none.
	Quarantine Quarantine
	// Intake is what takes the dialer's posts; nil where no daemon runs.
	Intake Intake
	// Watch remembers what came last; nil where no daemon runs.
	Watch Watch
	// Mappings are those that a running daemon delivers by.
	Mappings []RunningMapping
	// Silent says since when a source is silent that is expected to post now, false if all is well; nil where nothing is expected.
	Silent func(source string, last connector.Time) (since connector.Time, silent bool)
	// Reload reads the configuration again, LastReload tells of the last time; nil where no daemon runs.
	Reload     func(ctx context.Context) connector.Reload
	LastReload func() connector.Reload
	// Self tells what the daemon, or whoever reads its store, knows of itself.
	Self func(ctx context.Context) (*Self, error)
	// Copy writes the store as it is at one moment, see Backup.
	Copy func(ctx context.Context, to func(size int64) (io.Writer, error)) error
	// Correlation has the rules that calls are put together by, and the regions of the queues.
	Correlation correlate.Settings
	// LookNow makes an open call be looked at at once; nil where no daemon runs.
	LookNow func(uuid string)
	// QueueName gives the name of an access number, "" if it has none.
	QueueName func(queue string) string
	// Now is the time of day.
	Now func() time.Time
}

func (s Source) configured(destination string) bool {
	return slices.Contains(s.Destinations(), destination)
}

// Story is all that is known of a uuid.
type Story struct {
	UUID string `json:"uuid"`
	// Asked is what was asked for, if that wasn't a uuid.
	Asked string `json:"asked,omitempty"`
	// Pending are the events that are in no record yet: of an open call, or stragglers.
	Pending []connector.Arrival `json:"pending"`
	// Calls that were finished under the uuid, oldest first.
	Calls []FinishedCall `json:"calls"`
	// About is the call_id of the one that was asked for, of several calls under the uuid; "" is the newest of them.
	About string `json:"about,omitempty"`
	// Open is what is known so far of a call that is not finished; nil if none is open.
	Open *OpenStory `json:"open,omitempty"`
	// Found says how the call was found, if it wasn't by its whole uuid.
	Found *Found `json:"found,omitempty"`
	// Others are more calls that may be meant, the newest first; More says that there are still more.
	Others []CallLine `json:"others,omitempty"`
	More   bool       `json:"more,omitempty"`
	// Heard is what may tell why nothing, or not everything, is known.
	Heard *Heard `json:"heard,omitempty"`
}

// FinishedCall is one attempt's call and what became of it.
type FinishedCall struct {
	CallID string `json:"call_id"`
	connector.Call
	Deliveries []NamedDelivery `json:"deliveries"`
}

// NamedDelivery is a delivery and its destination.
type NamedDelivery struct {
	Destination string `json:"destination"`
	// Unconfigured says that the destination isn't in the configuration any more: its backlog waits.
	Unconfigured bool `json:"unconfigured,omitempty"`
	// Paused says why the destination is paused, of a delivery that waits for it; "" if it isn't.
	Paused string `json:"paused,omitempty"`
	connector.Delivery
}

// Story tells what is known of a uuid. It may be empty.
func (s Source) Story(ctx context.Context, uuid string) (*Story, error) {
	story := &Story{UUID: uuid, Pending: []connector.Arrival{}, Calls: []FinishedCall{}}
	pending, err := s.Live.Pending(ctx, uuid)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(pending, func(a, b connector.Arrival) int { return connector.CompareEvents(&a.Event, &b.Event) })
	story.Pending = append(story.Pending, pending...)
	entries, err := s.Store.Entries(ctx, connector.CallGroup(uuid))
	if err != nil {
		return nil, err
	}
	for i := range entries {
		finished, err := s.finished(&entries[i])
		if err != nil {
			return nil, err
		}
		story.Calls = append(story.Calls, *finished)
	}
	return story, nil
}

// finished reads a finished call.
func (s Source) finished(entry *outbox.Entry) (*FinishedCall, error) {
	call, err := connector.DecodeCall(entry.Body)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", entry.ID, err)
	}
	finished := &FinishedCall{CallID: entry.ID, Call: *call, Deliveries: []NamedDelivery{}}
	for _, row := range entry.Rows {
		d, err := connector.DecodeDelivery(row.Body)
		if err != nil {
			return nil, fmt.Errorf("call %s, destination %s: %w", entry.ID, row.Name, err)
		}
		named := NamedDelivery{Destination: row.Name, Unconfigured: !s.configured(row.Name), Delivery: *d}
		if lane := s.Lanes[row.Name]; lane != nil && d.State == connector.DeliveryWaiting {
			named.Paused, _, _ = lane.Paused()
		}
		finished.Deliveries = append(finished.Deliveries, named)
	}
	return finished, nil
}

package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// Store is what is read of an outbox.Store.
type Store interface {
	Entries(ctx context.Context, group string) ([]outbox.Entry, error)
	Entry(ctx context.Context, ref outbox.Ref) (outbox.Entry, error)
	Queues(ctx context.Context) ([]string, error)
	Tasks(ctx context.Context, queue string, buried bool, after outbox.Key, limit int) ([]outbox.Task, error)
	Counts(ctx context.Context, day outbox.Day) (map[string]int64, error)
}

// Live is what is not in the history: open calls and what the agents do.
type Live interface {
	// Pending gives the events of a uuid that are in no record yet.
	Pending(ctx context.Context, uuid string) ([]connector.Arrival, error)
	// Agents gives what each agent does now, in any order.
	Agents(ctx context.Context) ([]connector.AgentNow, error)
}

// Source of what people ask for.
type Source struct {
	Store Store
	Live  Live
	// Configured says whether a destination is configured now.
	Configured func(destination string) bool
	// QueueName gives the name of an access number, "" if it has none.
	QueueName func(queue string) string
	// Now is the time of day.
	Now func() time.Time
}

// Story is all that is known of a uuid.
type Story struct {
	UUID string `json:"uuid"`
	// Pending are the events that are in no record yet: of an open call, or stragglers.
	Pending []connector.Arrival `json:"pending"`
	// Calls that were finished under the uuid, oldest first.
	Calls []FinishedCall `json:"calls"`
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
	connector.Delivery
}

// Story tells what is known of a uuid, or of the call with this call id. It may be empty.
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
	for _, entry := range entries {
		call, err := connector.DecodeCall(entry.Body)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", entry.ID, err)
		}
		finished := FinishedCall{CallID: entry.ID, Call: *call, Deliveries: []NamedDelivery{}}
		for _, row := range entry.Rows {
			d, err := connector.DecodeDelivery(row.Body)
			if err != nil {
				return nil, fmt.Errorf("call %s, destination %s: %w", entry.ID, row.Name, err)
			}
			finished.Deliveries = append(finished.Deliveries,
				NamedDelivery{Destination: row.Name, Unconfigured: !s.Configured(row.Name), Delivery: *d})
		}
		story.Calls = append(story.Calls, finished)
	}
	return story, nil
}

// ListedDelivery is a line of the list of deliveries that are not settled, or ended badly.
type ListedDelivery struct {
	Destination string                  `json:"destination"`
	State       connector.DeliveryState `json:"state"`
	CallID      string                  `json:"call_id"`
	UUID        string                  `json:"uuid"`
	Outcome     connector.Outcome       `json:"outcome"`
	OccurredAt  connector.Time          `json:"occurred_at"`
	Revision    int                     `json:"revision"`
	Failed      int                     `json:"failed"`
	Next        connector.Time          `json:"next"`
	Reason      string                  `json:"reason"`
	// Unconfigured says that the destination isn't in the configuration any more: its backlog waits.
	Unconfigured bool `json:"unconfigured,omitempty"`
}

// ListQuery narrows a list of deliveries.
type ListQuery struct {
	Destination string
	State       connector.DeliveryState
	// Limit of lines for each destination and kind.
	Limit int
}

// Deliveries lists what is waiting, dead or parked, by destination, oldest first.
func (s Source) Deliveries(ctx context.Context, q ListQuery) ([]ListedDelivery, error) {
	queues, err := s.Store.Queues(ctx)
	if err != nil {
		return nil, err
	}
	out := []ListedDelivery{}
	for _, queue := range queues {
		if q.Destination != "" && q.Destination != queue {
			continue
		}
		for _, buried := range []bool{false, true} {
			waiting := q.State == connector.DeliveryWaiting
			if q.State != "" && waiting == buried {
				continue
			}
			lines, err := s.list(ctx, queue, buried, q)
			if err != nil {
				return nil, err
			}
			out = append(out, lines...)
		}
	}
	return out, nil
}

func (s Source) list(ctx context.Context, queue string, buried bool, q ListQuery) ([]ListedDelivery, error) {
	var out []ListedDelivery
	var after outbox.Key
	for {
		tasks, err := s.Store.Tasks(ctx, queue, buried, after, q.Limit)
		if err != nil && !errors.Is(err, outbox.ErrDamaged) { // the readable ones come along with what is damaged
			return out, err
		}
		if len(tasks) == 0 {
			return out, nil
		}
		for _, task := range tasks {
			after = task.Key
			line := s.line(ctx, task)
			if q.State != "" && line.State != q.State {
				continue
			}
			if out = append(out, line); len(out) == q.Limit {
				return out, nil
			}
		}
	}
}

// line gives a delivery's line. One that can't be read says so, and hides no other.
func (s Source) line(ctx context.Context, task outbox.Task) ListedDelivery {
	line := ListedDelivery{Destination: task.Queue, State: connector.DeliveryWaiting, Unconfigured: !s.Configured(task.Queue)}
	if task.Buried {
		line.State = connector.DeliveryDead
	}
	entry, err := s.Store.Entry(ctx, task.Ref)
	if err != nil {
		line.Reason = "the call can't be read: " + err.Error()
		return line
	}
	line.CallID = entry.ID
	call, err := connector.DecodeCall(entry.Body)
	if err != nil {
		line.Reason = err.Error()
		return line
	}
	r := call.Record()
	line.UUID, line.Outcome, line.OccurredAt = r.UUID, r.Outcome, r.OccurredAt
	d, err := connector.DecodeDelivery(entry.Row(task.Queue).Body)
	if err != nil {
		line.Reason = err.Error()
		return line
	}
	line.State, line.Revision, line.Failed, line.Next, line.Reason = d.State, d.Wanted, d.Failed, d.Next, d.Reason
	return line
}

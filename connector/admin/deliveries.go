package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// StateUnreadable is how a delivery is listed that was set aside because it couldn't be read. For the counters it is still
// waiting: nothing was decided about it.
const StateUnreadable connector.DeliveryState = "unreadable"

// ListedDelivery is a line of the list of deliveries that are not settled, or ended badly.
type ListedDelivery struct {
	Destination string                  `json:"destination"`
	State       connector.DeliveryState `json:"state"`
	CallID      string                  `json:"call_id"`
	UUID        string                  `json:"uuid"`
	Queue       connector.Text          `json:"queue"`
	Outcome     connector.Outcome       `json:"outcome"`
	OccurredAt  connector.Time          `json:"occurred_at"`
	FinishedAt  connector.Time          `json:"finished_at"`
	Revision    int                     `json:"revision"`
	Failed      int                     `json:"failed"`
	Next        connector.Time          `json:"next"`
	Reason      string                  `json:"reason"`
	// Unconfigured says that the destination isn't in the configuration any more: its backlog waits.
	Unconfigured bool `json:"unconfigured,omitempty"`
	// Task is what to name the delivery by in a change: it is no longer found once anything has happened to it.
	Task string `json:"task"`
}

// ListQuery narrows a list of deliveries. What is empty narrows nothing.
type ListQuery struct {
	Destination string
	States      []connector.DeliveryState
	// Reason is a part of the reason, in small or capital letters.
	Reason string
	// Queue is the access number.
	Queue string
	// Since and Until are when the call was finished, by wrapup's clock: not before the one and before the other.
	Since, Until time.Time
	UUIDs        []string

	// After is where to go on: the Next of a page.
	After string
	// Limit of lines in the page.
	Limit int
}

// Page is a part of a list. Next is where it goes on, "" if that was all; a page may be empty and not the last.
type Page struct {
	Deliveries []ListedDelivery `json:"deliveries"`
	Next       string           `json:"next,omitempty"`
}

// maxReads bounds how many calls are read for one page, so that no request takes long.
const maxReads = 2000

// tasksPage is how many tasks are read at a time.
const tasksPage = 500

// place is where a list stands: what is buried comes before what waits, then by queue, then by key.
type place struct {
	waiting bool
	queue   string
	key     outbox.Key
}

func (p place) String() string {
	kind := 'b'
	if p.waiting {
		kind = 'w'
	}
	return fmt.Sprintf("%c%x.%s", kind, p.key[:], p.queue)
}

func parsePlace(s string) (p place, err error) {
	var kind rune
	head, queue, _ := strings.Cut(s, ".")
	var key []byte
	if _, err := fmt.Sscanf(head, "%c%x", &kind, &key); err != nil || len(key) != len(p.key) || kind != 'b' && kind != 'w' {
		return place{}, BadRequest(fmt.Sprintf("after %q: expected what a list gave", s))
	}
	return place{waiting: kind == 'w', queue: queue, key: outbox.Key(key)}, nil
}

// Deliveries lists what is dead, parked or unreadable, by destination, and then what is waiting, each oldest first.
func (s Source) Deliveries(ctx context.Context, q ListQuery) (*Page, error) {
	var from place
	if q.After != "" {
		var err error
		if from, err = parsePlace(q.After); err != nil {
			return nil, err
		}
	}
	queues, err := s.Store.Queues(ctx)
	if err != nil {
		return nil, err
	}
	l := lister{Source: s, ListQuery: q, page: &Page{Deliveries: []ListedDelivery{}}, reads: maxReads}
	if len(q.UUIDs) > 0 {
		if err := l.find(ctx); err != nil {
			return nil, err
		}
	}
	for _, waiting := range []bool{false, true} {
		if from.waiting && !waiting || !l.wants(waiting) {
			continue
		}
		for _, queue := range queues {
			at := place{waiting: waiting, queue: queue}
			if from.waiting == waiting {
				if queue < from.queue {
					continue
				}
				if queue == from.queue {
					at.key = from.key
				}
			}
			if q.Destination != "" && q.Destination != queue {
				continue
			}
			if more, err := l.walk(ctx, at); err != nil || !more {
				return l.page, err
			}
		}
	}
	return l.page, nil
}

// lister makes one page.
type lister struct {
	Source
	ListQuery
	page  *Page
	reads int
	refs  map[outbox.Ref]bool // of the calls that are asked for; nil for all
}

// find looks up the calls that are asked for.
func (l *lister) find(ctx context.Context) error {
	l.refs = map[outbox.Ref]bool{}
	for _, uuid := range l.UUIDs {
		entries, err := l.Store.Entries(ctx, connector.CallGroup(uuid))
		if err != nil {
			return err
		}
		for _, e := range entries {
			l.refs[e.Ref] = true
		}
	}
	return nil
}

// wants says whether the states that are asked for may be found among the waiting, or the buried.
func (l *lister) wants(waiting bool) bool {
	return len(l.States) == 0 || slices.ContainsFunc(l.States, func(s connector.DeliveryState) bool {
		return (s == connector.DeliveryWaiting) == waiting
	})
}

// walk adds a queue's tasks to the page. It says false when the page is full.
func (l *lister) walk(ctx context.Context, at place) (more bool, err error) {
	for {
		tasks, err := l.Store.Tasks(ctx, at.queue, !at.waiting, at.key, tasksPage)
		if err != nil && !errors.Is(err, outbox.ErrDamaged) { // the readable ones come along with what is damaged
			return false, err
		}
		if len(tasks) == 0 {
			return true, nil
		}
		for _, task := range tasks {
			if len(l.page.Deliveries) >= l.Limit || l.reads <= 0 {
				l.page.Next = at.String()
				return false, nil
			}
			at.key = task.Key
			day := task.Ref.Day.Time()
			if !l.Until.IsZero() && !day.Before(l.Until) || !l.Since.IsZero() && !day.Add(24*time.Hour).After(l.Since) ||
				l.refs != nil && !l.refs[task.Ref] {
				continue
			}
			l.reads--
			if line, ok := l.line(ctx, task); ok && l.matches(&line) {
				l.page.Deliveries = append(l.page.Deliveries, line)
			}
		}
	}
}

func (l *lister) matches(d *ListedDelivery) bool {
	finished := d.FinishedAt.Time()
	switch {
	case len(l.States) > 0 && !slices.Contains(l.States, d.State),
		!strings.Contains(strings.ToLower(d.Reason), strings.ToLower(l.Reason)),
		l.Queue != "" && string(d.Queue) != l.Queue,
		!l.Since.IsZero() && finished.Before(l.Since),
		!l.Until.IsZero() && !finished.Before(l.Until):
		return false
	}
	return true
}

// line gives a delivery's line. One that can't be read says so, and hides no other. Of one that has ended and only has not
// left the queue yet it says false.
func (s Source) line(ctx context.Context, task outbox.Task) (line ListedDelivery, ok bool) {
	line = ListedDelivery{
		Destination: task.Queue, State: connector.DeliveryWaiting, Unconfigured: !s.configured(task.Queue), Task: formatTask(task),
	}
	if task.Buried {
		line.State = StateUnreadable
	}
	entry, err := s.Store.Entry(ctx, task.Ref)
	if err != nil {
		line.Reason = "the call can't be read: " + err.Error()
		return line, true
	}
	line.CallID = entry.ID
	line.UUID, _ = connector.ParseGroup(entry.Group)
	call, err := connector.DecodeCall(entry.Body)
	if err != nil {
		line.Reason = err.Error()
		return line, true
	}
	r := call.Record()
	line.Queue, line.Outcome, line.OccurredAt, line.FinishedAt = r.Queue, r.Outcome, r.OccurredAt, call.FinishedAt
	d, err := connector.DecodeDelivery(entry.Row(task.Queue).Body)
	if err != nil {
		line.Reason = err.Error()
		return line, true
	}
	line.Revision, line.Failed, line.Next, line.Reason = d.Wanted, d.Failed, d.Next, d.Reason
	switch waiting := d.State == connector.DeliveryWaiting; {
	case task.Buried && waiting:
		line.Reason = "it was set aside because it couldn't be read; now it can: a retry sends it"
	case task.Buried && d.State != connector.DeliveryDead && d.State != connector.DeliveryParked, !task.Buried && !waiting:
		return line, false
	default:
		line.State = d.State
	}
	if !task.Buried { // the queue decides; what stands in the row may be from before a clock was set right
		line.Next = connector.TimeOf(task.Due)
	}
	return line, true
}

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// EraseOrder says which number is to be erased, and from where on: an erasure reads all that is kept, one part at a time.
type EraseOrder struct {
	// Phone in any format.
	Phone string `json:"phone"`
	// Do is false to count only.
	Do bool `json:"do,omitempty"`
	// After is the Next of the part before.
	After string `json:"after,omitempty"`
}

// Erasure is what a part of an erasure found, and erased if it was to.
type Erasure struct {
	// Numbers are what the number was read as.
	Numbers []string `json:"numbers"`
	// Calls and Open are the calls, finished and open; Timelines the events and frozen timelines of agents that named the
	// number, Quarantined the posts in quarantine. Already were erased before.
	Calls       []string `json:"calls"`
	Open        []string `json:"open"`
	Timelines   int      `json:"timelines"`
	Quarantined []string `json:"quarantined"`
	Already     int      `json:"already"`
	// Unreadable are calls that can't be read: whether they have the number nobody knows.
	Unreadable int `json:"unreadable,omitempty"`
	// Waiting are deliveries that were not done yet: they are not sent any more.
	Waiting int `json:"waiting"`
	// Left is what stays in the destinations: wrapup can't erase it.
	Left []LeftBehind `json:"left"`
	// Read is how many calls were read, Day where.
	Read int    `json:"read"`
	Day  string `json:"day,omitempty"`
	// Next goes on, "" at the end.
	Next string `json:"next,omitempty"`
}

// LeftBehind is what a destination has of an erased call.
type LeftBehind struct {
	Destination string `json:"destination"`
	CallID      string `json:"call_id"`
	// State of the delivery: one that is parked, or was under way, may be there.
	State connector.DeliveryState `json:"state"`
	// Saved are the ids that the mapping saved, by name.
	Saved map[string]string `json:"saved"`
}

// erasePage is how many calls one request reads.
const erasePage = 2000

// Erase does a part of an erasure: first what is open and the quarantine, then the history, the oldest day first.
func (s Source) Erase(ctx context.Context, o EraseOrder) (*Erasure, error) {
	number, ok := correlate.ParseNumber(o.Phone, &s.Correlation)
	if !ok {
		return nil, BadRequest(fmt.Sprintf("%q is no phone number", o.Phone))
	}
	e := &eraser{Source: s, number: number, do: o.Do, now: s.Now(), page: &Erasure{
		Numbers: number.Numbers(), Calls: []string{}, Open: []string{}, Quarantined: []string{}, Left: []LeftBehind{},
	}}
	var err error
	if e.known, err = s.hashes(ctx, number); err != nil {
		return nil, err
	}
	if o.Do {
		key, err := s.keyOf(ctx, outbox.DayOf(e.now))
		if err != nil {
			return nil, err
		}
		e.hashed = hashesBy(key, number)
	}
	ctx = context.WithoutCancel(ctx) // what was begun is completed: what was done is not to be half done
	if o.After == "" {
		err = e.unfinished(ctx)
	} else {
		err = e.history(ctx, o.After)
	}
	if err == nil && o.Do {
		err = e.endTasks(ctx)
	}
	return e.page, err
}

// eraser does a part of an erasure.
type eraser struct {
	Source
	number correlate.Number
	// hashed are the number's hashes from now on, known those that it may have in tombstones.
	hashed, known []string
	do            bool
	now           time.Time
	page          *Erasure
	erased        map[outbox.Ref]bool // their tasks are to be ended
}

// unfinished erases from open calls, timelines and the quarantine.
func (e *eraser) unfinished(ctx context.Context) error {
	open, err := e.Live.OpenCalls(ctx, nil)
	if err != nil {
		return err
	}
	for i := range open {
		if e.number.OneOf(phonesOf(open[i].Pending)) {
			if err := e.openCall(ctx, &open[i]); err != nil {
				return err
			}
		}
	}
	if err := e.timelines(ctx); err != nil {
		return err
	}
	if e.Quarantine != nil {
		for _, one := range e.Quarantine.List(connector.QuarantineQuery{}).Quarantined {
			if whole, ok := e.Quarantine.Show(one.ID); ok && numberIn(whole.Body, e.number) {
				e.page.Quarantined = append(e.page.Quarantined, one.ID)
			}
		}
		if e.do {
			for _, c := range e.Quarantine.Drop(ctx, e.page.Quarantined) {
				if !c.Done {
					return fmt.Errorf("the post %s can't be taken out of quarantine: %s", c.ID, c.Note)
				}
			}
		}
	}
	if e.do && e.Watch != nil {
		e.Watch.Forget(e.number.Is)
	}
	days, err := e.Store.Days(ctx)
	if err == nil && len(days) > 0 {
		e.page.Next = days[0].String() + "/0"
	}
	return err
}

// openCall puts a tombstone in the place of an open call, as if it had been finished and erased at once. Should the call be
// finished by itself meanwhile that is a conflict, and the history is erased next. The calls that were finished under the same
// uuid are the history's, and so are their stragglers.
func (e *eraser) openCall(ctx context.Context, c *connector.OpenCall) error {
	finished, err := e.callsOf(ctx, c.UUID)
	if err != nil {
		return err
	}
	attempts, _ := e.divide(finished, c.Pending)
	found := false
	for _, a := range attempts {
		var mine []connector.Arrival
		var drop []string
		for _, i := range a.Events {
			mine, drop = append(mine, c.Pending[i]), append(drop, c.Pending[i].ID())
		}
		if !e.number.OneOf(phonesOf(mine)) {
			continue
		}
		if !found {
			found = true
			e.page.Open = append(e.page.Open, c.UUID)
		}
		if !e.do {
			continue
		}
		a.Record.Revision = 1
		at := connector.TimeOf(e.now)
		call := &connector.Call{Revisions: []connector.Revision{{Record: a.Record, At: at}}, Events: mine, FinishedAt: at}
		if err := e.tombstone(ctx, call, drop); err != nil {
			return err
		}
	}
	return nil
}

// awaited says that a straggler is about to bring the number into a finished call that has another one.
func (e *eraser) awaited(ctx context.Context, entry *outbox.Entry, call *connector.Call) (bool, error) {
	uuid, _ := connector.ParseGroup(entry.Group)
	pending, err := e.Live.Pending(ctx, uuid)
	if err != nil || !e.number.OneOf(phonesOf(pending)) {
		return false, err
	}
	finished, err := e.callsOf(ctx, uuid)
	if err != nil {
		return false, err
	}
	_, stragglers := e.divide(finished, pending)
	return e.number.OneOf(phonesOf(stragglers[call.Record().Attempt])), nil
}

// tombstone commits an open call as a finished one that is erased.
func (e *eraser) tombstone(ctx context.Context, call *connector.Call, drop []string) error {
	counts := call.Record().Counts()
	queue := string(call.Record().Queue)
	call.Erase(connector.TimeOf(e.now), e.hashed)
	body, err := json.Marshal(call)
	if err != nil {
		return fmt.Errorf("call %s can't be stored: %w", call.Record().CallID, err)
	}
	uuid, day := call.Record().UUID, outbox.DayOf(e.now)
	tx := outbox.Tx{
		Group: connector.CallGroup(uuid), Drop: drop,
		Entry: &outbox.EntryPut{ID: call.Record().CallID, Day: day, Body: body},
		Count: []outbox.Delta{{Day: day, Name: connector.CountCalls, N: 1}},
		Label: labelsOf(outbox.Ref{}, call.Labels()),
	}
	for _, c := range counts {
		tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: connector.CountQueue(queue, c), N: 1})
	}
	for _, name := range e.Destinations() {
		d := connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}
		d.Erase(connector.TimeOf(e.now))
		row, err := d.Encode()
		if err != nil {
			return err
		}
		tx.Put = append(tx.Put, outbox.RowPut{Name: name, Body: row})
		for _, n := range connector.CountMove(name, connector.Standing{}, d.Standing()) {
			tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: n.Name, N: n.N})
		}
	}
	_, err = e.Store.Commit(ctx, tx)
	if errors.Is(err, outbox.ErrConflict) {
		return nil
	}
	if err == nil && e.LookNow != nil {
		e.LookNow(uuid) // memory still has the events: they are found to be known, and let go
	}
	return err
}

func labelsOf(ref outbox.Ref, names []string) []outbox.Label {
	var out []outbox.Label
	for _, name := range names {
		out = append(out, outbox.Label{Ref: ref, Name: name})
	}
	return out
}

// timelines takes the number out of the agents' timelines. A crash in the middle may lose an event of a timeline: how long
// an agent was idle before a call is then unknown.
func (e *eraser) timelines(ctx context.Context) error {
	type found struct {
		group string
		item  outbox.Item
		bare  []byte
	}
	var all []found
	err := e.Store.Open(ctx, func(group string, items []outbox.Item) error {
		if _, agent := connector.ParseGroup(group); !connector.HoldsEvents(group) || agent == "" && group != connector.AgentGroup("") {
			return nil
		}
		for _, item := range items {
			var a connector.Arrival
			if json.Unmarshal(item.Body, &a) != nil || !e.number.Is(a.Phone) {
				continue
			}
			a.Event = a.Bare()
			bare, err := json.Marshal(a)
			if err != nil {
				return err
			}
			all = append(all, found{group, item, bare})
		}
		return nil
	})
	if err != nil && !errors.Is(err, outbox.ErrDamaged) {
		return err
	}
	e.page.Timelines += len(all)
	if !e.do {
		return nil
	}
	for _, f := range all {
		if _, err := e.Store.Commit(ctx, outbox.Tx{Group: f.group, Drop: []string{f.item.ID}}); err != nil {
			return err
		}
		if _, err := e.Store.Commit(ctx, outbox.Tx{Group: f.group, Add: []outbox.Item{{ID: f.item.ID, Body: f.bare}}}); err != nil {
			return err
		}
	}
	return nil
}

// history erases from the next calls of the history.
func (e *eraser) history(ctx context.Context, from string) error {
	name, seq, _ := strings.Cut(from, "/")
	day, err := outbox.ParseDay(name)
	var after uint64
	if _, scan := fmt.Sscanf(seq, "%d", &after); err != nil || scan != nil {
		return BadRequest(fmt.Sprintf("after %q: expected what a part gave", from))
	}
	days, err := e.Store.Days(ctx)
	if err != nil {
		return err
	}
	for _, d := range days {
		if d < day {
			continue
		}
		if d > day {
			day, after = d, 0
		}
		for e.page.Read < erasePage {
			entries, err := e.Store.Walk(ctx, d, after, auditPage)
			if err != nil && !errors.Is(err, outbox.ErrDamaged) {
				return err
			}
			for i := range entries {
				after = entries[i].Ref.Seq
				if err := e.entry(ctx, &entries[i]); err != nil {
					return err
				}
			}
			e.page.Read += len(entries)
			if len(entries) == 0 {
				break
			}
		}
		if e.page.Read >= erasePage {
			e.page.Day, e.page.Next = d.String(), fmt.Sprintf("%s/%d", d, after)
			return nil
		}
	}
	return nil
}

// eraseTries is how often a call is read again whose deliveries go on meanwhile.
const eraseTries = 20

// entry erases from a finished call.
func (e *eraser) entry(ctx context.Context, entry *outbox.Entry) error {
	if !isCall(entry) {
		return nil
	}
	for try := 0; ; try++ {
		tx, waiting, left, err := e.plan(ctx, entry)
		if err != nil || tx == nil {
			return err
		}
		if e.do {
			_, err = e.Store.Commit(ctx, *tx)
		}
		switch {
		case errors.Is(err, outbox.ErrConflict) && try < eraseTries:
			fresh, err := e.Store.Entry(ctx, entry.Ref)
			if err != nil {
				return err
			}
			entry = &fresh
			continue
		case err != nil:
			return fmt.Errorf("call %s can't be erased: %w", entry.ID, err)
		}
		if len(tx.Unlabel)+len(tx.Put) == 0 { // only a timeline of it named the number
			e.page.Timelines++
			return nil
		}
		e.page.Calls = append(e.page.Calls, entry.ID)
		e.page.Waiting += waiting
		e.page.Left = append(e.page.Left, left...)
		e.mark(entry.Ref)
		if uuid, _ := connector.ParseGroup(entry.Group); e.do && e.LookNow != nil {
			e.LookNow(uuid)
		}
		return nil
	}
}

func (e *eraser) mark(ref outbox.Ref) {
	if e.erased == nil {
		e.erased = map[outbox.Ref]bool{}
	}
	e.erased[ref] = true
}

// plan gives the Tx that erases the number from a call, nil if the call has nothing of it.
func (e *eraser) plan(ctx context.Context, entry *outbox.Entry) (tx *outbox.Tx, waiting int, left []LeftBehind, err error) {
	call, bad := connector.DecodeCall(entry.Body)
	if bad != nil { // nobody can say whether it has the number
		e.page.Unreadable++
		return nil, 0, nil, nil //nolint:nilerr // it is counted
	}
	mine := e.number.OneOf(call.Phones())
	if !mine && call.Erased != nil && slices.ContainsFunc(call.Erased.Numbers, func(h string) bool { return slices.Contains(e.known, h) }) {
		e.page.Already++
		e.mark(entry.Ref) // an erasure that was cut off may have left its tasks
		return nil, 0, nil, nil
	}
	if !mine && call.Erased == nil {
		if mine, err = e.awaited(ctx, entry, call); err != nil {
			return nil, 0, nil, err
		}
	}
	timeline := false
	for i := range call.Timeline {
		if e.number.Is(call.Timeline[i].Phone) {
			call.Timeline[i], timeline = call.Timeline[i].Bare(), true
		}
	}
	if !mine && !timeline {
		return nil, 0, nil, nil
	}
	tx = &outbox.Tx{Group: entry.Group}
	if mine {
		old := call.Labels()
		call.Erase(connector.TimeOf(e.now), e.hashed)
		if waiting, left, err = e.rows(entry, tx, &old); err != nil {
			return nil, 0, nil, err
		}
		now := call.Labels()
		tx.Label = labelsOf(entry.Ref, now)
		tx.Unlabel = labelsOf(entry.Ref, slices.DeleteFunc(old, func(l string) bool { return slices.Contains(now, l) }))
	}
	body, err := json.Marshal(call)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("call %s can't be stored: %w", entry.ID, err)
	}
	tx.Entry = &outbox.EntryPut{ID: entry.ID, Ref: entry.Ref, Day: entry.Ref.Day, Prev: entry.Version, Body: body}
	return tx, waiting, left, nil
}

// rows erases the deliveries of a call.
func (e *eraser) rows(entry *outbox.Entry, tx *outbox.Tx, labels *[]string) (waiting int, left []LeftBehind, err error) {
	for _, row := range entry.Rows {
		d, err := connector.DecodeDelivery(row.Body)
		if err != nil { // nobody can read it, but the number may be in it
			d = &connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}
		}
		was, saved := d.Standing(), d.Saved()
		if d.State == connector.DeliveryWaiting {
			waiting++
		}
		if d.Done > 0 || d.State == connector.DeliveryParked || len(saved)+len(d.Unsure) > 0 {
			left = append(left, LeftBehind{Destination: row.Name, CallID: entry.ID, State: d.State, Saved: saved})
		}
		*labels = append(*labels, d.SavedLabels()...)
		d.Erase(connector.TimeOf(e.now))
		body, err := d.Encode()
		if err != nil {
			return 0, nil, err
		}
		tx.Put = append(tx.Put, outbox.RowPut{Ref: entry.Ref, Name: row.Name, Prev: row.Version, Body: body})
		for _, n := range connector.CountMove(row.Name, was, d.Standing()) {
			tx.Count = append(tx.Count, outbox.Delta{Day: entry.Ref.Day, Name: n.Name, N: n.N})
		}
	}
	return waiting, left, nil
}

// endTasks takes the tasks about erased calls out of the queues. What a lane has just now it ends itself: it finds a delivery
// that was ended by somebody else.
func (e *eraser) endTasks(ctx context.Context) error {
	if len(e.erased) == 0 {
		return nil
	}
	queues, err := e.Store.Queues(ctx)
	if err != nil {
		return err
	}
	for _, queue := range queues {
		for _, buried := range []bool{true, false} {
			if err := e.endTasksOf(ctx, queue, buried); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *eraser) endTasksOf(ctx context.Context, queue string, buried bool) error {
	for after := (outbox.Key{}); ; {
		tasks, err := e.Store.Tasks(ctx, queue, buried, after, tasksPage)
		if err != nil && !errors.Is(err, outbox.ErrDamaged) {
			return err
		}
		if len(tasks) == 0 {
			return nil
		}
		for _, task := range tasks {
			after = task.Key
			if !e.erased[task.Ref] {
				continue
			}
			if buried {
				// A store takes a task only from where it is due. A crash after this leaves one that its lane ends.
				due := e.now.Add(time.Minute)
				if err := e.Store.Revive(ctx, task, due, outbox.Tx{}); err != nil {
					return err
				}
				task.Buried, task.Due = false, due.Truncate(time.Microsecond)
			}
			c := &change{Source: e.Source, task: task, taking: new(sync.Mutex)}
			if taken, ok, err := c.take(ctx, task); err == nil && ok {
				_ = e.Store.Settle(ctx, taken, outbox.Done(), outbox.Tx{}) // else a lane does it
			}
		}
	}
}

package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// CallQuery narrows a list of calls. What is empty narrows nothing.
type CallQuery struct {
	// Phone in any format.
	Phone string `json:"phone,omitempty"`
	// Agent is a username, sip id or login session.
	Agent    string              `json:"agent,omitempty"`
	Queue    string              `json:"queue,omitempty"`
	Outcomes []connector.Outcome `json:"outcomes,omitempty"`
	// Destination and States are of deliveries: of one of a call at least.
	Destination string                    `json:"destination,omitempty"`
	States      []connector.DeliveryState `json:"states,omitempty"`
	// Since and Until are when the call was finished, by wrapup's clock: not before the one and before the other.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Open asks for the calls that are not finished, and for no others.
	Open bool `json:"open,omitempty"`
	// OldestFirst turns the list round. Records asks for the whole record of each call.
	OldestFirst bool `json:"oldest_first,omitempty"`
	Records     bool `json:"records,omitempty"`
	// After is where to go on: the Next of a page. Limit of lines in the page.
	After string `json:"after,omitempty"`
	Limit int    `json:"limit,omitempty"`
}

// ListedCall is a call of the list.
type ListedCall struct {
	CallLine
	// Record is the newest one, if it was asked for.
	Record *connector.Record `json:"record,omitempty"`
}

// CallPage is a part of the list of calls. Next is where it goes on, "" if that was all; a page may be empty and not the last.
type CallPage struct {
	Calls []ListedCall `json:"calls"`
	Next  string       `json:"next,omitempty"`
	// Read is how many calls were looked at.
	Read int `json:"read"`

	unreadable int
}

// Calls lists finished calls, the newest first, or those that are open.
func (s Source) Calls(ctx context.Context, q CallQuery) (*CallPage, error) {
	return s.calls(ctx, q, nil)
}

// calls is Calls; chosen, unless it is nil, is called with each finished call of the page.
func (s Source) calls(ctx context.Context, q CallQuery, chosen func(*outbox.Entry, *FinishedCall)) (*CallPage, error) {
	if q.Limit < 1 || q.Limit > maxLimit {
		q.Limit = maxLimit
	}
	l := &callLister{Source: s, CallQuery: q, page: &CallPage{Calls: []ListedCall{}}, chosen: chosen}
	if q.Phone != "" {
		var ok bool
		if l.number, ok = correlate.ParseNumber(q.Phone, &s.Correlation); !ok {
			return nil, BadRequest(fmt.Sprintf("%q is no phone number", q.Phone))
		}
	}
	if q.Open {
		return l.page, l.open(ctx)
	}
	var from outbox.Ref
	if q.After != "" {
		name, seq, _ := strings.Cut(q.After, "/")
		day, err := outbox.ParseDay(name)
		if _, scan := fmt.Sscanf(seq, "%d", &from.Seq); err != nil || scan != nil {
			return nil, BadRequest(fmt.Sprintf("after %q: expected what a list gave", q.After))
		}
		from.Day = day
	}
	if q.Phone != "" {
		return l.page, l.byPhone(ctx, from)
	}
	return l.page, l.byDay(ctx, from)
}

// callLister makes one page.
type callLister struct {
	Source
	CallQuery
	number correlate.Number
	page   *CallPage
	chosen func(*outbox.Entry, *FinishedCall)
}

// open lists the open calls, which are in memory.
func (l *callLister) open(ctx context.Context) error {
	var after CallLine
	if l.After != "" {
		at, uuid, ok := strings.Cut(l.After, "/")
		micros, err := strconv.ParseInt(at, 10, 64)
		if err != nil || !ok {
			return BadRequest(fmt.Sprintf("after %q: expected what a list gave", l.After))
		}
		after.OccurredAt, after.UUID = connector.Time(micros), uuid
	}
	order := func(a, b CallLine) int { return cmp.Or(newestFirst(a, b), cmp.Compare(a.UUID, b.UUID)) }
	calls, err := l.Live.OpenCalls(ctx, nil)
	if err != nil {
		return err
	}
	var lines []CallLine
	for i := range calls {
		line := l.openLine(&calls[i])
		if (l.Phone == "" || l.number.OneOf(phonesOf(calls[i].Pending))) && (l.Agent == "" || string(line.Agent) == l.Agent) &&
			(l.Queue == "" || string(line.Queue) == l.Queue) && (len(l.Outcomes) == 0 || slices.Contains(l.Outcomes, line.Outcome)) &&
			(l.After == "" || order(line, after) > 0) {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, order)
	l.page.Read = len(calls)
	if len(lines) > l.Limit {
		lines = lines[:l.Limit]
		last := lines[len(lines)-1]
		l.page.Next = fmt.Sprintf("%d/%s", int64(last.OccurredAt), last.UUID)
	}
	for i := range lines {
		l.page.Calls = append(l.page.Calls, ListedCall{CallLine: lines[i]})
	}
	return nil
}

// byPhone lists the calls with a number.
func (l *callLister) byPhone(ctx context.Context, from outbox.Ref) error {
	refs := map[outbox.Ref]bool{}
	var unlabeled []outbox.Ref
	for _, label := range l.number.Labels() {
		found, without, err := l.Store.Labeled(ctx, label, mostFound)
		if err != nil {
			return err
		}
		unlabeled = without
		for _, ref := range found {
			refs[ref] = true
		}
	}
	for _, last := range unlabeled { // of an older wrapup: there is no other way than to read all of it
		err := l.eachUntil(ctx, last, func(e *outbox.Entry) {
			if c, err := connector.DecodeCall(e.Body); err == nil && isCall(e) && l.number.OneOf(c.Phones()) {
				refs[e.Ref] = true
			}
		})
		if err != nil {
			return err
		}
	}
	order := make([]outbox.Ref, 0, len(refs))
	for ref := range refs {
		order = append(order, ref)
	}
	slices.SortFunc(order, l.compare)
	for i, ref := range order {
		if !from.IsZero() && l.compare(ref, from) <= 0 {
			continue
		}
		if len(l.page.Calls) == l.Limit {
			l.page.Next = refText(order[i-1])
			return nil
		}
		entry, err := l.Store.Entry(ctx, ref)
		if errors.Is(err, outbox.ErrNotFound) || errors.Is(err, outbox.ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		l.add(&entry)
	}
	return nil
}

func refText(ref outbox.Ref) string { return fmt.Sprintf("%s/%d", ref.Day, ref.Seq) }

// compare orders as the list does.
func (l *callLister) compare(a, b outbox.Ref) int {
	c := int(int64(a.Day) - int64(b.Day))
	switch {
	case c != 0:
	case a.Seq < b.Seq:
		c = -1
	case a.Seq > b.Seq:
		c = 1
	}
	if l.OldestFirst {
		return c
	}
	return -c
}

// byDay lists the calls day by day.
func (l *callLister) byDay(ctx context.Context, from outbox.Ref) error {
	days, err := l.Store.Days(ctx)
	if err != nil {
		return err
	}
	walk := l.Store.WalkBack
	if l.OldestFirst {
		walk = l.Store.Walk
	} else {
		slices.Reverse(days)
	}
	for _, day := range days {
		start := day.Time()
		if !l.Until.IsZero() && !start.Before(l.Until) || !l.Since.IsZero() && !start.Add(24*time.Hour).After(l.Since) ||
			!from.IsZero() && l.compare(outbox.Ref{Day: day}, outbox.Ref{Day: from.Day}) < 0 {
			continue
		}
		at := outbox.Ref{Day: day}
		if day == from.Day {
			at.Seq = from.Seq
		}
		for {
			if len(l.page.Calls) == l.Limit || l.page.Read >= maxReads {
				l.page.Next = refText(at)
				return nil
			}
			limit := min(auditPage, l.Limit-len(l.page.Calls))
			entries, err := walk(ctx, day, at.Seq, limit)
			if err != nil && !errors.Is(err, outbox.ErrDamaged) {
				return err
			}
			for i := range entries {
				at.Seq = entries[i].Ref.Seq
				l.add(&entries[i])
			}
			if len(entries) == 0 {
				break
			}
		}
	}
	return nil
}

// add adds a call to the page if it is asked for.
func (l *callLister) add(entry *outbox.Entry) {
	l.page.Read++
	if !isCall(entry) {
		return
	}
	c, err := l.finished(entry)
	if err != nil {
		l.page.unreadable++
	}
	if err != nil || !l.matches(c) {
		return
	}
	if l.chosen != nil {
		l.chosen(entry, c)
	}
	listed := ListedCall{CallLine: lineOf(c)}
	if l.Records {
		listed.Record = c.Record()
	}
	l.page.Calls = append(l.page.Calls, listed)
}

func (l *callLister) matches(c *FinishedCall) bool {
	r, finished := c.Record(), c.FinishedAt.Time()
	switch {
	case l.Phone != "" && !l.number.OneOf(c.Phones()),
		l.Queue != "" && string(r.Queue) != l.Queue,
		len(l.Outcomes) > 0 && !slices.Contains(l.Outcomes, r.Outcome),
		!l.Since.IsZero() && finished.Before(l.Since),
		!l.Until.IsZero() && !finished.Before(l.Until),
		l.Agent != "" && !slices.ContainsFunc(r.Agents, func(s connector.Segment) bool {
			return l.Agent == string(s.Username) || l.Agent == string(s.SIPID) || l.Agent == string(s.AgentID)
		}):
		return false
	}
	return l.Destination == "" && len(l.States) == 0 || slices.ContainsFunc(c.Deliveries, func(d NamedDelivery) bool {
		return (l.Destination == "" || d.Destination == l.Destination) && (len(l.States) == 0 || slices.Contains(l.States, d.State))
	})
}

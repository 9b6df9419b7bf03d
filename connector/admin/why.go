package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// WhyQuery names a call.
type WhyQuery struct {
	// Of is a uuid or the beginning of one, a call_id, a phone number in any format, or what a mapping has saved.
	Of string
	// As says which of them it is: AsUUID, AsPhone, AsSaved; "" is whichever finds something.
	As string
	// Attempt says which of several calls under one uuid is meant, from 1; 0 is what Of says, or else the newest.
	Attempt int
}

// What a call is named by.
const (
	AsUUID  = "uuid"
	AsPhone = "phone"
	AsSaved = "id"
)

// Found says how a call was found.
type Found struct {
	// By is AsUUID for the beginning of a uuid, AsPhone, or AsSaved.
	By string `json:"by"`
	// Destination and Name say where the value was saved, and as what.
	Destination string `json:"destination,omitempty"`
	Name        string `json:"name,omitempty"`
}

// CallLine is a call in a list.
type CallLine struct {
	CallID     string             `json:"call_id"`
	UUID       string             `json:"uuid"`
	OccurredAt connector.Time     `json:"occurred_at"`
	FinishedAt connector.Time     `json:"finished_at"`
	Phone      connector.Text     `json:"phone"`
	Queue      connector.Text     `json:"queue"`
	Agent      connector.Text     `json:"agent"`
	Outcome    connector.Outcome  `json:"outcome"`
	Talk       connector.Span     `json:"talk_seconds"`
	Duration   connector.Span     `json:"duration_seconds"`
	Deliveries []DeliveryStanding `json:"deliveries"`
	// Open says that the call is not finished yet.
	Open bool `json:"open,omitempty"`
}

// DeliveryStanding is where the delivery of a listed call stands.
type DeliveryStanding struct {
	Destination string                  `json:"destination"`
	State       connector.DeliveryState `json:"state"`
}

// OpenStory is what is known so far of a call that is not finished.
type OpenStory struct {
	// Record as it would be if nothing more came.
	Record connector.Record `json:"record"`
	// Next is when it is looked at again; unknown where no daemon runs.
	Next connector.Time `json:"next"`
	// Waits says in words what for.
	Waits string `json:"waits"`
}

// Heard is what came of the dialer, and what came of it that nobody understood.
type Heard struct {
	Feeds   []connector.FeedStatus   `json:"feeds,omitempty"`
	Refused []connector.RefusedPosts `json:"refused,omitempty"`
	// Since is when the counting began; unknown where no daemon runs.
	Since connector.Time `json:"since"`
	// Quarantined are posts in quarantine that name what was asked for.
	Quarantined []connector.Quarantined `json:"quarantined,omitempty"`
	// KeptSince is the day (UTC) from which on all calls that were finished are kept, "" if none was ever dropped for its age.
	KeptSince string `json:"kept_since,omitempty"`
}

// mostOthers is how many other calls are listed, and mostFound how many of what an index gives are looked at.
const (
	mostOthers = 20
	mostFound  = 2000
)

// Why tells what is known of a call. It may be nothing; then it tells what might explain that.
func (s Source) Why(ctx context.Context, q WhyQuery) (*Story, error) {
	of := strings.TrimSpace(q.Of)
	switch {
	case of == "":
		return nil, BadRequest("which call? Give a uuid, a phone number, or an id of the CRM")
	case q.As != "" && q.As != AsUUID && q.As != AsPhone && q.As != AsSaved:
		return nil, BadRequest(fmt.Sprintf("as %q: expected %s, %s or %s", q.As, AsUUID, AsPhone, AsSaved))
	case q.Attempt < 0:
		return nil, BadRequest(fmt.Sprintf("attempt %d: they are counted from 1", q.Attempt))
	}
	w := seeker{Source: s, of: of}
	w.number, w.isNumber = correlate.ParseNumber(of, &s.Correlation)
	for _, by := range []struct {
		as   string
		find func(context.Context) (*Story, error)
	}{{AsUUID, w.byUUID}, {AsSaved, w.bySaved}, {AsPhone, w.byPhone}, {AsUUID, w.byPrefix}} {
		if q.As != "" && q.As != by.as {
			continue
		}
		story, err := by.find(ctx)
		if err != nil {
			return nil, err
		}
		if story != nil {
			if story.Asked = of; of == story.UUID {
				story.Asked = ""
			}
			w.open(ctx, story)
			w.hear(story, false)
			return story, story.about(q.Attempt, w.callID)
		}
	}
	story := &Story{UUID: of, Pending: []connector.Arrival{}, Calls: []FinishedCall{}}
	w.hear(story, true)
	newest, ever, err := s.Store.Dropped(ctx)
	if err != nil {
		return nil, err
	}
	if ever {
		story.Heard.KeptSince = (newest + 1).String()
	}
	return story, nil
}

// seeker looks for a call.
type seeker struct {
	Source
	of       string
	number   correlate.Number
	isNumber bool
	// callID is that of the finished call that was found, "" if only its uuid was.
	callID string
}

func (w *seeker) byUUID(ctx context.Context) (*Story, error) {
	story, err := w.Story(ctx, w.of)
	if err != nil || len(story.Calls)+len(story.Pending) > 0 {
		return story, err
	}
	return nil, nil //nolint:nilnil // nothing was found
}

// bySaved finds a call by what a mapping has saved, or by the call_id that a later attempt has.
func (w *seeker) bySaved(ctx context.Context) (*Story, error) {
	label := connector.SavedLabel(w.of)
	if label == "" {
		return nil, nil //nolint:nilnil // nothing is found by it
	}
	found := Found{By: AsSaved}
	calls, err := w.labeled(ctx, []string{label}, func(c *FinishedCall) bool {
		if c.CallID == w.of {
			found.By = AsUUID
			return true
		}
		for i := range c.Deliveries {
			for name, value := range c.Deliveries[i].Saved() {
				if value == w.of {
					found.Destination, found.Name = c.Deliveries[i].Destination, name
					return true
				}
			}
		}
		return false
	})
	if err != nil || len(calls) == 0 {
		return nil, err
	}
	return w.tell(ctx, &found, calls)
}

func (w *seeker) byPhone(ctx context.Context) (*Story, error) {
	if !w.isNumber {
		return nil, nil //nolint:nilnil // it is no number
	}
	labels := w.number.Labels()
	hashes, err := w.hashes(ctx, w.number)
	if err != nil {
		return nil, err
	}
	for _, h := range hashes {
		labels = append(labels, connector.ErasedLabel(h))
	}
	calls, err := w.labeled(ctx, labels, func(c *FinishedCall) bool {
		return w.number.OneOf(c.Phones()) || c.Erased != nil && slices.ContainsFunc(c.Erased.Numbers, func(h string) bool { return slices.Contains(hashes, h) })
	})
	if err != nil {
		return nil, err
	}
	open, err := w.Live.OpenCalls(ctx, nil)
	if err != nil {
		return nil, err
	}
	for i := range open {
		if w.number.OneOf(phonesOf(open[i].Pending)) {
			calls = append(calls, w.openLine(&open[i]))
		}
	}
	if len(calls) == 0 {
		return nil, nil //nolint:nilnil // nothing was found
	}
	return w.tell(ctx, &Found{By: AsPhone}, calls)
}

func phonesOf(events []connector.Arrival) []string {
	var phones []string
	for i := range events {
		if p := events[i].Phone; p != "" && !slices.Contains(phones, p) {
			phones = append(phones, p)
		}
	}
	return phones
}

// shortest is how much of a uuid has to be given.
const shortest = 4

func (w *seeker) byPrefix(ctx context.Context) (*Story, error) {
	if len(w.of) < shortest {
		return nil, nil //nolint:nilnil // it would be any call
	}
	groups, err := w.Store.Groups(ctx, connector.CallGroup(w.of), mostOthers+1)
	if err != nil {
		return nil, err
	}
	open, err := w.Live.OpenCalls(ctx, func(uuid string) bool { return strings.HasPrefix(uuid, w.of) })
	if err != nil {
		return nil, err
	}
	uuids := map[string]bool{}
	var lines []CallLine
	for i := range open {
		uuids[open[i].UUID] = true
		lines = append(lines, w.openLine(&open[i]))
	}
	for _, group := range groups {
		uuid, _ := connector.ParseGroup(group)
		entries, err := w.Store.Entries(ctx, group)
		if err != nil {
			return nil, err
		}
		for j := range entries {
			if c, err := w.finished(&entries[j]); err == nil && !uuids[uuid] {
				lines = append(lines, lineOf(c))
			}
		}
		uuids[uuid] = true
	}
	if len(uuids) == 0 {
		return nil, nil //nolint:nilnil // nothing was found
	}
	found := &Found{By: AsUUID}
	if len(uuids) == 1 {
		for uuid := range uuids {
			story, err := w.Story(ctx, uuid)
			if err == nil {
				story.Found = found
			}
			return story, err
		}
	}
	slices.SortStableFunc(lines, newestFirst)
	story := &Story{UUID: w.of, Pending: []connector.Arrival{}, Calls: []FinishedCall{}, Found: found}
	story.Others, story.More = lines[:min(len(lines), mostOthers)], len(lines) > mostOthers
	return story, nil
}

func newestFirst(a, b CallLine) int { return cmp.Compare(b.OccurredAt, a.OccurredAt) }

// tell gives the story of the newest of the calls, and lists the others.
func (w *seeker) tell(ctx context.Context, found *Found, calls []CallLine) (*Story, error) {
	slices.SortStableFunc(calls, newestFirst)
	story, err := w.Story(ctx, calls[0].UUID)
	if err != nil {
		return nil, err
	}
	story.Found = found
	if !calls[0].Open {
		w.callID = calls[0].CallID
	}
	var others []CallLine
	for _, line := range calls[1:] {
		if line.UUID != calls[0].UUID {
			others = append(others, line)
		}
	}
	story.Others, story.More = others[:min(len(others), mostOthers)], len(others) > mostOthers
	return story, nil
}

// labeled finds finished calls by any of the labels. Labels only lead to calls, is says which of them are meant.
func (w *seeker) labeled(ctx context.Context, labels []string, is func(*FinishedCall) bool) ([]CallLine, error) {
	var lines []CallLine
	seen := map[outbox.Ref]bool{}
	add := func(entry *outbox.Entry) {
		if seen[entry.Ref] || !isCall(entry) {
			return
		}
		seen[entry.Ref] = true
		if c, err := w.finished(entry); err == nil && is(c) {
			lines = append(lines, lineOf(c))
		}
	}
	var unlabeled []outbox.Ref
	for _, label := range labels {
		refs, without, err := w.Store.Labeled(ctx, label, mostFound)
		if err != nil {
			return nil, err
		}
		unlabeled = without
		for _, ref := range refs {
			entry, err := w.Store.Entry(ctx, ref)
			if errors.Is(err, outbox.ErrNotFound) || errors.Is(err, outbox.ErrDamaged) {
				continue
			}
			if err != nil {
				return nil, err
			}
			add(&entry)
		}
	}
	for _, last := range unlabeled { // of an older wrapup: there is no other way than to read all of it
		if err := w.eachUntil(ctx, last, add); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func isCall(entry *outbox.Entry) bool {
	uuid, _ := connector.ParseGroup(entry.Group)
	return uuid != ""
}

// eachUntil reads the entries of a day up to the given one.
func (s Source) eachUntil(ctx context.Context, last outbox.Ref, f func(*outbox.Entry)) error {
	for after := uint64(0); ; {
		entries, err := s.Store.Walk(ctx, last.Day, after, auditPage)
		if err != nil && !errors.Is(err, outbox.ErrDamaged) {
			return err
		}
		for i := range entries {
			if after = entries[i].Ref.Seq; after > last.Seq {
				return nil
			}
			f(&entries[i])
		}
		if len(entries) == 0 {
			return nil
		}
	}
}

// lineOf gives a finished call's line.
func lineOf(c *FinishedCall) CallLine {
	line := lineOfRecord(c.Record())
	line.CallID, line.FinishedAt = c.CallID, c.FinishedAt
	for i := range c.Deliveries {
		line.Deliveries = append(line.Deliveries, DeliveryStanding{c.Deliveries[i].Destination, c.Deliveries[i].State})
	}
	return line
}

func lineOfRecord(r *connector.Record) CallLine {
	line := CallLine{CallID: r.CallID, UUID: r.UUID, OccurredAt: r.OccurredAt, Phone: cmp.Or(r.PhoneE164, r.Phone), Queue: r.Queue, Outcome: r.Outcome,
		Talk: r.TalkSeconds, Duration: r.DurationSeconds, Deliveries: []DeliveryStanding{}}
	if r.Agent != nil {
		line.Agent = cmp.Or(r.Agent.Username, r.Agent.SIPID, r.Agent.AgentID)
	}
	return line
}

// fold puts an open call together as far as it has come.
func (s Source) fold(pending []connector.Arrival) (last *correlate.Attempt) {
	events := make([]connector.Event, len(pending))
	for i := range pending {
		events[i] = pending[i].Event
	}
	attempts := correlate.Fold(events, correlate.Frozen{}, nil, &s.Correlation)
	for i := range attempts {
		if !attempts[i].Empty {
			last = &attempts[i]
		}
	}
	return last
}

func (s Source) openLine(c *connector.OpenCall) CallLine {
	line := CallLine{Deliveries: []DeliveryStanding{}}
	if a := s.fold(c.Pending); a != nil {
		line = lineOfRecord(&a.Record)
	}
	line.CallID, line.UUID, line.Open = c.UUID, c.UUID, true
	return line
}

// open tells of a call that isn't finished what is known so far, and what it waits for.
func (w *seeker) open(ctx context.Context, story *Story) {
	if len(story.Pending) == 0 {
		return
	}
	finished := make([]*connector.Call, len(story.Calls))
	for i := range story.Calls {
		finished[i] = &story.Calls[i].Call
	}
	attempts, _ := w.divide(finished, story.Pending)
	if len(attempts) == 0 {
		return // stragglers
	}
	a := &attempts[len(attempts)-1]
	story.Open = &OpenStory{Record: a.Record}
	open, err := w.Live.OpenCalls(ctx, func(uuid string) bool { return uuid == story.UUID })
	if err == nil && len(open) > 0 {
		story.Open.Next = open[0].Next
	}
	settings := &w.Correlation
	switch {
	case a.Wait == 0:
		story.Open.Waits = "everything is there: it is about to be finished"
	case !a.Record.HasFlag(connector.FlagHangupMissing):
		story.Open.Waits = fmt.Sprintf("it has ended, and stragglers have %s", short(settings.Settle))
	case a.Wait == settings.RingTimeout:
		story.Open.Waits = fmt.Sprintf("only its creation has come; it is finished %s after it if nothing else comes", short(settings.RingTimeout))
	default:
		story.Open.Waits = fmt.Sprintf("its hang-up has not come; it is finished %s after the newest event if none comes", short(settings.MaxAge))
	}
}

// short writes a duration without its zeros.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}

// hear looks for what was asked for in the quarantine; if nothing is known of it, it tells what else was heard.
func (w *seeker) hear(story *Story, unknown bool) {
	heard := &Heard{}
	if w.Quarantine != nil {
		needles := [][]byte{[]byte(w.of)}
		if len(story.Calls)+len(story.Pending) > 0 {
			needles = append(needles, []byte(story.UUID))
		}
		for _, one := range w.Quarantine.List(connector.QuarantineQuery{}).Quarantined {
			if whole, ok := w.Quarantine.Show(one.ID); ok && w.names(whole.Body, needles) {
				heard.Quarantined = append(heard.Quarantined, one)
			}
		}
	}
	if unknown && w.Intake != nil {
		status := w.Intake.Status()
		heard.Feeds, heard.Refused, heard.Since = status.Feeds, status.Refused, status.Since
	}
	if unknown || len(heard.Quarantined) > 0 {
		story.Heard = heard
	}
}

// names says that a body that nobody understood has what was asked for somewhere.
func (w *seeker) names(body []byte, needles [][]byte) bool {
	for _, n := range needles {
		if len(n) >= shortest && bytes.Contains(body, n) {
			return true
		}
	}
	if !w.isNumber {
		return false
	}
	return numberIn(body, w.number)
}

// numberIn says that a text has the number in one of its forms, as digits that stand together.
func numberIn(body []byte, number correlate.Number) bool {
	isDigit := func(b byte) bool { return b >= '0' && b <= '9' }
	for i := 0; i < len(body); i++ {
		if !isDigit(body[i]) {
			continue
		}
		from := i
		for i < len(body) && isDigit(body[i]) {
			i++
		}
		text := string(body[from:i])
		if from > 0 && body[from-1] == '+' {
			text = "+" + text
		}
		if number.Is(text) {
			return true
		}
	}
	return false
}

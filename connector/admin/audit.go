package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// DayAudit compares the counters of a day of finish with what is kept of its calls.
type DayAudit struct {
	Day string `json:"day"`
	// Calls as they were counted, and as they are kept.
	Calls int64 `json:"calls"`
	Kept  int64 `json:"kept"`
	// Destinations by name.
	Destinations []DestinationAudit `json:"destinations"`
	// Gaps in words; there should be none.
	Gaps []string `json:"gaps"`
	// Moving says that the day could not be recounted, because deliveries went on all the time. Its counters still add up,
	// if there is no gap.
	Moving bool `json:"moving,omitempty"`
}

// DestinationAudit is a destination's share of a day: of the calls that were finished while it was configured, how many are
// in each state.
type DestinationAudit struct {
	Destination string `json:"destination"`
	Sum
	// Updates is the same of the later revisions of these calls.
	Updates Sum `json:"updates"`
}

// Sum is what has to add up.
type Sum struct {
	// Finished and Counted are by the counters.
	Finished int64                             `json:"finished"`
	Counted  map[connector.DeliveryState]int64 `json:"counted"`
	// Recounted is by what is kept of each call.
	Recounted map[connector.DeliveryState]int64 `json:"recounted"`
}

// DeliveryStates lists the states that a delivery can be in.
func DeliveryStates() []connector.DeliveryState {
	return []connector.DeliveryState{connector.DeliveryDone, connector.DeliveryWaiting, connector.DeliveryDead,
		connector.DeliveryParked, connector.DeliverySkipped, connector.DeliveryDropped, connector.DeliveryErased}
}

// Days names the days of which calls are kept, oldest first.
func (s Source) Days(ctx context.Context) ([]string, error) {
	days, err := s.Store.Days(ctx)
	names := make([]string, len(days))
	for i, d := range days {
		names[i] = d.String()
	}
	return names, err
}

// An audit of a day that deliveries are going on for is repeated: so often, so long.
const (
	auditTries    = 4
	auditPatience = 10 * time.Second
	auditPause    = 5 * time.Millisecond
)

// Audit recounts a day. The daemon goes on meanwhile: what is said is true of a moment at which the counters stood still.
// A gap counts if it is there twice; one that came of reading while something changed is another one next time.
func (s Source) Audit(ctx context.Context, name string) (*DayAudit, error) {
	day, err := outbox.ParseDay(name)
	if err != nil {
		return nil, BadRequest(err.Error())
	}
	deadline := time.Now().Add(auditPatience)
	var before *DayAudit
	for try := 0; ; try++ {
		r := recount{Source: s, day: day, total: newTally()}
		steady, err := r.run(ctx, deadline)
		if err != nil {
			return nil, err
		}
		a := r.compare(steady)
		if steady {
			strays, err := r.strays(ctx)
			if err != nil {
				return nil, err
			}
			a.Gaps = append(a.Gaps, strays...)
		}
		if steady && (len(a.Gaps) == 0 || before != nil && slices.Equal(before.Gaps, a.Gaps)) {
			return a, nil
		}
		if try+1 == auditTries || time.Now().After(deadline) {
			a = r.compare(false)
			a.Moving = true
			return a, nil
		}
		before = nil
		if steady {
			before = a
		}
		if err := sleep(ctx, auditPause); err != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// byState counts by destination and state.
type byState map[string]map[connector.DeliveryState]int64

func (b byState) add(destination string, state connector.DeliveryState, n int64) {
	if b[destination] == nil {
		b[destination] = map[connector.DeliveryState]int64{}
	}
	b[destination][state] += n
}

func (b byState) addAll(other byState) {
	for destination, states := range other {
		for state, n := range states {
			b.add(destination, state, n)
		}
	}
}

// tally counts calls, their deliveries, and the updates of these.
type tally struct {
	calls           int64
	states, updates byState
	open            []pending
}

func newTally() tally { return tally{states: byState{}, updates: byState{}} }

// count adds an entry. It says whether a delivery of it waits.
func (t *tally) count(e *outbox.Entry) (waits bool) {
	uuid, _ := connector.ParseGroup(e.Group)
	if uuid == "" {
		return false
	}
	t.calls++
	for _, row := range e.Rows {
		at := connector.Standing{State: StateUnreadable}
		if d, err := connector.DecodeDelivery(row.Body); err == nil {
			at = d.Standing()
		}
		t.states.add(row.Name, at.State, 1)
		t.updates.add(row.Name, connector.DeliveryDone, at.Updated)
		t.updates.add(row.Name, at.State, at.Open)
		if !over(at.State) {
			t.open = append(t.open, pending{e.Ref, row.Name})
		}
		waits = waits || at.State == connector.DeliveryWaiting
	}
	return waits
}

func (t *tally) addAll(other tally) {
	t.calls += other.calls
	t.open = append(t.open, other.open...)
	t.states.addAll(other.states)
	t.updates.addAll(other.updates)
}

// recount is one reading of a day. Most calls of a day are over, and don't change any more. So all are read once; then, as
// long as the counters move, only those are read again that had something to do, and those that have come since.
type recount struct {
	Source
	day     outbox.Day
	counts  map[string]int64
	total   tally
	damaged map[string]bool
}

// auditPage is how many calls are read at a time.
const auditPage = 200

func (r *recount) run(ctx context.Context, deadline time.Time) (steady bool, err error) {
	r.damaged = map[string]bool{}
	before, err := r.Store.Counts(ctx, r.day)
	if err != nil {
		return false, err
	}
	cold, hot := newTally(), newTally()
	var moving []outbox.Ref
	last, err := r.walk(ctx, 0, func(e *outbox.Entry) {
		one := newTally()
		if one.count(e) {
			moving = append(moving, e.Ref)
			hot.addAll(one)
		} else {
			cold.addAll(one)
		}
	})
	if err != nil {
		return false, err
	}
	for {
		if r.counts, err = r.Store.Counts(ctx, r.day); err != nil {
			return false, err
		}
		r.total = newTally()
		r.total.addAll(cold)
		r.total.addAll(hot)
		if maps.Equal(before, r.counts) {
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		if err := sleep(ctx, auditPause); err != nil {
			return false, err
		}
		if before, err = r.Store.Counts(ctx, r.day); err != nil {
			return false, err
		}
		hot = newTally()
		for _, ref := range moving {
			e, err := r.Store.Entry(ctx, ref)
			if err != nil {
				return false, err
			}
			hot.count(&e)
		}
		if _, err := r.walk(ctx, last, func(e *outbox.Entry) { hot.count(e) }); err != nil {
			return false, err
		}
	}
}

// walk reads the day's entries after the given one.
func (r *recount) walk(ctx context.Context, after uint64, f func(*outbox.Entry)) (last uint64, err error) {
	for {
		entries, err := r.Store.Walk(ctx, r.day, after, auditPage)
		if errors.Is(err, outbox.ErrDamaged) {
			r.damaged[err.Error()] = true
		} else if err != nil {
			return after, err
		}
		for i := range entries {
			f(&entries[i])
			after = entries[i].Ref.Seq
		}
		if len(entries) < auditPage {
			return after, nil
		}
	}
}

// compare finds the gaps. Where the counters didn't hold still, they can only be compared with each other.
func (r *recount) compare(steady bool) *DayAudit {
	a := &DayAudit{
		Day: r.day.String(), Calls: r.counts[connector.CountCalls], Kept: r.total.calls,
		Destinations: []DestinationAudit{}, Gaps: []string{},
	}
	gap := func(format string, args ...any) { a.Gaps = append(a.Gaps, fmt.Sprintf(format, args...)) }
	for _, text := range slices.Sorted(maps.Keys(r.damaged)) {
		gap("%s", text)
	}
	if steady && a.Calls != a.Kept {
		gap("calls: %d were counted, and %d are kept", a.Calls, a.Kept)
	}
	deliveries, updates := counted(r.counts, "delivery/"), counted(r.counts, "update/")
	names := map[string]bool{}
	for _, found := range []byState{deliveries, updates, r.total.states, r.total.updates} {
		for name := range found {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d := DestinationAudit{Destination: name, Sum: sumOf(deliveries[name], r.total.states[name]), Updates: sumOf(updates[name], r.total.updates[name])}
		for _, text := range d.gaps("calls", steady) {
			gap("%s: %s", name, text)
		}
		for _, text := range d.Updates.gaps("updates", steady) {
			gap("%s: %s", name, text)
		}
		a.Destinations = append(a.Destinations, d)
	}
	return a
}

// countFinished is how a sum is named among the states that make it up.
const countFinished connector.DeliveryState = "finished"

// counted takes the counters whose names begin like that.
func counted(counts map[string]int64, prefix string) byState {
	found := byState{}
	for name, n := range counts {
		if destination, state, ok := parseCount(name, prefix); ok && n != 0 {
			found.add(destination, state, n)
		}
	}
	return found
}

func sumOf(counted, recounted map[connector.DeliveryState]int64) Sum {
	s := Sum{Counted: map[connector.DeliveryState]int64{}, Recounted: map[connector.DeliveryState]int64{}}
	maps.Copy(s.Counted, counted)
	s.Finished = s.Counted[countFinished]
	delete(s.Counted, countFinished)
	maps.Copy(s.Recounted, recounted)
	for _, found := range []map[connector.DeliveryState]int64{s.Counted, s.Recounted} {
		maps.DeleteFunc(found, func(_ connector.DeliveryState, n int64) bool { return n == 0 })
	}
	return s
}

// gaps says in words what doesn't add up of so many calls, or updates. Where the counters didn't hold still, they can only be
// compared with each other.
func (s *Sum) gaps(what string, steady bool) (gaps []string) {
	gap := func(format string, args ...any) { gaps = append(gaps, fmt.Sprintf(format, args...)) }
	states := DeliveryStates()
	for _, found := range []map[connector.DeliveryState]int64{s.Counted, s.Recounted} {
		for state := range found {
			if !slices.Contains(states, state) {
				states = append(states, state)
			}
		}
	}
	slices.Sort(states[len(DeliveryStates()):])
	var sum, kept int64
	for _, state := range states {
		sum += s.Counted[state]
		kept += s.Recounted[state]
	}
	if sum != s.Finished {
		gap("%d %s were finished, but the states add up to %d", s.Finished, what, sum)
	}
	if steady && kept != s.Finished {
		gap("%d %s were finished, but deliveries of %d are kept", s.Finished, what, kept)
	}
	for _, state := range states {
		if n, kept := s.Counted[state], s.Recounted[state]; steady && n != kept {
			gap("%d %s are counted as %s, but %d are kept as such", n, what, state, kept)
		}
	}
	return gaps
}

// parseCount takes the name of a counter by destination and state apart.
func parseCount(name, prefix string) (destination string, state connector.DeliveryState, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	i := strings.LastIndexByte(rest, '/')
	if !ok || i < 0 {
		return "", "", false
	}
	return rest[:i], connector.DeliveryState(rest[i+1:]), true
}

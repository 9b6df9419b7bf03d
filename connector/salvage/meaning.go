// Package salvage tells a store what calls and deliveries are, as far as it takes to check a store and to salvage a damaged
// one without logging a call twice.
package salvage

import (
	"encoding/json"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// Meaning is an outbox.Meaning of calls.
type Meaning struct{}

var _ outbox.Meaning = Meaning{}

func isCall(e *outbox.Entry) bool {
	uuid, _ := connector.ParseGroup(e.Group)
	return uuid != ""
}

// Day gives the day on which a call was finished, or a key of erasures was made.
func (Meaning) Day(e *outbox.Entry) (outbox.Day, bool) {
	if e.Group == connector.ErasureGroup {
		day, err := outbox.ParseDay(e.ID)
		return day, err == nil
	}
	if !isCall(e) {
		return 0, false
	}
	call, err := connector.DecodeCall(e.Body)
	if err != nil {
		return 0, false
	}
	return outbox.DayOf(call.FinishedAt.Time()), true
}

// Need says which task a delivery needs.
func (Meaning) Need(row outbox.Row) (outbox.Need, time.Time) {
	d, err := connector.DecodeDelivery(row.Body)
	if err != nil {
		return outbox.NeedUnknown, time.Time{}
	}
	switch d.State {
	case connector.DeliveryWaiting:
		if d.Next == 0 {
			return outbox.NeedDue, time.Time{}
		}
		return outbox.NeedDue, d.Next.Time()
	case connector.DeliveryDead, connector.DeliveryParked:
		return outbox.NeedBuried, time.Time{}
	case connector.DeliveryDone, connector.DeliverySkipped:
		return outbox.NeedNone, time.Time{}
	case connector.DeliveryDropped, connector.DeliveryErased:
		// A person ends a delivery first and then its task, which may be buried, or with a lane; a kill can come between.
		return outbox.NeedLeft, time.Time{}
	}
	return outbox.NeedUnknown, time.Time{}
}

// Park makes a delivery that may have been sent wait for a person, who sees in the CRM whether it was. What is known of its
// progress stays, so that a retry sends no step again that was done.
func (Meaning) Park(e *outbox.Entry, row outbox.Row, now time.Time) ([]byte, error) {
	if !isCall(e) {
		return nil, nil
	}
	call, err := connector.DecodeCall(e.Body)
	if err != nil {
		return nil, err
	}
	d := &connector.Delivery{}
	reason := "maybe delivered: what the store knew of it was damaged and is lost"
	if row.Body != nil {
		if d, err = connector.DecodeDelivery(row.Body); err != nil {
			return nil, err
		}
		reason = "maybe delivered: the store was damaged, and what could be salvaged of this delivery may be out of date"
	}
	d.State, d.Reason, d.Next = connector.DeliveryParked, reason, 0
	d.Wanted = max(d.Wanted, call.Record().Revision)
	if call.Erased != nil {
		d.Erase(connector.TimeOf(now))
		return d.Encode()
	}
	if d.Done < d.Wanted {
		// A retry asks the CRM where the mapping can, and else insists: as for every other lost answer.
		if d.Unsure == nil {
			d.Unsure = map[string]connector.Doubt{}
		}
		d.Unsure[connector.DoubtStep] = connector.Doubt{Since: connector.TimeOf(now), Last: connector.TimeOf(now)}
	}
	return d.Encode()
}

// Counts gives the counters that a call and its deliveries were counted in.
func (Meaning) Counts(e *outbox.Entry) map[string]int64 {
	counts := map[string]int64{}
	if !isCall(e) {
		return counts
	}
	call, err := connector.DecodeCall(e.Body)
	if err != nil {
		return counts
	}
	counts[connector.CountCalls] = 1
	counts[connector.CountRevisions] = int64(call.Record().Revision - 1) // an erased call has only its last one
	counts[connector.CountLate] = int64(len(call.Late))
	for _, c := range call.Record().Counts() {
		counts[connector.CountQueue(string(call.Record().Queue), c)]++
	}
	for _, row := range e.Rows {
		d, err := connector.DecodeDelivery(row.Body)
		if err != nil {
			continue
		}
		for _, move := range connector.CountMove(row.Name, connector.Standing{}, d.Standing()) {
			counts[move.Name] += move.N
		}
	}
	for name, n := range counts {
		if n == 0 {
			delete(counts, name)
		}
	}
	return counts
}

// Counted says whether a counter follows from the calls and their deliveries.
func (Meaning) Counted(name string) bool {
	switch name {
	case connector.CountCalls, connector.CountRevisions, connector.CountLate:
		return true
	}
	_, _, queue := connector.ParseCountQueue(name)
	return queue || strings.HasPrefix(name, "delivery/") || strings.HasPrefix(name, "update/")
}

// Labels gives the labels of a call, and of what its deliveries saved.
func (Meaning) Labels(e *outbox.Entry) (names []string, only bool) {
	if !isCall(e) {
		return nil, true
	}
	call, err := connector.DecodeCall(e.Body)
	if err != nil {
		return nil, false
	}
	names = call.Labels()
	for _, row := range e.Rows {
		if d, err := connector.DecodeDelivery(row.Body); err == nil {
			names = append(names, d.SavedLabels()...)
		}
	}
	return names, call.Erased != nil
}

// Settle erases what is left of an erased call: an old version of it, or of its deliveries, may be all that was found.
func (Meaning) Settle(e *outbox.Entry, now time.Time) {
	if !isCall(e) {
		return
	}
	call, err := connector.DecodeCall(e.Body)
	if err != nil {
		return
	}
	deliveries := make([]*connector.Delivery, len(e.Rows))
	erased := call.Erased != nil
	for i, row := range e.Rows {
		if d, err := connector.DecodeDelivery(row.Body); err == nil {
			deliveries[i] = d
			erased = erased || d.State == connector.DeliveryErased
		}
	}
	if !erased {
		return
	}
	if call.Erased == nil {
		call.Erase(connector.TimeOf(now), nil)
		if body, err := json.Marshal(call); err == nil {
			e.Body = body
		}
	}
	for i, d := range deliveries {
		if d == nil || d.State == connector.DeliveryErased {
			continue
		}
		d.Erase(connector.TimeOf(now))
		if body, err := d.Encode(); err == nil {
			e.Rows[i].Body = body
		}
	}
}

// Doubt marks a call's events. The body is no event, so that whoever reads the group's events passes over it.
// Agents' timelines, pauses and posts in quarantine do no harm if they come back.
func (Meaning) Doubt(group string) (outbox.Item, bool) {
	uuid, _ := connector.ParseGroup(group)
	return outbox.Item{ID: connector.DoubtItem, Body: []byte(`"doubt"`)}, uuid != ""
}

package admin

import (
	"context"
	"fmt"

	"wrapup/connector"
	"wrapup/connector/correlate"
)

// divide says what a uuid's pending events are: of calls that are open, with Events that are indices into pending, and
// stragglers of calls that were finished, by the number of the attempt. A uuid that is used again has both.
func (s Source) divide(calls []*connector.Call, pending []connector.Arrival) (open []correlate.Attempt, stragglers map[int][]connector.Arrival) {
	events := make([]connector.Event, 0, len(pending))
	for i := range pending {
		events = append(events, pending[i].Event)
	}
	frozen := correlate.Frozen{Attempt: map[string]int{}}
	for _, c := range calls {
		for i := range c.Events {
			frozen.Attempt[c.Events[i].ID()] = c.Record().Attempt
			events = append(events, c.Events[i].Event)
		}
	}
	stragglers = map[int][]connector.Arrival{}
	for _, a := range correlate.Fold(events, frozen, nil, &s.Correlation) {
		if !a.Frozen && !a.Empty {
			open = append(open, a)
		}
		for _, i := range a.Events {
			if a.Frozen && i < len(pending) {
				stragglers[a.Record.Attempt] = append(stragglers[a.Record.Attempt], pending[i])
			}
		}
	}
	return open, stragglers
}

// callsOf reads the calls that were finished under a uuid, but those that can't be read.
func (s Source) callsOf(ctx context.Context, uuid string) (calls []*connector.Call, err error) {
	entries, err := s.Store.Entries(ctx, connector.CallGroup(uuid))
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if call, err := connector.DecodeCall(entries[i].Body); err == nil {
			calls = append(calls, call)
		}
	}
	return calls, nil
}

// about says which of several attempts is told of: the one that was asked for by its number, or else that of the call_id; none
// is the newest.
func (story *Story) about(number int, callID string) error {
	attempts := map[int]string{}
	for i := range story.Calls {
		attempts[story.Calls[i].Record().Attempt] = story.Calls[i].CallID
	}
	if story.Open != nil {
		attempts[story.Open.Record.Attempt] = story.Open.Record.CallID
	}
	id, ok := attempts[number]
	switch {
	case number == 0 && len(attempts) > 1:
		story.About = callID
	case number != 0 && ok:
		story.About = id
	case number != 0:
		return refusal(fmt.Sprintf("there is no attempt %d of the call %s, but %d under its uuid", number, story.UUID, len(attempts)))
	}
	return nil
}

package connector

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Call is a finished call as it is kept in the history: everything that is known of it but what was sent of it.
type Call struct {
	// Revisions of the record, oldest first; there is at least one. They are kept because a delivery that is under way
	// finishes the revision that it began with.
	Revisions []Revision `json:"revisions"`
	// Events that the newest revision was made of, and when each came.
	Events []Arrival `json:"events"`
	// Late events came after the late window: they change nothing.
	Late []Arrival `json:"late,omitempty"`
	// Timeline is what the fold used of the agents' timelines. It is frozen at the first finish, so that what an agent does
	// afterwards can't change how long he had been idle before.
	Timeline []Event `json:"timeline,omitempty"`
	// Erased says that the customer's number was erased from the call; nil if it wasn't.
	Erased *Erased `json:"erased,omitempty"`
	// FinishedAt is when revision 1 was made, by wrapup's clock.
	FinishedAt Time `json:"finished_at"`
}

// Revision is one version of a call's record.
type Revision struct {
	Record Record `json:"record"`
	// At is when it was made, by wrapup's clock.
	At Time `json:"at"`
}

// Record gives the newest revision.
func (c *Call) Record() *Record { return &c.Revisions[len(c.Revisions)-1].Record }

// Revision gives the record of the given revision, nil if there is none.
func (c *Call) Revision(n int) *Record {
	for i := range c.Revisions {
		if c.Revisions[i].Record.Revision == n {
			return &c.Revisions[i].Record
		}
	}
	return nil
}

// DecodeToDeliver reads a stored Call as far as delivering it takes: of its events there is no more than the number, when
// they happened and when they came. That is a good deal faster.
func DecodeToDeliver(body []byte) (*Call, error) {
	type arrival struct {
		Phone string `json:"phone"`
		Time  Time   `json:"time"`
		At    Time   `json:"at"`
	}
	var c struct {
		Revisions  []Revision `json:"revisions"`
		Events     []arrival  `json:"events"`
		Late       []arrival  `json:"late"`
		Erased     *Erased    `json:"erased"`
		FinishedAt Time       `json:"finished_at"`
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("a stored call can't be read: %w", err)
	}
	if len(c.Revisions) == 0 {
		return nil, errNoRecord
	}
	arrivals := func(in []arrival) (out []Arrival) {
		for _, a := range in {
			out = append(out, Arrival{Event: Event{Phone: a.Phone, Time: a.Time}, At: a.At})
		}
		return out
	}
	return &Call{Revisions: c.Revisions, Events: arrivals(c.Events), Late: arrivals(c.Late), Erased: c.Erased, FinishedAt: c.FinishedAt}, nil
}

var errNoRecord = errors.New("a stored call has no record")

// DecodeCall reads a stored Call.
func DecodeCall(body []byte) (*Call, error) {
	c := new(Call)
	if err := json.Unmarshal(body, c); err != nil {
		return nil, fmt.Errorf("a stored call can't be read: %w", err)
	}
	if len(c.Revisions) == 0 {
		return nil, errNoRecord
	}
	return c, nil
}

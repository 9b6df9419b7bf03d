package admin

import (
	"context"
	"errors"

	"wrapup/connector"
)

// TestOrder is which destination to try out, and with what.
type TestOrder struct {
	Destination string `json:"destination"`
	// Record is the call that is looked up there; What says in words which one it is.
	Record *connector.Record `json:"record"`
	What   string            `json:"what"`
	// Create sends what creates something, too.
	Create bool `json:"create,omitempty"`
}

// TestDestination tries a destination out as its lane would meet it: with the login and the tokens of the lane.
func (s Source) TestDestination(ctx context.Context, o TestOrder) (any, error) {
	if _, err := s.laneOf(o.Destination); err != nil {
		return nil, err
	}
	switch {
	case s.Test == nil:
		return nil, errors.New("destinations can't be tried out here")
	case o.Record == nil || o.Record.CallID == "" || !o.Record.OccurredAt.Known():
		return nil, refusal("record: a record with a call_id and an occurred_at is needed")
	}
	return s.Test(ctx, o)
}

// TestDestination has the daemon try a destination out, and puts what it found into the given value.
func (c *Client) TestDestination(ctx context.Context, o TestOrder, into any) error {
	return c.post(ctx, "/v1/destinations/test", o, into)
}

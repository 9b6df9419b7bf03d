package admin

import (
	"context"
	"fmt"

	"wrapup/connector"
)

// Quarantine is what was let in and could not be understood.
type Quarantine interface {
	// List gives a page, without bodies.
	List(q connector.QuarantineQuery) connector.QuarantinePage
	// Show gives one with its body, false if there is none of that ID.
	Show(id string) (connector.Quarantined, bool)
	// Drop takes those of the IDs out, for good.
	Drop(ctx context.Context, ids []string) []connector.QuarantineChange
}

// Intake is what takes the dialer's posts.
type Intake interface {
	// Status tells what it has seen since the start.
	Status() connector.IntakeStatus
	// Retry reads what is in quarantine again.
	Retry(ctx context.Context, ids []string) []connector.QuarantineChange
}

// QuarantineOrder is what to do with what is in quarantine.
type QuarantineOrder struct {
	IDs []string `json:"ids"`
	// Reason of a drop.
	Reason string `json:"reason,omitempty"`
}

// Quarantined gives a page of what is in quarantine, without the bodies.
func (s Source) Quarantined(_ context.Context, q connector.QuarantineQuery) (*connector.QuarantinePage, error) {
	if q.Limit < 1 || q.Limit > maxLimit {
		q.Limit = maxLimit
	}
	page := s.Quarantine.List(q)
	return &page, nil
}

// QuarantinedBody gives one with its body.
func (s Source) QuarantinedBody(_ context.Context, id string) (*connector.Quarantined, error) {
	one, ok := s.Quarantine.Show(id)
	if !ok {
		return nil, refusal(fmt.Sprintf("nothing in quarantine is called %q", id))
	}
	return &one, nil
}

// RetryQuarantined reads them again; what is understood now is as if it had just come.
func (s Source) RetryQuarantined(ctx context.Context, o QuarantineOrder) ([]connector.QuarantineChange, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return s.Intake.Retry(ctx, o.IDs), nil
}

// DropQuarantined takes them out, for good.
func (s Source) DropQuarantined(ctx context.Context, o QuarantineOrder) ([]connector.QuarantineChange, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return s.Quarantine.Drop(ctx, o.IDs), nil
}

func (o *QuarantineOrder) check() error {
	if len(o.IDs) > MaxTargets {
		return BadRequest(fmt.Sprintf("%d posts: at most %d at a time", len(o.IDs), MaxTargets))
	}
	return nil
}

// IntakeStatus tells what the intake has seen since the start.
func (s Source) IntakeStatus(context.Context) (*connector.IntakeStatus, error) {
	status := s.Intake.Status()
	return &status, nil
}

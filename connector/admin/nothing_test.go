package admin

import (
	"context"

	"wrapup/connector"
)

// nobody is a daemon with no open calls.
type nobody struct{}

func (nobody) Pending(context.Context, string) ([]connector.Arrival, error) { return nil, nil }
func (nobody) OpenCalls(context.Context, func(string) bool) ([]connector.OpenCall, error) {
	return nil, nil
}
func (nobody) Agents(context.Context) ([]connector.AgentNow, error) { return nil, nil }

// nothing is a quarantine that is empty, and an intake to which nobody has posted.
type nothing struct{}

func (nothing) List(connector.QuarantineQuery) connector.QuarantinePage {
	return connector.QuarantinePage{}
}
func (nothing) Show(string) (connector.Quarantined, bool)                    { return connector.Quarantined{}, false }
func (nothing) Drop(context.Context, []string) []connector.QuarantineChange  { return nil }
func (nothing) Retry(context.Context, []string) []connector.QuarantineChange { return nil }
func (nothing) Status() connector.IntakeStatus                               { return connector.IntakeStatus{} }

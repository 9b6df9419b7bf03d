package main

import (
	"fmt"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func zendeskCases() []presetCase {
	calls := presetCase{
		preset: "zendesk",
		api:    targettest.Zendesk,
		destination: fmt.Sprintf("url: http://acme.zendesk.com\nauth: {basic: {user: %s, password: %s}}\nparams: {assignee: %s, outcome_field: %s, talk_field: %s, recording_field: %s}",
			targettest.ZendeskUser, targettest.Credential, targettest.ZendeskOther, targettest.ZendeskOutcome, targettest.ZendeskTalk, targettest.ZendeskRecording),
		agents: "username,zendesk_agent\njdoe," + targettest.ZendeskAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "solved connected", connector.OutcomeAbandoned: "solved abandoned", connector.OutcomeUnanswered: "solved unanswered",
		},
		owner:      targettest.ZendeskAgent,
		nobody:     targettest.ZendeskOther,
		newContact: true,
		start:      never, // in the text only
		writes:     1,
		refuse:     "status",
		says:       "Status: is not included in the list",
		extra: []presetScenario{{"calls to a new number one after the other", zendeskNewNumber, false, false}, {"a closed ticket", zendeskClosed, false, false}, otherList("/api/v2/tickets", map[string]any{"tickets": []any{map[string]any{"id": 1, "external_id": nil}}},
			"Zendesk lists tickets with another external_id")},
		breaks: []presetBreak{
			{"a required field is left out", "        comment:\n          body: \"Queue", "        remark:\n          body: \"Queue", "ticket.comment: missing"},
			{"no uuid", `        external_id: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"each ticket makes a user", `        external_id: "tel:${call.phone_e164}"` + "\n", "", "users have the new number"},
			{"the first of two contacts", "response.body.count > 1 ? 'several' : ", "", "two contacts: linked"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.nobody, callbacks.talk = "zendesk-callbacks", "", "", "", never
	callbacks.closer = targettest.ZendeskOther
	callbacks.destination = fmt.Sprintf("url: http://acme.zendesk.com\nauth: {basic: {user: %s, password: %s}}\nparams: {assignee: %s, outcome_field: %s}",
		targettest.ZendeskUser, targettest.Credential, targettest.ZendeskOther, targettest.ZendeskOutcome)
	callbacks.delay = 2 * time.Minute
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "new abandoned", connector.OutcomeConnected: "solved connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.breaks = []presetBreak{
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"what is closed already is refused", "closed prevents ticket update", "closed prevents updates", "prevents ticket update"},
		{"nobody to solve it", `        assignee_id: "${params.assignee}"` + "\n", "", "Assignee: is required when solving a ticket"},
	}
	return []presetCase{calls, callbacks}
}

// zendeskNewNumber is two calls to a number that nobody has, sooner than searches find who was made for the first one, and one
// later: there is one user, and he has the first and the last.
func zendeskNewNumber(r *presetRun) {
	var calls []*connector.Record
	for _, after := range []time.Duration{10 * time.Second, time.Hour, time.Hour} {
		call := r.call(r.c.usual())
		r.finish(call)
		calls = append(calls, call)
		r.wait(after)
	}
	for _, call := range calls {
		r.done(call)
	}
	var of []string
	for i, e := range r.fake.Entries() {
		if e.Call != calls[i].CallID {
			r.fail("ticket %d is of %s", i, e.Call)
		}
		of = append(of, e.Contact)
	}
	if len(of) != 3 || of[0] == "" || of[1] != "" || of[2] != of[0] {
		r.fail("the tickets are of %q", of)
	}
	if n := r.fake.Count(targettest.Contacts); n != 1 {
		r.fail("%d users have the new number", n)
	}
}

// zendeskClosed is a ticket that is closed when something comes late: a call is dead in Zendesk's words; that somebody should
// call back has an end either way.
func zendeskClosed(r *presetRun) {
	first := r.call(r.c.usual())
	first.RecordingURL = ""
	r.finish(first)
	r.wait(long)
	r.fake.Change(targettest.ZendeskTickets, map[string]any{"status": "closed"})
	second := *r.call(connector.OutcomeConnected)
	second.CallID, second.UUID, second.Revision = first.CallID, first.UUID, 2
	r.amend(&second)
	r.wait(long)
	if d := r.delivery(&second); r.c.only != "" {
		r.done(&second)
	} else if d.State != connector.DeliveryDead || !strings.Contains(d.Reason, "closed prevents ticket update") {
		r.fail("it is %s: %s", d.State, d.Reason)
	}
	r.entry(&second)
}

package main

import (
	"fmt"
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
		extra: []presetScenario{otherList("/api/v2/tickets", map[string]any{"tickets": []any{map[string]any{"id": 1, "external_id": nil}}},
			"Zendesk lists tickets with another external_id")},
		breaks: []presetBreak{
			{"a required field is left out", "        comment:\n          body: \"Queue", "        remark:\n          body: \"Queue", "ticket.comment: missing"},
			{"no uuid", `        external_id: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
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
		{"nobody to solve it", `        assignee_id: "${params.assignee}"` + "\n", "", "Assignee: is required when solving a ticket"},
	}
	return []presetCase{calls, callbacks}
}

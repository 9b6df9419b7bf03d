package main

import (
	"fmt"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func jiraCases() []presetCase {
	calls := presetCase{
		preset: "jira-service-management",
		api:    targettest.Jira,
		destination: fmt.Sprintf("url: http://acme.atlassian.net\nauth: {basic: {user: %s, password: %s}}\nparams: {project: %s, desk: \"%s\", request_type: \"%s\", done: \"%s\"}",
			targettest.JiraUser, targettest.Credential, targettest.JiraProject, targettest.JiraDesk, targettest.JiraRequestType, targettest.JiraDone),
		agents: "username,jira_account\njdoe," + targettest.JiraAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "Resolved connected", connector.OutcomeAbandoned: "Resolved abandoned", connector.OutcomeUnanswered: "Resolved unanswered",
		},
		owner:    targettest.JiraAgent,
		unlinked: "Jira has no phone numbers of customers",
		start:    never, // in the text only
		talk:     never,
		writes:   4,
		refuse:   "labels",
		says:     "Field 'labels' cannot be set. It is not on the appropriate screen, or unknown.",
		breaks: []presetBreak{
			{"a required field is left out", `        summary: "Call to ${vars.number} (${call.outcome})"` + "\n", "", "summary: missing"},
			{"no uuid", `labels: [wrapup, "call-${call.call_id}", `, "labels: [wrapup, ", "0 entries carry the call's uuid"},
			{"the search is asked too early", "    lag: 5m\n", "", "of 2 that were made for 1 calls"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.writes = "jira-service-management-callbacks", "", "", 1
	callbacks.delay = 2 * time.Minute
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "Waiting for support abandoned", connector.OutcomeConnected: "Resolved connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.extra = []presetScenario{{"somebody has closed it", func(r *presetRun) {
		first := r.call(connector.OutcomeAbandoned)
		r.finish(first)
		r.wait(long)
		targettest.JiraClose(r.fake)
		second := *r.call(connector.OutcomeConnected)
		second.CallID, second.UUID, second.Revision = first.CallID, first.UUID, 2
		r.amend(&second)
		r.wait(long)
		r.done(&second)
		r.entry(&second)
		r.clean()
	}, false, false}}
	callbacks.breaks = []presetBreak{
		{"it is closed again", " && saved.closed == null", "", "Transition id '761' is not valid for this issue."},
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"a number where the API wants a text", `id: "${params.done}"`, "id: 761", "the id of a transition, as a string"},
	}
	return []presetCase{calls, callbacks}
}

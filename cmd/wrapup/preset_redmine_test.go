package main

import (
	"maps"
	"slices"
	"strings"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func redmineCases() []presetCase {
	destination := func(params string, fields ...string) string {
		var b strings.Builder
		b.WriteString("url: http://redmine.example.com\nsecrets: {key: " + targettest.Credential + "}\nparams:\n  project: " +
			targettest.RedmineProject + "\n  tracker: " + targettest.RedmineTracker + "\n" + params)
		for _, name := range fields {
			b.WriteString("  " + name + ": " + targettest.RedmineFields[name] + "\n")
		}
		return b.String()
	}
	calls := presetCase{
		preset:      "redmine",
		api:         targettest.Redmine,
		destination: destination("  status: "+targettest.RedmineClosed+"\n", slices.Sorted(maps.Keys(targettest.RedmineFields))...),
		agents:      "username,redmine_user\njdoe," + targettest.RedmineAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "5 connected", connector.OutcomeAbandoned: "5 abandoned", connector.OutcomeUnanswered: "5 unanswered",
		},
		owner:    targettest.RedmineAgent,
		unlinked: "Redmine has no customers",
		writes:   1,
		refuse:   "subject",
		says:     "Subject is invalid",
		extra: []presetScenario{otherList("/issues.json", map[string]any{"issues": []any{map[string]any{"id": 1, "description": "Another"}}, "total_count": 1},
			"Redmine answered the search with an issue of another call")},
		breaks: []presetBreak{
			{"a required field is left out", `        subject: "Call to ${vars.number} (${call.outcome})"` + "\n", "", "subject: missing"},
			{"no uuid", `    - {id: "${params.cf_call_uuid}", value: "${call.call_id}"}` + "\n", "", "Redmine dropped the custom field cf_call_uuid"},
			{"closed issues are not searched", `      status_id: "*" # without it, closed issues are not found` + "\n", "", "of 2 that were made for 1 calls"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.talk = "redmine-callbacks", "", "", never
	callbacks.nobody, callbacks.closer = targettest.RedmineAgent, targettest.RedmineAgent
	callbacks.destination = destination("  assignee: "+targettest.RedmineAgent+"\n", "cf_call_uuid", "cf_phone", "cf_outcome", "cf_started")
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "1 abandoned", connector.OutcomeConnected: "1 connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.breaks = []presetBreak{
		{"every call", "when: \"${call.outcome == 'abandoned'}\"", "when: \"${call.outcome != null}\"", "connected: it is done"},
		{"the search is by another call's uuid", `description: "~${call.call_id}"`, `description: "~${call.queue}-"`, "of 2 that were made for 1 calls"},
	}
	return []presetCase{calls, callbacks}
}

package main

import (
	"fmt"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func servicenowCases() []presetCase {
	calls := presetCase{
		preset:      "servicenow",
		api:         targettest.ServiceNow,
		destination: fmt.Sprintf("url: http://acme.service-now.com\nauth: {basic: {user: %s, password: %s}}", targettest.ServiceNowUser, targettest.Credential),
		agents:      "username,servicenow_user\njdoe," + targettest.ServiceNowAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "7 connected", connector.OutcomeAbandoned: "7 abandoned", connector.OutcomeUnanswered: "7 unanswered",
		},
		owner:  targettest.ServiceNowAgent,
		writes: 1,
		refuse: "short_description",
		says:   "Operation Failed: Data Policy Exception: The following fields are read only: short_description",
		extra: []presetScenario{otherList("/api/now/table/incident", map[string]any{"result": []any{map[string]any{"sys_id": targettest.ServiceNowAgent, "correlation_id": ""}}},
			"ServiceNow lists records with another correlation_id")},
		breaks: []presetBreak{
			{"a required field is left out", "      close_notes:", "      closing_notes:", "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes"},
			{"a number where the API wants a text", "${json(seconds(call.talk_seconds))}", "${seconds(call.talk_seconds)}", "an integer, as a string"},
			{"no uuid", `      correlation_id: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"a local time", "opened_at: \"${sql_time(call.occurred_at)}\"", "opened_at: \"${format(call.occurred_at, 'YYYY-MM-DD HH:mm:ss', 'Asia/Jakarta')}\"", "start 2026-03-02 16:14:58"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.talk = "servicenow-callbacks", "", "", never
	callbacks.delay = 2 * time.Minute
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "1 abandoned", connector.OutcomeConnected: "7 connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.breaks = []presetBreak{
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"it isn't said how it was solved", `close_code: "${params.close_code}", `, "", "Data Policy Exception"},
	}
	return []presetCase{calls, callbacks}
}

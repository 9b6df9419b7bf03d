package main

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func freshdeskCases() []presetCase {
	calls := presetCase{
		preset:      "freshdesk",
		api:         targettest.Freshdesk,
		destination: "url: http://acme.freshdesk.com\nauth: {basic: {user: " + targettest.Credential + ", password: X}}",
		agents:      "username,freshdesk_agent\njdoe," + targettest.FreshdeskAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "5 connected", connector.OutcomeAbandoned: "5 abandoned", connector.OutcomeUnanswered: "5 unanswered",
		},
		owner:      targettest.FreshdeskAgent,
		newContact: true,
		start:      never, // in the text only
		writes:     1,
		refuse:     "status",
		says:       "status: It should be one of these values: '2,3,4,5,6,7'",
		extra: []presetScenario{otherList("/api/v2/search/tickets",
			map[string]any{"total": 1, "results": []any{map[string]any{"id": 1, "custom_fields": map[string]any{"cf_call_uuid": nil}}}},
			"Freshdesk lists tickets with another Call UUID")},
		breaks: []presetBreak{
			{"a required field is left out", `      priority: "${params.priority}"` + "\n", "", "priority: missing"},
			{"no uuid", `        cf_call_uuid: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"the search is asked too early", "    lag: 5m\n", "", "of 2 that were made for 1 calls"},
			{"people who write no country", `join(phone_variants(call.phone_e164), "' OR mobile:'")`, "call.phone_e164", "one contact: linked with"},
			{"the first of two contacts", "response.body.total > 1 ? 'several'\n      : ", "", "two contacts: linked"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.talk = "freshdesk-callbacks", "", "", never
	callbacks.delay = 2 * time.Minute
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "2 abandoned", connector.OutcomeConnected: "5 connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.breaks = []presetBreak{
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"no uuid", `        cf_call_uuid: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
		{"it stays open", "body: {status: 5, ", "body: {status: 2, ", `status "2 connected"`},
	}
	return []presetCase{calls, callbacks}
}

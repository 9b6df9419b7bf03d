package main

import (
	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func hubspotCases() []presetCase {
	return []presetCase{{
		preset:      "hubspot",
		api:         targettest.HubSpot,
		destination: "url: http://api.hubapi.com\nauth: {bearer: " + targettest.Credential + "}",
		agents:      "username,hubspot_owner\njdoe," + targettest.HubSpotOwner + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "COMPLETED", connector.OutcomeAbandoned: "FAILED", connector.OutcomeUnanswered: "NO_ANSWER",
		},
		owner:  targettest.HubSpotOwner,
		writes: 2, // the call, and its link to the contact
		refuse: "hs_call_status",
		says:   "COMPLETED was not a valid value for hs_call_status",
		extra:  []presetScenario{endsAlike("phone", "hs_searchable_calculated_phone_number")},
		breaks: []presetBreak{
			{"seconds instead of milliseconds", "millis(call.talk_seconds)", "seconds(call.talk_seconds)", "talk"},
			{"the required time is left out", `            hs_timestamp: "${json(unix_ms(call.occurred_at))}"` + "\n", "", "Some required properties were not set: hs_timestamp"},
			{"no unique property", "        - idProperty: call_uuid\n          id:", "        - id:", "idProperty is required"},
			{"the first of two contacts", "sole(response.body.results)", "response.body.results[0]", "two contacts: linked"},
		},
	}}
}

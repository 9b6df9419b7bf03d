package main

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func suitecrmCases() []presetCase {
	return []presetCase{{
		preset:      "suitecrm",
		api:         targettest.SuiteCRM,
		destination: "url: http://crm.test\nauth: {oauth2: {client_id: " + targettest.SuiteClient + ", client_secret: " + targettest.Credential + "}}",
		agents:      "username,suite_user\njdoe," + targettest.SuiteUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "Held", connector.OutcomeAbandoned: "Not Held", connector.OutcomeUnanswered: "Not Held",
		},
		outcomeInText: true,
		owner:         targettest.SuiteUser,
		talk:          time.Minute,
		writes:        2, // the call, and its link to the contact
		refuse:        "direction",
		says:          `The option "direction" with value "Outbound" is invalid.`,
		extra:         []presetScenario{endsAlike("phone_work")},
		breaks: []presetBreak{
			{"seconds instead of minutes", "coalesce(minutes(call.talk_seconds), 0)", "coalesce(seconds(call.talk_seconds), 0)", "talk 2h5m0s"},
			{"an id of its own", `        id: "${call.call_id}"` + "\n        attributes:\n          name", "        attributes:\n          name", "0 entries carry the call's uuid"},
			{"whoever's number ends alike", "? sole(response.body.data).id : null", "|| true ? sole(response.body.data).id : null", "whose number only ends alike"},
			{"a double is an error", "contains 'is already exist'", "contains 'duplicate'", "is dead"},
		},
	}}
}

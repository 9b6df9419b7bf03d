package main

import (
	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func espocrmCases() []presetCase {
	return []presetCase{{
		preset: "espocrm",
		api:    targettest.EspoCRM,
		destination: "url: http://crm.test\nauth: {header: {name: X-Api-Key, value: " + targettest.Credential + "}}\nparams: {nobody: " +
			targettest.EspoNobody + "}",
		agents: "username,espo_user\njdoe," + targettest.EspoUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "Held", connector.OutcomeAbandoned: "Not Held", connector.OutcomeUnanswered: "Not Held",
		},
		outcomeInText: true,
		owner:         targettest.EspoUser,
		nobody:        targettest.EspoNobody,
		writes:        1,
		refuse:        "status",
		says:          "validationFailure: status (valid)",
		extra: []presetScenario{otherList("/api/v1/Call",
			map[string]any{"total": 1, "list": []any{map[string]any{"id": "1", "cCallUuid": nil}}}, "EspoCRM lists a call with another cCallUuid")},
		breaks: []presetBreak{
			{"a required field is left out", `      dateEnd: "${sql_time(call.ended_at ?? call.occurred_at)}"` + "\n", "", "dateEnd: missing"},
			{"no uuid", `      cCallUuid: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"the search asks for something else", `attribute: cCallUuid, value: "${call.call_id}"`, `attribute: cCallUuid, value: "${call.queue}"`, "of 2 that were made for 1 calls"},
		},
	}}
}

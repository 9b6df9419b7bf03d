package main

import (
	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func vtigerCases() []presetCase {
	return []presetCase{{
		preset: "vtiger",
		api:    targettest.Vtiger,
		destination: "url: http://acme.od2.vtiger.test\nauth: {basic: {user: " + targettest.VtigerLogin + ", password: " + targettest.Credential +
			"}}\nparams: {uuid_field: " + targettest.VtigerField + ", nobody: " + targettest.VtigerNobody + "}",
		agents: "username,vtiger_user\njdoe," + targettest.VtigerUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "Held", connector.OutcomeAbandoned: "Not Held", connector.OutcomeUnanswered: "Not Held",
		},
		outcomeInText: true,
		owner:         targettest.VtigerUser,
		nobody:        targettest.VtigerNobody,
		talk:          never, // in the description only
		writes:        1,
		refuse:        "eventstatus",
		says:          "eventstatus: refused: is refused",
		extra: []presetScenario{endsAlike("phone"), otherList("/restapi/v1/vtiger/default/query",
			map[string]any{"success": true, "result": []any{map[string]any{"id": "18x1"}}}, "Vtiger lists an event with another Call UUID")},
		breaks: []presetBreak{
			{"a required field is left out", `        "time_end": "${format(vars.end, 'HH:mm:ss', 'UTC')}",` + "\n", "", "time_end: missing"},
			{"no uuid", `        "${params.uuid_field}": ${json(call.call_id)},` + "\n", "", "0 entries carry the call's uuid"},
			{"the first of two contacts", "sole(response.body.result)", "response.body.result[0]", "two contacts: linked"},
		},
	}}
}

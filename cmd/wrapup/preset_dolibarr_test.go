package main

import (
	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func dolibarrCases() []presetCase {
	return []presetCase{{
		preset: "dolibarr",
		api:    targettest.Dolibarr,
		destination: "url: http://erp.test\nauth: {header: {name: DOLAPIKEY, value: " + targettest.Credential + "}}\nparams: {nobody: " +
			targettest.DolibarrNobody + "}",
		agents: "username,dolibarr_user\njdoe," + targettest.DolibarrUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "AC_TEL 100", connector.OutcomeAbandoned: "AC_TEL 100", connector.OutcomeUnanswered: "AC_TEL 100",
		},
		outcomeInText: true,
		owner:         targettest.DolibarrUser,
		nobody:        targettest.DolibarrNobody,
		talk:          never, // in the note only
		writes:        1,
		refuse:        "type_code",
		says:          "Error creating event: type_code: is refused",
		extra: []presetScenario{endsAlike("phone_pro"), otherList("/api/index.php/agendaevents",
			[]any{map[string]any{"id": "1", "datep": 1}}, "Dolibarr lists an event of another time")},
		breaks: []presetBreak{
			{"milliseconds instead of seconds", `"datep": ${unix(call.occurred_at)}`, `"datep": ${unix_ms(call.occurred_at)}`, "expected seconds since 1970"},
			{"no uuid", ",\n      \"ref_ext\": ${json(call.call_id)}", "", "0 entries carry the call's uuid"},
			{"no owner", `      "userownerid": ${tables.user[call.agent.username] ?? params.nobody},` + "\n", "", "userownerid: missing"},
			{"whoever's number ends alike", "? sole(response.body).id : null", "|| true ? sole(response.body).id : null", "whose number only ends alike"},
		},
	}}
}

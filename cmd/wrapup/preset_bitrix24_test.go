package main

import (
	"fmt"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func bitrix24Cases() []presetCase {
	const completed = "type 2, direction 2, completed Y"
	return []presetCase{{
		preset: "bitrix24",
		api:    targettest.Bitrix24,
		destination: fmt.Sprintf("url: http://acme.bitrix24.com/rest/1/%s\nparams: {company: %s, responsible: %s}",
			targettest.Credential, targettest.Bitrix24Company, targettest.Bitrix24Other),
		agents: "username,bitrix24_user\njdoe," + targettest.Bitrix24User + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: completed, connector.OutcomeAbandoned: completed, connector.OutcomeUnanswered: completed,
		},
		outcomeInText: true,
		owner:         targettest.Bitrix24User,
		nobody:        targettest.Bitrix24Other,
		talk:          never, // in the text only
		writes:        1,
		refuse:        "SUBJECT",
		says:          "The field SUBJECT is closed for editing",
		extra: []presetScenario{{"a lead", func(r *presetRun) {
			r.fake.Keep(targettest.Contacts, map[string]any{"PHONE": presetPhone, "lead": true})
			call := r.call(connector.OutcomeConnected)
			r.finish(call)
			r.wait(long)
			r.done(call)
			if e := r.entry(call); e != nil && e.Contact == "" {
				r.fail("not linked with the lead")
			}
			r.clean()
		}, false, false}, otherList("/rest/{user}/{code}/crm.activity.list", map[string]any{"result": []any{map[string]any{"ID": "1", "ORIGIN_ID": nil}}},
			"Bitrix24 lists activities with another origin id")},
		breaks: []presetBreak{
			{"nobody is responsible", " ?? params.responsible", "", "RESPONSIBLE_ID: missing"},
			{"no uuid", `        ORIGIN_ID: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"fractions of seconds", "${format(call.occurred_at, 'YYYY-MM-DDTHH:mm:ssZ', 'UTC')}", "${rfc3339(call.occurred_at)}", "ISO 8601 with an offset"},
			{"it isn't looked for before it is sent again", "    finds: activity\n    lag: 30s # a slow server may still be at it\n", "    when: \"${repeated}\"\n", "parked"},
			{"the first of two contacts", "response.body.result.CONTACT[1] != null ? 'several' : ", "", "two contacts: linked"},
		},
	}}
}

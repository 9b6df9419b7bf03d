package main

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func salesforceCases() []presetCase {
	return []presetCase{{
		preset: "salesforce",
		api:    targettest.Salesforce,
		destination: "url: http://acme.my.salesforce.com\nauth: {oauth2: {client_id: " + targettest.SalesforceClient +
			", client_secret: " + targettest.Credential + "}}",
		agents: "username,salesforce_user\njdoe," + targettest.SalesforceUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "Completed, Connected", connector.OutcomeAbandoned: "Completed, Abandoned", connector.OutcomeUnanswered: "Completed, No Answer",
		},
		owner:  targettest.SalesforceUser,
		nobody: targettest.SalesforceSelf,
		writes: 1,
		refuse: "Subject",
		says:   "Calls are closed for this user",
		extra: []presetScenario{
			{"a contact that was a lead", func(r *presetRun) {
				r.fake.Keep(targettest.Contacts, map[string]any{"Phone": presetPhone, "IsConverted": true})
				r.wait(time.Hour)
				r.logged(connector.OutcomeConnected, 1)
			}, false, false},
			{"a contact and a lead", func(r *presetRun) {
				r.fake.Keep(targettest.Contacts, map[string]any{"Phone": presetPhone, "IsConverted": false})
				r.wait(time.Hour)
				known := r.fake.Know(presetPhone, 1)
				call := r.call(connector.OutcomeConnected)
				r.finish(call)
				r.wait(long)
				r.done(call)
				if e := r.entry(call); e != nil && e.Contact != "" {
					r.fail("linked with %s, of two who have the number (%s is one)", e.Contact, known[0])
				}
			}, false, false},
		},
		breaks: []presetBreak{
			{"milliseconds instead of seconds", "seconds(call.talk_seconds)", "millis(call.talk_seconds)", "talk 34h"},
			{"another key", "Task/Call_UUID__c/${call.call_id}", "Task/Call_UUID__c/${uuid_compact(call.call_id)}", "0 entries carry the call's uuid"},
			{"it isn't asked whether it is there", "    finds: task\n    lag: 30s # a slow server may still be at it\n", "", "Unable to create/update fields: TaskSubtype"},
			{"the first of two contacts", "sole(response.body.searchRecords)", "response.body.searchRecords[0]", "two contacts: linked"},
		},
	}}
}

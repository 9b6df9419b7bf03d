package main

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func erpnextCases() []presetCase {
	return []presetCase{{
		preset: "erpnext",
		api:    targettest.ERPNext,
		destination: "url: http://erp.example.com\nauth: {header: {name: Authorization, value: \"token " + targettest.Credential +
			"\"}}\nparams: {zone: " + targettest.ERPNextZone + "}",
		agents: "username,erpnext_user\njdoe," + targettest.ERPNextAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "Completed", connector.OutcomeAbandoned: "Failed", connector.OutcomeUnanswered: "No Answer",
		},
		owner:  targettest.ERPNextAgent,
		writes: 2, // the call, and its number
		refuse: "status",
		says:   "Status cannot be",
		extra: []presetScenario{
			{"the same digits in another country", func(r *presetRun) {
				r.fake.Know("+49"+targettest.National(presetPhone), 1)
				call := r.call(connector.OutcomeConnected)
				r.finish(call)
				r.wait(long)
				r.done(call)
				if e := r.entry(call); e != nil && e.Contact != "" {
					r.fail("linked with somebody who has another number")
				}
				r.clean()
			}, false, false},
			{"between the two requests", func(r *presetRun) {
				r.fake.Know(presetPhone, 2)
				r.fake.Lose(1)
				call := r.call(connector.OutcomeConnected)
				r.finish(call)
				r.wait(time.Second)
				if e := r.entry(call); e != nil && e.Contact != "" {
					r.fail("until the second request it is linked with the first of two")
				}
				r.wait(long)
				r.done(call)
				r.clean()
			}, false, false},
			{"a lead", func(r *presetRun) {
				r.fake.Keep(targettest.ERPNextLeads, map[string]any{"mobile_no": presetPhone})
				call := r.call(connector.OutcomeConnected)
				r.finish(call)
				r.wait(long)
				r.done(call)
				if e := r.entry(call); e != nil && e.Contact == "" {
					r.fail("not linked with the lead")
				}
				r.clean()
			}, false, false},
		},
		breaks: []presetBreak{
			{"times in UTC", "YYYY-MM-DD HH:mm:ss', params.zone", "YYYY-MM-DD HH:mm:ss', 'UTC'", "start"},
			{"no uuid", `      id: "${call.call_id}"` + "\n", "", "id: missing"},
			{"ERPNext links by itself", "      type: Outgoing\n", "      type: Outgoing\n      to: \"${call.phone_e164}\"\n", "linked with the first of two"},
			{"a number that only ends alike", "call.phone_e164), false)\n      ? response.body.data.name : null", "call.phone_e164), true)\n      ? response.body.data.name : null", "somebody who has another number"},
		},
	}}
}

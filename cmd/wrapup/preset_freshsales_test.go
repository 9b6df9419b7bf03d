package main

import (
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func freshsalesCases() []presetCase {
	const noUpdate = "it would write over what people made of the note"
	return []presetCase{{
		preset: "freshsales",
		api:    targettest.Freshsales,
		destination: "url: http://acme.myfreshworks.com/crm/sales/api\nauth: {header: {name: Authorization, value: Token token=" + targettest.Credential +
			"}}\nparams: {contact: " + targettest.FreshsalesNobody + "}",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "connected", connector.OutcomeAbandoned: "abandoned", connector.OutcomeUnanswered: "unanswered",
		},
		outcomeInText: true,
		delay:         5 * time.Minute,
		writes:        1,
		parks:         true,
		refuse:        "targetable_id",
		says:          "Targetable_id is refused",
		cant: map[string]string{
			"a later revision": noUpdate, "a later revision whose answer is lost": noUpdate, "a later revision that is answered with a 500": noUpdate,
			"an agent who isn't in the table": "a note belongs to wrapup's user: the agent's name stands in it",
		},
		extra: []presetScenario{
			endsAlike("mobile_number"),
			{"a work number", func(r *presetRun) {
				r.fake.Keep(targettest.Contacts, map[string]any{"mobile_number": presetPhone, "work_number": presetPhone})
				r.freshsalesOf("1001")
			}, false, false},
			{"a mobile number, and another's work number", func(r *presetRun) {
				r.fake.Keep(targettest.Contacts, map[string]any{"mobile_number": presetPhone})
				r.fake.Keep(targettest.Contacts, map[string]any{"work_number": presetPhone})
				r.freshsalesOf("")
			}, false, false},
			{"a number that nobody knows", func(r *presetRun) {
				call := r.call(connector.OutcomeConnected)
				call.Phone, call.PhoneE164 = "", ""
				r.finish(call)
				r.wait(long)
				r.done(call)
				if e := r.entry(call); e != nil && (e.Contact != "" || !strings.Contains(e.Text, "an unknown number")) {
					r.fail("linked with %q: %q", e.Contact, e.Text)
				}
				r.clean()
			}, false, false},
		},
		breaks: []presetBreak{
			{"a required field is left out", "        targetable_type: Contact\n", "", "targetable_type: missing"},
			{"no uuid", `    - "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"the first of two contacts", "response.body.contacts.contacts[1] != null ? 'several' : ", "", "two contacts: linked with one of them"},
			{"sent again after a lost answer", "    method: POST\n", "    method: POST\n    repeat: safe\n", "of 2 that were made for 1 calls"},
			{"a number without its country", `q: "${call.phone_e164}"`, `q: "${national_digits(call.phone_e164)}"`, "one contact: linked with"},
		},
	}}
}

// freshsalesOf says that a call is that of a contact, or of nobody.
func (r *presetRun) freshsalesOf(contact string) {
	call := r.call(connector.OutcomeConnected)
	r.finish(call)
	r.wait(long)
	r.done(call)
	if e := r.entry(call); e != nil && e.Contact != contact {
		r.fail("linked with %q, not %q", e.Contact, contact)
	}
	r.clean()
}

package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func zohoCases() []presetCase {
	return []presetCase{{
		preset: "zoho-crm",
		api:    targettest.Zoho,
		destination: fmt.Sprintf("auth: {oauth2: {token_url: http://accounts.zoho.com/oauth/v2/token, client_id: %s, client_secret: %s, refresh_token: %s}}",
			targettest.ZohoClient, targettest.Credential, targettest.ZohoRefresh),
		agents: "username,zoho_user\njdoe," + targettest.ZohoUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "Outbound, Completed", connector.OutcomeAbandoned: "Outbound, Completed", connector.OutcomeUnanswered: "Outbound, Completed, No response/Busy",
		},
		outcomeInText: true,
		owner:         targettest.ZohoUser,
		nobody:        targettest.ZohoSelf,
		writes:        1,
		refuse:        "Call_Type",
		says:          "invalid data: Call_Type",
		extra: []presetScenario{
			endsAlike("Phone"), endsAlike("Mobile"),
			otherList("/crm/v8/Calls/search", map[string]any{"data": []any{map[string]any{"id": "1"}}}, "Zoho lists calls with another Wrapup_UUID"),
			{"a search that trails behind", func(r *presetRun) {
				r.fake.API.Lag = 24 * time.Hour
				r.lostAnswer(1)
			}, false, false},
			{"the unique field is missing", zohoWithoutField, false, false},
			{"a lead", func(r *presetRun) { r.zohoLead(0) }, false, false},
			{"a contact and a lead", func(r *presetRun) { r.zohoLead(1) }, false, false},
			{"another unique field", func(r *presetRun) {
				for i, route := range r.fake.API.Routes {
					if route.Method == "POST" && route.Path == "/crm/v8/Calls" {
						r.fake.API.Routes[i].Do = func(*targettest.Fake, *targettest.Request) targettest.Reply {
							return targettest.Reply{Status: 400, Body: map[string]any{"data": []any{map[string]any{"code": "DUPLICATE_DATA", "status": "error",
								"message": "duplicate data", "details": map[string]any{"api_name": "Subject", "duplicate_record": map[string]any{"id": "1"}}}}}}
						}
					}
				}
				call := r.call(connector.OutcomeConnected)
				r.finish(call)
				r.wait(long)
				if d := r.delivery(call); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, "duplicate data: Subject") {
					r.fail("it is %s, though it isn't there: %s", d.State, d.Reason)
				}
			}, false, false},
		},
		breaks: []presetBreak{
			{"hours instead of minutes", ": mmss(vars.talk)", ": hhmm(vars.talk)", "talk 2s, not 2m5"},
			{"no duration where nobody talked", `"${coalesce(call.talk_seconds, 0)}"`, `"${call.talk_seconds}"`, "Call_Duration: missing"},
			{"no uuid", `          Wrapup_UUID: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"whoever has a number like it", "coalesce(same_number(response.body.data[0].Phone, call.phone_e164), false)", "response.body.data[0].Phone != null", "only ends alike"},
			{"a duplicate is an error", "code == 'DUPLICATE_DATA' &&", "code == 'DUPLICATE' &&", "duplicate data: Wrapup_UUID"},
			{"the first of two contacts", "response.body.data[1] != null ? 'several' : ", "", "two contacts: linked"},
		},
	}}
}

// zohoWithoutField is an account whose calls have no field for the uuid: what is sent of it is dropped.
func zohoWithoutField(r *presetRun) {
	for i, route := range r.fake.API.Routes {
		switch {
		case route.Method == http.MethodPost && route.Path == "/crm/v8/Calls":
			r.fake.API.Routes[i].Do = func(f *targettest.Fake, q *targettest.Request) targettest.Reply {
				for _, c := range q.Map()["data"].([]any) {
					delete(c.(map[string]any), "Wrapup_UUID")
				}
				return route.Do(f, q)
			}
		case route.Path == "/crm/v8/Calls/search":
			r.fake.API.Routes[i].Do = func(*targettest.Fake, *targettest.Request) targettest.Reply {
				return targettest.Reply{Status: 400, Body: map[string]any{"code": "INVALID_QUERY", "status": "error", "message": "Invalid query formed",
					"details": map[string]any{"reason": "the field is not available for search"}}}
			}
		}
	}
	r.fake.Lose(1)
	call := r.call(connector.OutcomeConnected)
	r.finish(call)
	r.wait(long)
	if d := r.delivery(call); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, "the field is not available for search") {
		r.fail("it is %s: %s", d.State, d.Reason)
	}
	if n := len(r.fake.Entries()); n != 1 {
		r.fail("%d calls", n)
	}
}

// zohoLead is a call to a number that a lead has, and so many contacts.
func (r *presetRun) zohoLead(contacts int) {
	r.fake.Keep(targettest.Contacts, map[string]any{"Phone": presetPhone, "lead": true})
	r.wait(time.Hour)
	known := r.fake.Know(presetPhone, contacts)
	call := r.call(connector.OutcomeConnected)
	r.finish(call)
	r.wait(long)
	r.done(call)
	if e := r.entry(call); e != nil && (e.Contact != "") != (len(known) == 0) {
		r.fail("linked with %q, where a lead and %d contacts have the number", e.Contact, len(known))
	}
	r.clean()
}

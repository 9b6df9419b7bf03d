package main

import (
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func zammadCases() []presetCase {
	calls := presetCase{
		preset:      "zammad",
		api:         targettest.Zammad,
		destination: "url: http://zammad.example.com\nsecrets: {token: " + targettest.Credential + "}\nparams: {group: " + targettest.ZammadGroup + "}",
		agents:      "username,zammad_user\njdoe," + targettest.ZammadAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "closed connected", connector.OutcomeAbandoned: "closed abandoned", connector.OutcomeUnanswered: "closed unanswered",
		},
		owner:      targettest.ZammadAgent,
		newContact: true,
		start:      never, // in the text only
		writes:     1,
		refuse:     "state",
		says:       "Invalid value for field 'state'!",
		extra: []presetScenario{{"an account without the attribute for the uuid", func(r *presetRun) {
			fields := r.fake.API.Routes
			for i := range fields {
				kept := []targettest.Field{}
				for _, f := range fields[i].Fields {
					if f.Name != "call_uuid" {
						kept = append(kept, f)
					}
				}
				fields[i].Fields = kept
			}
			call := r.call(connector.OutcomeConnected)
			r.finish(call)
			r.wait(long)
			if d := r.delivery(call); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, "Zammad dropped call_uuid of ticket") {
				r.fail("it is %s: %s", d.State, d.Reason)
			}
			if n := len(r.fake.Entries()); n != 1 {
				r.fail("%d tickets", n)
			}
		}, false, false}, otherList("/api/v1/tickets/search", []any{map[string]any{"id": 1, "call_uuid": nil}, map[string]any{"id": 2}}, "Zammad lists tickets without this call_uuid")},
		breaks: []presetBreak{
			{"a required field is left out", "      article:\n", "      remark:\n", "article: missing"},
			{"no uuid", `value: "${call.call_id}"`, `value: "${call.queue}"`, "of 2 that were made for 1 calls"},
			{"the first of several contacts", "response.body[1] != null ? 'several'", "false ? 'several'", "two contacts: linked"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.talk, callbacks.extra = "zammad-callbacks", "", "", never, calls.extra[1:]
	callbacks.delay = 2 * time.Minute
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "new abandoned", connector.OutcomeConnected: "closed connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.breaks = []presetBreak{
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"it stays open", "body: {state: closed, ", "body: {state: open, ", `status "open connected"`},
	}
	return []presetCase{calls, callbacks}
}

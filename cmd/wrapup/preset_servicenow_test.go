package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func servicenowCases() []presetCase {
	calls := presetCase{
		preset:      "servicenow",
		api:         targettest.ServiceNow,
		destination: fmt.Sprintf("url: http://acme.service-now.com\nauth: {basic: {user: %s, password: %s}}", targettest.ServiceNowUser, targettest.Credential),
		agents:      "username,servicenow_user\njdoe," + targettest.ServiceNowAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "7 connected", connector.OutcomeAbandoned: "7 abandoned", connector.OutcomeUnanswered: "7 unanswered",
		},
		owner:  targettest.ServiceNowAgent,
		writes: 1,
		refuse: "short_description",
		says:   "Operation Failed: Data Policy Exception: The following fields are read only: short_description",
		extra: []presetScenario{endsAlike("phone"), {"incidents that can't be changed any more", snowClosed, false, false}, otherList("/api/now/table/incident", map[string]any{"result": []any{map[string]any{"sys_id": targettest.ServiceNowAgent, "correlation_id": ""}}},
			"ServiceNow lists records with another correlation_id")},
		breaks: []presetBreak{
			{"a required field is left out", "      close_notes:", "      closing_notes:", "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes"},
			{"a number where the API wants a text", "${json(seconds(call.talk_seconds))}", "${seconds(call.talk_seconds)}", "an integer, as a string"},
			{"no uuid", `      correlation_id: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"people who write no country", "join(phone_variants(call.phone_e164), ',')", "call.phone_e164", "one contact: linked with"},
			{"what can't be changed keeps other calls waiting", "response.status == 403}\"} #", "response.status == 400}\"} #", "with ServiceNow's words: the destination is paused"},
			{"a local time", "opened_at: \"${sql_time(call.occurred_at)}\"", "opened_at: \"${format(call.occurred_at, 'YYYY-MM-DD HH:mm:ss', 'Asia/Jakarta')}\"", "start 2026-03-02 16:14:58"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.talk = "servicenow-callbacks", "", "", never
	callbacks.delay = 2 * time.Minute
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "1 abandoned", connector.OutcomeConnected: "7 connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.breaks = []presetBreak{
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"it isn't said how it was solved", `close_code: "${params.close_code}", `, "", "Data Policy Exception"},
	}
	return []presetCase{calls, callbacks}
}

// snowClosed is an instance that lets nobody change an incident that is closed: what comes late is refused, in ServiceNow's
// words, and calls that come after that are logged all the same.
func snowClosed(r *presetRun) {
	for i, route := range r.fake.API.Routes {
		if route.Method == http.MethodPatch {
			r.fake.API.Routes[i].Do = func(*targettest.Fake, *targettest.Request) targettest.Reply {
				return targettest.Reply{Status: 403, Body: map[string]any{"status": "failure",
					"error": map[string]any{"message": "Operation Failed", "detail": "ACL Exception Update Failed due to security constraints"}}}
			}
		}
	}
	late := make([]*connector.Record, 4)
	for i := range late {
		first := r.call(r.c.usual())
		first.RecordingURL = ""
		r.finish(first)
		r.wait(long)
		second := *r.call(connector.OutcomeConnected)
		second.CallID, second.UUID, second.Revision = first.CallID, first.UUID, 2
		late[i] = &second
	}
	for _, call := range late {
		r.amend(call)
	}
	r.wait(time.Minute)
	next := r.call(r.c.usual())
	r.finish(next)
	r.wait(long)
	if d := r.delivery(next); d.State != connector.DeliveryDone {
		r.fail("the next call is %s, not delivered: %s", d.State, d.Reason)
	}
	for _, call := range late {
		if d := r.delivery(call); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, "ACL Exception Update Failed") {
			r.fail("it is %s, and not with ServiceNow's words: %s", d.State, d.Reason)
		}
	}
}

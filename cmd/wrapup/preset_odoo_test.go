package main

import (
	"net/http"
	"strings"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func odooCases() []presetCase {
	json2 := presetCase{
		preset:      "odoo-json2",
		api:         targettest.OdooJSON2,
		destination: "url: http://odoo.test\nauth: {bearer: " + targettest.Credential + "}\nparams: {database: " + targettest.OdooDatabase + "}",
		agents:      "username,odoo_user\njdoe," + targettest.OdooUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "done", connector.OutcomeAbandoned: "cancel", connector.OutcomeUnanswered: "cancel",
		},
		outcomeInText: true,
		owner:         targettest.OdooUser,
		writes:        1,
		refuse:        "state",
		says:          "Value 'done' not found in selection field 'state'",
		extra: []presetScenario{{"two loads at a time", func(r *presetRun) { // what PostgreSQL says then stands in load's messages (odoo/models.py)
			for i, route := range r.fake.API.Routes {
				if !strings.HasSuffix(route.Path+route.Operation, "load") {
					continue
				}
				first := true
				r.fake.API.Routes[i].Do = func(f *targettest.Fake, q *targettest.Request) targettest.Reply {
					if !first {
						return route.Do(f, q)
					}
					first = false
					disturbed := map[string]any{"ids": false, "nextrow": 0, "messages": []any{map[string]any{"type": "error",
						"message": "could not serialize access due to concurrent update"}}}
					if route.Operation != "" {
						disturbed = map[string]any{"jsonrpc": "2.0", "id": 1, "result": disturbed}
					}
					return targettest.Reply{Status: http.StatusOK, Body: disturbed}
				}
			}
			call := r.call(connector.OutcomeConnected)
			r.finish(call)
			r.wait(long)
			r.done(call)
			r.entry(call)
		}, false, false}},
		breaks: []presetBreak{
			{"the user's time zone", "context: {tz: UTC}", "context: {}", "start 2026-03-02 02:14:58"},
			{"seconds instead of minutes", "coalesce(call.talk_seconds, 0) / 60", "coalesce(call.talk_seconds, 0)", "talk 2h5m15s"},
			{"no uuid", `"wrapup.call-${call.call_id}"`, `""`, "0 entries carry the call's uuid"},
		},
	}
	rpc := json2
	rpc.preset, rpc.api = "odoo", targettest.OdooRPC
	rpc.destination = "url: http://odoo.test\nparams: {database: " + targettest.OdooDatabase + ", uid: " + targettest.OdooSelf + "}\nsecrets: {api_key: " + targettest.Credential + "}"
	rpc.breaks = []presetBreak{
		{"a status without its duration", `          duration: "${vars.minutes}"` + "\n          state: \"${changed.outcome ? tables.state[call.outcome] : null}\"",
			`          state: "${tables.state[call.outcome]}"`, "talk"},
		{"an error in a 200 is taken for a success", `${response.body.result.ids[0] != null}`, `${response.status == 200}`, "is done"},
		{"the first of two contacts", "sole(response.body.result).id", "response.body.result[0].id", "two contacts: linked"},
	}
	return []presetCase{rpc, json2}
}

package main

import (
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func pipedriveCases() []presetCase {
	return []presetCase{{
		preset:      "pipedrive",
		api:         targettest.Pipedrive,
		destination: "url: http://api.pipedrive.com\nauth: {header: {name: x-api-token, value: " + targettest.Credential + "}}",
		agents:      "username,pipedrive_user\njdoe," + targettest.PipedriveUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "call, done", connector.OutcomeAbandoned: "call, done", connector.OutcomeUnanswered: "call, done",
		},
		outcomeInText: true,
		owner:         targettest.PipedriveUser,
		nobody:        targettest.PipedriveSelf,
		start:         time.Minute,
		talk:          time.Minute,
		writes:        1,
		refuse:        "duration",
		says:          "Validation failed: duration: is not valid",
		extra: []presetScenario{{"more activities than a list holds", func(r *presetRun) {
			r.fake.Lose(1)
			call := r.call(connector.OutcomeConnected)
			r.finish(call)
			r.wait(time.Second)
			for range 500 {
				r.fake.Keep(targettest.PipedriveActivities, map[string]any{"subject": "Somebody else's"})
			}
			r.wait(long)
			if d := r.delivery(call); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, "more than 500 activities") {
				r.fail("it is %s: %s", d.State, d.Reason)
			}
			if n := len(r.fake.Entries()); n != 501 {
				r.fail("%d activities, not 501", n)
			}
		}, false, false}},
		breaks: []presetBreak{
			{"seconds instead of minutes", `      duration: "${hhmm(call.talk_seconds)}"`, `      duration: "${json(seconds(call.talk_seconds))}"`, "expected a duration in the form HH:MM"},
			{"no uuid", `      public_description: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"fractions of seconds", "rfc3339_seconds(call.occurred_at)", "rfc3339(call.occurred_at)", "RFC 3339 without fractions"},
			{"nobody is looked for again and again", "  - name: person\n", "  - name: person\n    not_found: {hold: 24h, then: continue}\n", "more than 16 each"},
			{"whoever the search finds first", "? sole(response.body.data.items).item.id : null", "|| true ? response.body.data.items[0].item.id : null", "somebody who has another number"},
		},
	}}
}

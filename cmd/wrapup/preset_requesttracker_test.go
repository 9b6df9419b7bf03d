package main

import (
	"slices"
	"strings"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func requestTrackerCases() []presetCase {
	calls := presetCase{
		preset:      "request-tracker",
		api:         targettest.RequestTracker,
		destination: "url: http://rt.example.com\nsecrets: {token: " + targettest.Credential + "}\nparams: {queue: " + targettest.RTQueue + "}",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "resolved connected", connector.OutcomeAbandoned: "resolved abandoned", connector.OutcomeUnanswered: "resolved unanswered",
		},
		owner:    presetAgent, // the field Agent
		unlinked: "RT finds users by phone number only for those who may administer all users",
		writes:   1,
		refuse:   "Status",
		says:     "isn't a valid status for tickets in this queue",
		cant:     map[string]string{"an agent who isn't in the table": "there is no table: the agent's user name is entered as it is"},
		extra: []presetScenario{
			rtDrops("Call UUID"), rtDrops("Agent"), rtDrops("Outcome"), rtDrops("Started"), rtDrops("Duration"),
			rtDropsLater("Duration"), rtRefusesLater,
		},
		breaks: []presetBreak{
			{"a required field is left out", `      Queue: "${params.queue}"` + "\n", "", "Could not create ticket. Queue not set"},
			{"no uuid", `    Call UUID: "${call.call_id}"` + "\n", "", `RT dropped the custom field "Call UUID"`},
			{"a time that RT can't read", `started: "${sql_time(call.occurred_at)}"`, `started: "${rfc3339(call.occurred_at)}"`, `RT dropped the custom field "Started"`},
			{"an update with a wrong value", `        Duration: "${vars.duration}"`, `        Duration: "${vars.duration} s"`,
				`RT dropped the custom field "Duration"`},
			{"the search is for another field", "CF.{Call UUID}=", "CF.{UUID}=", "of 2 that were made for 1 calls"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.owner, callbacks.talk = "request-tracker-callbacks", "", never
	callbacks.only = connector.OutcomeAbandoned
	callbacks.delay = 2 * 60e9
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "new abandoned", connector.OutcomeConnected: "resolved connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.extra = []presetScenario{rtDrops("Call UUID"), rtDrops("Phone"), rtDrops("Outcome"), rtDrops("Started"), rtDropsLater("Outcome")}
	callbacks.breaks = []presetBreak{
		{"every call", "when: \"${call.outcome == 'abandoned'}\"", "when: \"${call.outcome != null}\"", "connected: it is done"},
		{"no uuid", `    Call UUID: "${call.call_id}"` + "\n", "", `RT dropped the custom field "Call UUID"`},
		{"a status that RT hasn't", "default: resolved,", "default: solved,", "RT has left the ticket new: its lifecycle must have the status solved"},
	}
	return []presetCase{calls, callbacks}
}

// rtDrops is a queue that lacks a custom field: RT says 201 and drops the value, which must not go unnoticed.
func rtDrops(field string) presetScenario {
	return presetScenario{"the queue has no field " + field, func(r *presetRun) {
		r.fake.Keep(targettest.RTLacks, map[string]any{field: true})
		call := r.call(r.c.usual())
		r.finish(call)
		r.wait(long)
		if d := r.delivery(call); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, `RT dropped the custom field "`+field+`"`) {
			r.fail("it is %s, and nobody is told of the field: %s", d.State, d.Reason)
		}
		if n := len(r.fake.Entries()); n != 1 {
			r.fail("%d entries", n)
		}
	}, false, false}
}

// rtDropsLater is a queue that loses a custom field between the creation and the update.
func rtDropsLater(field string) presetScenario {
	return presetScenario{"the queue has no field " + field + " any more", func(r *presetRun) {
		first := r.call(r.c.usual())
		r.finish(first)
		r.wait(long)
		r.done(first)
		r.fake.Keep(targettest.RTLacks, map[string]any{field: true})
		second := *first
		second.Revision = 2
		if r.c.only != "" {
			second.Outcome = connector.OutcomeConnected
		}
		second.TalkSeconds = connector.KnownSpan(187e6)
		r.amend(&second)
		r.wait(long)
		if d := r.delivery(&second); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, `RT dropped the custom field "`+field+`"`) {
			r.fail("it is %s, and nobody is told of the field: %s", d.State, d.Reason)
		}
	}, false, false}
}

// rtRefusesLater is an update with a value that RT refuses. It does so with a 200: what it says must be there for people.
var rtRefusesLater = presetScenario{"an update is refused", func(r *presetRun) {
	first := r.call(connector.OutcomeConnected)
	r.finish(first)
	r.wait(long)
	second := *first
	second.Revision, second.TalkSeconds = 2, connector.KnownSpan(-5e6) // the field takes digits alone
	r.amend(&second)
	r.wait(long)
	d := r.delivery(&second)
	if d.State != connector.DeliveryDead || !strings.Contains(d.Reason, `RT dropped the custom field "Duration"`) {
		r.fail("it is %s: %s", d.State, d.Reason)
	}
	says := `Could not add a new value to custom field 'Duration': Input must match ^\d+$`
	if !slices.ContainsFunc(d.Attempts, func(a connector.Attempt) bool { return strings.Contains(a.Warning, says) }) {
		r.fail("no attempt says %q: %+v", says, d.Attempts)
	}
}, false, false}

package main

import (
	"fmt"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func zendeskCases() []presetCase {
	calls := presetCase{
		preset: "zendesk",
		api:    targettest.Zendesk,
		destination: fmt.Sprintf("url: http://acme.zendesk.com\nauth: {basic: {user: %s, password: %s}}\nparams: {assignee: %s, outcome_field: %s, talk_field: %s, recording_field: %s}",
			targettest.ZendeskUser, targettest.Credential, targettest.ZendeskOther, targettest.ZendeskOutcome, targettest.ZendeskTalk, targettest.ZendeskRecording),
		agents: "username,zendesk_agent\njdoe," + targettest.ZendeskAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "solved connected", connector.OutcomeAbandoned: "solved abandoned", connector.OutcomeUnanswered: "solved unanswered",
		},
		owner:      targettest.ZendeskAgent,
		nobody:     targettest.ZendeskOther,
		newContact: true,
		start:      never, // in the text only
		writes:     1,
		refuse:     "status",
		says:       "Status: is not included in the list",
		extra: []presetScenario{zendeskAlike, zendeskNewUser("", 0), zendeskNewUser(" whose user's answer is lost", 1), {"a closed ticket", zendeskClosed, false, false}, knowing(otherList("/api/v2/tickets", map[string]any{"tickets": []any{map[string]any{"id": 1, "external_id": nil}}},
			"Zendesk lists tickets with another external_id"))},
		breaks: []presetBreak{
			{"a required field is left out", "        comment:\n          body: \"Queue", "        remark:\n          body: \"Queue", "ticket.comment: missing"},
			{"no uuid", `        external_id: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"the first of two contacts", "response.body.count > 1 ? 'several' : ", "", "two contacts: linked"},
			{"a plus in the search", "phone:*${national_digits(call.phone_e164)}", "phone:${call.phone_e164}", "query: invalid: expected a query such as role:end-user phone:*151…"},
			{"whoever ends alike", "coalesce(same_number(response.body.users[0].phone, call.phone_e164), false) ? response.body.users[0].id : null", "response.body.users[0].id", "ends alike"},
			{"a user for each call", `, external_id: "wrapup-${digits(call.phone_e164)}"}`, "}", "has become 2 users"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.nobody, callbacks.talk = "zendesk-callbacks", "", "", "", never
	callbacks.closer = targettest.ZendeskOther
	callbacks.destination = fmt.Sprintf("url: http://acme.zendesk.com\nauth: {basic: {user: %s, password: %s}}\nparams: {assignee: %s, outcome_field: %s}",
		targettest.ZendeskUser, targettest.Credential, targettest.ZendeskOther, targettest.ZendeskOutcome)
	callbacks.delay = 2 * time.Minute
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "new abandoned", connector.OutcomeConnected: "solved connected"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.breaks = []presetBreak{
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"what is closed already is refused", "closed prevents ticket update", "closed prevents updates", "prevents ticket update"},
		{"nobody to solve it", `        assignee_id: "${params.assignee}"` + "\n", "", "Assignee: is required when solving a ticket"},
	}
	return []presetCase{calls, callbacks}
}

// knowing is a scenario in which somebody has the number, so that nobody has to be made.
func knowing(s presetScenario) presetScenario {
	run := s.run
	s.run = func(r *presetRun) {
		r.fake.Know(presetPhone, 1)
		run(r)
	}
	return s
}

// zendeskAlike is somebody whose number of another country ends alike: the call makes a user of its own.
var zendeskAlike = presetScenario{"a number that ends alike", func(r *presetRun) {
	alike := r.fake.Know("+49"+targettest.National(presetPhone), 1)
	call := r.call(r.c.usual())
	r.finish(call)
	r.wait(long)
	r.done(call)
	if e := r.entry(call); e != nil && (e.Contact == "" || e.Contact == alike[0]) {
		r.fail("linked with %q: somebody whose number only ends alike, or nobody", e.Contact)
	}
	r.clean()
}, false, false}

// zendeskNewUser is two calls of a number that nobody has, one soon after the other: the search doesn't know the first one's
// user yet. The n-th write of the first may lose its answer.
func zendeskNewUser(how string, lose int) presetScenario {
	return presetScenario{"a new number" + how, func(r *presetRun) {
		r.fake.Lose(lose)
		first, second := r.call(r.c.usual()), (*connector.Record)(nil)
		r.finish(first)
		r.wait(r.c.delay + 40*time.Second)
		second = r.call(r.c.usual())
		r.finish(second)
		r.wait(long)
		users := map[string]bool{}
		for _, call := range []*connector.Record{first, second} {
			r.done(call)
			if e := r.entry(call); e != nil {
				users[e.Contact] = true
			}
		}
		if len(users) != 1 || users[""] {
			r.fail("the number has become %d users: %v", len(users), users)
		}
		r.clean()
	}, false, false}
}

// zendeskClosed is a ticket that is closed when something comes late: a call is dead in Zendesk's words; that somebody should
// call back has an end either way.
func zendeskClosed(r *presetRun) {
	first := r.call(r.c.usual())
	first.RecordingURL = ""
	r.finish(first)
	r.wait(long)
	r.fake.Change(targettest.ZendeskTickets, map[string]any{"status": "closed"})
	second := *r.call(connector.OutcomeConnected)
	second.CallID, second.UUID, second.Revision = first.CallID, first.UUID, 2
	r.amend(&second)
	r.wait(long)
	if d := r.delivery(&second); r.c.only != "" {
		r.done(&second)
	} else if d.State != connector.DeliveryDead || !strings.Contains(d.Reason, "closed prevents ticket update") {
		r.fail("it is %s: %s", d.State, d.Reason)
	}
	r.entry(&second)
}

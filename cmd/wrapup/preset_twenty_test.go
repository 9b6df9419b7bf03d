package main

import (
	"strings"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func twentyCases() []presetCase {
	return []presetCase{{
		preset:      "twenty",
		api:         targettest.Twenty,
		destination: "url: http://api.twenty.com\nauth: {bearer: " + targettest.Credential + "}",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "connected", connector.OutcomeAbandoned: "abandoned", connector.OutcomeUnanswered: "unanswered",
		},
		outcomeInText: true,
		start:         never, // in the text only
		talk:          never,
		writes:        2, // the note, and its link to the person
		refuse:        "bodyV2",
		says:          `Invalid value for field "bodyV2"`,
		cant:          map[string]string{"an agent who isn't in the table": "a note belongs to nobody: the agent's name stands in it"},
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
			{"without a recording", func(r *presetRun) {
				call := r.call(connector.OutcomeAbandoned)
				r.finish(call)
				r.wait(long)
				r.done(call)
				if e := r.entry(call); e != nil && (strings.Contains(e.Text, "()") || strings.Contains(e.Text, "Agent")) {
					r.fail("a link to nothing, or an agent: %q", e.Text)
				}
			}, false, false},
			{"a note that somebody has written in", func(r *presetRun) {
				call := r.call(connector.OutcomeConnected)
				r.finish(call)
				r.wait(long)
				targettest.TwentyEdit(r.fake, "She wants two of them.")
				second := *call
				second.Revision, second.TalkSeconds = 2, connector.KnownSpan(187e6)
				r.amend(&second)
				r.wait(long)
				r.done(&second)
				if e := r.entry(call); e != nil && !strings.Contains(e.Text, "She wants two") {
					r.fail("what somebody wrote is lost: %q", e.Text)
				}
				r.clean()
			}, false, false},
		},
		breaks: []presetBreak{
			{"no uuid", `      id: "${call.call_id}"` + "\n      title", "      title", "0 entries carry the call's uuid"},
			{"an empty link", "call.recording_url == null ? null : '[Recording](' + call.recording_url + ')'", "'[Recording](' + call.recording_url + ')'", "a link to nothing"},
			{"the first of two people", "sole(response.body.data.people).id : null", "sole(response.body.data.people).id : response.body.data.people[0].id", "two contacts: linked"},
			{"over what people wrote", "saved.seen == saved.written && ", "", "what somebody wrote is lost"},
			{"a field of an older version", "default: targetPersonId", "default: personId", `doesn't have any \"personId\" field`},
		},
	}}
}

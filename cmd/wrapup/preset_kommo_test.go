package main

import (
	"fmt"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func kommoCases() []presetCase {
	return []presetCase{{
		preset:      "kommo",
		api:         targettest.Kommo,
		destination: "url: http://acme.kommo.com\nparams: {contact: " + targettest.KommoContact + "}\nauth: {bearer: " + targettest.Credential + "}",
		agents:      "username,kommo_user\njdoe," + targettest.KommoUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "call_out 4", connector.OutcomeAbandoned: "call_out 2", connector.OutcomeUnanswered: "call_out 3",
		},
		outcomeInText: true,
		owner:         targettest.KommoUser,
		nobody:        targettest.KommoSelf,
		writes:        1,
		refuse:        "call_status",
		says:          "params.call_status: The value you selected is not a valid choice.",
		extra: []presetScenario{
			{"more notes than a list holds", kommoCrowded, false, false},
			clockAhead,
			{"a lost answer, and a later revision", func(r *presetRun) {
				r.fake.Lose(1)
				first := r.call(connector.OutcomeConnected)
				first.RecordingURL = ""
				r.finish(first)
				r.wait(2 * time.Hour)
				second := *r.call(connector.OutcomeConnected)
				second.CallID, second.UUID, second.Revision = first.CallID, first.UUID, 2
				second.RecordingURL = connector.Text("https://rec.example.com/" + first.CallID + ".mp3")
				r.amend(&second)
				r.wait(long)
				r.done(&second)
				if e := r.entry(&second); e != nil {
					r.fields(e, &second)
				}
				r.clean()
			}, false, false},
		},
		breaks: []presetBreak{
			{"milliseconds instead of seconds", "seconds(call.talk_seconds)", "millis(call.talk_seconds)", "talk 34h"},
			{"no duration where nobody talked", "${coalesce(seconds(call.talk_seconds), 0)}", "${seconds(call.talk_seconds)}", "params.duration: missing"},
			{"no uuid", `    uniq: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"whoever the search finds first", "? sole(response.body._embedded.contacts).id : null", "|| true ? response.body._embedded.contacts[0].id : null", "somebody who has another number"},
		},
	}}
}

// kommoCrowded loses the answer to a call, while others write so many notes that one page can't say whether it is there. It must
// not be sent again.
func kommoCrowded(r *presetRun) {
	r.fake.Lose(1)
	call := r.call(connector.OutcomeConnected)
	r.finish(call)
	r.wait(time.Second)
	for i := range 250 {
		r.fake.Keep(targettest.KommoNotes, map[string]any{"note_type": "call_out", "params": map[string]any{"uniq": fmt.Sprint("theirs-", i)}})
	}
	r.wait(2 * time.Hour)
	if d := r.delivery(call); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, "more than 250 notes of calls") {
		r.fail("it is %s: %s", d.State, d.Reason)
	}
	if n := len(r.fake.Entries()); n != 251 {
		r.fail("%d notes, not 251", n)
	}
}

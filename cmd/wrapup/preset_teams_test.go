package main

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func teamsCases() []presetCase {
	const unchanged = "a flow can't change what it has posted"
	return []presetCase{{
		preset:        "teams-callbacks",
		api:           targettest.Teams,
		destination:   `url: "http://prod-00.westeurope.logic.azure.com` + targettest.TeamsFlow + `"`,
		only:          connector.OutcomeAbandoned,
		statuses:      map[connector.Outcome]string{connector.OutcomeAbandoned: "abandoned"},
		outcomeInText: true,
		unlinked:      "a chat knows no contacts",
		start:         never, // in the text only
		talk:          never,
		delay:         2 * time.Minute,
		writes:        1,
		parks:         true,
		cant: map[string]string{
			"an agent who isn't in the table":              "no agent was on an abandoned call",
			"a field refused":                              "a flow takes what comes, and says nothing",
			"a later revision":                             unchanged,
			"a later revision whose answer is lost":        unchanged,
			"a later revision that is answered with a 500": unchanged,
		},
		breaks: []presetBreak{
			{"every call", "when: \"${call.outcome == 'abandoned'}\"", "when: \"${call.outcome != null}\"", "connected: it is done"},
			{"a required field is left out", "            version: \"1.4\"\n", "", "attachments[].content.version: missing"},
			{"no uuid", `    - "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"it is sent again", "    method: POST\n", "    method: POST\n    repeat: safe\n", "of 2 that were made for 1 calls"},
		},
	}}
}

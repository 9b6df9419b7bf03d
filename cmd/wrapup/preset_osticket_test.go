package main

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func osticketCases() []presetCase {
	const noUpdate = "osTicket has no way to change a ticket"
	calls := presetCase{
		preset:      "osticket",
		api:         targettest.OsTicket,
		destination: "url: http://support.example.com\nsecrets: {key: " + targettest.Credential + "}\nparams: {topic: \"" + targettest.OsTicketTopic + "\"}",
		agents:      "username,osticket_staff\njdoe," + targettest.OsTicketAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "3 connected", connector.OutcomeAbandoned: "3 abandoned", connector.OutcomeUnanswered: "3 unanswered",
		},
		owner:    targettest.OsTicketAgent,
		unlinked: "osTicket has no search by phone number",
		start:    never, // in the text only
		delay:    5 * time.Minute,
		writes:   1,
		parks:    true,
		refuse:   "topicId",
		says:     "Unable to create new ticket :Invalid value for topicId",
		cant:     map[string]string{"a later revision": noUpdate, "a later revision whose answer is lost": noUpdate, "a later revision that is answered with a 500": noUpdate},
		breaks: []presetBreak{
			{"a required field is left out", `      name: "${vars.number}"` + "\n", "", "name: missing"},
			{"no uuid", `      call_uuid: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"sent again after a lost answer", "    method: POST\n", "    method: POST\n    repeat: safe\n", "of 2 that were made for 1 calls"},
			{"a refusal is taken for a failure", "    permanent:", "    warn:", "and not with the words"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.talk = "osticket-callbacks", "", "", never
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "abandoned"}
	callbacks.cant = map[string]string{
		"a later revision": noUpdate, "a later revision whose answer is lost": noUpdate, "a later revision that is answered with a 500": noUpdate,
		"an agent who isn't in the table": "no agent was on an abandoned call",
	}
	callbacks.breaks = []presetBreak{
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"no uuid", `      call_uuid: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
	}
	return []presetCase{calls, callbacks}
}

package main

import (
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func glpiCases() []presetCase {
	calls := presetCase{
		preset:      "glpi",
		api:         targettest.GLPI,
		destination: "url: http://glpi.example.com/apirest.php\nsecrets: {user_token: " + targettest.Credential + ", app_token: " + targettest.GLPIApp + "}",
		agents:      "username,glpi_user\njdoe," + targettest.GLPIAgent + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "5", connector.OutcomeAbandoned: "5", connector.OutcomeUnanswered: "5",
		},
		outcomeInText: true,
		owner:         targettest.GLPIAgent,
		start:         never, // in the text only
		talk:          never,
		writes:        1,
		refuse:        "status",
		says:          "ERROR_GLPI_ADD: You don't have permission to perform this action. (status)",
		extra:         []presetScenario{otherList("/apirest.php/Ticket", []any{map[string]any{"id": 1, "externalid": nil}}, "GLPI lists other tickets than those with this external ID")},
		breaks: []presetBreak{
			{"a required field is left out", "        content: \"<p>${join(['Queue", "        contents: \"<p>${join(['Queue", "input.content: missing"},
			{"no uuid", `        externalid: "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
			{"a search that finds no texts", "searchtype: contains", "searchtype: equals", "expected one of contains"},
			{"a follow-up is said twice", "    finds: say\n    lag: 30s # a slow server may still be at it\n", "", "whose answer is lost: revision 2 is parked"},
		},
	}
	callbacks := calls
	callbacks.preset, callbacks.agents, callbacks.owner, callbacks.outcomeInText = "glpi-callbacks", "", "", false
	callbacks.delay = 2 * time.Minute
	callbacks.only = connector.OutcomeAbandoned
	callbacks.statuses = map[connector.Outcome]string{connector.OutcomeAbandoned: "1", connector.OutcomeConnected: "5"}
	callbacks.cant = map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"}
	callbacks.breaks = []presetBreak{
		{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
		{"it stays open", "body: {input: {status: 5}}", "body: {input: {status: 2}}", `status "2", not "5"`},
	}
	return []presetCase{calls, callbacks}
}

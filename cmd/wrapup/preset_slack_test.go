package main

import (
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func slackCases() []presetCase {
	bot := presetCase{
		preset:      "slack-callbacks",
		api:         targettest.Slack,
		destination: "url: http://slack.com/api\nauth: {bearer: " + targettest.Credential + "}\nparams: {channel: " + targettest.SlackChannel + "}",
		only:        connector.OutcomeAbandoned,
		statuses: map[connector.Outcome]string{
			connector.OutcomeAbandoned: "abandoned", connector.OutcomeConnected: "connected",
		},
		outcomeInText: true,
		unlinked:      "a chat knows no contacts",
		start:         never, // in the text only
		talk:          never,
		delay:         2 * time.Minute,
		writes:        1,
		refuse:        "blocks",
		says:          "invalid_blocks",
		cant:          map[string]string{"an agent who isn't in the table": "no agent was on an abandoned call"},
		extra: []presetScenario{
			clockAhead,
			{"other people's messages in between", func(r *presetRun) {
				r.fake.Lose(1)
				call := r.call(connector.OutcomeAbandoned)
				r.finish(call)
				r.wait(r.c.delay + time.Second)
				targettest.SlackKeep(r.fake, 50)
				r.wait(long)
				r.done(call)
				r.clean()
				if n := len(r.fake.Entries()); n != 51 {
					r.fail("%d messages, not 51", n)
				}
			}, false, false},
			{"a lost request among other people's messages", func(r *presetRun) {
				targettest.SlackKeep(r.fake, 50)
				r.fake.Drop(1)
				call := r.call(connector.OutcomeAbandoned)
				r.finish(call)
				r.wait(long)
				r.done(call)
				r.clean()
				if n := len(r.fake.Entries()); n != 51 {
					r.fail("%d messages, not 51", n)
				}
			}, false, false},
			{"more messages than a list holds", func(r *presetRun) {
				r.fake.Lose(1)
				call := r.call(connector.OutcomeAbandoned)
				r.finish(call)
				r.wait(r.c.delay + time.Second)
				targettest.SlackKeep(r.fake, 999)
				r.wait(long)
				if d := r.delivery(call); d.State == connector.DeliveryDone || !strings.Contains(d.Reason, "more than 999 messages") {
					r.fail("it is %s: %s", d.State, d.Reason)
				}
				if n := len(r.fake.Entries()); n != 1000 {
					r.fail("%d messages, not 1000", n)
				}
			}, false, false},
		},
		breaks: []presetBreak{
			{"every call", "call.outcome == 'abandoned'}\" # decides", "call.outcome != null}\" # decides", "connected: it is done"},
			{"no uuid", `call_id: "${call.call_id}", `, "", "0 entries carry the call's uuid"},
			{"the metadata isn't asked for", "include_all_metadata: true, ", "", "shown without their metadata"},
			{"a 200 is taken at its word", `    success: "${response.body.ok}"` + "\n", "", "it is done, and not with the words"},
		},
	}
	webhook := bot
	webhook.preset, webhook.api, webhook.parks, webhook.extra = "slack-webhook-callbacks", targettest.SlackWebhook, true, nil
	webhook.destination = "url: http://hooks.slack.com" + targettest.SlackHook
	webhook.cant = map[string]string{
		"an agent who isn't in the table":              "no agent was on an abandoned call",
		"a later revision":                             "a webhook can't change what it has posted",
		"a later revision whose answer is lost":        "a webhook can't change what it has posted",
		"a later revision that is answered with a 500": "a webhook can't change what it has posted",
	}
	webhook.breaks = []presetBreak{
		{"every call", "when: \"${call.outcome == 'abandoned'}\"", "when: \"${call.outcome != null}\"", "connected: it is done"},
		{"no uuid", `    - "${call.call_id}"` + "\n", "", "0 entries carry the call's uuid"},
		{"it is sent again", "    method: POST\n", "    method: POST\n    repeat: safe\n", "of 2 that were made for 1 calls"},
		{"a webhook that is gone", "      reauth: \"${response.status in [403, 404, 410]}\" # the webhook or its channel is gone\n", "", "while the credential is no good"},
	}
	return []presetCase{bot, webhook}
}

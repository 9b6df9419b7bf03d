package main

import (
	"fmt"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

func dynamicsCases() []presetCase {
	return []presetCase{{
		preset: "dynamics-365",
		api:    targettest.Dynamics,
		destination: fmt.Sprintf("url: http://acme.crm4.dynamics.com\nparams: {host: acme.crm4.dynamics.com, tenant: %s}\nauth: {oauth2: {token_url: http://login.microsoftonline.com/%s/oauth2/v2.0/token, client_id: %s, client_secret: %s}}",
			targettest.DynamicsTenant, targettest.DynamicsTenant, targettest.DynamicsClient, targettest.Credential),
		agents: "username,dynamics_user\njdoe," + targettest.DynamicsUser + "\n",
		statuses: map[connector.Outcome]string{
			connector.OutcomeConnected: "1/2 connected", connector.OutcomeAbandoned: "1/2 abandoned", connector.OutcomeUnanswered: "1/2 unanswered",
		},
		owner:  targettest.DynamicsUser,
		nobody: targettest.DynamicsSelf,
		talk:   time.Minute,
		writes: 2, // the call, and its completion
		refuse: "category",
		says:   "Our rule: category must not be set by integrations",
		extra: []presetScenario{
			{"each lost answer of an update", func(r *presetRun) { r.revised(2, (*targettest.Fake).Lose) }, false, false},
			{"the last lost answer of an update", func(r *presetRun) { r.revised(3, (*targettest.Fake).Lose) }, false, false},
			{"a 500 in an update", func(r *presetRun) { r.revised(2, failAfter) }, false, false},
			{"a 500 at the end of an update", func(r *presetRun) { r.revised(3, failAfter) }, false, false},
		},
		breaks: []presetBreak{
			{"seconds instead of minutes", "minutes(call.talk_seconds)", "seconds(call.talk_seconds)", "talk 2h5m"},
			{"that it is there is an error", "      duplicate: ", "      warn: ", "A record with matching key values already exists"},
			{"it isn't opened again", "body: {statecode: 0, statuscode: 1}", "body: {category: wrapup}", "is completed or canceled and cannot be changed"},
			{"the first of two contacts", "sole(response.body.value)", "response.body.value[0]", "two contacts: linked"},
		},
	}}
}

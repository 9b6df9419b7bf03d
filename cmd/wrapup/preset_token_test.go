package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

// tokenDesk is an API that gives out tokens: its routes are how a fake of such an API is written.
func tokenDesk() *targettest.API {
	return &targettest.API{
		Knows: func(f *targettest.Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Bearer "+f.Token()
		},
		Unauthorized: targettest.Reply{Status: 401, Body: map[string]any{"message": "invalid token"}},
		NotFound:     targettest.Reply{Status: 404},
		Busy:         func(time.Duration) targettest.Reply { return targettest.Reply{Status: 429} },
		Contact:      func(phone string) map[string]any { return map[string]any{"phone": phone} },
		Routes: []targettest.Route{
			{
				Method: "POST", Path: "/oauth/token", Doc: "RFC 6749, 4.4", Open: true, Media: "application/x-www-form-urlencoded",
				Fields: []targettest.Field{{Name: "grant_type", Required: true, Is: targettest.OneOf("client_credentials")},
					{Name: "client_id", Required: true}, {Name: "client_secret", Required: true, Is: targettest.OneOf(targettest.Credential)}},
				Do: func(f *targettest.Fake, _ *targettest.Request) targettest.Reply {
					if f.Expired() {
						return targettest.Reply{Status: 401, Body: map[string]any{"error": "invalid_client"}}
					}
					return targettest.Reply{Status: 200, Body: map[string]any{"access_token": f.Token(), "token_type": "Bearer", "expires_in": 3600}}
				},
			},
			{Method: "PUT", Path: "/calls/{id}", Write: true, Fields: []targettest.Field{{Name: "outcome", Required: true}},
				Do: func(f *targettest.Fake, r *targettest.Request) targettest.Reply {
					f.Add("calls", map[string]any{"uuid": r.PathValue("id")})
					return targettest.Reply{Status: 200}
				}},
		},
		Entries: func(f *targettest.Fake) (entries []targettest.Entry) {
			for _, c := range f.All("calls") {
				entries = append(entries, targettest.Entry{Call: targettest.Said(c.Fields["uuid"])})
			}
			return entries
		},
	}
}

// The suite can do with tokens: those that end before their time, and credentials that are no good any more.
func TestPresetsWithTokens(t *testing.T) {
	c := &presetCase{preset: "desk", api: tokenDesk, destination: "auth: {oauth2: {client_id: wrapup, client_secret: " + targettest.Credential + "}}"}
	const mapping = `url: http://desk.test
auth: {oauth2: {token_url: "http://desk.test/oauth/token", grant: client_credentials}}
steps: [{name: log, method: PUT, path: "/calls/${call.call_id}", body: {outcome: "${call.outcome}"}}]`
	for _, s := range []presetScenario{{"connected", func(r *presetRun) {
		call := r.call(connector.OutcomeConnected)
		r.finish(call)
		r.wait(time.Minute)
		r.done(call)
		r.clean()
	}, true, false}, {"a token that ends before its time", staleToken, false, false}, {"expired credential", expiredCredential, false, false}} {
		t.Run(s.name, func(t *testing.T) {
			problems, log := runPreset(t, c, mapping, s)
			assert.Empty(t, problems)
			assert.NotContains(t, exchanges(log), targettest.Credential)
		})
	}
}

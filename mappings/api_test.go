package mappings

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const apiMapping = `
version: 7
wait: 2m
skip_older_than: 4h
brake: 60/h
rate: 40/m
url: https://crm.example.com
tables:
  owner: {file: agents.csv, key: username, value: id, type: int, missing: {hold: 1h, then: null}}
  status: {connected: done, default: open}
steps:
  - {name: look, method: GET, finds: ticket, path: /look, found: "${response.body.id}"}
  - {name: ticket, path: /ticket, rate: 1/s, body: {owner: "${tables.owner[call.agent.username]}", status: "${tables.status[call.outcome]}"}, save: {id: "${response.body.id}"}}
  - {name: note, path: /note, repeat: 30m, body: 1}
  - {name: link, method: PUT, path: /link}
update:
  - {name: comment, path: /comment, body: 2}
`

func compiled(t *testing.T, src string, opts Options) *Mapping {
	t.Helper()
	m, problems := Compile("crm.yaml", []byte(src), opts)
	require.NoError(t, problems.Err())
	return m
}

func tableFile(text string) func(string) ([]byte, error) {
	return func(string) ([]byte, error) { return []byte(text), nil }
}

func TestSettings(t *testing.T) {
	m := compiled(t, apiMapping, Options{ReadFile: tableFile("username,id\n1,2\n")})
	assert.Equal(t, "7", m.Version())
	assert.Equal(t, 2*time.Minute, m.Wait())
	assert.Equal(t, 4*time.Hour, m.SkipOlderThan())
	assert.Equal(t, Rate{60, time.Hour}, m.Brake())
	assert.Equal(t, Rate{40, time.Minute}, m.Rate())
	assert.True(t, m.PostsRevisions())
	assert.Equal(t, []string{"note", "comment"}, m.Doubles(), "the ticket is looked for, the link is a PUT")
	m = compiled(t, apiMapping, Options{ReadFile: tableFile("username,id\n"), Rate: Rate{1, time.Second}, Brake: Rate{2, time.Hour}})
	assert.Equal(t, Rate{1, time.Second}, m.Rate())
	assert.Equal(t, Rate{2, time.Hour}, m.Brake())
}

func TestTablesAreReadAgain(t *testing.T) {
	m := compiled(t, apiMapping, Options{ReadFile: tableFile("username,id\n6122312312,\n")})
	assert.Equal(t, []string{"agents.csv"}, m.TableFiles())
	c := Call{Record: example(t, "")}
	a, err := m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, ActionHold, a.Kind, "a blank value is none")
	assert.Equal(t, Hold{On: "tables.owner", For: time.Hour, Then: "null", Table: "owner", Key: "6122312312"}, a.Hold)

	again, problems := m.WithTables(tableFile("username,id\n6122312312,81\n"))
	require.NoError(t, problems.Err())
	a, err = again.Next(c)
	require.NoError(t, err)
	assert.JSONEq(t, `{"owner":81,"status":"done"}`, string(a.Request.Body))
	assert.Equal(t, Rate{1, time.Second}, a.Rate)
	tables := again.AgentTables()
	require.Len(t, tables, 1)
	assert.Equal(t, "owner", tables[0].Name)
	assert.True(t, tables[0].Has("6122312312"))
	assert.False(t, tables[0].Has("7"))
	assert.False(t, m.AgentTables()[0].Has("6122312312"), "the old one stays as it was")

	for what, read := range map[string]func(string) ([]byte, error){
		"wrong": tableFile("username,id\n6122312312,x\n"), "gone": func(string) ([]byte, error) { return nil, os.ErrNotExist },
	} {
		broken, problems := m.WithTables(read)
		assert.Nil(t, broken, what)
		assert.Error(t, problems.Err(), what)
	}

	c.Held = map[string]time.Duration{"tables.owner": 30 * time.Minute, "contact": 2 * time.Hour}
	a, err = m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, 30*time.Minute, a.Hold.For)
	c.Held = map[string]time.Duration{"tables.owner": time.Hour}
	a, err = m.Next(c)
	require.NoError(t, err)
	assert.JSONEq(t, `{"status":"done"}`, string(a.Request.Body))
}

func TestFindsIsAskedOnlyInDoubt(t *testing.T) {
	m := compiled(t, apiMapping, Options{ReadFile: tableFile("username,id\n6122312312,81\n")})
	c := Call{Record: example(t, "")}
	a, err := m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, "ticket", a.Step)
	assert.False(t, a.Lookup)
	assert.False(t, a.NotThere)
	c.MaybeSent = []string{"ticket"}
	a, err = m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, "look", a.Step)
	assert.True(t, a.Lookup)
	assert.Equal(t, "ticket", a.Finds)
	j := m.Judge(c, "look", Answer{Status: 404})
	assert.Equal(t, VerdictDone, j.Verdict)
	assert.True(t, j.NotFound)
	c.Progress = j.Progress
	a, err = m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, "ticket", a.Step)
	assert.True(t, a.NotThere)
	c.Progress = c.Progress.Fresh()
	a, err = m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, "look", a.Step, "the next attempt asks again")
}

// TestFindable is about the lookups that would be asked for this call, where the step stands.
func TestFindable(t *testing.T) {
	m := compiled(t, `
url: https://a.b
steps:
  - {name: look, when: "${call.outcome == 'connected'}", finds: log, path: /look, found: "${response.body.id}"}
  - {name: log, path: /log}
  - {name: note, path: /note}
update:
  - {name: noted, finds: note, path: /noted, found: "${response.body.id}"}
  - note
`, Options{})
	for _, c := range []struct {
		call Call
		step string
		want bool
	}{
		{Call{Record: example(t, "")}, "log", true},
		{Call{Record: example(t, `{"outcome": "busy"}`)}, "log", false},
		{Call{Record: example(t, ""), Progress: Progress{Done: []string{"log"}}}, "note", false},
		{Call{Record: example(t, ""), Sent: example(t, "")}, "note", true},
		{Call{Record: example(t, ""), MaybeSent: []string{"log"}}, "look", false},
	} {
		a, err := m.Next(c.call)
		require.NoError(t, err)
		assert.Equal(t, c.step, a.Step)
		assert.Equal(t, c.want, a.Findable, "%s of %s", a.Step, c.call.Record.Outcome)
	}
	m = compiled(t, `
url: https://a.b
session: {path: /login, save: {token: "${response.body.token}"}}
steps:
  - {name: look, finds: log, path: /look, found: "${response.body.id}"}
  - {name: log, path: "/log/${session.token}"}
`, Options{})
	a, err := m.Next(Call{Record: example(t, "")})
	require.NoError(t, err)
	assert.Equal(t, ActionSession, a.Kind)
	assert.False(t, a.Findable, "a login")
}

// TestWhatIsNotThereWasNotCreated shows that a call that was looked for in vain is a new one.
func TestWhatIsNotThereWasNotCreated(t *testing.T) {
	m := compiled(t, `
url: https://a.b
skip_older_than: 1h
steps:
  - {name: look, finds: log, path: /look, found: "${response.body.id}"}
  - {name: log, path: /log}
`, Options{})
	c := Call{Record: example(t, ""), MaybeSent: []string{"log"}, Age: 2 * time.Hour}
	a, err := m.Next(c)
	require.NoError(t, err)
	require.Equal(t, "look", a.Step)
	found := c
	found.Progress = m.Judge(c, "look", Answer{Status: 200, Body: []byte(`{"id":1}`)}).Progress
	a, err = m.Next(found)
	require.NoError(t, err)
	assert.Equal(t, ActionFinished, a.Kind)
	c.Progress = m.Judge(c, "look", Answer{Status: 404}).Progress
	a, err = m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, ActionSkip, a.Kind, "it is too old")
	assert.Empty(t, a.Step)
}

// TestWhenIsAskedUntilSomethingIsCreated shows that a lookup creates nothing.
func TestWhenIsAskedUntilSomethingIsCreated(t *testing.T) {
	m := compiled(t, `
url: https://a.b
when: "${call.outcome == 'connected'}"
skip_older_than: 1h
steps:
  - {name: look, path: /look, found: "${response.body.id}"}
  - {name: log, path: /log}
  - {name: more, path: /more}
`, Options{})
	for _, c := range []struct {
		call Call
		want ActionKind
	}{
		{Call{Progress: Progress{Done: []string{"look"}}}, ActionSkip},
		{Call{Progress: Progress{Done: []string{"look", "log"}}}, ActionSend},
		{Call{MaybeSent: []string{"log"}, Age: 2 * time.Hour}, ActionSend},
	} {
		c.call.Record = example(t, `{"outcome": "busy"}`)
		a, err := m.Next(c.call)
		require.NoError(t, err)
		assert.Equal(t, c.want, a.Kind, a.Reason)
	}
	a, err := m.Next(Call{Record: example(t, ""), Age: 2 * time.Hour})
	require.NoError(t, err)
	assert.Equal(t, ActionSkip, a.Kind)
}

func TestOAuth2(t *testing.T) {
	m := compiled(t, `
url: "${auth.api_domain}"
params: {dc: {default: com}}
secrets: [tenant]
auth: {oauth2: {token_url: "https://accounts.${params.dc}/token", grant: refresh_token, scope: crm, client_in: basic, extra: {tenant: "${secrets.tenant}"}, failed: "${response.body.error != null}"}}
steps: [{name: a, path: /a}]
`, Options{Params: map[string]any{"dc": "eu"}, Secrets: map[string]string{"tenant": "t1"}})
	o, err := m.OAuth2()
	require.NoError(t, err)
	assert.Equal(t, &OAuth2{TokenURL: "https://accounts.eu/token", Grant: "refresh_token", Scope: "crm", ClientIn: "basic",
		Format: "form", Method: "POST", RefreshTokens: "single_use", Extra: map[string]string{"tenant": "t1"}}, o)

	a, err := m.Next(Call{Record: example(t, "")})
	require.NoError(t, err)
	assert.Equal(t, ActionAuth, a.Kind)

	refused, _ := m.TokenRefused(Answer{Status: 200, Body: []byte(`{"error":"invalid_code"}`)})
	assert.True(t, refused)
	refused, _ = m.TokenRefused(Answer{Status: 200, Body: []byte(`{"access_token":"x","error":"y"}`)})
	assert.True(t, refused)
	refused, values := m.TokenRefused(Answer{Status: 200, Body: []byte(`{"access_token":"x","api_domain":"https://api.eu"}`)})
	assert.False(t, refused)
	a, err = m.Next(Call{Record: example(t, ""), Auth: values})
	require.NoError(t, err)
	assert.Equal(t, "https://api.eu/a", a.Request.URL)
	assert.Equal(t, "Bearer x", a.Request.Header.Get("Authorization"))

	values["api_domain"] = "file:///etc"
	_, err = m.Next(Call{Record: example(t, ""), Auth: values})
	assert.EqualError(t, err, "step a: url: a url begins with https:// (or http://) and a host")

	assert.EqualError(t, m.CheckToken(values), "url: a url begins with https:// (or http://) and a host")
	assert.EqualError(t, m.CheckToken(map[string]any{"access_token": "x"}), "url: auth.api_domain is null")
	assert.NoError(t, m.CheckToken(map[string]any{"api_domain": "https://api.eu"}))
	none, err := compiled(t, "url: https://a.b\nsteps: [{name: a}]", Options{}).OAuth2()
	assert.NoError(t, err)
	assert.Nil(t, none)
}

// A token_path is added to the destination's url; the requests go where the token answer says.
func TestTokenPath(t *testing.T) {
	const told = `
url: "${auth.instance_url}"
auth: {oauth2: {token_path: /services/oauth2/token, grant: client_credentials}}
steps: [{name: a, path: /a}]
`
	m := compiled(t, told, Options{URL: "https://x.example.com/"})
	o, err := m.OAuth2()
	require.NoError(t, err)
	assert.Equal(t, "https://x.example.com/services/oauth2/token", o.TokenURL)
	a, err := m.Next(Call{Record: example(t, ""), Auth: map[string]any{"access_token": "x", "instance_url": "https://y.example.com"}})
	require.NoError(t, err)
	assert.Equal(t, "https://y.example.com/a", a.Request.URL)
	_, problems := Compile("m.yaml", []byte(told), Options{})
	assert.EqualError(t, problems.Err(), "m.yaml:2:6: url: the destination must give its url: auth.oauth2.token_path is added to it")

	m = compiled(t, "url: https://crm.example.com/api\nauth: {oauth2: {token_path: /token, grant: password}}\nsteps: [{name: a}]", Options{})
	o, err = m.OAuth2()
	require.NoError(t, err)
	assert.Equal(t, "https://crm.example.com/api/token", o.TokenURL)
}

// What the destination says about tokens wins, and will do for a mapping that says nothing about them.
func TestDestinationSaysHowTokensAreHad(t *testing.T) {
	own := &OAuth2{TokenURL: "https://login.example.com/token", Grant: GrantJWTBearer, Audience: "https://aud.example.com", ClientIn: "basic",
		Extra: map[string]string{"a": "destination"}}
	m := compiled(t, `
url: https://crm.example.com
auth: {oauth2: {token_path: /token, grant: client_credentials, scope: crm, audience: x, extra: {a: mapping, b: mapping}}}
steps: [{name: a}]
`, Options{OAuth2: own})
	o, err := m.OAuth2()
	require.NoError(t, err)
	assert.Equal(t, &OAuth2{TokenURL: "https://login.example.com/token", Grant: "jwt_bearer", Scope: "crm", ClientIn: "basic", Format: "form",
		Method: "POST", RefreshTokens: "single_use", Audience: "https://aud.example.com", Extra: map[string]string{"a": "destination", "b": "mapping"}}, o)

	m, problems := Record(Options{URL: "https://crm.example.com/calls", OAuth2: own})
	require.NoError(t, problems.Err())
	o, err = m.OAuth2()
	require.NoError(t, err)
	assert.Equal(t, "https://login.example.com/token jwt_bearer basic form POST", strings.Join([]string{o.TokenURL, o.Grant, o.ClientIn, o.Format, o.Method}, " "))
	a, err := m.Next(Call{Record: example(t, "")})
	require.NoError(t, err)
	require.Equal(t, ActionAuth, a.Kind)
	a, err = m.Next(Call{Record: example(t, ""), Auth: map[string]any{"access_token": "x"}})
	require.NoError(t, err)
	assert.Equal(t, "Bearer x", a.Request.Header.Get("Authorization"))
}

// The token is a bearer token unless the mapping puts it where its API wants it.
func TestTokenWhereTheMappingPutsIt(t *testing.T) {
	const auth = "url: https://a.b\nauth: {oauth2: {token_url: \"https://a.b/token\", method: GET, grant: refresh_token, refresh_tokens: reusable}}\n"
	for name, row := range map[string]struct{ steps, header, body string }{
		"bearer":      {"steps: [{name: a, body: {x: 1}}]", "Bearer t0", `{"x":1}`},
		"in the body": {"steps: [{name: a, body: {auth: \"${auth.access_token}\"}}]", "", `{"auth":"t0"}`},
		"by any name": {"vars: {t: \"${auth['access_token']}\"}\nsteps: [{name: a, body: {auth: \"${vars.t}\"}}]", "", `{"auth":"t0"}`},
		"a scheme":    {"headers: {Authorization: \"Zoho ${auth.access_token}\"}\nsteps: [{name: a}]", "Zoho t0", ""},
		"another":     {"steps: [{name: a, body: {auth: \"${auth.member_id}\"}}]", "Bearer t0", `{"auth":"m"}`},
	} {
		m := compiled(t, auth+row.steps, Options{})
		a, err := m.Next(Call{Record: example(t, ""), Auth: map[string]any{"access_token": "t0", "member_id": "m"}})
		require.NoError(t, err, name)
		assert.Equal(t, row.header, a.Request.Header.Get("Authorization"), name)
		assert.Equal(t, row.body, string(a.Request.Body), name)
		o, err := m.OAuth2()
		require.NoError(t, err)
		assert.Equal(t, "GET reusable", o.Method+" "+o.RefreshTokens)
	}
}

func TestJudgeSession(t *testing.T) {
	m := compiled(t, `
url: https://a.b
session: {path: /login, body: {u: 1}, save: {token: "${response.body.token}", id: "${response.body.id}"}, answers: {error: "${response.body.message}"}}
steps: [{name: a, headers: {T: "${session.token}"}}]
`, Options{})
	assert.True(t, m.HasSession())
	c := Call{Record: example(t, "")}
	j := m.JudgeSession(c, Answer{Status: 200, Body: []byte(`{"token":"t","id":1}`)})
	assert.Equal(t, SessionJudgement{Verdict: VerdictDone, Values: map[string]any{"token": "t", "id": json.Number("1")}}, j)
	for body, want := range map[string]SessionJudgement{
		`{"token":"t"}`: {Verdict: VerdictDead, Message: "the answer to the login has no id"},
		`<html>`:        {Verdict: VerdictAmbiguous},
	} {
		assert.Equal(t, want, m.JudgeSession(c, Answer{Status: 200, Body: []byte(body)}), body)
	}
	assert.Equal(t, SessionJudgement{Message: "no"}, m.JudgeSession(c, Answer{Status: 401, Body: []byte(`{"message":"no"}`)}))
	assert.Equal(t, SessionJudgement{Verdict: VerdictAmbiguous}, m.JudgeSession(c, Answer{}))
}

// TestSharedMapping lets many goroutines use one mapping; the race detector watches.
func TestSharedMapping(t *testing.T) {
	m := compiled(t, apiMapping, Options{ReadFile: tableFile("username,id\n6122312312,81\n")})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				list, _ := Play(m, Call{Record: example2()}, []Answer{{Status: 200, Body: []byte(`{"id":1}`)}, {Status: 200}, {Status: 200}})
				assert.Equal(t, ActionFinished, list[len(list)-1].Action.Kind)
			}
		})
	}
	wg.Wait()
}

func TestLargeBodyIsRefused(t *testing.T) {
	m := compiled(t, "url: https://a.b\nvars: {a: \"${call.order_id}\"}\nsteps: [{name: a, body: [\"${vars.a}\", \"${vars.a}\", \"${vars.a}\", \"${vars.a}\", \"${vars.a}\", \"${vars.a}\"]}]", Options{})
	r := example2()
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = 'x'
	}
	require.NoError(t, json.Unmarshal([]byte(`{"order_id": "`+string(b)+`"}`), r))
	_, err := m.Next(Call{Record: r})
	var at *RenderError
	require.True(t, errors.As(err, &at))
	assert.Equal(t, "a", at.Step)
	assert.Contains(t, err.Error(), "larger than 4 MiB")
}

// TestFunctionsPage holds the page of functions against the code.
func TestFunctionsPage(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile("functions.md", []byte(FunctionsPage()), 0o644))
	}
	page, err := os.ReadFile("functions.md")
	require.NoError(t, err)
	assert.Equal(t, FunctionsPage(), string(page))
}

package configs

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/mappings"
)

const bringing = `
sources: [{kind: nxcloud-events, auth: {token: {file: token}}}]
mappings_dir: maps
destinations:
  - name: desk
    mapping: desk
    url: {file: url}
    secrets: {key: {file: token}, pin: s3cret}
    headers: {x-tenant: acme, X-Other: {file: token}}
    auth: {bearer: {file: token}}
    rate: 40/m
`

func bringingInput() Input {
	return withFiles(Input{Path: "/etc/wrapup/wrapup.yaml"}, fstest.MapFS{
		"etc/wrapup/wrapup.yaml":           &fstest.MapFile{Data: []byte(bringing)},
		"etc/wrapup/token":                 &fstest.MapFile{Data: []byte("t0ken\n")},
		"etc/wrapup/url":                   &fstest.MapFile{Data: []byte("https://crm.example.com/s3cret\n")},
		"etc/wrapup/maps/lists/agents.csv": &fstest.MapFile{Data: []byte("username,id\n7,81\n")},
		"etc/wrapup/maps/desk.yaml": &fstest.MapFile{Data: []byte(`
rate: 1/s
secrets: [key, pin]
headers: {X-Tenant: other}
tables: {owner: {file: lists/agents.csv, key: username, value: id, type: int}}
steps: [{name: log, path: /calls, body: {owner: "${tables.owner[call.agent.username]}", key: "${secrets.key}", pin: "${secrets.pin}"}}]
`)},
	})
}

// What a destination brings arrives in the requests of its mapping.
func TestDestinationBringsItsOwn(t *testing.T) {
	c, problems := Load(bringingInput())
	require.NoError(t, problems.Err())
	d := c.Destinations[0]
	assert.Equal(t, mappings.Rate{N: 40, Per: time.Minute}, d.Compiled.Rate())
	assert.Equal(t, "40/m", d.Rate.String())
	assert.Equal(t, "/etc/wrapup/maps/desk.yaml", d.MappingFile)
	assert.Equal(t, []string{"lists/agents.csv"}, d.Compiled.TableFiles())
	assert.Equal(t, "/etc/wrapup/maps/lists/agents.csv", c.TablePath("lists/agents.csv"))
	assert.Equal(t, "/agents.csv", c.TablePath("/agents.csv"))
	r := requestOf(t, d.Compiled)
	assert.Equal(t, "https://crm.example.com/s3cret/calls", r.URL)
	assert.Equal(t, []string{"acme"}, r.Header["X-Tenant"])
	assert.Equal(t, []string{"t0ken"}, r.Header["X-Other"])
	assert.JSONEq(t, `{"owner":81,"key":"t0ken","pin":"s3cret"}`, string(r.Body))
}

// Placeholders reads no secret.
func TestPlaceholders(t *testing.T) {
	in := bringingInput()
	read := in.ReadFile
	in.Placeholders = true
	in.ReadFile = func(name string) ([]byte, error) {
		assert.NotContains(t, []string{"/etc/wrapup/token", "/etc/wrapup/url"}, name)
		return read(name)
	}
	c, problems := Load(in)
	require.NoError(t, problems.Err())
	d := c.Destinations[0]
	assert.Equal(t, "«auth.bearer»", d.Auth.Bearer.Value())
	r := requestOf(t, d.Compiled)
	assert.Equal(t, "https://«url»/calls", r.URL)
	assert.Equal(t, []string{"«headers.x-tenant»"}, r.Header["X-Tenant"])
	assert.Equal(t, []string{"«headers.X-Other»"}, r.Header["X-Other"])
	assert.JSONEq(t, `{"owner":81,"key":"«secrets.key»","pin":"«secrets.pin»"}`, string(r.Body))
}

func requestOf(t *testing.T, m *mappings.Mapping) mappings.Request {
	t.Helper()
	a, err := m.Next(mappings.Call{Record: &connector.Record{CallID: "c", Agent: &connector.Segment{Username: "7"}}})
	require.NoError(t, err)
	require.Equal(t, mappings.ActionSend, a.Kind)
	return a.Request
}

func TestParamValue(t *testing.T) {
	for text, want := range map[string]any{
		"7": 7, "0812": "0812", "1.5": 1.5, "true": true, "a": "a", "a: b": "a: b", "[a, 1]": []any{"a", 1}, "{a: 0812}": map[string]any{"a": "0812"},
		"": "", "# a": "# a", "'7'": "7", "null": nil, "[a": "[a",
	} {
		got, err := ParamValue(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	_, err := ParamValue("[!secret a]")
	assert.Error(t, err)
}

func TestVersions(t *testing.T) {
	for _, ordered := range [][2]string{{"1", "2"}, {"1.9", "1.10"}, {"1", "1.0"}, {"0.9", "1"}, {"1.a", "1.b"}} {
		assert.Negative(t, compareVersions(ordered[0], ordered[1]), "%v", ordered)
		assert.Positive(t, compareVersions(ordered[1], ordered[0]), "%v", ordered)
	}
	assert.Zero(t, compareVersions("1.2", "1.2"))
}

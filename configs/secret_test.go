package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// TestSecretsNeverPrint prints a configuration in every way there is.
func TestSecretsNeverPrint(t *testing.T) {
	in := withFiles(Input{Path: "/etc/wrapup/wrapup.yaml"}, fstest.MapFS{
		"etc/wrapup/s": &fstest.MapFile{Data: []byte("s3cret\n")},
		"etc/wrapup/u": &fstest.MapFile{Data: []byte("https://crm.example.com/s3cret\n")},
		"etc/wrapup/wrapup.yaml": &fstest.MapFile{Data: []byte(`
sources: [{kind: nxcloud-events, auth: {token: {file: s}}}]
destinations:
  - {name: a, mapping: record, url: {file: u}, auth: {bearer: s3cret}}
  - {name: b, mapping: record, url: https://crm.example.com, auth: {basic: {user: {file: s}, password: {file: s}}}}
  - {name: c, mapping: record, url: https://crm.example.com, auth: {header: {name: X-Key, value: {env: S}}}, headers: {X-Open: s3cret, X-Other: {file: s}}}
  - {name: d, mapping: desk, url: https://crm.example.com, secrets: {token: {file: s}}}
`)},
		"etc/wrapup/mappings/desk.yaml": &fstest.MapFile{Data: []byte(`{secrets: [token], steps: [{name: log, headers: {T: "${secrets.token}"}}]}`)},
	})
	in.Environ = []string{"S=s3cret"}
	c, problems := Load(in)
	require.NoError(t, problems.Err())
	c.Destinations[1].URL = URL{Secret{&held{from: fromLiteral, value: "https://bot:s3cret@crm.example.com"}}}

	secrets := []any{c.Sources[0].Auth.Token, c.Destinations[0].URL, c.Destinations[0].Auth.Bearer, c.Destinations[1].URL,
		c.Destinations[1].Auth.Basic.User, c.Destinations[1].Auth.Basic.Password, c.Destinations[2].Auth.Header.Value, c.Destinations[2].Headers["X-Open"],
		c.Destinations[2].Headers["X-Other"], c.Destinations[3].Secrets["token"]}
	for _, s := range secrets {
		assert.Contains(t, s.(interface{ Value() string }).Value(), "s3cret")
	}
	things := append(secrets, *c, c, c.Sources, *c.Sources[0].Auth, c.Destinations, c.Destinations[0].Auth, *c.Destinations[0].Auth,
		*c.Destinations[1].Auth.Basic, *c.Destinations[2].Auth.Header, &c.Destinations[0].URL, &c.Sources[0].Auth.Token)
	for i, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T%v"} {
			printed := fmt.Sprintf(verb, thing)
			assert.NotContains(t, printed, "s3cret", "%d %s", i, verb)
			assert.NotContains(t, printed, fmt.Sprintf("%x", "s3cret"), "%d %s", i, verb)
		}
		var b bytes.Buffer
		encoded, err := json.Marshal(thing)
		require.NoError(t, err)
		b.Write(encoded)
		dumped, err := yaml.Dump(thing)
		require.NoError(t, err)
		b.Write(dumped)
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(h).Info("loaded", "config", thing, slog.Group("group", "config", thing))
		}
		assert.NotContains(t, b.String(), "s3cret", "%d", i)
	}
	for _, s := range []any{c.Sources[0].Auth.Token, c.Destinations[0].URL} {
		encoded, err := json.Marshal(s)
		require.NoError(t, err)
		dumped, err := yaml.Dump(s)
		require.NoError(t, err)
		assert.Equal(t, `"(secret)" (secret) (secret) (secret) (secret) (secret)`+"\n", string(encoded)+" "+
			fmt.Sprintf("%v %+v %#v %s %s", s, s, s, s, dumped))
		assert.Equal(t, hidden, s.(slog.LogValuer).LogValue().String())
		assert.Equal(t, hidden, s.(fmt.Stringer).String())
		assert.Equal(t, hidden, s.(fmt.GoStringer).GoString())
	}
	assert.Equal(t, "https://bot:xxxxx@crm.example.com", c.Destinations[1].URL.String())
	assert.Equal(t, "https://crm.example.com", fmt.Sprint(c.Destinations[2].URL))
	assert.NotContains(t, problems.Error(), "s3cret")
}

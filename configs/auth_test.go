package configs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/mappings"
)

const authentic = `
sources: [{kind: nxcloud-events, auth: {token: {file: token}}}]
mappings_dir: maps
destinations:
  - name: jwt
    mapping: told
    url: https://acme.my.salesforce.com
    auth:
      oauth2: {grant: jwt_bearer, client_id: 3MVG9, user: bot@acme.example, private_key: {file: key.pem}, audience: https://login.example.com, extra: {tenant: {file: tenant}, plain: text}}
      hmac: {header: X-Sig, secret: {file: hmac}}
    sign: [{file: new}, {file: old}]
    proxy: {file: proxy}
  - name: alone
    mapping: record
    url: {file: url}
    auth: {oauth2: {token_url: https://login.example.com/token, grant: refresh_token, client_id: {file: id}, client_secret: {file: token}, refresh_token: {file: refresh}}}
    sign: {file: new}
`

func authenticFiles(t *testing.T) map[string]string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return map[string]string{
		"key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		"new":     "whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0\n", "old": "whsec_b2xkIHNlY3JldCBvbGQgc2VjcmV0\n",
		"token": "a-long-t0ken-0123456789", "tenant": "t3nant", "hmac": "hm4c", "proxy": "http://bot:pr0xy@proxy.example.com", "url": "https://crm.example.com/h1dden",
		"id": "1d", "refresh": "r3fresh",
	}
}

func authenticInput(secrets map[string]string) Input {
	files := fstest.MapFS{
		"etc/wrapup/wrapup.yaml": &fstest.MapFile{Data: []byte(authentic)},
		"etc/wrapup/maps/told.yaml": &fstest.MapFile{Data: []byte(`
url: "${auth.instance_url}"
auth: {oauth2: {token_path: /services/oauth2/token, grant: client_credentials, scope: api}}
steps: [{name: log, path: /calls}]
`)},
	}
	for name, text := range secrets {
		files["etc/wrapup/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return withFiles(Input{Path: "/etc/wrapup/wrapup.yaml"}, files)
}

// The mapping says how tokens are had, the destination says by what, and wins where both say something.
func TestAuthIsComplete(t *testing.T) {
	secrets := authenticFiles(t)
	c, problems := Load(authenticInput(secrets))
	require.NoError(t, problems.Err())
	assert.Empty(t, problems)
	d := &c.Destinations[0]
	o, err := d.Compiled.OAuth2()
	require.NoError(t, err)
	assert.Equal(t, &mappings.OAuth2{TokenURL: "https://acme.my.salesforce.com/services/oauth2/token", TokenPath: "/services/oauth2/token",
		Grant: "jwt_bearer", Scope: "api", ClientIn: "body", Format: "form", Method: "POST", Audience: "https://login.example.com",
		RefreshTokens: "single_use", Extra: map[string]string{"tenant": "t3nant", "plain": "text"}}, o)
	assert.Equal(t, secrets["key.pem"], d.Auth.OAuth2.PrivateKey.Value()+"\n", "with all of its lines")
	assert.Equal(t, []string{"whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0", "whsec_b2xkIHNlY3JldCBvbGQgc2VjcmV0"}, d.Sign.Values())
	assert.ElementsMatch(t, []string{d.Auth.OAuth2.PrivateKey.Value(), "t3nant", "hm4c", "http://bot:pr0xy@proxy.example.com",
		"whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0", "whsec_b2xkIHNlY3JldCBvbGQgc2VjcmV0"}, d.SecretValues())
	alone := &c.Destinations[1]
	assert.Equal(t, []string{"whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0"}, alone.Sign.Values())
	assert.ElementsMatch(t, []string{"https://crm.example.com/h1dden", "/h1dden", "h1dden", "1d", "a-long-t0ken-0123456789", "r3fresh", "whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0"}, alone.SecretValues())
	o, err = alone.Compiled.OAuth2()
	require.NoError(t, err)
	assert.Equal(t, "https://login.example.com/token refresh_token", o.TokenURL+" "+o.Grant)
}

// What travels of a secret in another form is secret, too.
func TestSecretValuesOfOtherForms(t *testing.T) {
	in := withFiles(Input{Path: "/etc/wrapup/wrapup.yaml"}, fstest.MapFS{
		"etc/wrapup/wrapup.yaml": &fstest.MapFile{Data: []byte(`
sources: [{kind: nxcloud-events}]
destinations:
  - {name: basic, mapping: record, url: "https://crm.example.com/open?key=shown", auth: {basic: {user: bot, password: {file: password}}}}
  - {name: address, mapping: record, url: {file: url}}
  - name: token
    mapping: record
    url: https://crm.example.com
    auth: {oauth2: {token_url: {file: url}, grant: client_credentials, client_id: id, client_secret: {file: password}}}
`)},
		"etc/wrapup/password": &fstest.MapFile{Data: []byte("pa55word")},
		"etc/wrapup/url":      &fstest.MapFile{Data: []byte("https://crm.example.com/v1/h1d%2Fden//?key=k%3Dey123&v=2")},
	})
	c := load(t, in)
	assert.ElementsMatch(t, []string{"pa55word", "Ym90OnBhNTV3b3Jk"}, c.Destinations[0].SecretValues())
	address := []string{"https://crm.example.com/v1/h1d%2Fden//?key=k%3Dey123&v=2", "/v1/h1d%2Fden//?key=k%3Dey123&v=2", "key=k%3Dey123&v=2", "h1d/den", "k=ey123"}
	assert.ElementsMatch(t, address, c.Destinations[1].SecretValues())
	assert.ElementsMatch(t, append(address, "pa55word"), c.Destinations[2].SecretValues())
}

// Placeholders reads none of it.
func TestPlaceholdersOfAuth(t *testing.T) {
	in := authenticInput(nil)
	read := in.ReadFile
	in.Placeholders = true
	in.ReadFile = func(name string) ([]byte, error) {
		b, err := read(name)
		assert.NotErrorIs(t, err, fs.ErrNotExist, name)
		return b, err
	}
	c, problems := Load(in)
	require.NoError(t, problems.Err())
	d := &c.Destinations[0]
	assert.Equal(t, "«auth.oauth2.private_key»", d.Auth.OAuth2.PrivateKey.Value())
	assert.Equal(t, "3MVG9", d.Auth.OAuth2.ClientID.Value())
	assert.Equal(t, []string{"«sign[0]»", "«sign[1]»"}, d.Sign.Values())
	assert.Equal(t, []string{"«sign»"}, c.Destinations[1].Sign.Values())
	assert.Equal(t, "«auth.oauth2.refresh_token»", c.Destinations[1].Auth.OAuth2.RefreshToken.Value())
}

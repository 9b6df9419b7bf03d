package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/configs"
	"wrapup/connector/target"
)

// What a configuration says about tokens, requests and connections is what they are made with.
func TestConnections(t *testing.T) {
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "mappings"), 0o700))
	for name, text := range map[string]string{"key.pem": private, "secret": "hush-hush", "sign": "whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0IQ==",
		"wrapup.yaml": `
sources: [{kind: nxcloud-events}]
mappings_dir: mappings
destinations:
  - name: jwt
    mapping: record
    url: https://crm.example.com
    timeout: 9s
    connect_timeout: 2s
    tls_timeout: 3s
    header_timeout: 4s
    link_local: allow
    auth: {oauth2: {token_url: "https://login.example.com/token", grant: jwt_bearer, client_id: 3MVG9, user: bot, private_key: {file: key.pem}, key_id: k1, client_in: basic}}
  - name: get
    mapping: record
    url: https://crm.example.com
    auth:
      oauth2: {token_url: "https://login.example.com/token", method: GET, grant: refresh_token, client_id: id, client_secret: {file: secret}, refresh_token: {file: secret}, refresh_tokens: reusable, scope: "a b", extra: {x: y}}
      hmac: {header: X-Sig, prefix: "sha256=", secret: {file: secret}, encoding: base64, timestamp_header: X-Time}
  - name: password
    mapping: record
    url: https://crm.example.com
    auth: {oauth2: {token_url: "https://login.example.com/token", grant: password, format: json, client_in: basic, client_id: id, client_secret: {file: secret}, user: bot, password: {file: secret}}}
  - {name: query, mapping: record, url: https://crm.example.com, auth: {query: {name: api_key, value: {file: secret}}}, sign: {file: sign}}
  - {name: basic, mapping: record, url: https://crm.example.com, auth: {basic: {user: bot, password: {file: secret}}}}
  - {name: header, mapping: record, url: https://crm.example.com, auth: {header: {name: X-Key, value: {file: secret}}}}
  - {name: bearer, mapping: record, url: https://crm.example.com, auth: {bearer: {file: secret}}}
  - {name: nobody, mapping: record, url: https://crm.example.com}
`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	c, problems := configs.Load(configs.Input{Path: filepath.Join(dir, "wrapup.yaml")})
	require.NoError(t, problems.Err())

	var got []target.TokenOptions
	for i := range c.Destinations[:3] {
		how, err := c.Destinations[i].Compiled.OAuth2()
		require.NoError(t, err)
		o := tokenOptions(&c.Destinations[i], how)
		if len(o.Extra) == 0 {
			o.Extra = nil
		}
		got = append(got, o)
	}
	const url = "https://login.example.com/token"
	assert.Equal(t, []target.TokenOptions{
		{URL: url, Grant: target.GrantJWTBearer, Method: "POST", User: "bot",
			JWT: target.JWT{Key: []byte(private[:len(private)-1]), KeyID: "k1", Issuer: "3MVG9", Subject: "bot", Audience: url}},
		{URL: url, Grant: target.GrantRefreshToken, Method: "GET", ClientID: "id", ClientSecret: "hush-hush", Scope: "a b",
			RefreshToken: "hush-hush", Reusable: true, Extra: map[string]string{"x": "y"}},
		{URL: url, Grant: target.GrantPassword, Method: "POST", JSON: true, Basic: true, ClientID: "id", ClientSecret: "hush-hush",
			User: "bot", Password: "hush-hush"},
	}, got)

	o, err := transport(&c.Destinations[0])
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{9 * time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}, []time.Duration{o.Timeout, o.Connect, o.TLS, o.Header})
	assert.True(t, o.LinkLocal)
	o, err = transport(&c.Destinations[1])
	require.NoError(t, err)
	assert.False(t, o.LinkLocal)

	for i, want := range []map[string]string{
		{}, {"X-Sig": "sha256=", "X-Time": ""}, {}, {"Webhook-Id": "", "Webhook-Timestamp": "", "Webhook-Signature": "v1,"},
		{"Authorization": "Basic Ym90Omh1c2gtaHVzaA=="}, {"X-Key": "hush-hush"}, {"Authorization": "Bearer hush-hush"}, {},
	} {
		d := &c.Destinations[i]
		to, err := connect(d, nil)
		require.NoError(t, err, d.Name)
		assert.Equal(t, i < 3, to.tokens != nil, d.Name)
		to.close()
		put, err := authentication(d)
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://crm.example.com/?a=b", nil)
		require.NoError(t, err)
		if put != nil {
			put(r, []byte("body"))
		}
		assert.Len(t, r.Header, len(want), d.Name)
		for name, value := range want {
			assert.Contains(t, r.Header.Get(name), value, d.Name)
		}
		if d.Name == "query" {
			assert.Equal(t, "a=b&api_key=hush-hush", r.URL.RawQuery)
		}
	}
}

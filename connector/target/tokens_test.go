package target

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asked is a request for a token as an authorization server sees it.
type asked struct {
	method, query, content, authorization string
	fields                                map[string]string
}

// tokens makes Tokens whose server answers with the given bodies, one after the other, and notes what it was asked.
func tokens(t *testing.T, o TokenOptions, answers ...string) (*Tokens, *[]asked) {
	t.Helper()
	got := &[]asked{}
	server := crm(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a := asked{method: r.Method, query: r.URL.RawQuery, content: r.Header.Get("Content-Type"), authorization: r.Header.Get("Authorization"),
			fields: map[string]string{}}
		if a.content == "application/json" {
			assert.NoError(t, json.Unmarshal(body, &a.fields))
		} else {
			values, err := url.ParseQuery(string(body))
			assert.NoError(t, err)
			for name := range values {
				a.fields[name] = values.Get(name)
			}
		}
		assert.Equal(t, "application/json", r.Header.Get("Accept"))
		answer := answers[min(len(*got), len(answers)-1)]
		*got = append(*got, a)
		if strings.HasPrefix(answer, "4") || strings.HasPrefix(answer, "5") {
			code, rest, _ := strings.Cut(answer, " ")
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(map[string]int{"400": 400, "401": 401, "429": 429, "500": 500, "503": 503}[code])
			answer = rest
		}
		_, _ = io.WriteString(w, answer)
	})
	o.URL = server + o.URL
	if o.Client == nil {
		o.Client = client(t, Options{})
	}
	if o.Now == nil {
		o.Now = func() time.Time { return now }
	}
	to, err := NewTokens(o)
	require.NoError(t, err)
	return to, got
}

const aToken = `{"access_token":"a1","instance_url":"https://acme.my.salesforce.com","issued_at":"1772442000000","id":12345678901234567890}`

func TestTokenRequests(t *testing.T) {
	for name, row := range map[string]struct {
		o    TokenOptions
		want asked
	}{
		"client credentials in a form": {
			TokenOptions{Grant: GrantClientCredentials, ClientID: "id", ClientSecret: "s&c", Scope: "a b", Extra: map[string]string{"audience": "x", "grant_type": "other"}},
			asked{method: "POST", content: "application/x-www-form-urlencoded",
				fields: map[string]string{"grant_type": "client_credentials", "client_id": "id", "client_secret": "s&c", "scope": "a b", "audience": "x"}},
		},
		"password in JSON": {
			TokenOptions{Grant: GrantPassword, User: "bot", Password: "p\"w", ClientID: "id", ClientSecret: "s", JSON: true},
			asked{method: "POST", content: "application/json",
				fields: map[string]string{"grant_type": "password", "client_id": "id", "client_secret": "s", "username": "bot", "password": "p\"w"}},
		},
		"client in Basic": {
			TokenOptions{Grant: GrantRefreshToken, RefreshToken: "r", ClientID: "id:1", ClientSecret: "s c", Basic: true, Store: &process{disk: &disk{}}},
			asked{method: "POST", content: "application/x-www-form-urlencoded", authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte("id%3A1:s+c")),
				fields: map[string]string{"grant_type": "refresh_token", "refresh_token": "r"}},
		},
		"GET": {
			TokenOptions{URL: "/oauth/token/?x=1", Method: "GET", Grant: GrantRefreshToken, RefreshToken: "r+/", ClientID: "id", ClientSecret: "s", Store: &process{disk: &disk{}}},
			asked{method: "GET", query: "x=1&client_id=id&client_secret=s&grant_type=refresh_token&refresh_token=r%2B%2F", fields: map[string]string{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			to, got := tokens(t, row.o, aToken)
			values, serial, err := to.Token(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 1, serial)
			assert.Equal(t, map[string]any{"access_token": "a1", "instance_url": "https://acme.my.salesforce.com", "issued_at": "1772442000000",
				"id": json.Number("12345678901234567890")}, values)
			assert.Equal(t, []asked{row.want}, *got)
		})
	}
}

func TestJWTBearer(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	ids := map[any]bool{}
	for _, block := range []*pem.Block{{Type: "PRIVATE KEY", Bytes: pkcs8}, {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}} {
		to, got := tokens(t, TokenOptions{Grant: GrantJWTBearer, JWT: JWT{Key: pem.EncodeToMemory(block), KeyID: "k1", Issuer: "3MVG9", Subject: "bot@acme.example",
			Audience: "https://login.salesforce.com"}}, aToken)
		_, _, err := to.Token(t.Context())
		require.NoError(t, err)
		fields := (*got)[0].fields
		assert.Equal(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", fields["grant_type"])
		parts := strings.Split(fields["assertion"], ".")
		require.Len(t, parts, 3)
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		require.NoError(t, err)
		require.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature))
		head, err := base64.RawURLEncoding.DecodeString(parts[0])
		require.NoError(t, err)
		assert.JSONEq(t, `{"alg":"RS256","typ":"JWT","kid":"k1"}`, string(head))
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		var claims map[string]any
		require.NoError(t, json.Unmarshal(raw, &claims))
		ids[claims["jti"]] = true
		delete(claims, "jti")
		assert.Equal(t, map[string]any{"iss": "3MVG9", "sub": "bot@acme.example", "aud": "https://login.salesforce.com", "iat": 1772442000.0, "exp": 1772442180.0}, claims)
	}
	assert.Len(t, ids, 2)
}

func TestTokenOptions(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ec, err := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, err)
	jwt := func(key string) JWT { return JWT{Key: []byte(key), Issuer: "i", Audience: "a"} }
	for text, o := range map[string]TokenOptions{
		"address":                             {Grant: GrantPassword, User: "u", Password: "hush"},
		"POST or GET":                         {URL: "https://a.example", Method: "PUT"},
		`unknown grant "implicit"`:            {URL: "https://a.example", Grant: "implicit"},
		"client_credentials needs a client s": {URL: "https://a.example", Grant: GrantClientCredentials, ClientID: "id"},
		"password needs a password":           {URL: "https://a.example", Grant: GrantPassword, User: "u"},
		"refresh_token needs a refresh":       {URL: "https://a.example", Grant: GrantRefreshToken, Store: &process{}},
		"need a store":                        {URL: "https://a.example", Grant: GrantRefreshToken, RefreshToken: "hush"},
		"is not PEM":                          {URL: "https://a.example", Grant: GrantJWTBearer, JWT: jwt("hush")},
		"can't be read":                       {URL: "https://a.example", Grant: GrantJWTBearer, JWT: jwt(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hush")})))},
		"not an RSA key":                      {URL: "https://a.example", Grant: GrantJWTBearer, JWT: jwt(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ec})))},
	} {
		_, err := NewTokens(o)
		require.ErrorContains(t, err, text)
		assert.NotContains(t, err.Error(), "hush")
	}
}

func TestTokenExpiry(t *testing.T) {
	for expires, row := range map[string]struct{ used, renewed time.Duration }{
		`"expires_in":3600`:   {59*time.Minute - time.Second, 59 * time.Minute},
		`"expires_in":"3600"`: {59*time.Minute - time.Second, 59 * time.Minute},
		`"expires_in":100`:    {89 * time.Second, 90 * time.Second},
		`"expires_in":1e300`:  {365 * 24 * time.Hour, 366 * 24 * time.Hour},
		`"expires_in":null`:   {1000 * time.Hour, 0},
		`"expires_in":0`:      {1000 * time.Hour, 0},
		`"expires_in":"soon"`: {1000 * time.Hour, 0},
		`"x":1`:               {1000 * time.Hour, 0},
	} {
		c := &clock{}
		to, got := tokens(t, TokenOptions{Grant: GrantPassword, User: "u", Password: "p", Now: c.now}, `{"access_token":"a",`+expires+`}`)
		for _, at := range []time.Duration{0, row.used} {
			c.nanos.Store(int64(at))
			_, serial, err := to.Token(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 1, serial, "%s after %s", expires, at)
		}
		if row.renewed == 0 {
			to.Expire(1)
		} else {
			c.nanos.Store(int64(row.renewed))
		}
		_, serial, err := to.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, serial, expires)
		assert.Len(t, *got, 2)
	}
}

func TestTokenErrors(t *testing.T) {
	for answer, row := range map[string]struct {
		kind Kind
		text string
	}{
		`{"error":"invalid_code"}`: {Down, "answered 200 OK: invalid_code"},
		`400 {"error":"invalid_client","error_description":"hu&sh is not the secret of id, nor is hu%26sh"}`: {Down, "answered 400 Bad Request: invalid_client: *** is not the secret of id, nor is ***"},
		// What is too long is cut, but no secret in half.
		`400 {"error":"no","error_description":"` + strings.Repeat("x", 293) + `hu&sh"}`: {Down, "xx***"},
		`401 {"error":{"message":"no"}}`:                                                 {Down, "answered 401 Unauthorized: error"},
		`400 `:                                                                           {Down, "answered 400 Bad Request"},
		`{}`:                                                                             {Down, "answered 200 OK without a token in it"},
		`{"access_token":""}`:                                                            {Down, "without a token"},
		`<html>`:                                                                         {Down, "without a token"},
		`429 {"error":"slow_down"}`:                                                      {Retry, "answered 429 Too Many Requests: slow_down"},
		`503 `:                                                                           {Retry, "answered 503"},
		`500 `:                                                                           {Retry, "answered 500"},
	} {
		c := &clock{}
		to, got := tokens(t, TokenOptions{Grant: GrantClientCredentials, ClientID: "id", ClientSecret: "hu&sh", Now: c.now}, answer, aToken)
		for range 20 { // a refusal is not asked for again and again
			_, _, err := to.Token(t.Context())
			var e *TokenError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, row.kind.String(), e.Verdict.Kind.String(), answer)
			assert.Contains(t, e.Error(), row.text)
			if strings.HasPrefix(answer, "4") || strings.HasPrefix(answer, "5") {
				assert.Equal(t, 10*time.Minute, e.Verdict.After, "never sooner than asked")
			}
		}
		assert.Len(t, *got, 1)
		c.pass(10 * time.Minute)
		_, _, err := to.Token(t.Context())
		require.NoError(t, err)
	}
}

func TestTokenParse(t *testing.T) {
	to, _ := tokens(t, TokenOptions{Grant: GrantPassword, User: "u", Password: "p", Parse: func(body []byte, status int) (bool, map[string]any) {
		assert.Equal(t, 200, status)
		return !strings.Contains(string(body), "fine"), map[string]any{"token": string(body), "expires_in": 10}
	}}, `fine`, `sorry`)
	values, serial, err := to.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "fine", values["token"])
	to.Expire(serial)
	_, _, err = to.Token(t.Context())
	require.ErrorContains(t, err, "without a token")
}

// A server in trouble when a token is to be renewed in time costs nothing as long as the old one lasts.
func TestTokenLastsWhileRenewalFails(t *testing.T) {
	c := &clock{}
	to, got := tokens(t, TokenOptions{Grant: GrantPassword, User: "u", Password: "p", Now: c.now}, `{"access_token":"a","expires_in":3600}`, "503 ")
	_, _, err := to.Token(t.Context())
	require.NoError(t, err)
	c.pass(59*time.Minute + 30*time.Second)
	for range 5 {
		_, serial, err := to.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, serial)
	}
	assert.Len(t, *got, 2, "and it is not asked each time")
	c.pass(30 * time.Second)
	_, _, err = to.Token(t.Context())
	require.ErrorContains(t, err, "503")
}

// slow is an authorization server that takes its time.
type slow struct {
	mu       sync.Mutex
	requests int
	release  chan struct{}
}

func (s *slow) DoOnce(ctx context.Context, _, _ string, _ http.Header, _ []byte) (*Answer, error) {
	s.mu.Lock()
	s.requests++
	s.mu.Unlock()
	select {
	case <-s.release:
		return &Answer{Status: 200, Body: []byte(aToken)}, nil
	case <-ctx.Done():
		return nil, &Error{Sent: true, Err: ctx.Err()}
	}
}

func TestTokenSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slow{release: make(chan struct{})}
		to, err := NewTokens(TokenOptions{URL: "https://a.example", Grant: GrantPassword, User: "u", Password: "p", Client: server, Now: time.Now})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var got [17]error
		var all sync.WaitGroup
		all.Go(func() { _, _, got[0] = to.Token(ctx) }) // asks
		synctest.Wait()
		for i := range 16 {
			all.Go(func() {
				waits := t.Context()
				if i%2 == 0 {
					waits = ctx
				}
				_, _, got[i+1] = to.Token(waits)
			})
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for i := range 16 {
			if i%2 == 0 {
				assert.ErrorIs(t, got[i+1], context.DeadlineExceeded, "who only waits can leave")
			}
		}
		close(server.release)
		all.Wait()
		require.NoError(t, got[0], "who asks stays for the answer")
		assert.Equal(t, 1, server.requests)
		_, _, err = to.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

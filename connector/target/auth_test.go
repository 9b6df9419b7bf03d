package target

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arrived sends a request with the Auth and gives what the other side saw.
func arrived(t *testing.T, auth Auth, path string, header http.Header, body string) (*http.Request, []byte) {
	t.Helper()
	var got *http.Request
	var content []byte
	url := crm(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		content, _ = io.ReadAll(r.Body)
	})
	var sent []byte
	if body != "" {
		sent = []byte(body)
	}
	_, err := client(t, Options{Auth: auth}).Do(t.Context(), http.MethodPost, url+path, header, sent)
	require.NoError(t, err)
	return got, content
}

func TestQueryAuth(t *testing.T) {
	auth := Query("api key", "s3&cret")
	for path, want := range map[string]string{
		"/a":                         "/a?api+key=s3%26cret",
		"/a?z=1&b=%20&z=2":           "/a?z=1&b=%20&z=2&api+key=s3%26cret",
		"/a?api%20key=old&x=1&flag":  "/a?x=1&flag&api+key=s3%26cret",
		"/a?api+key=o&api+key=other": "/a?api+key=s3%26cret",
	} {
		r, _ := arrived(t, auth, path, nil, "x")
		assert.Equal(t, want, r.URL.RequestURI())
	}
}

func TestQueryTokenIsNotInErrors(t *testing.T) {
	c := client(t, Options{Auth: Query("token", "s3cret")})
	for _, url := range []string{"http://127.0.0.1:1/", "http://[::1/", "gopher://127.0.0.1/", "http://127.0.0.1:99999/"} {
		_, err := c.Do(t.Context(), http.MethodGet, url, nil, nil)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "s3cret")
	}
}

func TestTogether(t *testing.T) {
	assert.Nil(t, Together(nil, nil))
	r, _ := arrived(t, Together(Bearer("a"), nil, Header("X-B", "b")), "/", nil, "x")
	assert.Equal(t, "Bearer a", r.Header.Get("Authorization"))
	assert.Equal(t, "b", r.Header.Get("X-B"))
}

// The expected values are those of RFC 4231, section 4.3, and what `openssl dgst -sha256 -hmac Jefe` says.
func TestHMAC(t *testing.T) {
	const body = "what do ya want for nothing?"
	for want, h := range map[string]HMAC{
		"sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843": {Prefix: "sha256="},
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843":        {},
		"W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=":                            {Base64: true},
		"sha256=TIMED": {Prefix: "sha256=", TimeHeader: "X-Time", Now: func() time.Time { return now }},
	} {
		h.Header, h.Secret = "X-Signature", "Jefe"
		want = strings.Replace(want, "TIMED", "710d0c76919b7f17fb826518efddfe8265ada39d0737d38a1f44c0ee2d2041b6", 1)
		r, got := arrived(t, h.Auth(), "/", nil, body)
		assert.Equal(t, body, string(got))
		assert.Equal(t, want, r.Header.Get("X-Signature"))
		if h.TimeHeader != "" {
			assert.Equal(t, "1772442000", r.Header.Get("X-Time"))
		}
	}
}

func TestHMACOfNothing(t *testing.T) {
	r, _ := arrived(t, HMAC{Header: "X-Signature", Secret: "k"}.Auth(), "/", nil, "")
	assert.Len(t, r.Header.Get("X-Signature"), 64)
}

// Receivers verify with the specification's own library, which knows one secret: the old or the new one.
func TestStandardWebhooks(t *testing.T) {
	newer := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	older := base64.StdEncoding.EncodeToString([]byte("another-key-of-some-24-bytes"))
	auth, err := StandardWebhooks(time.Now, newer, older)
	require.NoError(t, err)
	r, body := arrived(t, auth, "/hook", http.Header{"Idempotency-Key": {"5c6f5869:1"}}, `{"call_id":"5c6f5869"}`)
	assert.Equal(t, "5c6f5869:1", r.Header.Get("webhook-id"))
	assert.Len(t, strings.Fields(r.Header.Get("webhook-signature")), 2)
	for _, secret := range []string{newer, older} {
		receiver, err := standardwebhooks.NewWebhook(secret)
		require.NoError(t, err)
		require.NoError(t, receiver.Verify(body, r.Header))
		require.Error(t, receiver.Verify(append(body, ' '), r.Header))
	}
	stranger, err := standardwebhooks.NewWebhook("c3RyYW5nZXI=")
	require.NoError(t, err)
	require.Error(t, stranger.Verify(body, r.Header))
}

// The example in the tests of the specification's own libraries.
func TestStandardWebhooksKnownSignature(t *testing.T) {
	auth, err := StandardWebhooks(func() time.Time { return time.Unix(1614265330, 0) }, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	r, _ := arrived(t, auth, "/", http.Header{"Idempotency-Key": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}}, `{"test": 2432232314}`)
	assert.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", r.Header.Get("webhook-signature"))
	assert.Equal(t, "1614265330", r.Header.Get("webhook-timestamp"))
}

func TestStandardWebhooksWithoutKey(t *testing.T) {
	auth, err := StandardWebhooks(time.Now, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	var ids []string
	for _, send := range [][2]string{{"https://a.example/x", "1"}, {"https://a.example/x?attempt=2", "1"}, {"https://a.example/x", "2"}, {"https://a.example/y", "1"}} {
		r, err := http.NewRequest(http.MethodPost, send[0], nil)
		require.NoError(t, err)
		auth(r, []byte(send[1]))
		ids = append(ids, r.Header.Get("webhook-id"))
	}
	assert.Equal(t, ids[0], ids[1], "the same, sent again")
	assert.NotEqual(t, ids[0], ids[2])
	assert.NotEqual(t, ids[0], ids[3])
}

func TestStandardWebhooksSecrets(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}, {"whsec_"}, {"whsec_c3RyYW5nZXI=", "not base64!"}} {
		_, err := StandardWebhooks(time.Now, secrets...)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "not base64!")
	}
}

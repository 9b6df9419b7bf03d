package target

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ruin is a store that has lost what it kept, until something is saved.
type ruin struct {
	process
	saved bool
}

func (r *ruin) Load(ctx context.Context) ([]byte, error) {
	if !r.saved {
		return nil, ErrStateLost
	}
	return r.process.Load(ctx)
}

func (r *ruin) Save(ctx context.Context, state []byte) error {
	r.saved = true
	return r.process.Save(ctx, state)
}

// What can't be read any more may have said that the configured refresh token is spent: it isn't used. The next one that is
// configured is known to be another, although the damage stays.
func TestLostState(t *testing.T) {
	g, d, c := newGranter(t), &disk{}, &clock{}
	spent := g.grant()
	p := begin(t, g, d, c, spent, "", nil)
	_, _, err := p.tokens.Token(t.Context())
	require.NoError(t, err)

	store := &ruin{process: process{disk: &disk{}}}
	with := func(o *TokenOptions) { o.Store = store }
	for range 2 {
		_, _, err = begin(t, g, d, c, spent, "", with).tokens.Token(t.Context())
		assert.Contains(t, needsPerson(t, err), "may be damaged")
	}
	assert.Equal(t, 1, g.asked())
	_, _, err = begin(t, g, d, c, g.grant(), "", with).tokens.Token(t.Context())
	require.NoError(t, err)

	_, _, err = begin(t, g, d, c, g.grant(), "", func(o *TokenOptions) { o.Store, o.Reusable = &ruin{process: process{disk: &disk{}}}, true }).tokens.Token(t.Context())
	require.NoError(t, err, "one that can be used again is")
}

// A request can be shown before there is anything to sign it with.
func TestTokenRequestToShow(t *testing.T) {
	o := TokenOptions{URL: "https://login.example.com/token", Grant: GrantJWTBearer, JWT: JWT{Issuer: "3MVG9"}}
	r, err := o.Request("«signed»")
	require.NoError(t, err)
	form, err := url.ParseQuery(string(r.Body))
	require.NoError(t, err)
	assert.Equal(t, url.Values{"grant_type": {GrantJWTBearer}, "assertion": {"«signed»"}}, form)
	assert.Equal(t, http.MethodPost+" https://login.example.com/token", r.Method+" "+r.URL)
}

func TestCheckWebhookSecret(t *testing.T) {
	assert.NoError(t, CheckWebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	for _, wrong := range []string{"", "whsec_", "not base64!"} {
		assert.ErrorContains(t, CheckWebhookSecret(wrong), "whsec_", wrong)
	}
	assert.ErrorContains(t, CheckKey([]byte("x")), "PEM")
}

// After a refusal nobody asks again for a while, unless a person says that something has changed.
func TestRetryAfterARefusal(t *testing.T) {
	to, got := tokens(t, TokenOptions{Grant: GrantClientCredentials, ClientID: "id", ClientSecret: "s"}, `400 {"error":"invalid_client"}`)
	for range 3 {
		_, _, err := to.Token(t.Context())
		require.ErrorContains(t, err, "invalid_client")
	}
	assert.Len(t, *got, 1)
	to.Retry()
	for range 3 {
		_, _, err := to.Token(t.Context())
		require.ErrorContains(t, err, "invalid_client")
	}
	assert.Len(t, *got, 2)
}

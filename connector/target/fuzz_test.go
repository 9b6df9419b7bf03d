package target

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzAnswerHeader: whatever a CRM says of when to come back and where to go, the wait is bounded and the reason can be
// shown: no secret that stands in an address's query or user, and no wait that is negative or longer than a day.
func FuzzAnswerHeader(f *testing.F) {
	for _, after := range []string{"", "120", "-1", "99999999999999999999", "1e3", "Fri, 31 Dec 2027 23:59:59 GMT", "Friday, 31-Dec-27 23:59:59 GMT",
		"Fri Dec 31 23:59:59 2027", "Fri, 31 Dec 0000 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", " 5 ", "+5"} {
		for _, status := range []int{200, 302, 401, 403, 404, 408, 429, 500, 502, 503, 504, 520} {
			f.Add(after, "https://bot:zq7secret@example.com/x?token=zq7secret#zq7secret", status)
		}
	}
	f.Add("1", "%zz\x00\xff", 301)
	now := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, after, location string, status int) {
		v := Judge(&Answer{Status: status, Header: http.Header{"Retry-After": {after}, "Location": {location}}}, nil, now)
		require.GreaterOrEqual(t, v.After, time.Duration(0))
		require.LessOrEqual(t, v.After, MaxRetryAfter)
		require.NotEmpty(t, v.Reason)
		require.NotContains(t, v.Kind.String(), "verdict")
		if location == "https://bot:zq7secret@example.com/x?token=zq7secret#zq7secret" {
			require.NotContains(t, v.Reason, "zq7secret")
		}
	})
}

// FuzzTokenAnswer: what a token server answers gives a token or a reason, and a lifetime that lies in the future and is
// bounded; our own secrets are not in the reason, even if it repeats them.
func FuzzTokenAnswer(f *testing.F) {
	for _, body := range []string{`{"access_token":"a","expires_in":3600}`, `{"access_token":"a","expires_in":"1e308","refresh_token":"b"}`,
		`{"error":"invalid_grant","error_description":"token zq7secret has expired"}`, `{"error":{"code":7}}`, `{"access_token":7}`, `[]`, ``,
		`{"error":"invalid_client","error_description":"Authorization: Basic d3JhcHVwOnpxN3NlY3JldA=="}`, `{"access_token":"a","expires_in":-1}`, `{"access_token":"a","expires_in":1e999}`, `{"error":null,"access_token":"a"}`} {
		f.Add([]byte(body), 200)
		f.Add([]byte(body), 400)
		f.Add([]byte(body), 502)
	}
	now := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		tokens := &Tokens{o: TokenOptions{ClientID: "wrapup", ClientSecret: "zq7secret", Now: func() time.Time { return now }}}
		if refused, values := parseToken(body, status); !refused {
			require.NotEmpty(t, values["access_token"])
			if until := (reply{values: values}).expires(now); !until.IsZero() {
				require.False(t, until.Before(now))
				require.False(t, until.After(now.Add(maxLifetime)))
			}
		}
		r := tokens.refused(&Answer{Status: status, Body: body, Header: http.Header{}}, "r")
		require.Error(t, r.err)
		require.NotContains(t, r.err.Error(), "zq7secret")
		require.NotContains(t, r.err.Error(), "d3JhcHVwOnpxN3NlY3JldA==")
	})
}

// FuzzStoredToken: what is stored of a refresh token is taken over or refused, and a token is never made up of it.
func FuzzStoredToken(f *testing.F) {
	now := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	s := tokenState{Version: tokenStateVersion, Origin: fingerprint("configured"), Refresh: "next", Sending: &now, Spent: []string{fingerprint("old")}}
	stored, err := json.Marshal(s)
	require.NoError(f, err)
	f.Add(stored, false)
	f.Add([]byte(`{"version":2,"refresh":"x"}`), true)
	f.Add([]byte(`{"version":1,"refresh":"","since":"0000-01-01T00:00:00Z"}`), false)
	f.Add([]byte(`null`), false)
	f.Fuzz(func(t *testing.T, stored []byte, reusable bool) {
		s, err := start(stored, "configured", reusable)
		if err != nil {
			return
		}
		require.NotEmpty(t, s.Refresh)
		written, err := json.Marshal(s)
		require.NoError(t, err)
		again, err := start(written, "configured", reusable)
		require.NoError(t, err)
		require.Equal(t, s.Refresh, again.Refresh)
		s.spend()
		require.LessOrEqual(t, len(s.Spent), max(maxSpent, len(again.Spent)))
	})
}

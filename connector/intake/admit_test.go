package intake_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/intake"
)

// Whatever is asked for must be shown, all of it; and what is wrong is told to those who run wrapup, not to the sender.
func TestAllThatIsGivenMustHold(t *testing.T) {
	full := source("full", "/full", token, intake.InPath)
	full.User, full.Password = "dialer", "pass:w0rd"
	full.Allow = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	basic := source("basic", "/basic", "", "")
	basic.User, basic.Password = "dialer", "pass:w0rd"
	allow := source("allow", "/allow", "", "")
	allow.Allow = full.Allow
	s := newSetup(t, func(o *intake.Options) {
		o.Sources = []intake.Source{full, basic, allow}
		o.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	const in, out = "203.0.113.7:5000", "198.51.100.66:5000"
	tests := []struct {
		target, remote, user, password string
		status                         int
		reason                         string
	}{
		{"/full/" + token, in, "dialer", "pass:w0rd", 200, ""},
		{"/full/" + token, "[2001:db8::7]:5000", "dialer", "pass:w0rd", 200, ""},
		{"/full/" + token, out, "dialer", "pass:w0rd", 403, "the address is not in allow"},
		{"/full/" + token, "@", "dialer", "pass:w0rd", 403, "the address is not in allow"},
		{"/full/m1sspelt", out, "x", "y", 403, "the address is not in allow"},
		{"/full/" + token, in, "", "", 401, "no user and password"},
		{"/full/" + token, in, "dialer", "pass", 401, "wrong user or password"},
		{"/full/" + token, in, "Dialer", "pass:w0rd", 401, "wrong user or password"},
		{"/full/m1sspelt", in, "dialer", "pass:w0rd", 401, "wrong token"},
		{"/full", in, "dialer", "pass:w0rd", 401, "no token"},
		{"/full/", in, "dialer", "pass:w0rd", 401, "no token"},
		{"/basic", out, "dialer", "pass:w0rd", 200, ""},
		{"/basic", out, "dialer", "", 401, "wrong user or password"},
		{"/basic", out, "", "pass:w0rd", 401, "wrong user or password"},
		{"/basic", out, "", "", 401, "no user and password"},
		{"/allow", in, "", "", 200, ""},
		{"/allow", out, "", "", 403, "the address is not in allow"},
	}
	want := map[string]int64{}
	for _, tt := range tests {
		req := httptest.NewRequest(http.MethodPost, "http://host"+tt.target, strings.NewReader(ring))
		req.RemoteAddr = tt.remote
		if tt.user+tt.password != "" {
			req.SetBasicAuth(tt.user, tt.password)
		}
		got := s.do(t, req)
		assert.Equal(t, tt.status, got.Status, tt)
		if tt.status != 200 {
			want[tt.reason]++
			assert.Equal(t, "close", got.Header.Get("Connection"), "a stranger's body is not waited for")
			assert.NotContains(t, got.Error, "token")
		}
		if tt.status == 401 {
			assert.Contains(t, got.Header.Get("WWW-Authenticate"), "Basic realm=")
		}
	}
	counted := map[string]int64{}
	for _, r := range s.Status().Refused {
		counted[r.Reason] += r.Count
	}
	assert.Equal(t, want, counted)
	for _, secret := range []string{"s3cret", "pass:w0rd", "m1sspelt"} {
		assert.NotContains(t, s.log.String(), secret)
	}
}

// The allow-list is about whoever the proxy got the post from, and nobody can claim to be him.
func TestAllowBehindAProxy(t *testing.T) {
	allow := source("allow", "/allow", "", "")
	allow.Allow = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	s := newSetup(t, func(o *intake.Options) {
		o.Sources, o.Trusted = []intake.Source{allow}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	for _, tt := range []struct {
		remote string
		header http.Header
		status int
	}{
		{"10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.7"}}, 200},
		{"10.0.0.1:1", http.Header{"Forwarded": {"for=203.0.113.7"}}, 200},
		{"10.0.0.1:1", nil, 403},
		{"10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.7, 198.51.100.66"}}, 403},
		{"10.0.0.1:1", http.Header{"X-Forwarded-For": {"198.51.100.66"}, "Forwarded": {"for=203.0.113.7"}}, 403},
		{"198.51.100.66:1", http.Header{"X-Forwarded-For": {"203.0.113.7"}}, 403},
		{"198.51.100.66:1", http.Header{"X-Real-Ip": {"203.0.113.7"}, "True-Client-Ip": {"203.0.113.7"}}, 403},
	} {
		req := httptest.NewRequest(http.MethodPost, "/allow", strings.NewReader(ring))
		req.RemoteAddr, req.Header = tt.remote, tt.header
		assert.Equal(t, tt.status, s.do(t, req).Status, tt)
	}
	senders := map[string]int64{}
	for _, r := range s.Status().Refused {
		senders[r.Sender] += r.Count
	}
	assert.Equal(t, map[string]int64{"10.0.0.1": 2, "198.51.100.66": 3}, senders, "the one that could be told")
}

func TestStatus(t *testing.T) {
	s := newSetup(t, nil)
	s.post(t, ring)
	s.post(t, ring)
	s.post(t, ended+join)
	s.post(t, "{}")
	got := s.Status()
	at := connector.TimeOf(clock())
	require.Len(t, got.Feeds, 1)
	feed := got.Feeds[0]
	assert.False(t, feed.Behind.Known, "that takes some more events")
	assert.Contains(t, feed.Unpaired, connector.Unpaired{Kind: connector.KindAnswered, By: connector.KindJoined, N: 1, Since: at})
	assert.Contains(t, feed.Unpaired, connector.Unpaired{Kind: connector.KindJoined, By: connector.KindAnswered})
	feed.Behind, feed.Unpaired = connector.Span{}, nil
	assert.Equal(t, connector.FeedStatus{Source: "predictive", Posts: 4, Stored: 3, Repeated: 1, Lost: 1, Last: at, LastEvent: at}, feed)
	assert.Equal(t, []connector.RefusedPosts{{Sender: "192.0.2.1", Source: "predictive", Reason: "not understood", Count: 1, First: at, Last: at}},
		got.Refused)
}

// Senders are told apart up to a bound, whatever addresses they come from.
func TestManySenders(t *testing.T) {
	s := newSetup(t, nil)
	const each = 3000
	for i := range each {
		for _, remote := range []string{fmt.Sprintf("10.%d.%d.1:1", i/256, i%256), fmt.Sprintf("[2001:db8::%x]:1", i)} {
			req := httptest.NewRequest(http.MethodPost, "/elsewhere", nil)
			req.RemoteAddr = remote
			assert.Equal(t, 404, s.do(t, req).Status)
		}
	}
	refused := s.Status().Refused
	assert.LessOrEqual(t, len(refused), 1001)
	counts, total := map[string]int64{}, int64(0)
	for _, r := range refused {
		counts[r.Sender] = r.Count
		total += r.Count
	}
	assert.EqualValues(t, 2*each, total, "all are counted")
	assert.EqualValues(t, each, counts["2001:db8::/64"], "one network of IPv6 is one sender")
	assert.EqualValues(t, each-999, counts[""])
}

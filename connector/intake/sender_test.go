package intake

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Each header is what arrives at wrapup. 10.0.0.0/8 and 2001:db8:a::/48 are trusted proxies, 203.0.113.7 is the dialer, and
// 198.51.100.66 somebody who wants to be taken for him.
func TestSender(t *testing.T) {
	p := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:a::/48")}
	const dialer, stranger, unknown = "203.0.113.7", "198.51.100.66", ""
	tests := []struct {
		name, peer string
		plain      []string // X-Forwarded-For
		forwarded  []string
		want       string
	}{
		{"directly", dialer + ":5000", nil, nil, dialer},
		{"directly, over an IPv6 socket", "[::ffff:203.0.113.7]:5000", nil, nil, dialer},
		{"with a zone", "[fe80::1%eth0]:5000", nil, nil, "fe80::1"},
		{"a stranger who claims to be somebody", stranger + ":5000", []string{dialer}, nil, stranger},
		{"a stranger who claims it twice", stranger + ":5000", []string{dialer}, []string{"for=" + dialer}, stranger},
		{"by a proxy", "10.0.0.1:80", []string{dialer}, nil, dialer},
		{"by a proxy that says nothing", "10.0.0.1:80", nil, nil, "10.0.0.1"},
		{"by two proxies", "10.0.0.1:80", []string{dialer + ", 10.0.0.2"}, nil, dialer},
		{"by two proxies, a line each", "10.0.0.1:80", []string{dialer, "10.0.0.2"}, nil, dialer},
		{"a proxy itself", "10.0.0.1:80", []string{"10.0.0.3,10.0.0.2"}, nil, "10.0.0.3"},
		{"with a port", "10.0.0.1:80", []string{dialer + ":4711"}, nil, dialer},
		{"IPv6", "[2001:db8:a::1]:80", []string{"2001:db8:b::7"}, nil, "2001:db8:b::7"},
		{"IPv6 in brackets", "10.0.0.1:80", []string{"[2001:db8:b::7]"}, nil, "2001:db8:b::7"},
		{"IPv6 with a port", "10.0.0.1:80", []string{"[2001:db8:b::7]:80"}, nil, "2001:db8:b::7"},
		{"IPv4 as IPv6", "10.0.0.1:80", []string{"::ffff:203.0.113.7"}, nil, dialer},
		{"spoofed: what he sent stands on the left", "10.0.0.1:80", []string{dialer + ", " + stranger}, nil, stranger},
		{"spoofed: on a line of its own", "10.0.0.1:80", []string{dialer, stranger}, nil, stranger},
		{"spoofed: as if by a proxy", "10.0.0.1:80", []string{dialer + ", 10.0.0.9, " + stranger}, nil, stranger},
		{"spoofed: in the header that the proxy hands on", "10.0.0.1:80", []string{stranger}, []string{"for=" + dialer}, unknown},
		{"spoofed: in the other one", "10.0.0.1:80", []string{dialer}, []string{"for=" + stranger}, unknown},
		{"both agree", "10.0.0.1:80", []string{dialer}, []string{"for=" + dialer}, dialer},
		{"a host name", "10.0.0.1:80", []string{"dialer.example.com"}, nil, unknown},
		{"nothing between commas", "10.0.0.1:80", []string{dialer + ", "}, nil, unknown},
		{"empty", "10.0.0.1:80", []string{""}, nil, unknown},
		{"more proxies than anybody has", "10.0.0.1:80", []string{dialer + strings.Repeat(", 10.0.0.2", 40)}, nil, unknown},
		{"a broken bracket", "10.0.0.1:80", []string{"[2001:db8:b::7"}, nil, unknown},
		{"Forwarded", "10.0.0.1:80", nil, []string{"for=" + dialer}, dialer},
		{"Forwarded in full", "10.0.0.1:80", nil, []string{`by=10.0.0.1;For="203.0.113.7:4711"; proto=https;host=x`}, dialer},
		{"Forwarded by two", "10.0.0.1:80", nil, []string{"for=" + dialer + ", for=10.0.0.2;by=10.0.0.1"}, dialer},
		{"Forwarded, IPv6", "10.0.0.1:80", nil, []string{`for="[2001:db8:b::7]:80"`}, "2001:db8:b::7"},
		{"Forwarded, hidden", "10.0.0.1:80", nil, []string{"for=_secret"}, unknown},
		{"Forwarded, unknown", "10.0.0.1:80", nil, []string{"for=unknown"}, unknown},
		{"Forwarded without for", "10.0.0.1:80", nil, []string{"proto=https"}, unknown},
		{"Forwarded, named twice", "10.0.0.1:80", nil, []string{"for=" + dialer + ";for=" + stranger}, unknown},
		{"Forwarded, spoofed in quotes", "10.0.0.1:80", nil, []string{`for="203.0.113.7, for=` + stranger + `"`}, unknown},
		{"no address at all", "@", nil, nil, unknown},
	}
	for _, tt := range tests {
		req := httptest.NewRequest(http.MethodPost, "/", nil)
		req.RemoteAddr = tt.peer
		req.Header["X-Forwarded-For"], req.Header["Forwarded"] = tt.plain, tt.forwarded
		got := p.sender(req)
		if tt.want == unknown {
			assert.False(t, got.IsValid(), "%s: %s", tt.name, got)
		} else {
			assert.Equal(t, tt.want, got.String(), tt.name)
		}
	}
}

// FuzzSender: whatever stands in the headers, nobody is taken for an address that no trusted proxy named last.
func FuzzSender(f *testing.F) {
	f.Add("203.0.113.7", "for=203.0.113.7")
	f.Add("203.0.113.7, 198.51.100.66", "")
	f.Add("", `for="[2001:db8::1]:80";proto=https, for=10.0.0.2`)
	f.Add("[::1]:80,10.0.0.1", "for=_hidden")
	p := proxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, plain, forwarded string) {
		req := httptest.NewRequest(http.MethodPost, "/", nil)
		set := func() {
			req.Header.Del("X-Forwarded-For")
			req.Header.Del("Forwarded")
			if plain != "" {
				req.Header.Set("X-Forwarded-For", plain)
			}
			if forwarded != "" {
				req.Header.Set("Forwarded", forwarded)
			}
		}
		set()
		req.RemoteAddr = "198.51.100.66:1" // no proxy
		assert.Equal(t, "198.51.100.66", p.sender(req).String())
		req.RemoteAddr = "10.0.0.1:1"
		if got := p.sender(req); got.IsValid() {
			assert.Empty(t, got.Zone())
			assert.False(t, got.Is4In6())
		}
		// The proxy adds the one that it got it from: what the sender wrote doesn't count any more.
		plain += ", 192.0.2.1"
		if forwarded != "" {
			forwarded += ", for=192.0.2.1"
		}
		set()
		assert.Equal(t, "192.0.2.1", p.sender(req).String())
	})
}

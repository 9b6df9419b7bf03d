package target

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckAddr(t *testing.T) {
	for addr, refused := range map[string]bool{
		"169.254.169.254": true, "169.254.0.1": true, "169.254.255.255": true, "fe80::1": true, "fe80::1%eth0": true, "febf::1": true,
		"::ffff:169.254.169.254": true, "64:ff9b::a9fe:a9fe": true, "2002:a9fe:a9fe::1": true,
		"fd00:ec2::254": true, "fd20:ce::254": true, "100.100.100.200": true, "168.63.129.16": true, "64:ff9b::6464:64c8": true,

		"127.0.0.1": false, "10.0.0.1": false, "192.168.1.1": false, "169.253.255.255": false, "169.255.0.0": false, "::1": false,
		"fec0::1": false, "fd00:ec2::253": false, "100.100.100.100": false, "203.0.113.9": false, "2001:db8::1": false, "64:ff9b::a00:1": false,
	} {
		err := checkAddr(netip.MustParseAddr(addr))
		assert.Equal(t, refused, err != nil, addr)
	}
}

func TestLinkLocalIsRefused(t *testing.T) {
	metadata := netip.MustParseAddr("169.254.169.254")
	proxy := listen(t, func(*net.TCPConn, <-chan struct{}) { t.Error("the proxy must not be asked") })
	through, err := ParseProxy("http://" + proxy)
	require.NoError(t, err)
	for name, row := range map[string]struct {
		url string
		o   Options
	}{
		"the address itself":       {"http://169.254.169.254/latest/meta-data", Options{}},
		"IPv6":                     {"http://[fe80::1]/", Options{}},
		"IPv4 in IPv6":             {"http://[::ffff:a9fe:a9fe]/", Options{}},
		"a name that leads there":  {"http://crm.example/", Options{resolver: dns(t, metadata, false)}},
		"a name, IPv6":             {"http://crm.example/", Options{resolver: dns(t, netip.MustParseAddr("fd00:ec2::254"), false)}},
		"through a proxy":          {"http://169.254.169.254/", Options{Proxy: through}},
		"through a tunnel":         {"https://169.254.169.254/", Options{Proxy: through}},
		"a proxy that would be it": {"http://10.255.255.1/", Options{Proxy: mustProxy(t, "http://169.254.169.254:3128")}},
	} {
		t.Run(name, func(t *testing.T) {
			_, lost := send(t, client(t, row.o), row.url)
			require.NotNil(t, lost)
			var refused *AddressError
			require.ErrorAs(t, lost, &refused)
			assert.False(t, lost.Sent)
			got := Judge(nil, lost, now)
			assert.Equal(t, Down, got.Kind)
			assert.Contains(t, got.Reason, "connections there are refused")
		})
	}
}

func mustProxy(t *testing.T, setting string) Proxy {
	p, err := ParseProxy(setting)
	require.NoError(t, err)
	return p
}

func TestLinkLocalAllowed(t *testing.T) {
	var asked string
	proxy := crm(t, func(_ http.ResponseWriter, r *http.Request) { asked = r.RequestURI })
	_, lost := send(t, client(t, Options{LinkLocal: true, Proxy: mustProxy(t, proxy)}), "http://169.254.169.254/x")
	require.Nil(t, lost)
	assert.Equal(t, "http://169.254.169.254/x", asked)
	assert.Nil(t, Options{LinkLocal: true}.dialer().Control)
}

func TestProxy(t *testing.T) {
	var seen []string
	proxy := crm(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		if r.Method == http.MethodConnect {
			status, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Host, "s"), ".example:443"))
			w.WriteHeader(status)
		}
	})
	c := client(t, Options{Proxy: mustProxy(t, strings.Replace(proxy, "http://", "http://bot:s3cret@", 1))})
	_, lost := send(t, c, "http://crm.example/hook")
	require.Nil(t, lost)
	assert.Equal(t, []string{"POST http://crm.example/hook Basic Ym90OnMzY3JldA=="}, seen)
	for status, want := range map[int]Kind{407: Down, 403: Down, 401: Down, 502: Retry, 503: Retry, 504: Retry, 500: Retry} {
		_, lost := send(t, c, "https://s"+strconv.Itoa(status)+".example/hook")
		require.NotNil(t, lost)
		assert.False(t, lost.Sent)
		got := Judge(nil, lost, now)
		assert.Equal(t, want.String(), got.Kind.String(), got.Reason)
		assert.Contains(t, got.Reason, "the proxy answered "+strconv.Itoa(status))
		assert.NotContains(t, got.Reason, "s3cret")
	}
}

func TestParseProxy(t *testing.T) {
	for _, bad := range []string{"s3cret", "proxy.example:3128", "ftp://s3cret@proxy.example", "http://", "http://%zz:s3cret@x"} {
		_, err := ParseProxy(bad)
		require.Error(t, err, bad)
		assert.NotContains(t, err.Error(), "s3cret")
	}
	r, err := http.NewRequest(http.MethodGet, "https://crm.example", nil)
	require.NoError(t, err)
	u, err := mustProxy(t, "none")(r)
	require.NoError(t, err)
	assert.Nil(t, u)
	u, err = mustProxy(t, "socks5://proxy.example:1080")(r)
	require.NoError(t, err)
	assert.Equal(t, "proxy.example:1080", u.Host)
}

func TestOwnAuthority(t *testing.T) {
	ca := newAuthority(t)
	url := ca.server("127.0.0.1", time.Now().Add(time.Hour), nil)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, ca.pem, 0o600))
	roots, err := ReadRoots(file)
	require.NoError(t, err)
	a, lost := send(t, client(t, Options{Roots: roots}), url)
	require.Nil(t, lost)
	assert.Equal(t, "HTTP/2.0", string(a.Body))

	require.NoError(t, os.WriteFile(file, []byte("nothing"), 0o600))
	_, err = ReadRoots(file)
	require.ErrorContains(t, err, file)
	_, err = ReadRoots(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestHeaderIsCapped(t *testing.T) {
	for n, fits := range map[int]bool{maxHeader / 2: true, 2 * maxHeader: false} {
		url := crm(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Much", strings.Repeat("x", n)) })
		_, lost := send(t, client(t, Options{}), url)
		assert.Equal(t, fits, lost == nil)
		if lost != nil {
			assert.True(t, lost.Sent)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var connections atomic.Int32
	started := make(chan struct{}, 8)
	release := make(chan struct{})
	url := "http://" + listen(t, func(c *net.TCPConn, _ <-chan struct{}) {
		connections.Add(1)
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			started <- struct{}{}
			<-release
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := client(t, Options{Connections: 4})
	for range 3 {
		errs := make(chan error, 4)
		for range 4 {
			go func() {
				_, err := c.Do(context.Background(), http.MethodPost, url, nil, []byte("{}"))
				errs <- err
			}()
		}
		for range 4 {
			<-started
		}
		for range 4 {
			release <- struct{}{}
		}
		for range 4 {
			require.NoError(t, <-errs)
		}
	}
	assert.LessOrEqual(t, connections.Load(), int32(5), "a connection is put back after its answer was read, so one more may be made")
	c.Close()
}

// net/http sends a GET again when its connection turns out to be closed. A GET that spends a token must not be.
func TestOnceIsOnce(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		var requests atomic.Int32
		url := "http://" + listen(t, func(c *net.TCPConn, _ <-chan struct{}) {
			r := bufio.NewReader(c)
			for {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				assert.Empty(t, req.TransferEncoding)
				assert.Zero(t, req.ContentLength)
				if requests.Add(1) > 1 {
					return // read, and never answered
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		c := client(t, Options{Connections: 1})
		_, err := c.DoOnce(t.Context(), method, url, nil, nil)
		require.NoError(t, err)
		_, err = c.DoOnce(t.Context(), method, url, nil, nil)
		var lost *Error
		require.True(t, errors.As(err, &lost))
		assert.True(t, lost.Sent)
		assert.EqualValues(t, 2, requests.Load(), method)
		c.Close()
	}
}

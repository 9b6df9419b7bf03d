package target

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Options of a Client.
type Options struct {
	// Timeout of one exchange, from connecting to the last byte of the answer. 0 is 30 s.
	Timeout time.Duration
	// Connect is for DNS and TCP, TLS for the handshake: 0 is 10 s. Header is from the request's last byte to the end of
	// the answer's header: 0 leaves it to Timeout, which bounds all three.
	Connect, TLS, Header time.Duration
	// Auth puts the credentials on a request; nil for none.
	Auth Auth
	// Connections that are kept open while idle; as many as there are requests at a time.
	Connections int
	// UserAgent of the requests.
	UserAgent string
	// Proxy is what ParseProxy gives; nil is the environment's.
	Proxy Proxy
	// Roots are the authorities that are believed; nil is those of the system. See ReadRoots.
	Roots *x509.CertPool
	// LinkLocal allows connections to link-local addresses and to those of cloud metadata services.
	LinkLocal bool
	// Dial makes the connections; nil is TCP, to the addresses that are allowed. One of its own is for a CRM that is no
	// network address: that of a test, at the other end of a pipe, so that a day of retries takes no time.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	resolver *net.Resolver // for tests
}

// maxHeader is how many bytes of an answer's header are read. Common servers send no more than 8 or 16 KiB.
const maxHeader = 256 << 10

// Proxy says through which proxy a request goes, if any.
type Proxy func(*http.Request) (*url.URL, error)

// ParseProxy reads a setting: "" is what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say, "none" is no proxy whatever they say,
// all else is a proxy's address such as http://proxy.example.com:3128 (also https and socks5, with user and password).
func ParseProxy(setting string) (Proxy, error) {
	switch setting {
	case "":
		return http.ProxyFromEnvironment, nil
	case "none":
		return func(*http.Request) (*url.URL, error) { return nil, nil }, nil
	}
	u, err := url.Parse(setting)
	if err != nil || u.Host == "" {
		return nil, errors.New("expected a proxy's address, such as http://proxy.example.com:3128, or none")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return Proxy(http.ProxyURL(u)), nil
	}
	return nil, fmt.Errorf("a proxy's address begins with http, https or socks5, not %s", u.Scheme)
}

// ReadRoots gives the system's authorities and those of a PEM file.
func ReadRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := ParseRoots(pem)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return pool, nil
}

// ParseRoots gives the system's authorities and those of a text in PEM.
func ParseRoots(pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without any
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in it: expected PEM, which begins with -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}

// withDefaults fills in what is left open.
func (o Options) withDefaults() Options {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.Timeout, 30*time.Second)
	set(&o.Connect, 10*time.Second)
	set(&o.TLS, 10*time.Second)
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	return o
}

// dialer makes connections, if their address may be connected to.
func (o Options) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: min(o.Timeout, o.Connect), KeepAlive: 30 * time.Second, Resolver: o.resolver}
	if !o.LinkLocal {
		d.Control = checkDial
	}
	return d
}

// transport makes the destination's own pool of connections.
func (o Options) transport() *http.Transport {
	dial := o.Dial
	if dial == nil {
		dial = o.dialer().DialContext
	}
	return &http.Transport{
		Proxy: o.Proxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &meter{Conn: c}, nil
		},
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:   min(o.Timeout, o.TLS),
		ResponseHeaderTimeout: o.Header,
		// A TLSClientConfig of one's own turns HTTP/2 off otherwise.
		ForceAttemptHTTP2: true,
		// All requests of a destination share one HTTP/2 connection. One that has gone silent is found out by a ping, else
		// each of them would wait for its timeout.
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		MaxIdleConns:        o.Connections,
		MaxIdleConnsPerHost: max(o.Connections, 1),
		// Shorter than the five seconds after which common servers close an idle connection: a request that meets such a
		// close on the wire has no answer, and nobody can say whether it was read.
		IdleConnTimeout:        4 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeader,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode != http.StatusOK {
				return &ProxyError{Status: answer.StatusCode}
			}
			return nil
		},
	}
}

// ProxyError says that the proxy didn't connect us. The destination has seen nothing.
type ProxyError struct {
	Status int
}

// Error says what the proxy answered.
func (e *ProxyError) Error() string { return "the proxy answered " + statusText(e.Status) }

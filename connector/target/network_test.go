package target

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const short = 50 * time.Millisecond

// listen accepts connections and hands each to serve, which may block until the test's end.
func listen(t *testing.T, serve func(c *net.TCPConn, end <-chan struct{})) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	end := make(chan struct{})
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn), end)
			})
		}
	})
	t.Cleanup(func() {
		close(end)
		l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// dns is a name server that gives addr for each name, NXDOMAIN if addr is zero, or no answer at all.
func dns(t *testing.T, addr netip.Addr, silent bool) *net.Resolver {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if !silent {
				_, _ = pc.WriteTo(dnsAnswer(b[:n], addr), from)
			}
		}
	})
	t.Cleanup(func() {
		pc.Close()
		running.Wait()
	})
	// The resolver waits five seconds for an answer, whoever has given up on it: at the end its connections are closed.
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	return &net.Resolver{PreferGo: true, Dial: func(_ context.Context, _, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
		if err == nil {
			context.AfterFunc(ctx, func() { c.Close() })
		}
		return c, err
	}}
}

// dnsAnswer answers a query as RFC 1035, section 4, has it.
func dnsAnswer(query []byte, addr netip.Addr) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the name's last byte, type, class
	a := append([]byte{}, query[:end]...)
	a[2], a[3] = 0x81, 0x80               // a response
	a[6], a[7], a[10], a[11] = 0, 0, 0, 0 // no records
	kind := a[end-3]                      // 1: A, 28: AAAA
	switch {
	case !addr.IsValid():
		a[3] |= 3 // NXDOMAIN
	case addr.Is4() == (kind == 1):
		a[7] = 1
		raw := addr.AsSlice()
		a = append(a, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, byte(len(raw)))
		a = append(a, raw...)
	}
	return a
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{t: t, key: key, cert: cert, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) roots() *x509.CertPool {
	pool, err := ParseRoots(a.pem)
	require.NoError(a.t, err)
	return pool
}

// server is a TLS server with a certificate for host that ends at a time.
func (a *authority) server(host string, ends time.Time, change func(*tls.Config)) string {
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: ends.Add(-24 * time.Hour), NotAfter: ends}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.key.Public(), a.key)
	require.NoError(a.t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.key}}}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(s.TLS)
	}
	s.StartTLS()
	a.t.Cleanup(s.Close)
	return s.URL
}

// Every way in which a network fails has a row, and is met on a real socket.
func TestJudgeNetwork(t *testing.T) {
	ca := newAuthority(t)
	later := time.Now().Add(time.Hour)
	refusing := listen(t, func(*net.TCPConn, <-chan struct{}) {})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	silent := listen(t, func(_ *net.TCPConn, end <-chan struct{}) { <-end })
	resetting := listen(t, func(c *net.TCPConn, _ <-chan struct{}) {
		_, _ = c.Read(make([]byte, 1)) // the first byte of the handshake
		reset(c)
	})
	read := func(then func(c *net.TCPConn, end <-chan struct{})) string {
		return "http://" + listen(t, func(c *net.TCPConn, end <-chan struct{}) {
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				then(c, end)
			}
		})
	}
	says := func(text string) func(*net.TCPConn, <-chan struct{}) {
		return func(c *net.TCPConn, _ <-chan struct{}) { _, _ = io.WriteString(c, text) }
	}

	for name, row := range map[string]struct {
		url  string
		o    Options
		want Kind
		text string
	}{
		"dial refused":                   {"http://" + gone.Addr().String(), Options{}, Retry, "refused"},
		"DNS: no such name":              {"http://crm.example", Options{resolver: dns(t, netip.Addr{}, false)}, Retry, "no such host"},
		"DNS: no answer":                 {"http://crm.example", Options{resolver: dns(t, netip.Addr{}, true), Connect: short}, Retry, "timeout"},
		"TLS: no answer":                 {"https://" + silent, Options{TLS: short}, Retry, "TLS handshake timeout"},
		"TLS: closed in the handshake":   {"https://" + refusing, Options{}, Retry, ""},
		"reset before it was sent":       {"https://" + resetting, Options{}, Retry, "reset"},
		"total timeout in the handshake": {"https://" + silent, Options{Timeout: short}, Retry, ""},

		"certificate of nobody":  {ca.server("127.0.0.1", later, nil), Options{}, Down, "unknown authority"},
		"certificate is over":    {ca.server("127.0.0.1", time.Now().Add(-time.Minute), nil), Options{Roots: ca.roots()}, Down, "expired"},
		"certificate of another": {ca.server("crm.example", later, nil), Options{Roots: ca.roots()}, Down, "127.0.0.1"},
		"TLS 1.1":                {ca.server("127.0.0.1", later, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }), Options{Roots: ca.roots()}, Down, "version"},
		"a certificate of ours (1.2)": {ca.server("127.0.0.1", later, func(c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}), Options{Roots: ca.roots()}, Down, "handshake failure"},
		"a certificate of ours (1.3)": {ca.server("127.0.0.1", later, func(c *tls.Config) {
			c.ClientAuth, c.NextProtos = tls.RequireAnyClientCert, []string{"http/1.1"} // over HTTP/2 the alert gets lost now and then
		}),
			Options{Roots: ca.roots()}, Down, "certificate required"},
		"no TLS there": {"https://" + listen(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), Options{}, Down, ""},

		"reset after it was sent":  {read(func(c *net.TCPConn, _ <-chan struct{}) { reset(c) }), Options{}, Unsure, "reset"},
		"closed after it was sent": {read(func(*net.TCPConn, <-chan struct{}) {}), Options{}, Unsure, "EOF"},
		"header timeout":           {read(func(_ *net.TCPConn, end <-chan struct{}) { <-end }), Options{Header: short}, Unsure, "timeout awaiting response headers"},
		"total timeout":            {read(func(_ *net.TCPConn, end <-chan struct{}) { <-end }), Options{Timeout: short}, Unsure, "timeout"},
		"garbage":                  {read(says("hello\r\n\r\n")), Options{}, Unsure, "malformed"},
		"half a header":            {read(says("HTTP/1.1 200 OK\r\nContent-Le")), Options{}, Unsure, "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			a, lost := send(t, client(t, row.o), row.url)
			require.NotNil(t, lost, "%v", a)
			got := Judge(nil, lost, now)
			assert.Equal(t, row.want.String(), got.Kind.String(), got.Reason)
			assert.Contains(t, got.Reason, row.text)
		})
	}
	for name, body := range map[string]string{
		"body closed": "Content-Length: 10\r\n\r\n{\"a\"", "chunk cut": "Transfer-Encoding: chunked\r\n\r\n8\r\n{\"a\"",
	} {
		t.Run(name, func(t *testing.T) {
			a, lost := send(t, client(t, Options{}), read(says("HTTP/1.1 201 Created\r\n"+body)))
			require.Nil(t, lost)
			assert.True(t, a.Cut)
			assert.Equal(t, `{"a"`, string(a.Body))
			assert.Equal(t, Done, Judge(a, nil, now).Kind)
		})
	}
	t.Run("body times out", func(t *testing.T) {
		a, lost := send(t, client(t, Options{Timeout: short}), read(func(c *net.TCPConn, end <-chan struct{}) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")
			<-end
		}))
		require.Nil(t, lost)
		assert.True(t, a.Cut)
	})
}

// unwritable is a connection that takes so many bytes, and then says that it is broken.
type unwritable struct {
	net.Conn
	takes int
}

func (u *unwritable) Write(b []byte) (int, error) {
	n := min(u.takes, len(b))
	u.takes -= n
	if n == len(b) {
		return n, nil
	}
	_ = u.Close()
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
}

// A request of which the connection took nothing has not been sent, one of which it took a byte may have been.
func TestSentIsWhatTheConnectionTook(t *testing.T) {
	for takes, sent := range map[int]bool{0: false, 1: true} {
		c := client(t, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			t.Cleanup(func() { _ = far.Close() })
			return &unwritable{Conn: near, takes: takes}, nil
		}})
		_, lost := send(t, c, "http://crm.test/calls")
		require.NotNil(t, lost)
		assert.Equal(t, sent, lost.Sent, lost)
		// Which side of the connection is noticed first is chance.
		assert.True(t, errors.Is(lost, syscall.EPIPE) || errors.Is(lost, io.ErrClosedPipe), "%v", lost)
	}
}

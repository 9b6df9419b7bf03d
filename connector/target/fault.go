package target

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// Error is an exchange without an answer.
type Error struct {
	// Sent says that the request was, or may have been, sent: nobody knows whether it took effect.
	Sent bool
	// Certificate says that the two sides could not agree on who they are, or on how to talk in secret: that is the
	// destination's trouble, not the request's, which has not been read.
	Certificate bool
	// Forbidden says that it was not sent because the configuration doesn't allow it: where the address leads, or a proxy
	// that doesn't know us. That is the destination's trouble too.
	Forbidden bool
	// Err is what went wrong, without the address: it may hold a secret.
	Err error
}

// Error says what went wrong, and whether the request had been sent.
func (e *Error) Error() string {
	if e.Sent {
		return fmt.Sprintf("no answer after the request was sent: %v", e.Err)
	}
	return fmt.Sprintf("the request was not sent: %v", e.Err)
}

// Unwrap gives what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// TimeoutError says that an exchange took longer than the Client's timeout.
type TimeoutError struct {
	Limit time.Duration
}

// Error says how long that is.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("it took longer than %s (timeout)", e.Limit)
}

// Is says that it is a context.DeadlineExceeded.
func (e *TimeoutError) Is(err error) bool { return err == context.DeadlineExceeded }

// progress is how far an exchange has come.
type progress struct {
	// wrote says that the request's header was handed to the connection: from then on the other side may act on it.
	wrote atomic.Bool
	// before says that this may be so of an earlier connection already: net/http sends some requests again by itself.
	before atomic.Bool
	// meter counts what the connection carries, from is where it stood when the request got it; nil if it can't tell.
	meter atomic.Pointer[meter]
	from  atomic.Int64
	// handshake is how TLS failed.
	handshake atomic.Pointer[error]
}

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			p.before.Store(p.sent())
			m := meterOf(info.Conn)
			if m != nil {
				p.from.Store(m.written.Load())
			}
			p.meter.Store(m)
			p.wrote.Store(false)
		},
		WroteHeaders: func() { p.wrote.Store(true) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				p.handshake.Store(&err)
			}
		},
	}
}

// sent says that the request may have reached the other side. It is asked once the exchange has failed.
func (p *progress) sent() bool {
	if p.before.Load() || !p.wrote.Load() {
		return p.before.Load()
	}
	// By then net/http has ended what writes to the connection: a connection that has carried no byte since carries none.
	m := p.meter.Load()
	return m == nil || m.written.Load() > p.from.Load()
}

// meter is a connection that counts what it carries.
type meter struct {
	net.Conn
	written atomic.Int64
}

// Write counts what the system took, if only in part.
func (m *meter) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.written.Add(int64(n))
	return n, err
}

// meterOf gives the meter under a connection that carries one request at a time; nil if it is another one. On HTTP/2 others
// write at the same time, and go on after a failure of one.
func meterOf(c net.Conn) *meter {
	if t, ok := c.(*tls.Conn); ok {
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			return nil
		}
		c = t.NetConn()
	}
	m, _ := c.(*meter)
	return m
}

// fault gives the error of the exchange.
func (p *progress) fault(err error) *Error {
	return &Error{Sent: p.sent(), Certificate: p.certificateTrouble(err), Forbidden: forbidden(err), Err: withoutURL(err)}
}

// transient says that a connection that failed without an answer may succeed at once on a new one.
func (p *progress) transient(err error) bool {
	var dial *net.OpError
	refused := errors.As(err, &dial) && dial.Op == "dial"
	return !refused && !p.certificateTrouble(err) && !forbidden(err)
}

// forbidden says that it is the configuration that a request was not sent for.
func forbidden(err error) bool {
	var address *AddressError
	if errors.As(err, &address) {
		return true
	}
	var proxy *ProxyError
	return errors.As(err, &proxy) && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired}, proxy.Status)
}

// certificateTrouble says that TLS failed because of who somebody is or what he speaks, not because of the network.
func (p *progress) certificateTrouble(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
		record       tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &verification), errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid),
		errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch), refusesUs(err):
		return true
	}
	handshake := p.handshake.Load()
	return handshake != nil && errors.Is(err, *handshake) && !network(*handshake)
}

// refusesUs says that the other side, in so many words, refuses the certificate that we showed, or that we showed none.
// With TLS 1.3 (RFC 8446, section 4.4.2.4) it says so when the request may be on its way already; it isn't read.
func refusesUs(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	// The alerts of section 6.2 that are about a certificate: bad_certificate to certificate_unknown, unknown_ca,
	// access_denied, certificate_required. The type of what crypto/tls gives is its own, its text isn't.
	return slices.ContainsFunc([]tls.AlertError{42, 43, 44, 45, 46, 48, 49, 116}, func(a tls.AlertError) bool {
		return op.Err.Error() == a.Error()
	})
}

// network says that a handshake failed below TLS: the connection broke, or nothing came.
func network(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return false // an alert: the connection works
	}
	var n net.Error
	return errors.As(err, &n)
}

// withoutURL takes the address out of an error's text: it may carry a secret. Of a connection that broke it leaves how: at
// which side of it that was noticed first, and by which part of net/http, is chance.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	for _, broken := range []syscall.Errno{syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, broken) {
			return &brokenError{how: broken.Error(), err: err}
		}
	}
	return err
}

// brokenError is a connection that broke.
type brokenError struct {
	how string
	err error
}

func (e *brokenError) Error() string { return e.how }
func (e *brokenError) Unwrap() error { return e.err }

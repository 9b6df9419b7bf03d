package configs

import (
	"net/url"

	"wrapup/connector/target"
)

// checkTransport looks at how requests travel, and reads the certificates.
func (l *loader) checkTransport(at string, d *Destination) {
	timeout := child(at, "timeout")
	l.positive(timeout, d.Timeout)
	l.positive(child(at, "probe"), d.Probe)
	for key, of := range map[string]Duration{"connect_timeout": d.ConnectTimeout, "tls_timeout": d.TLSTimeout, "header_timeout": d.HeaderTimeout} {
		if part := child(at, key); l.given(part) {
			l.positive(part, of)
			l.notAbove(part, of, timeout, d.Timeout)
		}
	}
	l.checkProxy(child(at, "proxy"), d.Proxy)
	if ca := child(at, "ca"); l.filled(ca, d.CA) && !l.Placeholders {
		d.CA = l.beside(d.CA)
		pem, err := l.ReadFile(d.CA)
		if err != nil {
			l.errorf(ca, "%s: %s", d.CA, unreadable(err))
			return
		}
		if d.Roots, err = target.ParseRoots(pem); err != nil {
			l.errorf(ca, "%s: %s", d.CA, err)
		}
	}
}

// checkProxy looks at a proxy's address without saying it: it may hold a password.
func (l *loader) checkProxy(at string, proxy URL) {
	if proxy.IsZero() || l.isWrong(at) || l.Placeholders && proxy.Secret() {
		return
	}
	if _, err := target.ParseProxy(proxy.Value()); err != nil {
		l.errorf(at, "%s", err)
		return
	}
	if u, err := url.Parse(proxy.Value()); err == nil && u.User != nil && !proxy.Secret() {
		l.warnf(at, "a password stands here: better {env: NAME}, {file: PATH} or {credential: NAME}")
	}
}

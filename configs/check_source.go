package configs

import (
	"crypto/tls"
	"strings"
	"time"
)

// shortToken is the length below which a token can be found by trying: 16 characters of base64 are 96 bits.
const shortToken = 16

func (l *loader) checkSourceAuth(at string, a *SourceAuth) {
	token, basic, allow := child(at, "token"), child(at, "basic"), child(at, "allow")
	switch {
	case a == nil:
		l.warnf(at, "none: everybody who reaches this path can post calls")
		return
	case a.Token.IsZero() && a.Basic == nil && len(a.Allow) == 0 && !l.wrong[token] && !l.wrong[basic] && !l.wrongBelow(allow):
		l.errorf(at, "expected token, basic or allow, or several of them")
		return
	}
	if v := a.Token.Value(); v != "" {
		if len(v) < shortToken {
			l.warnf(token, "has less than %d characters, so that it can be found by trying: openssl rand -hex 24 makes a better one", shortToken)
		}
		if a.In != "header" && strings.ContainsAny(v, "/?#%&+ ") {
			l.warnf(token, "holds characters that mean something else in an address: in the dialer's callback_url they must be escaped")
		}
	}
	if a.Token.IsZero() && l.given(child(at, "in")) {
		l.errorf(child(at, "in"), "says where the token is, but there is none")
	}
	l.checkBasic(basic, a.Basic)
	for i, n := range a.Allow {
		if n.Prefix().Bits() == 0 {
			l.warnf(item(allow, i), "%s: everybody is in this network", n)
		}
	}
}

// checkBasic looks at user and password.
func (l *loader) checkBasic(at string, b *Basic) {
	if b == nil {
		return
	}
	if !l.isWrong(child(at, "user")) && l.required(child(at, "user"), b.User.Value()) && strings.Contains(b.User.Value(), ":") {
		l.errorf(child(at, "user"), "holds a colon, which would end it")
	}
	l.requiredSecret(child(at, "password"), b.Password)
}

// wrongBelow says that something in the list at the path can't be used.
func (l *loader) wrongBelow(path string) bool {
	for wrong := range l.wrong {
		if strings.HasPrefix(wrong, path) {
			return true
		}
	}
	return false
}

func (l *loader) checkProxies(trusted []Network) {
	for i, n := range trusted {
		if n.Prefix().Bits() == 0 {
			l.warnf(item("trusted_proxies", i), "%s: everybody is in this network, and may post in anybody's name", n)
		}
	}
}

// checkTLS reads the pair as the daemon will.
func (l *loader) checkTLS(t *TLS) {
	if t.Cert == "" && t.Key == "" && !l.given("tls.cert") && !l.given("tls.key") {
		if l.given("tls") {
			l.errorf("tls", "expected cert and key")
		}
		return
	}
	certGiven, keyGiven := l.required("tls.cert", t.Cert), l.required("tls.key", t.Key)
	if !certGiven || !keyGiven || l.Placeholders {
		return
	}
	certFile, keyFile := t.Cert, t.Key
	t.Cert, t.Key = l.besideFile("tls.cert", certFile), l.besideFile("tls.key", keyFile)
	cert, certErr := l.ReadFile(t.Cert)
	if certErr != nil {
		l.errorf("tls.cert", "%s: %s", certFile, unreadable(certErr))
	}
	key, keyErr := l.ReadFile(t.Key)
	if keyErr != nil {
		l.errorf("tls.key", "%s: %s", keyFile, unreadable(keyErr))
	}
	if certErr != nil || keyErr != nil {
		return
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		l.errorf("tls", "cert and key are no pair: %s", strings.TrimPrefix(err.Error(), "tls: "))
		return
	}
	if end := pair.Leaf.NotAfter; time.Now().After(end) {
		l.warnf("tls.cert", "expired at %s: who checks it won't post", end.UTC().Format(time.RFC3339))
	}
}

// besideFile makes a path that stands in the file relative to the file's folder. From a variable or a flag it is relative
// to where the user stands, as every path on a command line.
func (l *loader) besideFile(at, path string) string {
	if l.at(at).file != l.whole.file {
		return path
	}
	return l.beside(path)
}

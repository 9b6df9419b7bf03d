package configs

import (
	"net/url"
	"strings"
)

func (l *loader) checkDestinations(destinations []Destination) {
	if len(destinations) == 0 && !l.isWrong("destinations") {
		l.warnf("destinations", "none: finished calls go nowhere")
	}
	names := map[string]int{}
	for i := range destinations {
		d, at := &destinations[i], item("destinations", i)
		l.checkName(child(at, "name"), d.Name)
		l.unique(names, d.Name, "destinations", i, "name")
		l.required(child(at, "mapping"), d.Mapping)
		l.filled(child(at, "when"), d.When)
		l.checkURL(child(at, "url"), d.URL)
		if d.Auth != nil {
			l.checkAuth(child(at, "auth"), d.Auth)
		}
		l.checkSign(child(at, "sign"), d.Sign)
		l.checkHeaders(child(at, "headers"), d)
		l.checkTransport(at, d)
		if d.Concurrency < 1 || d.Concurrency > 256 {
			l.errorf(child(at, "concurrency"), "%d: expected 1 to 256", d.Concurrency)
		}
		l.checkRetry(child(at, "retry"), &d.Retry)
	}
}

func (l *loader) checkName(at, name string) {
	if !l.required(at, name) {
		return
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) {
		l.errorf(at, `%q: expected small letters, digits, "-" and "_"`, name)
	}
}

// checkURL looks at an address without saying it: it may be a secret.
func (l *loader) checkURL(at string, u URL) {
	if u.IsZero() || l.isWrong(at) {
		return
	}
	const expected = "expected an address such as https://desk.example.com"
	parsed, err := url.Parse(u.Value())
	switch {
	case err == nil && parsed.User != nil:
		l.errorf(at, "a user in the address is not supported: give auth")
	case err == nil && parsed.Fragment != "":
		l.errorf(at, "has a part behind #, which is never sent")
	case err == nil && parsed.Host != "" && (parsed.Scheme == "http" || parsed.Scheme == "https"):
	case u.Secret():
		l.errorf(at, "the secret is no address: %s", expected)
	case err != nil:
		l.errorf(at, "%s", expected)
	default:
		l.errorf(at, "%q: %s", u.Value(), expected)
	}
}

// noToken says that a character can't be part of a header's name.
func noToken(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	default:
		return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}
}

func (l *loader) checkRetry(at string, r *Retry) {
	first, longest, end := child(at, "first"), child(at, "max"), child(at, "give_up_after")
	l.positive(first, r.First)
	l.positive(longest, r.Max)
	l.positive(end, r.GiveUpAfter)
	l.notAbove(first, r.First, longest, r.Max)
	l.notAbove(longest, r.Max, end, r.GiveUpAfter)
}

package mappings

import (
	"net/http"
	"slices"
	"strings"

	"wrapup/mappings/source"
)

// tokenKeys are the keys of auth.oauth2.
func tokenKeys() []string {
	return []string{"token_url", "token_path", "grant", "scope", "client_in", "format", "method", "audience", "refresh_tokens", "extra", "failed"}
}

// auth reads what the mapping says about tokens.
func (l *loader) auth(e entry) {
	keys := l.known(e.value, e.path, "oauth2")
	o, ok := keys["oauth2"]
	if !ok {
		l.problem(l.placeOf(e.value, e.path), "auth holds oauth2; how else to log in is said with the destination in wrapup.yaml")
		return
	}
	keys = l.known(o.value, o.path, tokenKeys()...)
	l.m.oauth2 = new(oauth2)
	to := l.m.oauth2
	if u, ok := keys["token_url"]; ok {
		to.url = l.template(u.value, u.path)
		if to.url != nil {
			if s, literal := to.url.literal(); literal && checkURL(s) != nil {
				l.problem(l.placeOf(u.value, u.path), "%s", checkURL(s))
			}
		}
	}
	if p, ok := keys["token_path"]; ok {
		to.TokenPath, _ = l.text(p.value, p.path)
		if !strings.HasPrefix(to.TokenPath, "/") {
			l.problem(l.placeOf(p.value, p.path), "a path begins with /")
		}
	}
	_, u := keys["token_url"]
	if _, p := keys["token_path"]; u == p {
		l.problem(l.placeOf(o.key, o.path), "oauth2 needs either token_url or token_path (which is added to the destination's url)")
	}
	to.Grant = l.oneOf(keys, "grant", o, Grants()...)
	to.ClientIn = l.oneOf(keys, "client_in", o, "body", "basic")
	to.Format = l.oneOf(keys, "format", o, "form", "json")
	to.Method = l.oneOf(keys, "method", o, http.MethodPost, http.MethodGet)
	to.RefreshTokens = l.oneOf(keys, "refresh_tokens", o, "single_use", Reusable)
	if a, ok := keys["audience"]; ok {
		to.audience = l.template(a.value, a.path)
	}
	if f, ok := keys["format"]; ok && to.Method == http.MethodGet {
		l.problem(l.placeOf(f.value, f.path), "a GET has no body: its fields stand in the address")
	}
	if s, ok := keys["scope"]; ok {
		to.Scope, _ = l.text(s.value, s.path)
	}
	if x, ok := keys["extra"]; ok {
		for _, f := range l.entries(x.value, x.path) {
			if t := l.template(f.value, f.path); t != nil {
				to.extra = append(to.extra, header{f.name, t})
			}
		}
	}
	if f, ok := keys["failed"]; ok {
		l.seeing(map[string]*typ{"response": responseType()}, func() { to.failed = l.condition(f.value, f.path) })
	}
}

// destinationAuth takes over what the destination says about tokens.
func (l *loader) destinationAuth() {
	if o := l.opts.OAuth2; o != nil {
		if l.m.oauth2 == nil {
			l.m.oauth2 = &oauth2{OAuth2: OAuth2{ClientIn: "body", Format: "form", Method: http.MethodPost, RefreshTokens: "single_use"}}
		}
		l.m.oauth2.over(o)
	}
	if l.m.oauth2 != nil {
		l.m.oauth2.base = l.opts.URL
	}
}

// oneOf reads a word out of several. The first one is taken if the key isn't there, except that grant must be.
func (l *loader) oneOf(keys map[string]entry, name string, parent entry, words ...string) string {
	e, ok := keys[name]
	if !ok {
		if name == "grant" {
			l.problem(l.placeOf(parent.key, parent.path), "grant: is missing: one of %s", strings.Join(words, ", "))
		}
		return words[0]
	}
	s, ok := l.text(e.value, e.path)
	if ok && !slices.Contains(words, s) {
		l.problem(l.placeOf(e.value, e.path), "%s is one of %s, not %q%s", name, strings.Join(words, ", "), s, source.Suggest(s, words))
	}
	return s
}

// seeing reads with more names in sight.
func (l *loader) seeing(roots map[string]*typ, read func()) {
	before := l.language
	l.language = before.with(roots)
	read()
	l.language = before
}

// responseType is the type of `response`.
func responseType() *typ {
	return &typ{kind: kindMap, fields: map[string]*typ{
		"status": {kind: kindNumber}, "headers": {kind: kindMap}, "body": typeAny(), "text": {kind: kindText},
	}}
}

// session reads the login and gives the type of `session`.
func (l *loader) session(e entry) *typ {
	s := &step{name: sessionStep}
	keys := l.known(e.value, e.path, "method", "path", "query", "headers", "rate", "body", "form", "text", "save", "answers")
	l.requestOf(s, keys, nil)
	l.seeing(map[string]*typ{"response": responseType()}, func() { l.answersOf(s, keys, nil) })
	t := &typ{kind: kindMap, fields: map[string]*typ{}}
	for _, v := range s.save {
		t.fields[v.name] = typeAny()
	}
	if len(s.save) == 0 {
		l.problem(l.placeOf(e.key, e.path), "save: is missing: the values that the login is for")
	}
	s.settle()
	l.m.session = s
	return t
}

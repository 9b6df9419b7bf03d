package configs

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"wrapup/connector/target"
	"wrapup/mappings"
)

// ways are the keys of auth of which there can be one.
func ways() []string { return []string{"bearer", "basic", "header", "query", "oauth2"} }

func (l *loader) checkAuth(at string, a *Auth) {
	var given []string
	for _, way := range append(ways(), "hmac") {
		if path := child(at, way); l.given(path) || l.wrong[path] {
			given = append(given, way)
		}
	}
	if alone := slices.DeleteFunc(slices.Clone(given), func(way string) bool { return way == "hmac" }); len(given) == 0 || len(alone) > 1 {
		l.errorf(at, "expected one of %s, or hmac, which may stand beside it", anyOf(ways()))
		return
	}
	l.checkBasic(child(at, "basic"), a.Basic)
	if h := a.Header; h != nil {
		l.headerName(child(child(at, "header"), "name"), h.Name)
		l.requiredSecret(child(child(at, "header"), "value"), h.Value)
	}
	if q := a.Query; q != nil {
		l.required(child(child(at, "query"), "name"), q.Name)
		l.requiredSecret(child(child(at, "query"), "value"), q.Value)
	}
	if o := a.OAuth2; o != nil {
		l.checkOAuth2(child(at, "oauth2"), o)
	}
	if h := a.HMAC; h != nil {
		l.checkHMAC(child(at, "hmac"), a)
	}
}

// headerName says whether a text can be the name of a header.
func (l *loader) headerName(at, name string) {
	if l.required(at, name) && strings.ContainsFunc(name, noToken) {
		l.errorf(at, "%q: expected the name of a header, such as X-Api-Key", name)
	}
}

func (l *loader) requiredSecret(at string, s Secret) {
	if s.IsZero() {
		l.errorf(at, "is missing")
	}
}

func (l *loader) checkHMAC(at string, a *Auth) {
	h, header, stamp := a.HMAC, child(at, "header"), child(at, "timestamp_header")
	l.headerName(header, h.Header)
	l.requiredSecret(child(at, "secret"), h.Secret)
	if l.filled(stamp, h.TimestampHeader) {
		l.headerName(stamp, h.TimestampHeader)
	}
	shown := *a
	shown.HMAC = nil
	switch names := setsHeaders(&shown, nil); {
	case slices.Contains(names, http.CanonicalHeaderKey(h.Header)):
		l.errorf(header, "auth sets this header already")
	case slices.Contains(names, http.CanonicalHeaderKey(h.TimestampHeader)):
		l.errorf(stamp, "auth sets this header already")
	case h.TimestampHeader != "" && strings.EqualFold(h.Header, h.TimestampHeader):
		l.errorf(stamp, "is the header of the signature itself")
	}
}

// checkSign looks at the secrets of Standard Webhooks.
func (l *loader) checkSign(at string, s Secrets) {
	if l.given(at) && len(s) == 0 {
		l.errorf(at, "is empty: expected a secret, or a list of them")
	}
	for i := range s {
		of := item(at, i)
		if !l.given(of) {
			of = at
		}
		if l.Placeholders || l.isWrong(of) {
			continue
		}
		if err := target.CheckWebhookSecret(s[i].Value()); err != nil {
			l.errorf(of, "%s", err)
		}
	}
}

// setsHeaders names the headers by which wrapup shows who it is.
func setsHeaders(a *Auth, sign Secrets) (names []string) {
	if a != nil {
		switch {
		case a.Header != nil:
			names = append(names, http.CanonicalHeaderKey(a.Header.Name))
		case a.Query == nil && (!a.Bearer.IsZero() || a.Basic != nil || a.OAuth2 != nil):
			names = append(names, "Authorization")
		}
		if a.HMAC != nil {
			names = append(names, http.CanonicalHeaderKey(a.HMAC.Header))
			if a.HMAC.TimestampHeader != "" {
				names = append(names, http.CanonicalHeaderKey(a.HMAC.TimestampHeader))
			}
		}
	}
	if len(sign) > 0 {
		names = append(names, "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature")
	}
	return names
}

// checkOAuth2 looks at what is wrong by itself, whatever the mapping says.
func (l *loader) checkOAuth2(at string, o *OAuth2) {
	l.checkURL(child(at, "token_url"), o.TokenURL)
	l.filled(child(at, "scope"), o.Scope)
	l.filled(child(at, "audience"), o.Audience)
	l.filled(child(at, "key_id"), o.KeyID)
	key := child(at, "private_key")
	if !o.PrivateKey.IsZero() && !l.Placeholders && !l.isWrong(key) {
		if err := target.CheckKey([]byte(o.PrivateKey.Value())); err != nil {
			l.errorf(key, "%s", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Extra)) {
		if name == "" {
			l.errorf(child(child(at, "extra"), name), "expected the name of a field as the key")
		}
	}
}

// tokens gives what a destination says about how tokens are had, as the mapping takes it.
func (l *loader) tokens(d *Destination, at string) *mappings.OAuth2 {
	if d.Auth == nil || d.Auth.OAuth2 == nil {
		return nil
	}
	o, at := d.Auth.OAuth2, child(child(at, "auth"), "oauth2")
	to := &mappings.OAuth2{TokenURL: o.TokenURL.Value(), Grant: o.Grant, Scope: o.Scope, ClientIn: o.ClientIn, Format: o.Format, Method: o.Method,
		Audience: o.Audience, RefreshTokens: o.RefreshTokens, Extra: map[string]string{}}
	if l.isWrong(child(at, "token_url")) {
		to.TokenURL = unknownURL
	}
	for name, v := range o.Extra {
		to.Extra[name] = v.Value()
	}
	return to
}

// checkTokens says what is missing, or given in vain, of what the mapping and the destination together need for a token.
func (l *loader) checkTokens(d *Destination, at string) {
	how, err := d.Compiled.OAuth2()
	switch {
	case err != nil:
		l.errorf(child(at, "mapping"), "mapping %q can't get a token: %s", d.Mapping, err)
		return
	case how == nil:
		return
	case d.Auth == nil || d.Auth.OAuth2 == nil:
		l.errorf(child(at, "auth"), "mapping %q gets its token by oauth2: give auth.oauth2 with %s", d.Mapping, strings.Join(needed(how.Grant), " and "))
		return
	}
	at = child(child(at, "auth"), "oauth2")
	if how.TokenURL == "" {
		l.errorf(child(at, "token_url"), "is missing: mapping %q doesn't say where tokens are had", d.Mapping)
	}
	if how.Method == http.MethodGet && how.Format == "json" {
		l.errorf(child(at, "format"), "a GET has no body: its fields stand in the address")
	}
	if how.Grant == "" {
		if !l.isWrong(child(at, "grant")) {
			l.errorf(child(at, "grant"), "is missing: expected %s", anyOf(mappings.Grants()))
		}
		return
	}
	l.checkGrant(d.Auth.OAuth2, how, at)
}

// checkRefreshTokens reports a refresh token that another destination has, too: each of them would use it up.
func (l *loader) checkRefreshTokens(seen map[string]int, all []Destination, i int) {
	d := &all[i]
	if d.Compiled == nil || d.Auth == nil || d.Auth.OAuth2 == nil || l.Placeholders {
		return
	}
	at := child(child(child(item("destinations", i), "auth"), "oauth2"), "refresh_token")
	how, err := d.Compiled.OAuth2()
	token := d.Auth.OAuth2.RefreshToken.Value()
	if err != nil || how.Grant != mappings.GrantRefreshToken || how.RefreshTokens == mappings.Reusable || token == "" || l.isWrong(at) {
		return
	}
	if first, ok := seen[token]; ok {
		l.errorf(at, "%s has the same, and it can be used once: each destination needs one of its own, or refresh_tokens: reusable "+
			"if this server doesn't rotate them", item("destinations", first))
		return
	}
	seen[token] = i
}

// needed names what a grant can't do without, optional what it can make use of besides.
func needed(grant string) []string {
	switch grant {
	case mappings.GrantClientCredentials:
		return []string{"client_id", "client_secret"}
	case mappings.GrantPassword:
		return []string{"user", "password"}
	case mappings.GrantRefreshToken:
		return []string{"refresh_token"}
	case mappings.GrantJWTBearer:
		return []string{"client_id", "private_key"}
	}
	return nil
}

func optional(grant string) []string {
	switch grant {
	case mappings.GrantPassword:
		return []string{"client_id", "client_secret"}
	case mappings.GrantRefreshToken:
		return []string{"client_id", "client_secret", "refresh_tokens"}
	case mappings.GrantJWTBearer:
		return []string{"client_secret", "user", "key_id", "audience"}
	}
	return nil
}

// checkGrant compares the credentials with what the grant needs.
func (l *loader) checkGrant(o *OAuth2, how *mappings.OAuth2, at string) {
	given := map[string]bool{
		"client_id": !o.ClientID.IsZero(), "client_secret": !o.ClientSecret.IsZero(), "refresh_token": !o.RefreshToken.IsZero(),
		"user": !o.User.IsZero(), "password": !o.Password.IsZero(), "private_key": !o.PrivateKey.IsZero(), "key_id": o.KeyID != "",
		"audience": o.Audience != "", "refresh_tokens": o.RefreshTokens != "",
	}
	needs, takes := needed(how.Grant), optional(how.Grant)
	for _, key := range slices.Sorted(maps.Keys(given)) {
		switch path := child(at, key); {
		case slices.Contains(needs, key) && !given[key] && !l.given(path):
			l.errorf(path, "is missing: the grant %s needs %s", how.Grant, strings.Join(needs, " and "))
		case given[key] && !slices.Contains(needs, key) && !slices.Contains(takes, key):
			l.errorf(path, "the grant %s doesn't need it%s", how.Grant, grantOf(key))
		}
	}
	id := child(at, "client_id")
	switch {
	case given["client_id"] || l.given(id):
	case given["client_secret"]:
		l.errorf(id, "is missing: a client_secret is given")
	case how.ClientIn == "basic":
		l.errorf(id, "is missing: it is to stand in the header Authorization")
	}
}

// grantOf names the grants that a key is for.
func grantOf(key string) string {
	var of []string
	for _, grant := range mappings.Grants() {
		if slices.Contains(needed(grant), key) || slices.Contains(optional(grant), key) {
			of = append(of, grant)
		}
	}
	return fmt.Sprintf(" (it is for %s)", strings.Join(of, " and "))
}

package mappings

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"slices"
)

// OAuth2 says where and how a token is asked for. The credentials are the destination's.
type OAuth2 struct {
	// TokenURL is the address in full, or else TokenPath is added to the destination's url.
	TokenURL, TokenPath string
	// Grant is one of Grants.
	Grant string
	Scope string
	// ClientIn says where client id and secret stand: body or basic. Format is that of the request: form or json. Method is
	// POST, or GET with all fields in the address.
	ClientIn, Format, Method string
	// Audience is whom the statement of jwt_bearer is for; "" is the address that is asked.
	Audience string
	// RefreshTokens says whether one may be sent a second time when it isn't known what became of the first: reusable, or
	// single_use.
	RefreshTokens string
	// Extra are more fields of the request.
	Extra map[string]string
}

// The grants.
const (
	GrantClientCredentials = "client_credentials"
	GrantRefreshToken      = "refresh_token"
	GrantPassword          = "password"
	GrantJWTBearer         = "jwt_bearer"
)

// Grants are the ways to a token that are known.
func Grants() []string {
	return []string{GrantClientCredentials, GrantRefreshToken, GrantPassword, GrantJWTBearer}
}

// Reusable is what RefreshTokens says of those that may be sent a second time.
const Reusable = "reusable"

// oauth2 is what auth.oauth2 says.
type oauth2 struct {
	OAuth2
	url, audience *template
	extra         []header
	failed        *template
	// base is the destination's url, which TokenPath is added to.
	base string
}

// OAuth2 gives what the mapping and its destination say about tokens, nil if none are needed. TokenURL is set in any case.
func (m *Mapping) OAuth2() (*OAuth2, error) {
	if m.oauth2 == nil {
		return nil, nil
	}
	o := m.oauth2.OAuth2
	in := &scope{m: m}
	if o.TokenURL == "" && m.oauth2.url != nil {
		address, err := m.oauth2.url.text(in, known)
		if err != nil {
			return nil, renderError(err, "")
		}
		if checkURL(address) != nil {
			return nil, &RenderError{Field: "auth.oauth2.token_url", Err: errors.New("is no address that begins with https://")}
		}
		o.TokenURL = address
	}
	if o.TokenURL == "" && o.TokenPath != "" {
		base := m.oauth2.base
		if base == "" && m.url != nil {
			base, _ = m.url.literal()
		}
		address, err := url.JoinPath(base, o.TokenPath)
		if err != nil || base == "" {
			return nil, &RenderError{Field: "auth.oauth2.token_path", Err: errors.New("has no url to be added to")}
		}
		o.TokenURL = address
	}
	if o.Audience == "" && m.oauth2.audience != nil {
		audience, err := m.oauth2.audience.text(in, known)
		if err != nil {
			return nil, renderError(err, "")
		}
		o.Audience = audience
	}
	o.Extra = make(map[string]string, len(m.oauth2.extra))
	for _, f := range m.oauth2.extra {
		s, err := f.value.text(in, asItIs)
		if err != nil {
			return nil, renderError(err, "")
		}
		o.Extra[f.name] = s
	}
	maps.Copy(o.Extra, m.oauth2.Extra)
	return &o, nil
}

// over lays what the destination says over what the mapping says.
func (o *OAuth2) over(d *OAuth2) {
	for to, value := range map[*string]string{
		&o.TokenURL: d.TokenURL, &o.Grant: d.Grant, &o.Scope: d.Scope, &o.ClientIn: d.ClientIn, &o.Format: d.Format,
		&o.Method: d.Method, &o.Audience: d.Audience, &o.RefreshTokens: d.RefreshTokens,
	} {
		*to = cmp.Or(value, *to)
	}
	if d.TokenURL != "" {
		o.TokenPath = ""
	}
	o.Extra = maps.Clone(d.Extra)
}

// TokenRefused says whether the answer to a request for a token is a refusal although its status is 2xx, and gives the
// values of one that isn't, which are to be handed in as Call.Auth.
func (m *Mapping) TokenRefused(a Answer) (refused bool, values map[string]any) {
	in := &scope{m: m, response: newResponse(a)}
	body, ok := in.response.body.(object)
	if !ok {
		return true, nil
	}
	if token, _ := body.get("access_token").(string); token == "" {
		return true, nil
	}
	if m.oauth2 != nil && m.oauth2.failed != nil {
		if failed, err := m.oauth2.failed.condition(in); err == nil && failed {
			return true, nil
		}
	}
	values = make(map[string]any, len(body))
	for _, v := range body {
		values[v.key] = v.value
	}
	return false, values
}

// CheckToken says what a token answer lacks that each request needs: the address where they go.
func (m *Mapping) CheckToken(values map[string]any) error {
	if m.url == nil || !m.url.asks(func(u uses) bool { return u.auth }) {
		return nil
	}
	address, err := m.url.text(m.scope(Call{Auth: values}), known)
	if err == nil {
		err = checkURL(address)
	}
	if err != nil {
		if inner, ok := errors.AsType[*RenderError](err); ok {
			err = inner.Err
		}
		return &RenderError{Field: "url", Err: err}
	}
	return nil
}

// asks says whether one of the template's expressions looks at something.
func (t *template) asks(at func(uses) bool) bool {
	return t != nil && slices.ContainsFunc(t.parts, func(p part) bool { return p.expr != nil && at(p.expr.uses) })
}

package mappings

import (
	"errors"
	"net/url"
)

// OAuth2 says where and how a token is asked for. The credentials are the destination's.
type OAuth2 struct {
	// TokenURL is the address in full, or else TokenPath is added to the destination's url.
	TokenURL, TokenPath string
	// Grant is client_credentials, refresh_token or password.
	Grant string
	Scope string
	// ClientIn says where client id and secret stand: body or basic. Format is that of the request: form or json.
	ClientIn, Format string
	// Extra are more fields of the request.
	Extra map[string]string
}

// oauth2 is what auth.oauth2 says.
type oauth2 struct {
	OAuth2
	url    *template
	extra  []header
	failed *template
}

// OAuth2 gives what the mapping says about tokens, nil if it needs none.
func (m *Mapping) OAuth2() (*OAuth2, error) {
	if m.oauth2 == nil {
		return nil, nil
	}
	o := m.oauth2.OAuth2
	in := &scope{m: m}
	if m.oauth2.url != nil {
		address, err := m.oauth2.url.text(in, known)
		if err != nil {
			return nil, renderError(err, "")
		}
		if checkURL(address) != nil {
			return nil, &RenderError{Field: "auth.oauth2.token_url", Err: errors.New("is no address that begins with https://")}
		}
		o.TokenURL = address
	}
	o.Extra = make(map[string]string, len(m.oauth2.extra))
	for _, f := range m.oauth2.extra {
		s, err := f.value.text(in, asItIs)
		if err != nil {
			return nil, renderError(err, "")
		}
		o.Extra[f.name] = s
	}
	return &o, nil
}

// TokenRefused says whether the answer to a request for a token is a refusal although its status is 2xx, and gives the
// values of one that isn't, which are to be handed in as Call.Auth.
func (m *Mapping) TokenRefused(a Answer) (refused bool, values map[string]any) {
	in := &scope{m: m, response: newResponse(a)}
	body, ok := in.response.body.(object)
	if !ok || body.get("access_token") == nil {
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

// grants are the ways to a token that are known.
func grants() []string {
	return []string{"client_credentials", "refresh_token", "password"}
}

// Address gives the address to ask, for a destination with the url.
func (o *OAuth2) Address(base string) (string, error) {
	if o.TokenURL != "" {
		return o.TokenURL, nil
	}
	return url.JoinPath(base, o.TokenPath)
}

package main

import (
	"cmp"
	"net/http"
	"strings"

	"wrapup/configs"
)

// readableHeaders gives headers as they are shown.
func readableHeaders(h http.Header) http.Header {
	to := http.Header{}
	for name, values := range h {
		for _, v := range values {
			to[name] = append(to[name], readable(v))
		}
	}
	return to
}

// authenticate adds to a request what goes out with it by which wrapup shows who it is: what the destination, if there is
// one, says of it. Signatures are of the moment, so their places are shown.
func (s *shown) authenticate(d *configs.Destination) {
	if d == nil {
		return
	}
	if a := d.Auth; a != nil {
		switch {
		case a.Basic != nil:
			s.Headers.Set("Authorization", "Basic "+a.Basic.User.Value()+":"+a.Basic.Password.Value()+" (in Base64)")
		case a.Header != nil:
			s.Headers.Set(a.Header.Name, a.Header.Value.Value())
		case a.Query != nil:
			joint := "?"
			if strings.Contains(s.URL, "?") {
				joint = "&"
			}
			s.URL += joint + a.Query.Name + "=" + a.Query.Value.Value()
		case !a.Bearer.IsZero():
			s.Headers.Set("Authorization", "Bearer "+a.Bearer.Value())
		}
		if h := a.HMAC; h != nil {
			s.Headers.Set(h.Header, h.Prefix+"«signature by auth.hmac.secret»")
			if h.TimestampHeader != "" {
				s.Headers.Set(h.TimestampHeader, "«now»")
			}
		}
	}
	if len(d.Sign) > 0 {
		signatures := make([]string, len(d.Sign))
		for i, secret := range d.Sign.Values() {
			signatures[i] = "v1,«signature by " + strings.Trim(secret, "«»") + "»"
		}
		s.Headers.Set("Webhook-Id", cmp.Or(s.Headers.Get("Idempotency-Key"), s.Headers.Get("X-Idempotency-Key"), "«hash of the request»"))
		s.Headers.Set("Webhook-Timestamp", "«now»")
		s.Headers.Set("Webhook-Signature", strings.Join(signatures, " "))
	}
}

// asks shows the request for a token.
func (s *shown) asks(d *configs.Destination) {
	how, err := d.Compiled.OAuth2()
	if err != nil || how == nil {
		return
	}
	o := tokenOptions(d, how)
	r, err := o.Request("«statement signed by auth.oauth2.private_key»")
	if err != nil {
		return
	}
	s.Method, s.URL, s.Headers = r.Method, readable(r.URL), readableHeaders(r.Header)
	if o.Basic {
		s.Headers.Set("Authorization", "Basic "+o.ClientID+":"+o.ClientSecret+" (in Base64)")
	}
	s.Body = bodyOf(r.Body)
}

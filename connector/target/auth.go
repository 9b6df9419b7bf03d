package target

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Auth puts credentials on a request that is complete otherwise; body is what it will send, so that it can be signed. It
// may be called by several goroutines at a time.
type Auth func(r *http.Request, body []byte)

// Bearer is a token in the header Authorization (RFC 6750, section 2.1).
func Bearer(token string) Auth { return Header("Authorization", "Bearer "+token) }

// Basic is a user's name and password (RFC 7617).
func Basic(user, password string) Auth {
	return func(r *http.Request, _ []byte) { r.SetBasicAuth(user, password) }
}

// Header is a header of the API's own, such as X-API-Key.
func Header(name, value string) Auth {
	return func(r *http.Request, _ []byte) { r.Header.Set(name, value) }
}

// Query is a token in the address, as in ?api_key=…, in place of what the request says under that name. Servers and
// proxies write addresses to their logs: it is for APIs that take nothing better.
func Query(name, value string) Auth {
	pair := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	return func(r *http.Request, _ []byte) {
		// The other parameters keep their order and their spelling: an API may have a view on both.
		rest := slices.DeleteFunc(strings.Split(r.URL.RawQuery, "&"), func(p string) bool {
			key, _, _ := strings.Cut(p, "=")
			key, err := url.QueryUnescape(key)
			return p == "" || err == nil && key == name
		})
		r.URL.RawQuery = strings.Join(append(rest, pair), "&")
	}
}

// Together is several of them, one after the other: a token and a signature. A nil one is left out.
func Together(all ...Auth) Auth {
	all = slices.DeleteFunc(slices.Clone(all), func(a Auth) bool { return a == nil })
	if len(all) == 0 {
		return nil
	}
	return func(r *http.Request, body []byte) {
		for _, a := range all {
			a(r, body)
		}
	}
}

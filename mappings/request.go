package mappings

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// request renders a step.
func (m *Mapping) request(s *step, env environment) (Request, error) {
	r := Request{Method: s.method, Header: make(http.Header)}
	address, err := m.address(s, env)
	if err != nil {
		return Request{}, err
	}
	r.URL = address
	for _, h := range s.headers {
		if err := setHeader(r.Header, h, env); err != nil {
			return Request{}, err
		}
	}
	if s.body == nil {
		return r, nil
	}
	body, err := s.body.render(env)
	if err != nil {
		return Request{}, err
	}
	if body == any(absent{}) {
		return r, nil
	}
	if r.Body, err = appendJSON(nil, body); err != nil {
		return Request{}, &RenderError{Field: "body", Err: err}
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// address renders the url, with path and query.
func (m *Mapping) address(s *step, env environment) (string, error) {
	if m.url == nil {
		return "", &RenderError{Field: "url", Err: errors.New("there is none")}
	}
	base, err := m.url.text(env, func(s string, null bool) (string, error) {
		if null {
			return "", errors.New("is null")
		}
		return s, nil
	})
	if err != nil {
		return "", err
	}
	if err := checkURL(base); err != nil {
		return "", &RenderError{Field: "url", Err: err}
	}
	address, own, _ := strings.Cut(base, "?")
	if s.path != nil {
		path, err := s.path.text(env, pathValue)
		if err != nil {
			return "", err
		}
		address = strings.TrimSuffix(address, "/") + path
	}
	var query []string
	if own != "" {
		query = append(query, own)
	}
	if s.query != nil {
		v, err := s.query.render(env)
		if err != nil {
			return "", err
		}
		if query, err = appendQuery(query, "", v); err != nil {
			return "", &RenderError{Field: "query", Err: err}
		}
	}
	if len(query) > 0 {
		address += "?" + strings.Join(query, "&")
	}
	return address, nil
}

// pathValue escapes a value in a path, so that it stays within its segment.
func pathValue(s string, null bool) (string, error) {
	switch {
	case null:
		return "", errors.New("is null: a path can't be made of it")
	case s == "":
		return "", errors.New("is empty: a path can't be made of it")
	case s == "." || s == "..":
		return "", fmt.Errorf("is %q: that leads elsewhere in a path", s)
	}
	return url.PathEscape(s), nil
}

// appendQuery adds name=value pairs: a map nests as a[b]=, a list repeats its key, a list of maps or lists is counted,
// null is left out.
func appendQuery(pairs []string, name string, v any) ([]string, error) {
	var err error
	switch v := v.(type) {
	case nil, absent:
		return pairs, nil
	case object:
		for _, m := range v {
			inner := m.key
			if name != "" {
				inner = name + "[" + m.key + "]"
			}
			if pairs, err = appendQuery(pairs, inner, m.value); err != nil {
				return nil, err
			}
		}
		return pairs, nil
	case []any:
		for i, item := range v {
			inner := name
			switch item.(type) {
			case object, []any:
				inner = fmt.Sprintf("%s[%d]", name, i)
			}
			if pairs, err = appendQuery(pairs, inner, item); err != nil {
				return nil, err
			}
		}
		return pairs, nil
	}
	s, err := text(v)
	if err != nil {
		return nil, err
	}
	return append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(s)), nil
}

// setHeader renders one header. One that consists of a null alone is left out.
func setHeader(to http.Header, h header, env environment) error {
	if e := h.value.single(); e != nil {
		v, err := h.value.value(env)
		if err != nil {
			return err
		}
		if v == nil {
			to.Del(h.name)
			return nil
		}
	}
	s, err := h.value.text(env, func(s string, _ bool) (string, error) { return s, nil })
	if err != nil {
		return err
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return h.value.fail(errors.New("a header can't hold line breaks or other control characters"))
	}
	to.Set(h.name, s)
	return nil
}

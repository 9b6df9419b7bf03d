package mappings

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// request renders a step.
func (m *Mapping) request(s *step, in *scope) (Request, error) {
	r := Request{Method: s.method, Header: make(http.Header, len(s.headers)+len(m.override)+2)}
	address, err := m.address(s, in)
	if err != nil {
		return Request{}, err
	}
	r.URL = address
	if m.oauth2 != nil && !m.placesToken && in.auth.from != nil {
		if token, ok := in.auth.from["access_token"].(string); ok {
			r.Header["Authorization"] = []string{"Bearer " + token}
		}
	}
	for _, list := range [2][]header{s.headers, m.override} {
		for _, h := range list {
			if err := setHeader(r.Header, h, in); err != nil {
				return Request{}, err
			}
		}
	}
	if s.content == nil {
		return r, nil
	}
	body, kind, err := s.content.render(in)
	if err != nil || body == nil {
		return r, err
	}
	if len(body) > maxBodyBytes {
		return Request{}, errBody
	}
	r.Body = body
	if _, multi := s.content.(multipartContent); multi || r.Header.Get("Content-Type") == "" {
		r.Header["Content-Type"] = []string{kind}
	}
	return r, nil
}

// address renders the url, with path and query.
func (m *Mapping) address(s *step, in *scope) (string, error) {
	if m.url == nil {
		return "", &RenderError{Field: "url", Err: errors.New("there is none")}
	}
	base, literal := m.url.literal()
	if !literal {
		var err error
		if base, err = m.url.text(in, known); err != nil {
			return "", err
		}
		if err := checkURL(base); err != nil {
			return "", &RenderError{Field: "url", Err: err}
		}
	}
	address, own, _ := strings.Cut(base, "?")
	if s.path != nil {
		path, err := s.path.text(in, pathValue)
		if err != nil {
			return "", err
		}
		address = strings.TrimSuffix(address, "/") + path
	}
	var query []string
	if own != "" {
		query = append(query, own)
	}
	if len(s.query) > 0 {
		v, err := s.queryValue(in)
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

// queryValue gives the query as a map; what the step says stands in the place of what it inherits.
func (s *step) queryValue(in *scope) (object, error) {
	var all object
	for _, t := range s.query {
		v, err := t.render(in)
		if err != nil {
			return nil, err
		}
		o, _ := v.(object)
		for _, m := range o {
			if i := slices.IndexFunc(all, func(have member) bool { return have.key == m.key }); i >= 0 {
				all[i] = m
			} else {
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// known refuses null.
func known(s string, null bool) (string, error) {
	if null {
		return "", errors.New("is null")
	}
	return s, nil
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

const maxPairs = 10_000

// appendQuery adds name=value pairs: a map nests as a[b]=, a list repeats its key, a list of maps or lists is counted,
// null is left out.
func appendQuery(pairs []string, name string, v any) ([]string, error) {
	var err error
	if len(pairs) > maxPairs {
		return nil, errors.New("there are too many values")
	}
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
	return append(pairs, queryPair(name, s)), nil
}

// setHeader renders one header. One that consists of a null alone is left out.
func setHeader(to http.Header, h header, in *scope) error {
	s, null, err := h.value.textOrNull(in)
	switch {
	case err != nil:
		return err
	case null && h.value.single() != nil:
		delete(to, h.name)
		return nil
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return h.value.fail(errors.New("a header can't hold line breaks or other control characters"))
	}
	to[h.name] = []string{s}
	return nil
}

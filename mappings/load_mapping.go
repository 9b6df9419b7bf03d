package mappings

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"wrapup/mappings/source"
)

// mapping reads the top level.
func (l *loader) mapping(m *Mapping, root *yaml.Node, opts Options) {
	keys := l.known(root, "", []string{"description", "version", "when", "url", "headers", "steps"},
		[]string{"wait", "skip_older_than", "brake", "rate", "auth", "session", "params", "secrets", "tables", "vars", "each", "update"})
	for _, name := range []string{"description", "version"} {
		if e, ok := keys[name]; ok {
			l.text(e.value, e.path)
		}
	}
	if e, ok := keys["when"]; ok {
		if when := l.condition(e.value, e.path); when != nil {
			m.when = append(m.when, condition{when, "the mapping's condition"})
		}
	}
	l.url(m, keys, root, opts)
	var common []header
	if e, ok := keys["headers"]; ok {
		common = l.headers(e.value, e.path)
	}
	e, ok := keys["steps"]
	if !ok {
		l.problem(l.placeOf(root, ""), "steps: is missing: the requests that log a call")
		return
	}
	if !l.expect(e.value, e.path, yaml.SequenceNode) {
		return
	}
	if len(e.value.Content) == 0 {
		l.problem(l.placeOf(e.value, e.path), "steps needs at least one step")
	}
	for i, n := range e.value.Content {
		if i > 0 {
			l.problem(l.placeOf(n, fmt.Sprintf("steps[%d]", i)), "more than one step is not supported by this version")
			break
		}
		if s := l.step(n, fmt.Sprintf("steps[%d]", i)); s != nil {
			s.headers = slices.Concat(common, s.headers)
			m.create = append(m.create, s)
		}
	}
}

// url settles where requests go: the destination's url, else the mapping's.
func (l *loader) url(m *Mapping, keys map[string]entry, root *yaml.Node, opts Options) {
	e, ok := keys["url"]
	var own *template
	if ok {
		own = l.template(e.value, e.path)
		if own == nil {
			return
		}
		if s, literal := own.literal(); literal {
			if err := checkURL(s); err != nil {
				l.problem(l.placeOf(e.value, e.path), "%s", err)
			}
		}
	}
	switch {
	case opts.URL != "":
		if err := checkURL(opts.URL); err != nil {
			l.problem(place{}, "the destination's url: %s", err)
		}
		m.url = &template{path: "url", parts: []part{{text: opts.URL}}}
	case own != nil:
		m.url = own
	case !opts.Unbound:
		l.problem(l.placeOf(root, ""), "no url: give one here or with the destination")
	}
}

// checkURL says what keeps a text from being the beginning of a request's URL. It doesn't show the URL: some hold a key.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("a url begins with https:// (or http://) and a host")
	case u.User != nil:
		return fmt.Errorf("a user in the url is not supported: use auth")
	case u.Fragment != "":
		return fmt.Errorf("a url can't hold #")
	}
	return nil
}

// step reads one step; nil if it is none.
func (l *loader) step(n *yaml.Node, path string) *step {
	if !l.expect(n, path, yaml.MappingNode) {
		return nil
	}
	s := &step{}
	for i := 0; i+1 < len(n.Content); i += 2 { // its name comes first, for it is in the paths of problems
		if n.Content[i].Value == "name" && n.Content[i+1].Kind == yaml.ScalarNode && n.Content[i+1].Value != "" {
			s.name = n.Content[i+1].Value
			path = under("steps", s.name)
		}
	}
	keys := l.known(n, path, []string{"name", "when", "method", "path", "query", "headers", "body", "repeat"},
		[]string{"for_each", "rate", "form", "text", "multipart", "found", "not_found", "finds", "lag", "save", "answers"})
	l.stepName(s, keys, n, path)
	if e, ok := keys["when"]; ok {
		s.when = l.condition(e.value, e.path)
	}
	s.method = l.method(keys)
	if e, ok := keys["path"]; ok {
		s.path = l.path(e)
	}
	if e, ok := keys["query"]; ok && l.expect(e.value, e.path, yaml.MappingNode) {
		s.query = l.tree(e.value, e.path)
	}
	if e, ok := keys["headers"]; ok {
		s.headers = l.headers(e.value, e.path)
	}
	if e, ok := keys["body"]; ok {
		s.body = l.tree(e.value, e.path)
		if s.method == http.MethodGet {
			l.problem(l.placeOf(e.key, e.path), "a GET has no body: use query, or method: POST")
		}
	}
	s.repeat = Repeat{Safe: s.method != http.MethodPost}
	if e, ok := keys["repeat"]; ok {
		s.repeat = l.repeat(e)
	}
	return s
}

func (l *loader) stepName(s *step, keys map[string]entry, n *yaml.Node, path string) {
	e, ok := keys["name"]
	if !ok {
		l.problem(l.placeOf(n, path), "name: is missing: each step needs one")
		return
	}
	name, ok := l.text(e.value, e.path)
	if ok && (name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_") != "") {
		l.problem(l.placeOf(e.value, e.path), "a step's name is made of letters, digits and _")
	}
	s.name = name
}

func (l *loader) method(keys map[string]entry) string {
	e, ok := keys["method"]
	if !ok {
		return http.MethodPost
	}
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	method, ok := l.text(e.value, e.path)
	if ok && !slices.Contains(methods, method) {
		l.problem(l.placeOf(e.value, e.path), "method is one of %s, not %q%s", strings.Join(methods, ", "), method,
			source.Suggest(method, methods))
	}
	return method
}

// path reads what is added to the url.
func (l *loader) path(e entry) *template {
	t := l.template(e.value, e.path)
	if t == nil {
		return nil
	}
	if len(t.parts) == 0 || !strings.HasPrefix(t.parts[0].text, "/") {
		l.problem(l.placeOf(e.value, e.path), "a path begins with /")
	}
	for _, p := range t.parts {
		if strings.ContainsAny(p.text, "?#") {
			l.problem(l.placeOf(e.value, e.path), "a path can't hold ? or #: what follows ? goes under query:")
			break
		}
		if i := strings.IndexFunc(p.text, func(r rune) bool { return r <= ' ' || r == 0x7f }); i >= 0 {
			l.problem(l.placeOf(e.value, e.path), "a path can't hold spaces")
			break
		}
	}
	return t
}

func (l *loader) headers(n *yaml.Node, path string) []header {
	var list []header
	for _, e := range l.entries(n, path) {
		switch {
		case !token(e.name):
			l.problem(l.placeOf(e.key, e.path), "a header's name is made of letters, digits and -")
			continue
		case slices.Contains([]string{"Host", "Connection", "Content-Length", "Transfer-Encoding"}, http.CanonicalHeaderKey(e.name)):
			l.problem(l.placeOf(e.key, e.path), "this header is set by wrapup itself")
			continue
		}
		if t := l.template(e.value, e.path); t != nil {
			list = append(list, header{name: http.CanonicalHeaderKey(e.name), value: t})
		}
	}
	return list
}

// token says whether s can be the name of a header.
func token(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func (l *loader) repeat(e entry) Repeat {
	s, ok := l.text(e.value, e.path)
	if !ok {
		return Repeat{}
	}
	switch s {
	case "safe":
		return Repeat{Safe: true}
	case "never":
		return Repeat{}
	}
	within, ok := duration(s)
	if !ok || within <= 0 {
		l.problem(l.placeOf(e.value, e.path), "repeat is safe, never or a time such as 30m, not %q%s", s,
			source.Suggest(s, []string{"safe", "never"}))
	}
	return Repeat{Within: within}
}

// duration reads a time such as 90s, 1h30m or 2d.
func duration(s string) (time.Duration, bool) {
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return 0, false
		}
		total := time.Duration(n) * 24 * time.Hour
		if rest == "" {
			return total, true
		}
		more, ok := duration(rest)
		return total + more, ok
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

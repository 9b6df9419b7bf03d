package mappings

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"wrapup/mappings/source"
)

// requestOf reads what a step or the session sends. Inherited may be nil.
func (l *loader) requestOf(s *step, keys map[string]entry, inherited *each) {
	if inherited == nil {
		inherited = &each{}
	}
	s.method = l.method(keys, cmp.Or(inherited.method, http.MethodPost))
	s.path = inherited.path
	if e, ok := keys["path"]; ok {
		s.path = l.path(e)
	}
	if inherited.query != nil {
		s.query = append(s.query, inherited.query)
	}
	if e, ok := keys["query"]; ok && l.expect(e.value, e.path, yaml.MappingNode) {
		l.literalSecrets(e.value, e.path)
		s.query = append(s.query, l.tree(e.value, e.path))
	}
	s.headers = inherited.headers
	if e, ok := keys["headers"]; ok {
		s.headers = slices.Concat(s.headers, l.headers(e.value, e.path))
	}
	s.rate = inherited.rate
	if e, ok := keys["rate"]; ok {
		s.rate = l.rate(e)
	}
	l.contentOf(s, keys, inherited)
}

// contentOf reads body, form, text or multipart.
func (l *loader) contentOf(s *step, keys map[string]entry, inherited *each) {
	var given []entry
	for _, name := range []string{"body", "form", "text", "multipart"} {
		if e, ok := keys[name]; ok {
			given = append(given, e)
		}
	}
	for i, e := range given {
		if i > 0 {
			l.problem(l.placeOf(e.key, e.path), "a request has one of body, form, text and multipart, and there is %s already", given[0].name)
			continue
		}
		if s.method == http.MethodGet {
			l.problem(l.placeOf(e.key, e.path), "a GET has no %s: use query, or method: POST", e.name)
		}
		switch e.name {
		case "body":
			l.writtenJSON(e)
			body := l.tree(e.value, e.path)
			s.content = jsonContent{body: body, wrap: inherited.wrap, size: sizeOf(body) + sizeOf(inherited.wrap) + 64}
		case "form":
			if l.expect(e.value, e.path, yaml.MappingNode) {
				l.literalSecrets(e.value, e.path)
				s.content = formContent{l.tree(e.value, e.path)}
			}
		case "text":
			if t := l.template(e.value, e.path); t != nil {
				s.content = textContent{t}
			}
		case "multipart":
			s.content = l.multipart(e)
		}
	}
}

// writtenJSON warns of a body that is JSON in a text: it would arrive as one text, in quotes.
func (l *loader) writtenJSON(e entry) {
	s := strings.TrimSpace(e.value.Value)
	if e.value.Kind != yaml.ScalarNode || s == "" || plainStyle(e.value) {
		return
	}
	pieces, _ := split(s)
	var b strings.Builder
	for _, p := range pieces {
		if p.code {
			p.text = "0" // in a text or as a number, it is JSON
		}
		b.WriteString(p.text)
	}
	if s := strings.TrimSpace(b.String()); (s[0] == '{' || s[0] == '[') && json.Valid([]byte(s)) {
		l.warn(l.placeOf(e.value, e.path), "this is a text that looks like JSON, and arrives as a text in quotes: leave out the quotes around it, or write its keys and values in YAML")
	}
}

// multipart reads fields, and files as {file: NAME, content: TEXT, type: MEDIA TYPE}.
func (l *loader) multipart(e entry) content {
	c := multipartContent{}
	for _, f := range l.entries(e.value, e.path) {
		part := filePart{field: f.name}
		if f.value.Kind == yaml.ScalarNode {
			part.content = l.template(f.value, f.path)
		} else {
			keys := l.known(f.value, f.path, "file", "content", "type")
			for name, to := range map[string]**template{"file": &part.file, "content": &part.content, "type": &part.media} {
				if e, ok := keys[name]; ok {
					*to = l.template(e.value, e.path)
				}
			}
			if _, ok := keys["content"]; !ok {
				l.problem(l.placeOf(f.key, f.path), "content: is missing: what is in the file")
			}
		}
		if part.content != nil {
			c.parts = append(c.parts, part)
		}
	}
	return c
}

func (l *loader) method(keys map[string]entry, otherwise string) string {
	e, ok := keys["method"]
	if !ok {
		return otherwise
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
	lines := map[string]int{}
	for _, e := range l.entries(n, path) {
		name := http.CanonicalHeaderKey(e.name)
		switch {
		case !token(e.name):
			l.problem(l.placeOf(e.key, e.path), "a header's name is made of letters, digits and -")
			continue
		case slices.Contains([]string{"Host", "Connection", "Content-Length", "Transfer-Encoding"}, name):
			l.problem(l.placeOf(e.key, e.path), "this header is set by wrapup itself")
			continue
		case lines[name] > 0:
			l.problem(l.placeOf(e.key, e.path), "this header is given twice (first in line %d): capitals make no difference", lines[name])
			continue
		}
		lines[name] = e.key.Line
		l.literalSecret(e.name, e.value, e.path)
		if t := l.template(e.value, e.path); t != nil {
			list = append(list, header{name: name, value: t})
		}
	}
	return list
}

// token says whether s can be the name of a header.
func token(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

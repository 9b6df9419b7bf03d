package configs

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"wrapup/mappings"
)

// checkHeaders looks at the names of a destination's own headers.
func (l *loader) checkHeaders(at string, d *Destination) {
	seen, taken := map[string]string{}, setsHeaders(d.Auth, d.Sign)
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		header, canonical := child(at, name), http.CanonicalHeaderKey(name)
		switch {
		case name == "" || strings.ContainsFunc(name, noToken):
			l.errorf(header, "%q: expected the name of a header, such as X-Api-Key", name)
		case slices.Contains([]string{"Host", "Connection", "Content-Length", "Transfer-Encoding"}, canonical):
			l.errorf(header, "this header is set by wrapup itself")
		case seen[canonical] != "":
			l.errorf(header, "the same header as %q: capitals make no difference", seen[canonical])
		case slices.Contains(taken, canonical) && strings.HasPrefix(canonical, "Webhook-"):
			l.errorf(header, "sign sets this header already")
		case slices.Contains(taken, canonical):
			l.errorf(header, "auth sets this header already")
		}
		seen[canonical] = name
	}
}

// headers gives the destination's own headers as the mapping takes them.
func (l *loader) headers(d *Destination, at string) map[string]string {
	to := map[string]string{}
	for name, v := range d.Headers {
		if !l.isWrong(child(child(at, "headers"), name)) {
			to[http.CanonicalHeaderKey(name)] = v.Value()
		}
	}
	return to
}

// secrets gives the values of the destination's secrets. What is wrong with one was said: it is not missed.
func (l *loader) secrets(d *Destination, at string) map[string]string {
	to := map[string]string{}
	for name, s := range d.Secrets {
		to[name] = s.Value()
		if l.isWrong(child(child(at, "secrets"), name)) {
			to[name] = "unknown"
		}
	}
	return to
}

// checkMapping says what a destination's mapping asks for in vain, and what the two of them together can't promise.
func (l *loader) checkMapping(d *Destination, at string) {
	m := d.Compiled
	if m == nil {
		return
	}
	l.checkTokens(d, at)
	if doubles := m.Doubles(); len(doubles) > 0 && d.Ambiguous == "retry" {
		l.warnf(child(at, "ambiguous"), "after a lost answer %s of mapping %q is sent again, and can log the call twice; park leaves it to a person",
			inWords(doubles), d.Mapping)
	}
}

// inWords names steps: "step a", "the steps a and b".
func inWords(steps []string) string {
	if len(steps) == 1 {
		return "step " + steps[0]
	}
	return "each of the steps " + strings.Join(steps[:len(steps)-1], ", ") + " and " + steps[len(steps)-1]
}

// checkShadow warns of a file in mappings_dir that stands before a newer preset of its name.
func (l *loader) checkShadow(name, dir string) {
	preset, ok := mappings.Preset(name)
	if !ok {
		return
	}
	file, src, _ := l.mappingSource(name, dir, []string{name})
	own, older := version(file, src), version(name, preset)
	if own != "" && compareVersions(own, older) < 0 {
		l.add(place{file: file}, "", true, fmt.Sprintf(
			"version %s stands before the preset of this name, which has version %s (wrapup mappings show --preset %s)", own, older, name))
	}
}

// version gives the version of a mapping, "" if it has none or is wrong.
func version(file string, src []byte) string {
	m, _ := mappings.Compile(file, src, mappings.Options{Unbound: true})
	if m == nil {
		return ""
	}
	return m.Version()
}

// compareVersions compares 1.9 with 1.10 by their numbers; what is no number is compared as a text.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		n, errN := strconv.Atoi(x)
		m, errM := strconv.Atoi(y)
		if errN != nil || errM != nil {
			return strings.Compare(x, y)
		}
		return cmp.Compare(n, m)
	})
}

// ParamValue reads the value of a parameter as it is written in the file: 7 is a number, 0812 a text, [a, b] a list.
func ParamValue(text string) (any, error) {
	r := newReport("param")
	n, ok := r.parseYAML([]byte(text))
	if text == "null" {
		return nil, nil
	}
	if !ok || n == nil || n.Kind == yaml.MappingNode && !strings.HasPrefix(text, "{") {
		return text, nil
	}
	w := &walker{report: r}
	v := w.freeChild(n, "")
	if len(r.problems) > 0 {
		return nil, errors.New(r.problems[0].What)
	}
	return v, nil
}

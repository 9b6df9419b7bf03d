package mappings

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"wrapup/mappings/source"
)

// each is what every step inherits.
type each struct {
	method  string
	path    *template
	query   tree
	headers []header
	wrap    tree
	rate    Rate
	answers answers
}

// steps reads each, steps and update.
func (l *loader) steps(keys map[string]entry, root *yaml.Node, base *language) {
	var top []header
	lang := base.with(map[string]*typ{
		"changed": changedType(), "repeated": {kind: kindBool}, "saved": {kind: kindMap, fields: map[string]*typ{}},
	})
	lang.hints = maps.Clone(base.hints)
	delete(lang.hints, "saved")
	l.hintSaved(keys, lang)
	saved := lang.roots["saved"]
	l.language = lang
	if e, ok := keys["headers"]; ok {
		top = l.headers(e.value, e.path)
	}
	inherited := &each{}
	if e, ok := keys["each"]; ok {
		all := lang.with(map[string]*typ{"saved": {kind: kindMap, fields: l.allSaved(keys)}})
		l.language = all
		inherited = l.each(e)
		l.language = lang
	}
	inherited.headers = slices.Concat(top, inherited.headers)
	for _, name := range slices.Sorted(maps.Keys(l.opts.Headers)) {
		l.m.override = append(l.m.override, header{http.CanonicalHeaderKey(name), &template{path: "headers", parts: []part{{text: l.opts.Headers[name]}}}})
	}
	e, ok := keys["steps"]
	if !ok {
		l.problem(l.placeOf(root, ""), "steps: is missing: the requests that log a call")
		return
	}
	l.m.create = l.stepList(e, saved, inherited, nil)
	if len(e.value.Content) == 0 && e.value.Kind == yaml.SequenceNode {
		l.problem(l.placeOf(e.value, e.path), "steps needs at least one step")
	}
	if e, ok := keys["update"]; ok {
		l.m.update = l.stepList(e, saved, inherited, l.m.create)
	}
}

// changedType is the type of `changed`.
func changedType() *typ {
	t := &typ{kind: kindMap, fields: map[string]*typ{}}
	for name := range recordType().fields {
		t.fields[name] = &typ{kind: kindBool}
	}
	return t
}

// stepList reads steps or update. Earlier are the steps that an item may name instead of being one.
func (l *loader) stepList(e entry, saved *typ, inherited *each, earlier []*step) []*step {
	if !l.expect(e.value, e.path, yaml.SequenceNode) {
		return nil
	}
	if len(e.value.Content) > maxSteps {
		l.problem(l.placeOf(e.value, e.path), "there are more than %d steps", maxSteps)
		return nil
	}
	var list []*step
	for i, n := range e.value.Content {
		at := fmt.Sprintf("%s[%d]", e.path, i)
		if n.Kind == yaml.ScalarNode && e.name == "update" {
			if s := l.namedStep(n, at, earlier, list); s != nil {
				list = append(list, s)
			}
			continue
		}
		s := l.step(n, at, inherited)
		if s == nil {
			continue
		}
		all := slices.Concat(earlier, list)
		if slices.ContainsFunc(all, func(other *step) bool { return other.name == s.name && s.name != "" }) {
			l.problem(l.placeOf(n, at), "there is another step with the name %q", s.name)
		}
		list = append(list, s)
		if s.found != nil {
			saved.fields[s.name] = typeAny()
		}
		for _, v := range s.save {
			saved.fields[v.name] = typeAny()
		}
	}
	l.checkFinds(e, list)
	return list
}

// namedStep finds the step that an item of update names.
func (l *loader) namedStep(n *yaml.Node, path string, earlier, list []*step) *step {
	name, ok := l.text(n, path)
	if !ok {
		return nil
	}
	var names []string
	for _, s := range earlier {
		if s.name == name {
			if slices.Contains(list, s) {
				l.problem(l.placeOf(n, path), "the step %q is here twice", name)
			}
			return s
		}
		names = append(names, s.name)
	}
	l.problem(l.placeOf(n, path), "there is no step %q%s", name, source.Suggest(name, names))
	return nil
}

// checkFinds checks what finds names, and finds out what of it the lookup gives.
func (l *loader) checkFinds(e entry, list []*step) {
	for i, s := range list {
		if s.finds == "" {
			continue
		}
		var names []string
		var target *step
		for _, other := range list[i+1:] {
			names = append(names, other.name)
			if other.name == s.finds {
				target = other
			}
		}
		at := l.at(e.value, i, "finds")
		at.path = under("steps", s.name) + ".finds"
		if target == nil {
			l.problem(at, "there is no step %q after this one%s", s.finds, source.Suggest(s.finds, names))
			continue
		}
		var missing []string
		for _, v := range target.save {
			if !slices.ContainsFunc(s.save, func(own variable) bool { return own.name == v.name }) {
				missing = append(missing, v.name)
			}
		}
		switch len(missing) {
		case 0:
		case 1:
			s.findsAs = missing[0]
		default:
			l.problem(at, "the step %s saves several values (%s): this lookup must save them too, for if it finds the log, %s is not sent",
				target.name, strings.Join(missing, ", "), target.name)
		}
	}
}

// at gives the place of a key's value in an item of a list.
func (l *loader) at(list *yaml.Node, item int, key string) place {
	if item < len(list.Content) {
		n := list.Content[item]
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return l.placeOf(n.Content[i+1], "")
			}
		}
		return l.placeOf(n, "")
	}
	return place{}
}

// hintSaved notes which step saves what, so that an expression that comes too early is told so.
func (l *loader) hintSaved(keys map[string]entry, lang *language) {
	for name, step := range l.saves(keys) {
		lang.hints["saved."+name] = fmt.Sprintf("saved.%s is not there yet: the step %s saves it", name, step)
	}
}

// allSaved gives the names of all that steps save.
func (l *loader) allSaved(keys map[string]entry) map[string]*typ {
	all := map[string]*typ{}
	for name := range l.saves(keys) {
		all[name] = typeAny()
	}
	return all
}

// saves looks through steps and update for the names of what they save, and says which step does.
func (l *loader) saves(keys map[string]entry) map[string]string {
	names := map[string]string{}
	for _, list := range []string{"steps", "update"} {
		e, ok := keys[list]
		if !ok || e.value.Kind != yaml.SequenceNode {
			continue
		}
		for _, n := range e.value.Content {
			if n.Kind != yaml.MappingNode {
				continue
			}
			values := map[string]*yaml.Node{}
			for i := 0; i+1 < len(n.Content); i += 2 {
				values[n.Content[i].Value] = n.Content[i+1]
			}
			name := values["name"]
			if name == nil {
				continue
			}
			if values["found"] != nil {
				names[name.Value] = name.Value
			}
			if save := values["save"]; save != nil && save.Kind == yaml.MappingNode {
				for i := 0; i+1 < len(save.Content); i += 2 {
					names[save.Content[i].Value] = name.Value
				}
			}
		}
	}
	return names
}

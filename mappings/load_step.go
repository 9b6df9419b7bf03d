package mappings

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"wrapup/mappings/source"
)

// stepKeys are the keys of a step.
func stepKeys() []string {
	return []string{"name", "when", "for_each", "method", "path", "query", "headers", "rate", "body", "form", "text", "multipart",
		"found", "not_found", "finds", "lag", "save", "repeat", "answers"}
}

// eachKeys are the keys of each.
func eachKeys() []string {
	return []string{"method", "path", "query", "headers", "wrap", "answers", "rate"}
}

// each reads what every step inherits.
func (l *loader) each(e entry) *each {
	keys := l.known(e.value, e.path, eachKeys()...)
	to := &each{}
	if _, ok := keys["method"]; ok {
		to.method = l.method(keys, "")
	}
	if e, ok := keys["path"]; ok {
		to.path = l.path(e)
	}
	if e, ok := keys["query"]; ok && l.expect(e.value, e.path, yaml.MappingNode) {
		l.literalSecrets(e.value, e.path)
		to.query = l.tree(e.value, e.path)
	}
	if e, ok := keys["headers"]; ok {
		to.headers = l.headers(e.value, e.path)
	}
	if e, ok := keys["rate"]; ok {
		to.rate = l.rate(e)
	}
	if e, ok := keys["wrap"]; ok {
		before := len(l.problems)
		l.seeing(map[string]*typ{"body": typeAny()}, func() { to.wrap = l.tree(e.value, e.path) })
		used := slices.ContainsFunc(templatesIn(to.wrap), func(t *template) bool { return t.asks(func(u uses) bool { return u.wrapped }) })
		if len(l.problems) == before && !used {
			l.problem(l.placeOf(e.value, e.path), `each.wrap has no place for the steps' bodies, so all requests would be the same: put "${body}" where they belong`)
		}
	}
	if e, ok := keys["answers"]; ok {
		l.seeing(map[string]*typ{"response": responseType()}, func() { to.answers = l.answers(e, answers{}) })
	}
	return to
}

// step reads one step; nil if it is none.
func (l *loader) step(n *yaml.Node, path string, inherited *each) *step {
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
	keys := l.known(n, path, stepKeys()...)
	l.stepName(s, keys, n, path)
	before := l.language
	defer func() { l.language = before }()
	if e, ok := keys["when"]; ok {
		s.when = l.condition(e.value, e.path)
	}
	if e, ok := keys["for_each"]; ok {
		l.forEach(s, e)
	}
	l.requestOf(s, keys, inherited)
	l.seeing(map[string]*typ{"response": responseType()}, func() {
		if e, ok := keys["found"]; ok {
			s.found = l.found(e, keys)
		}
		l.answersOf(s, keys, inherited)
	})
	l.lookup(s, keys)
	s.repeat = Repeat{Safe: s.method != http.MethodPost || s.found != nil}
	if e, ok := keys["repeat"]; ok {
		s.repeat = l.repeat(e)
	}
	s.settle()
	return s
}

// found reads what makes a step a lookup: one expression that looks at the answer. A text would always be found, and what
// doesn't look at the answer would be the same whatever the CRM says.
func (l *loader) found(e entry, keys map[string]entry) *template {
	before := len(l.problems)
	t := l.template(e.value, e.path)
	if t == nil {
		return nil
	}
	at := l.placeOf(e.value, e.path)
	example := "response.body.items[0].id"
	word, literal := t.literal()
	if e, complaints := l.language.compile(word); literal && len(complaints) == 0 && e.uses.response {
		example = word
	}
	_, finds := keys["finds"]
	body, text := t.uses()
	switch {
	case t.single() == nil:
		l.problems = l.problems[:before] // it may have been warned of: a forgotten ${ }
		l.problem(at, `found is one expression that looks at the answer: write "${%s}"`, example)
	case !t.readsResponse():
		l.problem(at, "found has to look at the answer, as in ${%s}: this is the same whatever the answer is", example)
	case finds && text && !body:
		l.problem(at, "a lookup with finds reads response.body: any page, such as that of an error, is a response.text too, and would say that the log isn't there")
	}
	return t
}

// forEach reads the items that a step tries.
func (l *loader) forEach(s *step, e entry) {
	s.forEach = l.template(e.value, e.path)
	item := typeAny()
	if s.forEach != nil {
		switch x := s.forEach.single(); {
		case x == nil:
			l.problem(l.placeOf(e.value, e.path), `for_each is one expression that gives a list: write "${…}"`)
		case !x.typ.could(kindList):
			l.problem(l.placeOf(e.value, e.path), "for_each needs a list, and %s is a %s", x.code, x.typ.kind)
		default:
			item = x.typ.item()
		}
	}
	l.language = l.language.with(map[string]*typ{"item": item})
}

func (l *loader) stepName(s *step, keys map[string]entry, n *yaml.Node, path string) {
	e, ok := keys["name"]
	if !ok {
		l.problem(l.placeOf(n, path), "name: is missing: each step needs one")
		return
	}
	name, ok := l.text(e.value, e.path)
	if ok && !identifier(name) {
		what := "a step's name is made of letters, digits and _"
		if identifier("_"+name) && name != "" {
			what = fmt.Sprintf("a step's name begins with a letter or _: else saved.%s could not be asked for", name)
		}
		l.problem(l.placeOf(e.value, e.path), "%s", what)
	}
	if name == sessionStep {
		l.problem(l.placeOf(e.value, e.path), "%q is the name of the login", name)
	}
	s.name = name
}

// lookup reads what makes a step a lookup.
func (l *loader) lookup(s *step, keys map[string]entry) {
	s.notFound.then = thenContinue
	for _, name := range []string{"not_found", "finds"} {
		if e, ok := keys[name]; ok && s.found == nil {
			if _, written := keys["found"]; !written {
				l.problem(l.placeOf(e.key, e.path), "%s has a meaning only with found", name)
			}
		}
	}
	if e, ok := keys["not_found"]; ok {
		if e.value.Kind == yaml.MappingNode {
			s.notFound.hold, s.notFound.then = l.holdThen(e, thenContinue, thenSkip, thenDead)
		} else if word, ok := l.text(e.value, e.path); ok {
			if s.notFound.then = word; !slices.Contains([]string{thenContinue, thenSkip}, word) {
				l.problem(l.placeOf(e.value, e.path), "not_found is continue, skip_call or {hold: 24h, then: continue}, not %q%s", word,
					source.Suggest(word, []string{thenContinue, thenSkip}))
			}
		}
	}
	if e, ok := keys["finds"]; ok {
		s.finds, _ = l.text(e.value, e.path)
		if not, ok := keys["not_found"]; ok {
			l.problem(l.placeOf(not.key, not.path), "a lookup with finds has no not_found: if it finds nothing, %s is sent", s.finds)
		}
	}
	if e, ok := keys["lag"]; ok {
		if s.lag = l.duration(e); s.finds == "" {
			l.problem(l.placeOf(e.key, e.path), "lag has a meaning only with finds")
		}
	}
}

// holdThen reads {hold: 24h, then: WORD}.
func (l *loader) holdThen(e entry, words ...string) (hold time.Duration, then string) {
	keys := l.known(e.value, e.path, "hold", "then")
	then = words[0]
	if h, ok := keys["hold"]; ok {
		hold = l.duration(h)
	}
	t, ok := keys["then"]
	if !ok {
		l.problem(l.placeOf(e.value, e.path), "then: is missing: one of %s", strings.Join(words, ", "))
		return hold, then
	}
	if then, ok = l.text(t.value, t.path); ok && !slices.Contains(words, then) {
		l.problem(l.placeOf(t.value, t.path), "then is one of %s, not %q%s", strings.Join(words, ", "), then, source.Suggest(then, words))
	}
	return hold, then
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

// settle notes what can't be said about an answer to the step without its body.
func (s *step) settle() {
	keeps := []*template{s.found, s.answers.success}
	verdicts := []*template{s.answers.reauth, s.answers.duplicate, s.answers.permanent}
	for _, r := range s.answers.retry {
		verdicts = append(verdicts, r.when)
	}
	for _, v := range s.save {
		keeps = append(keeps, templatesIn(v.value)...)
	}
	for _, t := range keeps {
		body, text := t.uses()
		s.keeps, s.readsText = s.keeps || body, s.readsText || text
	}
	s.reads = s.keeps
	for _, t := range verdicts {
		body, text := t.uses()
		s.reads, s.readsText = s.reads || body, s.readsText || text
	}
}

// templatesIn gives the templates of a value.
func templatesIn(t tree) []*template {
	switch t := t.(type) {
	case templateTree:
		return []*template{t.template}
	case *mapTree:
		list := []*template{t.only}
		for _, of := range t.of {
			list = append(list, templatesIn(of)...)
		}
		return list
	case listTree:
		var list []*template
		for _, item := range t.items {
			list = append(list, templatesIn(item)...)
		}
		return list
	}
	return nil
}

package mappings

import (
	"fmt"
	"net/url"
	"slices"

	yaml "go.yaml.in/yaml/v4"
)

// maxSteps bounds the steps of a mapping.
const maxSteps = 50

// topKeys are the keys of a mapping.
func topKeys() []string {
	return []string{"description", "version", "about", "when", "wait", "skip_older_than", "brake", "url", "rate", "headers", "auth",
		"session", "params", "secrets", "tables", "vars", "each", "steps", "update"}
}

// mapping reads the top level.
func (l *loader) mapping(root *yaml.Node) {
	keys := l.known(root, "", topKeys()...)
	if e, ok := keys["description"]; ok {
		l.text(e.value, e.path)
	}
	if e, ok := keys["version"]; ok {
		l.m.version, _ = l.text(e.value, e.path)
	}
	if e, ok := keys["about"]; ok {
		l.about(e)
	}
	l.limits(keys)
	base := l.base(keys)
	l.language = base
	if e, ok := keys["when"]; ok {
		if when := l.condition(e.value, e.path); when != nil {
			l.m.when = append(l.m.when, condition{when, "the mapping's condition"})
		}
	}
	if when := l.destinationWhen(); when != nil {
		l.m.when = append(l.m.when, condition{when, "the destination's condition"})
	}
	l.steps(keys, root, base)
	l.checkTableKeys()
}

// limits reads the times and rates of the top level.
func (l *loader) limits(keys map[string]entry) {
	if e, ok := keys["wait"]; ok {
		l.m.wait = l.duration(e)
	}
	if e, ok := keys["skip_older_than"]; ok {
		l.m.skipOlderThan = l.duration(e)
	}
	if e, ok := keys["brake"]; ok {
		l.m.brake = l.rate(e)
	}
	if e, ok := keys["rate"]; ok {
		l.m.rate = l.rate(e)
	}
	if w, ok := keys["wait"]; ok && l.m.skipOlderThan > 0 && l.m.wait >= l.m.skipOlderThan {
		l.problem(l.placeOf(w.value, w.path), "no call would be sent: once it has been held for %s it is older than skip_older_than (%s)",
			w.value.Value, keys["skip_older_than"].value.Value)
	}
	if l.opts.Rate != (Rate{}) {
		l.m.rate = l.opts.Rate
	}
	if l.opts.Brake != (Rate{}) {
		l.m.brake = l.opts.Brake
	}
}

// base reads what all places of the mapping see, and gives the language of those outside of the steps.
func (l *loader) base(keys map[string]entry) *language {
	params, paramsType := l.params(keys)
	secrets, secretsType := l.secrets(keys)
	l.m.params, l.m.secrets = params, secrets
	lang := newLanguage(l.grammar, map[string]*typ{"params": paramsType, "secrets": secretsType}, map[string]any{"params": params})
	lang.unbound = l.opts.Unbound
	lang.hints = map[string]string{
		"response": "response is only seen in answers, save and found",
		"item":     "item is only seen in a step with for_each",
		"body":     "body is only seen in each.wrap; an answer's body is response.body",
		"saved":    "saved is only seen in steps",
		"changed":  "changed is only seen in steps",
		"repeated": "repeated is only seen in steps",
		"auth":     "auth is not there: this mapping has no auth.oauth2",
		"session":  "session is not there: this mapping has no session",
		"call":     "call is not seen here: this is the same for all calls",
		"tables":   "tables is not there: this mapping has none",
		"vars":     "vars is not there: this mapping has none",
	}
	l.language = lang
	shared := map[string]*typ{}
	if e, ok := keys["auth"]; ok {
		l.auth(e)
	}
	l.destinationAuth()
	if l.m.oauth2 != nil {
		shared["auth"] = &typ{kind: kindMap}
	}
	l.language = lang.with(shared)
	l.url(keys)
	if e, ok := keys["session"]; ok {
		shared["session"] = l.session(e)
	}
	base := lang.with(shared)
	base.roots["call"] = recordType()
	l.language = base
	if e, ok := keys["tables"]; ok {
		base.roots["tables"] = l.readTables(e)
	}
	if e, ok := keys["vars"]; ok {
		l.readVars(e, base)
	}
	return base
}

// maxWeight bounds how often vars may name each other, counted through: else a few lines make a text that fills the
// memory.
const maxWeight = 1000

// readVars reads vars. Each sees those above it.
func (l *loader) readVars(e entry, base *language) {
	seen := &typ{kind: kindMap, fields: map[string]*typ{}}
	all := l.entries(e.value, e.path)
	for _, v := range all {
		base.hints["vars."+v.name] = fmt.Sprintf("vars.%s stands further down: vars see those above them", v.name)
	}
	base.hints["vars"] = "vars see those above them, and there are none above this one"
	var weights []int
	for _, v := range all {
		l.vars = map[int]int{}
		t := l.tree(v.value, v.path)
		weight := 1
		for i, n := range l.vars {
			weight += min(n*weights[i], maxWeight)
		}
		if weight > maxWeight {
			l.problem(l.placeOf(v.key, v.path), "these vars repeat each other so often that the text could grow without end")
		}
		weights = append(weights, weight)
		l.m.vars = append(l.m.vars, variable{v.name, t})
		seen.fields[v.name] = typeOfTree(t)
		seen.only = append(seen.only, v.name)
		base.roots["vars"] = seen
	}
	l.vars = map[int]int{}
}

// typeOfTree gives the type of what a value of any shape becomes.
func typeOfTree(t tree) *typ {
	switch t := t.(type) {
	case literalTree:
		return typeOf(t.value)
	case templateTree:
		if e := t.single(); e != nil {
			return e.typ
		}
		return &typ{kind: kindText}
	case *mapTree:
		fields := make(map[string]*typ, len(t.keys))
		for i, key := range t.keys {
			fields[key] = typeOfTree(t.of[i])
		}
		return &typ{kind: kindMap, fields: fields}
	case listTree:
		return &typ{kind: kindList}
	}
	return typeAny()
}

// url settles where requests go: the destination's url, else the mapping's.
func (l *loader) url(keys map[string]entry) {
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
	// A token_path is added to the destination's url; where the token answer then says where the API is, that holds.
	told := own.asks(func(u uses) bool { return u.auth }) && l.m.oauth2 != nil && l.m.oauth2.TokenPath != ""
	if told && l.opts.URL == "" && !l.opts.Unbound {
		l.problem(l.placeOf(e.value, e.path), "the destination must give its url: auth.oauth2.token_path is added to it")
	}
	switch {
	case told:
		l.m.url = own
	case l.opts.URL != "":
		if err := checkURL(l.opts.URL); err != nil {
			l.problem(place{}, "the destination's url: %s", err)
		}
		l.m.url = &template{path: "url", parts: []part{{text: l.opts.URL}}}
	case own != nil:
		l.m.url = own
	case !l.opts.Unbound:
		l.problem(place{line: 1, column: 1}, "no url: give one here or with the destination")
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

// destinationWhen compiles the destination's condition. Its problems lie in the destination's file.
func (l *loader) destinationWhen() *template {
	if l.opts.When == "" {
		return nil
	}
	inner := &loader{file: l.opts.WhenAt.File, language: l.language, vars: map[int]int{}}
	at := place{line: l.opts.WhenAt.Line, column: l.opts.WhenAt.Column, path: l.opts.WhenAt.Path}
	t := inner.templateText(l.opts.When, at, false)
	if t != nil {
		t = inner.conditionTemplate(t, at)
	}
	for i := range inner.problems {
		inner.problems[i].Text = l.opts.WhenAt.Text
	}
	l.problems = slices.Concat(l.problems, inner.problems)
	return t
}

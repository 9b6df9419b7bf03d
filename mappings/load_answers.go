package mappings

import (
	yaml "go.yaml.in/yaml/v4"
)

// answerKeys are the keys of answers, in the order in which they are judged.
func answerKeys() []string {
	return []string{"reauth", "duplicate", "retry", "permanent", "success", "warn", "error"}
}

// answersOf reads a step's answers and save.
func (l *loader) answersOf(s *step, keys map[string]entry, inherited *each) {
	if inherited != nil {
		s.answers = inherited.answers
	}
	if e, ok := keys["answers"]; ok {
		s.answers = l.answers(e, s.answers)
	}
	if e, ok := keys["save"]; ok {
		before := l.language
		l.language = before.storing()
		defer func() { l.language = before }()
		for _, v := range l.entries(e.value, e.path) {
			if !identifier(v.name) {
				l.problem(l.placeOf(v.key, v.path), "the name of a saved value is made of letters, digits and _")
				continue
			}
			s.save = append(s.save, variable{v.name, l.tree(v.value, v.path)})
		}
	}
}

// identifier says whether s can be written behind a dot in an expression.
func identifier(s string) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// answers reads what answers mean, over what is inherited. A null takes away what is inherited.
func (l *loader) answers(e entry, inherited answers) answers {
	to := inherited
	for name, a := range l.known(e.value, e.path, answerKeys()...) {
		none := a.value.Kind == yaml.ScalarNode && a.value.ShortTag() == "!!null"
		read := func(into **template) {
			if *into = nil; !none {
				*into = l.condition(a.value, a.path)
			}
		}
		sentence := func(into **template) {
			if *into = nil; !none {
				*into = l.template(a.value, a.path)
			}
		}
		switch name {
		case "reauth":
			read(&to.reauth)
		case "duplicate":
			read(&to.duplicate)
		case "permanent":
			read(&to.permanent)
		case "success":
			read(&to.success)
		case "warn":
			sentence(&to.warn)
		case "error":
			sentence(&to.err)
		case "retry":
			if to.retry = nil; !none {
				to.retry = l.retry(a)
			}
		}
	}
	return to
}

// retry reads an expression, or one or more {if: EXPR, after: TIME}.
func (l *loader) retry(e entry) []retryRule {
	switch e.value.Kind {
	case yaml.SequenceNode:
		var rules []retryRule
		for _, n := range e.value.Content {
			if r, ok := l.retryRule(n, e.path); ok {
				rules = append(rules, r)
			}
		}
		return rules
	case yaml.MappingNode:
		if r, ok := l.retryRule(e.value, e.path); ok {
			return []retryRule{r}
		}
		return nil
	}
	if when := l.condition(e.value, e.path); when != nil {
		return []retryRule{{when: when}}
	}
	return nil
}

func (l *loader) retryRule(n *yaml.Node, path string) (retryRule, bool) {
	keys := l.known(n, path, "if", "after")
	when, ok := keys["if"]
	if !ok {
		if n.Kind == yaml.MappingNode {
			l.problem(l.placeOf(n, path), "if: is missing: the condition of this retry")
		}
		return retryRule{}, false
	}
	r := retryRule{when: l.condition(when.value, when.path)}
	if after, ok := keys["after"]; ok {
		r.after = l.template(after.value, after.path)
		if r.after != nil {
			if s, literal := r.after.literal(); literal {
				if d, is := duration(s); !is || d <= 0 {
					l.problem(l.placeOf(after.value, after.path), "after is a time such as 30s or 1h, not %q", s)
				}
			}
		}
	}
	return r, r.when != nil
}

package mappings

import "strings"

// forgotten warns of a text that is an expression without its ${ }, or with the marks of another language.
func (l *loader) forgotten(s string, at place) {
	if l.language == nil { // params come before all that expressions can see
		return
	}
	for _, marks := range [][2]string{{"", ""}, {"$(", ")"}, {"{{", "}}"}, {"{", "}"}, {"$", ""}} {
		before, rest, begun := strings.Cut(s, marks[0])
		inner, after, ended := strings.Cut(rest, marks[1])
		switch marks {
		case [2]string{"", ""}:
			inner, after = s, ""
		case [2]string{"$", ""}:
			inner, ended = rest[:wordsEnd(rest)], begun
			after = rest[len(inner):]
		}
		code := strings.TrimSpace(inner)
		if !begun || !ended || !l.means(code, marks[0] != "") {
			continue
		}
		what := "field"
		if strings.ContainsAny(code, "([ ") {
			what = "value"
		}
		if before == "" && after == "" {
			l.warn(at, "this is the text %q, not the %s: write \"${%s}\"", s, what, code)
		} else {
			l.warn(at, "%s%s%s is a text here, not the %s: write ${%s}", marks[0], code, marks[1], what, code)
		}
		return
	}
}

// wordsEnd is where names with dots between them end.
func wordsEnd(s string) int {
	i := strings.IndexFunc(s, func(r rune) bool { return r != '.' && !letterOrDigit(r) })
	if i < 0 {
		i = len(s)
	}
	return len(strings.TrimRight(s[:i], "."))
}

func letterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// means says whether a text would be an expression that asks for a field of something. Marked says that it stands in the
// marks of another language; without, what follows a name of which anything can be asked proves nothing.
func (l *loader) means(code string, marked bool) bool {
	asks := false
	for root, t := range l.language.roots {
		asks = asks || (marked || t.fields != nil) && asked(code, root)
	}
	if !asks {
		return false
	}
	if l.m != nil { // tables take note of what they are asked for, and here they aren't asked
		for _, t := range l.m.tables {
			before := *t.typ
			defer func() { *t.typ = before }()
		}
	}
	_, complaints := l.language.compile(code)
	return len(complaints) == 0
}

// asked says whether a text asks for something of the name: name.x or name[x].
func asked(code, name string) bool {
	for rest, begin := code, true; ; begin = false {
		before, after, found := strings.Cut(rest, name)
		if !found {
			return false
		}
		whole := before == "" && begin || before != "" && !letterOrDigit(rune(before[len(before)-1])) && before[len(before)-1] != '.'
		if whole && (strings.HasPrefix(after, ".") || strings.HasPrefix(after, "[")) {
			return true
		}
		rest = after
	}
}

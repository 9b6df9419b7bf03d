package mappings

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// template reads a scalar that may hold expressions; nil if it can't be read.
func (l *loader) template(n *yaml.Node, path string) *template {
	if !l.expect(n, path, yaml.ScalarNode) {
		return nil
	}
	return l.templateText(n.Value, l.placeOf(n, path), plainStyle(n))
}

func plainStyle(n *yaml.Node) bool {
	return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// templateText compiles the text of a scalar. Bare says that it stands in the file without quotes.
func (l *loader) templateText(s string, at place, bare bool) *template {
	pieces, unclosed := split(s)
	if unclosed >= 0 {
		if column, what := misread(l.line(at.line)); bare && what != "" {
			at.column = column
			l.problem(at, "%s", what)
		} else {
			l.problem(at.inside(unclosed), "${ is not closed: the } is missing")
		}
		return nil
	}
	if first, _ := utf8.DecodeRuneInString(s); bare && strings.ContainsRune(curly, first) && strings.Contains(s, "${") {
		l.problem(at, "“ and ” would be part of the text: write straight quotes \" around it")
		return nil
	}
	t := &template{path: at.path}
	ok := true
	for _, piece := range pieces {
		if !piece.code {
			t.parts = append(t.parts, part{text: piece.text})
			t.size += len(piece.text)
			continue
		}
		e, complaints := l.language.compile(piece.text)
		for _, c := range complaints {
			l.problem(l.within(at, piece, c.at), "%s", c.what)
			ok = false
		}
		if e != nil && len(pieces) > 1 && (e.typ.kind == kindList || e.typ.kind == kindMap) {
			l.problem(at.inside(piece.at), "a %s can't stand in a text: use join or json", e.typ.kind)
			ok = false
		}
		if e != nil {
			for i, n := range e.uses.vars {
				l.vars[i] += n
			}
			if l.m != nil { // the condition of a destination is nobody's request
				l.m.placesToken = l.m.placesToken || e.uses.token
			}
		}
		t.parts = append(t.parts, part{expr: e})
		t.size += 16
	}
	if !ok {
		return nil
	}
	if s, isText := t.literal(); isText {
		l.forgotten(s, at)
	}
	return t
}

// within is the place of one character of an expression. In a scalar of several lines the expression is looked for.
func (l *loader) within(at place, p piece, char int) place {
	if at.columns != nil {
		return at.inside(p.at + byteOffset(p.text, char))
	}
	for i := at.line - 1; i >= 0 && i < min(len(l.lines), at.line+100); i++ {
		if before, _, ok := strings.Cut(l.lines[i], "${"+p.text+"}"); ok {
			at.line, at.column = i+1, utf8.RuneCountInString(before)+len("${")+char+1
			break
		}
	}
	return at
}

// byteOffset turns an offset in characters into one in bytes.
func byteOffset(s string, runes int) int {
	for i := range s {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(s)
}

// condition reads a value that is exactly one expression, of which true or false comes out; nil if it isn't.
func (l *loader) condition(n *yaml.Node, path string) *template {
	before := len(l.problems)
	t := l.template(n, path)
	if t == nil {
		return nil
	}
	if s, literal := t.literal(); literal && l.means(s, false) {
		l.problems = l.problems[:before] // the warning says the same
		l.problem(l.placeOf(n, path), `a condition is one expression: write "${%s}"`, s)
		return nil
	}
	return l.conditionTemplate(t, l.placeOf(n, path))
}

func (l *loader) conditionTemplate(t *template, at place) *template {
	e := t.single()
	if e == nil {
		l.problem(at, `a condition is one expression: write "${…}"`)
		return nil
	}
	if !e.typ.could(kindBool) {
		l.problem(at, "%s is a %s: a condition needs true or false, compare it with something", e.code, e.typ.kind)
		return nil
	}
	return t
}

// text reads a value that has to be a text without expressions.
func (l *loader) text(n *yaml.Node, path string) (string, bool) {
	if !l.expect(n, path, yaml.ScalarNode) {
		return "", false
	}
	if strings.Contains(n.Value, "${") {
		l.problem(l.placeOf(n, path), "an expression can't stand here")
		return "", false
	}
	return n.Value, true
}

// maxDepth bounds how deeply values may be nested.
const maxDepth = 100

// tree reads a value of any shape.
func (l *loader) tree(n *yaml.Node, path string) tree {
	if !l.simple(n, path) {
		return newLiteral(nil)
	}
	if strings.Count(path, ".")+strings.Count(path, "[") > maxDepth {
		l.problem(l.placeOf(n, path), "this is nested too deeply")
		return newLiteral(nil)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return l.mapTree(n, path)
	case yaml.SequenceNode:
		list := listTree{}
		for i, item := range n.Content {
			list.items = append(list.items, l.tree(item, fmt.Sprintf("%s[%d]", path, i)))
		}
		return list
	}
	if value, ok := scalar(n); ok {
		return newLiteral(value)
	}
	t := l.template(n, path)
	if t == nil {
		return newLiteral(nil)
	}
	if s, ok := t.literal(); ok {
		return newLiteral(s)
	}
	return templateTree{t}
}

func (l *loader) mapTree(n *yaml.Node, path string) tree {
	m := &mapTree{}
	if l.lostDollar(n) {
		l.problem(l.placeOf(n, path), `an expression begins with ${ and stands in double quotes: "${…}"`)
		return m
	}
	for _, e := range l.entries(n, path) {
		if e.name == "$if" {
			m.only = l.condition(e.value, e.path)
			continue
		}
		if meantIf(e.name) {
			l.problem(l.placeOf(e.key, e.path), "unknown key %q (did you mean \"$if\"?)", e.name)
			continue
		}
		m.add(e.name, l.tree(e.value, e.path))
	}
	return m
}

// meantIf recognises a $if that is misspelt, or called by another name. Other keys that begin with $ are the API's own.
func meantIf(key string) bool {
	key = strings.ToLower(key)
	return strings.HasPrefix(key, "$if") || slices.Contains([]string{"$fi", "$when", "$unless", "$else", "$elif"}, key)
}

// lostDollar recognises what YAML makes of an expression in braces without quotes whose $ was forgotten.
func (l *loader) lostDollar(n *yaml.Node) bool {
	if n.Style&yaml.FlowStyle == 0 || len(n.Content) != 2 || n.Content[0].Kind != yaml.ScalarNode {
		return false
	}
	root, _, _ := strings.Cut(n.Content[0].Value, ".")
	_, ok := l.language.roots[root]
	return ok && n.Content[1].ShortTag() == "!!null"
}

// scalar gives a literal that is no text: null, true, false or a number with all its digits.
func scalar(n *yaml.Node) (any, bool) {
	if !plainStyle(n) {
		return nil, false
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, true
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	case "!!int", "!!float":
		return numeral(n.Value)
	}
	return nil, false
}

// numeral gives a number as JSON writes it. Digits behind a 0, as in a phone number, are a text and stay as written.
func numeral(s string) (any, bool) {
	if json.Valid([]byte(s)) {
		return json.Number(s), true
	}
	plain := strings.ReplaceAll(s, "_", "")
	if unsigned := strings.TrimLeft(plain, "+-"); len(unsigned) > 1 && unsigned[0] == '0' && unsigned[1] >= '0' && unsigned[1] <= '9' {
		return nil, false
	}
	if i, ok := new(big.Int).SetString(plain, 0); ok {
		return json.Number(i.String()), true
	}
	if f, err := strconv.ParseFloat(plain, 64); err == nil {
		if d, err := decimal(f); err == nil {
			return json.Number(d), true
		}
	}
	return nil, false
}

package mappings

import (
	"errors"
	"strings"
)

// template is a scalar of a mapping: text, an expression, or both mixed.
type template struct {
	parts []part
	// path is where it stands in the mapping, for messages.
	path string
	// size is about how long its text gets.
	size int
}

// part is text, or an expression.
type part struct {
	text string
	expr *expression
}

// single gives the expression that a template consists of alone, else nil.
func (t *template) single() *expression {
	if len(t.parts) == 1 {
		return t.parts[0].expr
	}
	return nil
}

// literal gives the text of a template without expressions.
func (t *template) literal() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].expr == nil:
		return t.parts[0].text, true
	}
	return "", false
}

// uses says whether the template reads the answer's body, as JSON or as text. A template that isn't there reads nothing.
func (t *template) uses() (body, text bool) {
	if t == nil {
		return false, false
	}
	for _, p := range t.parts {
		if p.expr != nil {
			body, text = body || p.expr.uses.body, text || p.expr.uses.text
		}
	}
	return body, text
}

// readsResponse says that the template reads anything of the answer.
func (t *template) readsResponse() bool {
	return t.asks(func(u uses) bool { return u.response })
}

// value renders the template: exactly one expression keeps its type, anything else is text.
func (t *template) value(s *scope) (any, error) {
	if e := t.single(); e != nil {
		v, err := e.run(s)
		if err != nil {
			return nil, t.fail(err)
		}
		return v, nil
	}
	return t.text(s, asItIs)
}

// filter is what an expression's text passes through on its way into a template's. It is told whether it is null.
type filter func(s string, null bool) (string, error)

func asItIs(s string, _ bool) (string, error) { return s, nil }

// text renders the template as text.
func (t *template) text(s *scope, through filter) (string, error) {
	if len(t.parts) == 1 && t.parts[0].expr == nil {
		return t.parts[0].text, nil
	}
	var b strings.Builder
	b.Grow(t.size)
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		word, null, err := p.expr.text(s)
		if err != nil {
			return "", t.fail(err)
		}
		word, err = through(word, null)
		if err == nil && b.Len()+len(word) > maxTextBytes {
			err = errText
		}
		if err != nil {
			return "", t.fail(errors.New(p.expr.code + " " + err.Error()))
		}
		b.WriteString(word)
	}
	return b.String(), nil
}

// textOrNull renders the template as text and says whether it is null: all its expressions are, and it has some.
func (t *template) textOrNull(s *scope) (string, bool, error) {
	some, null := false, true
	got, err := t.text(s, func(word string, isNull bool) (string, error) {
		some, null = true, null && isNull
		return word, nil
	})
	return got, some && null, err
}

// fail notes where in the mapping rendering failed.
func (t *template) fail(err error) error { return &RenderError{Field: t.path, Err: err} }

// condition evaluates a template that decides something; null is false.
func (t *template) condition(s *scope) (bool, error) {
	v, err := t.value(s)
	if err != nil {
		return false, err
	}
	holds, err := truth(v)
	if err != nil {
		return false, t.fail(err)
	}
	return holds, nil
}

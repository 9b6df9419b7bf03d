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

// value renders the template: exactly one expression keeps its type, anything else is text.
func (t *template) value(env environment) (any, error) {
	if e := t.single(); e != nil {
		v, err := e.run(env)
		if err != nil {
			return nil, t.fail(err)
		}
		return v, nil
	}
	return t.text(env, func(s string, _ bool) (string, error) { return s, nil })
}

// text renders the template as text, with each expression's text passed through the filter. The filter is told
// whether the value is null.
func (t *template) text(env environment, filter func(s string, null bool) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.expr.run(env)
		if err != nil {
			return "", t.fail(err)
		}
		s, err := text(v)
		if err == nil {
			s, err = filter(s, v == nil)
		}
		if err != nil {
			return "", t.fail(errors.New(p.expr.code + " " + err.Error()))
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// fail notes where in the mapping rendering failed.
func (t *template) fail(err error) error { return &RenderError{Field: t.path, Err: err} }

// condition evaluates a template that decides something; null is false.
func (t *template) condition(env environment) (bool, error) {
	v, err := t.value(env)
	if err != nil {
		return false, err
	}
	holds, err := truth(v)
	if err != nil {
		return false, t.fail(err)
	}
	return holds, nil
}

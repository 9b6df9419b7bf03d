package mappings

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"wrapup/connector"
)

// scope is what expressions see while one request is rendered or one answer is judged.
type scope struct {
	m      *Mapping
	record *connector.Record
	// sent is the revision that was last sent, nil if none was.
	sent                 *connector.Record
	held                 map[string]time.Duration
	saved, auth, session root
	response             *response
	item, body           any
	repeated             bool
	// vars holds the values of vars that were asked for.
	vars []*any
	// proving says that a lookup is to prove whether a step was done: then what makes its result worth nothing is noted.
	proving bool
	// lacking says what an expression asked of the answer first that wasn't there, "" if all was. A null that the answer
	// gives, or an empty list, is an answer; a field that isn't there says nothing. Doubt is what ?? doesn't provide for.
	lacking, doubt string
	// spent is how many bytes of text and lists were made so far.
	spent int
	// args is the stack of arguments; room is where it begins.
	args []any
	room [8]any
}

// root is a map from outside that is turned into an object when an expression asks for it.
type root struct {
	from  map[string]any
	value any
}

func (r *root) get() (any, error) {
	if r.value == nil && r.from != nil {
		var err error
		if r.value, err = normal(r.from); err != nil {
			return nil, err
		}
	}
	return r.value, nil
}

func (m *Mapping) scope(c Call) *scope {
	s := &scope{
		m: m, record: c.Record, sent: c.Sent, held: c.Held, repeated: c.Repeated,
		saved: root{from: c.Progress.Saved}, auth: root{from: c.Auth}, session: root{from: c.Session},
	}
	s.args = s.room[:0]
	return s
}

// maxSpent bounds what the expressions of one request or one answer make of what they are given, taken together.
const maxSpent = 16 << 20

var errSpent = errors.New("the expressions make too much of a large text or list")

// spend takes note of a value that a function made.
func (s *scope) spend(v any, err error) (any, error) {
	switch made := v.(type) {
	case string:
		s.spent += len(made)
	case []any:
		s.spent += 16 * len(made)
	}
	if s.spent > maxSpent {
		return nil, errSpent
	}
	return v, err
}

// rootOf gives the value of a name that expressions begin with, nil if there is no such name.
func rootOf(name string) eval {
	switch name {
	case "call":
		return func(s *scope) (any, error) { return recordObject(s.record), nil }
	case "params":
		return func(s *scope) (any, error) { return s.m.params, nil }
	case "secrets":
		return func(s *scope) (any, error) { return s.m.secrets, nil }
	case "saved":
		return func(s *scope) (any, error) { return s.saved.get() }
	case "auth":
		return func(s *scope) (any, error) { return s.auth.get() }
	case "session":
		return func(s *scope) (any, error) { return s.session.get() }
	case "response":
		return func(s *scope) (any, error) {
			if s.response == nil {
				return nil, nil
			}
			return s.response, nil
		}
	case "item":
		return func(s *scope) (any, error) { return s.item, nil }
	case "body":
		return func(s *scope) (any, error) { return s.body, nil }
	case "repeated":
		return func(s *scope) (any, error) { return s.repeated, nil }
	}
	return nil
}

// variable gives a value of vars, which is computed once.
func (s *scope) variable(i int) (any, error) {
	if s.vars == nil {
		s.vars = make([]*any, len(s.m.vars))
	}
	if s.vars[i] == nil {
		v, err := s.m.vars[i].value.render(s)
		if err != nil {
			return nil, err
		}
		if v == any(absent{}) {
			v = nil
		}
		s.vars[i] = &v
	}
	return *s.vars[i], nil
}

// changed says whether a field differs from what was last sent; at creation, whether it is known.
func (s *scope) changed(f *recordField) (any, error) {
	now, err := f.of(s.record)
	if err != nil || s.sent == nil {
		return now != nil, err
	}
	before, err := f.of(s.sent)
	return !reflect.DeepEqual(now, before), err
}

// heldError says that a table doesn't know a key yet, and that the call waits for it.
type heldError struct {
	table, key string
	left       time.Duration
	then       string
}

// Error says what is waited for.
func (e *heldError) Error() string {
	return fmt.Sprintf("%q is not in tables.%s yet", e.key, e.table)
}

// heldOn is the Hold.On of a table.
func heldOn(table string) string { return "tables." + table }

// lookUp gives the value of a table for a key.
func (s *scope) lookUp(i int, key any) (any, error) {
	t := s.m.tables[i]
	if key == nil {
		return t.fallback, nil
	}
	k, err := text(key)
	if err != nil {
		return nil, fmt.Errorf("tables.%s: %w", t.name, err)
	}
	if v, ok := t.values[k]; ok {
		return v, nil
	}
	if t.missing == nil {
		return t.fallback, nil
	}
	switch left := t.missing.hold - s.held[heldOn(t.name)]; {
	case left > 0:
		return nil, &heldError{table: t.name, key: k, left: left, then: t.missing.then}
	case t.missing.then == thenDead:
		return nil, fmt.Errorf("%q is not in tables.%s", k, t.name)
	}
	return nil, nil
}

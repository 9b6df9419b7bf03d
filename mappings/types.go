package mappings

import (
	"encoding/json"
	"maps"
	"slices"

	"wrapup/connector"
)

// kind is what is known at load about the values that an expression can give. Null is always among them.
type kind uint8

const (
	kindAny kind = iota // nothing is known: it comes from an answer
	kindNull
	kindBool
	kindNumber
	kindText
	kindTime
	kindList
	kindMap
)

// String names the kind as a person would.
func (k kind) String() string {
	return [...]string{"anything", "null", "true or false", "number", "text", "time", "list", "map"}[k]
}

// typ is the type of an expression.
type typ struct {
	kind kind
	// elem is the type of a list's items; nil is any.
	elem *typ
	// fields are a map's, if they are known; nil leaves them open.
	fields map[string]*typ
	// only lists the texts that are possible, if those are known.
	only []string
	// filled says that a text is never empty: then it is null.
	filled bool
	// declared says that the mapping lists the fields.
	declared bool
	// table is what is known of a table of the mapping.
	table *tableType
}

func typeAny() *typ { return &typ{} }

// could says whether the value can be of the kind, as far as is known at load.
func (t *typ) could(k kind) bool { return t.kind == k || t.kind == kindAny || t.kind == kindNull }

// names lists the fields of a map, sorted.
func (t *typ) names() []string { return slices.Sorted(maps.Keys(t.fields)) }

// item is the type of a list's items.
func (t *typ) item() *typ {
	if t.elem == nil {
		return typeAny()
	}
	return t.elem
}

// either is the type of a value that comes from one of two expressions.
func either(a, b *typ) *typ {
	switch {
	case a.kind == kindNull:
		return b
	case b.kind == kindNull:
		return a
	case a.kind != b.kind:
		return typeAny()
	case a.kind == kindMap || a.kind == kindList:
		return &typ{kind: a.kind}
	}
	t := &typ{kind: a.kind}
	if a.only != nil && b.only != nil {
		t.only = slices.Concat(a.only, b.only)
	}
	return t
}

// typeOf gives the type of a value that is known at load, such as a parameter.
func typeOf(v any) *typ {
	switch v := v.(type) {
	case bool:
		return &typ{kind: kindBool}
	case int, float64, json.Number:
		return &typ{kind: kindNumber}
	case string:
		return &typ{kind: kindText}
	case connector.Time:
		return &typ{kind: kindTime}
	case []any:
		return &typ{kind: kindList}
	case object:
		fields := make(map[string]*typ, len(v))
		for _, m := range v {
			fields[m.key] = typeOf(m.value)
		}
		return &typ{kind: kindMap, fields: fields}
	}
	return typeAny()
}

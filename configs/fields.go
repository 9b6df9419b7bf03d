package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"wrapup/mappings"
	"wrapup/mappings/source"
)

// field is a key that the file can have, as its struct says.
type field struct {
	key   string
	typ   reflect.Type
	value string   // the default; "" is none
	oneOf []string // the only values there are, if not nil
}

// fieldsOf gives the keys of a struct, and those that the format has and this version doesn't.
func fieldsOf(t reflect.Type) (fields []field, later []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		later = append(later, strings.Fields(f.Tag.Get("later"))...)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" {
			continue
		}
		fields = append(fields, field{key, f.Type, f.Tag.Get("default"), strings.Fields(f.Tag.Get("oneof"))})
	}
	return fields, later
}

var (
	secretType      = reflect.TypeFor[Secret]()
	urlType         = reflect.TypeFor[URL]()
	textType        = reflect.TypeFor[Text]()
	keyType         = reflect.TypeFor[Key]()
	secretsType     = reflect.TypeFor[Secrets]()
	durationType    = reflect.TypeFor[Duration]()
	percentType     = reflect.TypeFor[Percent]()
	sizeType        = reflect.TypeFor[Size]()
	rateType        = reflect.TypeFor[Rate]()
	hoursType       = reflect.TypeFor[Hours]()
	networkType     = reflect.TypeFor[Network]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isSecret says that a value of the type may come from elsewhere; open, that it needn't.
func isSecret(t reflect.Type) (is, open bool) {
	open = t == urlType || t == textType
	return open || t == secretType || t == keyType, open
}

// isLeaf says that a value of the type is one scalar, or a secret.
func isLeaf(t reflect.Type) bool {
	return t.Kind() == reflect.String || t.Kind() == reflect.Int || reflect.PointerTo(t).Implements(unmarshalerType)
}

// parse reads the text of a scalar, from wherever it came. It gives what the tree of settings holds for it: a number, or
// a text that is known to be readable. The error says what was expected.
func (f field) parse(text string) (any, error) {
	switch {
	case f.typ.Kind() == reflect.String && len(f.oneOf) == 0:
		return text, nil
	case f.typ.Kind() == reflect.String:
		for _, known := range f.oneOf {
			if text == known {
				return text, nil
			}
		}
		return nil, fmt.Errorf("%q: expected %s%s", text, anyOf(f.oneOf), source.Suggest(text, f.oneOf))
	case f.typ == percentType:
		if _, err := ParsePercent(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		return text, nil
	case f.typ == sizeType:
		if _, err := ParseSize(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		return text, nil
	case f.typ.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%q: expected a whole number", text)
		}
		return n, nil
	case f.typ == durationType:
		if _, err := ParseDuration(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		return text, nil
	case f.typ == rateType:
		if _, err := mappings.ParseRate(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		return text, nil
	case f.typ == hoursType:
		if _, err := ParseHours(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		return text, nil
	case f.typ == networkType:
		if _, err := ParseNetwork(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		return text, nil
	default:
		return nil, fmt.Errorf("can't be set as a text")
	}
}

// anyOf gives "a, b or c".
func anyOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// defaults gives what holds where nothing is said in a struct, and in the structs that are part of it.
func defaults(t reflect.Type) map[string]any {
	tree := map[string]any{}
	fields, _ := fieldsOf(t)
	for _, f := range fields {
		switch {
		case f.value != "":
			v, err := f.parse(f.value)
			if err != nil {
				panic("configs: default of " + f.key + ": " + err.Error()) // a slip in a tag: every test would see it
			}
			tree[f.key] = v
		case f.typ.Kind() == reflect.Struct && !isLeaf(f.typ):
			tree[f.key] = defaults(f.typ)
		}
	}
	return tree
}

// setting is a scalar outside of lists and maps: what a variable and a flag can set.
type setting struct {
	field
	keys []string
}

// path is the way of keys to the setting, as in problems and in flags.
func (s setting) path() string { return strings.Join(s.keys, ".") }

// env is the name of the setting's variable.
func (s setting) env() string { return envPrefix + strings.ToUpper(strings.Join(s.keys, "_")) }

// settings gives all settings of a struct, and the variables that the lists and maps beside them would have.
func settings(t reflect.Type, above ...string) (all []setting, lists []string) {
	fields, _ := fieldsOf(t)
	for _, f := range fields {
		s := setting{f, append(above[:len(above):len(above)], f.key)}
		secret, _ := isSecret(f.typ)
		switch {
		case secret:
		case isLeaf(f.typ):
			all = append(all, s)
		case f.typ.Kind() == reflect.Struct:
			below, more := settings(f.typ, s.keys...)
			all, lists = append(all, below...), append(lists, more...)
		default:
			lists = append(lists, s.env())
		}
	}
	return all, lists
}

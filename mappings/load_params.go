package mappings

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wrapup/mappings/source"
)

// paramTypes are what a parameter can be.
func paramTypes() []string { return []string{"text", "int", "number", "bool", "list", "map"} }

// paramKeys are the keys of a parameter.
func paramKeys() []string { return []string{"required", "type", "default", "help"} }

// typeHint says which type is meant, also where it has another name elsewhere.
func typeHint(name string, types []string) string {
	elsewhere := map[string]string{"string": "text", "str": "text", "integer": "int", "float": "number", "decimal": "number",
		"boolean": "bool", "array": "list", "object": "map", "dict": "map"}[strings.ToLower(name)]
	if slices.Contains(types, elsewhere) {
		return fmt.Sprintf(" (did you mean %q?)", elsewhere)
	}
	return source.Suggest(name, types)
}

// params reads what the mapping wants to be told, and what the destination tells it.
func (l *loader) params(keys map[string]entry) (object, *typ) {
	given, err := normal(maps.Clone(l.opts.Params))
	if err != nil {
		l.problem(place{}, "params: %s", err)
	}
	values, _ := given.(object)
	e, declared := keys["params"]
	if !declared {
		t := typeOf(values)
		if l.opts.Unbound {
			t = &typ{kind: kindMap}
		}
		return values, t
	}
	result, t := object{}, &typ{kind: kindMap, fields: map[string]*typ{}, declared: true}
	for _, p := range l.entries(e.value, e.path) {
		value, of := l.param(p, values)
		result = append(result, member{p.name, value})
		t.fields[p.name] = of
	}
	for _, v := range values {
		if t.fields[v.key] == nil {
			l.problem(place{}, "the destination gives the param %q, which this mapping doesn't have%s", v.key, source.Suggest(v.key, t.names()))
		}
	}
	return result, t
}

// param reads one parameter; its value is what the destination gives, else the default.
func (l *loader) param(p entry, values object) (any, *typ) {
	at := l.placeOf(p.key, p.path)
	keys := l.known(p.value, p.path, paramKeys()...)
	kindName := ""
	if e, ok := keys["type"]; ok {
		if kindName, _ = l.text(e.value, e.path); !slices.Contains(paramTypes(), kindName) {
			l.problem(l.placeOf(e.value, e.path), "type is one of %s, not %q%s", strings.Join(paramTypes(), ", "), kindName,
				typeHint(kindName, paramTypes()))
			kindName = ""
		}
	}
	if e, ok := keys["help"]; ok {
		l.text(e.value, e.path)
	}
	required := false
	if e, ok := keys["required"]; ok {
		required = l.bool(e)
	}
	value := values.get(p.name)
	given := value != nil
	var fallback any
	if e, ok := keys["default"]; ok {
		l.literalSecret(p.name, e.value, e.path)
		fallback = l.literal(e.value, e.path)
		if required {
			l.problem(l.placeOf(e.key, e.path), "a param that is required has no use for a default")
		}
		if converted, err := convert(fallback, kindName); err != nil {
			l.problem(l.placeOf(e.value, e.path), "%s", err)
		} else {
			fallback = converted
		}
	}
	switch converted, err := convert(value, kindName); {
	case given && err != nil:
		l.problem(at, "the destination's param %s: %s", p.name, err)
	case given:
		value = converted
	case fallback != nil:
		value = fallback
	case required && !l.opts.Unbound:
		l.problem(at, "the destination must give the param %s", p.name)
	}
	switch {
	case kindName != "":
		return value, typeNamed(kindName)
	case value != nil:
		return value, typeOf(value)
	}
	return value, typeAny()
}

// typeNamed gives the type of a param or of a table's values.
func typeNamed(name string) *typ {
	return &typ{kind: map[string]kind{"text": kindText, "int": kindNumber, "number": kindNumber, "bool": kindBool,
		"list": kindList, "map": kindMap}[name]}
}

// convert reads a value as the type; "" leaves it as it is.
func convert(v any, name string) (any, error) {
	wrong := fmt.Errorf("this must be %s, not %s", map[string]string{"text": "a text", "int": "a whole number", "number": "a number",
		"bool": "true or false", "list": "a list", "map": "keys with values"}[name], describe(v))
	if v == nil || name == "" {
		return v, nil
	}
	switch v := v.(type) {
	case string:
		if name == "text" {
			return v, nil
		}
		return convertText(v, name, wrong)
	case int, float64, json.Number:
		if name == "text" {
			return text(v)
		}
		if n, ok := number(v); ok && name == "int" {
			if _, whole := n.(int); whole {
				return v, nil
			}
		}
		if name == "number" {
			return v, nil
		}
		if s, err := text(v); err == nil && name == "int" {
			return nil, fmt.Errorf("this must be a whole number, not %s", s)
		}
	case bool:
		if name == "bool" {
			return v, nil
		}
	case []any:
		if name == "list" {
			return v, nil
		}
	case object:
		if name == "map" {
			return v, nil
		}
	}
	return nil, wrong
}

// convertText reads what is written as the type.
func convertText(s, name string, wrong error) (any, error) {
	switch name {
	case "int":
		digits := strings.TrimPrefix(s, "-")
		switch {
		case digits == "" || strings.Trim(digits, "0123456789") != "":
		case digits[0] == '0' && len(digits) > 1:
			return nil, fmt.Errorf("%q begins with 0, which a number would lose: use type: text", s)
		default:
			return json.Number(s), nil
		}
	case "number":
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f, nil
		}
	case "bool":
		if s == "true" || s == "false" {
			return s == "true", nil
		}
	}
	return nil, wrong
}

// secrets reads the names of what the destination has to supply, and their values.
func (l *loader) secrets(keys map[string]entry) (object, *typ) {
	values, t := object{}, &typ{kind: kindMap, fields: map[string]*typ{}}
	if e, ok := keys["secrets"]; ok {
		for _, name := range l.texts(e.value, e.path) {
			t.fields[name.Value] = &typ{kind: kindText}
			value, given := l.opts.Secrets[name.Value]
			if value == "" && !l.opts.Unbound {
				what := "the destination must give the secret %s"
				if given {
					what = "the destination's secret %s is empty"
				}
				l.problem(l.placeOf(name, e.path), what, name.Value)
			}
			values = append(values, member{name.Value, value})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.opts.Secrets)) {
		if t.fields[name] == nil {
			l.problem(place{}, "the destination gives the secret %q, which this mapping doesn't have%s", name, source.Suggest(name, t.names()))
		}
	}
	return values, t
}

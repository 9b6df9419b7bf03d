package mappings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var errText = errors.New("the text is larger than 1 MiB")

// function is one that expressions can call.
type function struct {
	name string
	// doc is one sentence for the page of functions.
	doc    string
	params []param
	// more says that the last parameter may be given any number of times.
	more bool
	// result is the type of what it gives; nil is any.
	result *typ
	// like says that it gives one of its arguments, and so has their type.
	like bool
	// nulls says that it wants to see null. Without it, a function of null is null.
	nulls bool
	// escapes says that it makes a text longer at each character that means something: a few of them within each other
	// would fill the memory.
	escapes bool
	do      func(args []any) (any, error)
}

// param is one parameter of a function.
type param struct {
	name     string
	kind     kind
	optional bool
	// prepare makes what the function works with out of a text that is known at load.
	prepare func(s string) (any, error)
	// literal looks at a value that is known at load, nil where any will do.
	literal func(v any) error
}

// functions lists all functions by name.
func functions() map[string]function {
	all := make(map[string]function)
	for _, f := range slices.Concat(generalFunctions(), textFunctions(), timeFunctions(), durationFunctions(), phoneFunctions()) {
		all[f.name] = f
	}
	return all
}

// run calls the function from an expression.
func (f function) run(args ...any) (any, error) {
	if !f.nulls {
		for _, arg := range args {
			if arg == nil {
				return nil, nil
			}
		}
	}
	v, err := f.do(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	if s, ok := v.(string); ok && len(s) > maxTextBytes {
		return nil, fmt.Errorf("%s: %w", f.name, errText)
	}
	return v, nil
}

// takes says whether it can be called with so many arguments.
func (f function) takes(n int) bool {
	needed := 0
	for _, p := range f.params {
		if !p.optional {
			needed++
		}
	}
	return n >= needed && (f.more || n <= len(f.params))
}

// param gives the parameter that the i-th argument is for.
func (f function) param(i int) param { return f.params[min(i, len(f.params)-1)] }

// usage shows how it is called.
func (f function) usage() string {
	names := make([]string, len(f.params))
	for i, p := range f.params {
		names[i] = p.name
		if p.optional {
			names[i] = "[" + p.name + "]"
		}
	}
	if f.more {
		names = append(names, "…")
	}
	return f.name + "(" + strings.Join(names, ", ") + ")"
}

// count says how many arguments it takes.
func (f function) count() string {
	switch {
	case f.more:
		return "one value or more"
	case len(f.params) == 1:
		return "one value"
	case f.params[len(f.params)-1].optional:
		return fmt.Sprintf("%d or %d values", len(f.params)-1, len(f.params))
	}
	return fmt.Sprintf("%d values", len(f.params))
}

// at gives a field of an item, or what is at the end of a path of fields.
func at(item, field any) any {
	if v := get(item, field); v != nil {
		return v
	}
	path, _ := field.(string)
	if !strings.Contains(path, ".") {
		return nil
	}
	for name := range strings.SplitSeq(path, ".") {
		item = get(item, name)
	}
	return item
}

func generalFunctions() []function {
	return []function{
		{
			name: "where", doc: "The items of a list whose field has the value: custom fields by their name, for example. A field may be a path: 'params.uniq'.",
			params: []param{{name: "list", kind: kindList}, {name: "field", kind: kindText}, {name: "value"}},
			result: &typ{kind: kindList},
			do: func(a []any) (any, error) {
				list, ok := a[0].([]any)
				if !ok {
					return nil, errors.New("needs a list, not " + describe(a[0]))
				}
				found := []any{}
				for _, item := range list {
					if v := at(item, a[1]); v != nil && equal(v, a[2]) {
						found = append(found, item)
					}
				}
				return found, nil
			},
		},
		{
			name: "coalesce", doc: "The first of the values that is not null.",
			params: []param{{name: "value"}}, more: true, like: true, nulls: true,
			do: func(a []any) (any, error) {
				for _, v := range a {
					if v != nil {
						return v, nil
					}
				}
				return nil, nil
			},
		},
		{
			name: "sole", doc: "The only item of a list; null if there is none or more than one.",
			params: []param{{name: "list", kind: kindList}},
			do: func(a []any) (any, error) {
				if list, ok := a[0].([]any); ok && len(list) == 1 {
					return list[0], nil
				}
				return nil, nil
			},
		},
	}
}

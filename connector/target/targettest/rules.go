package targettest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Check says what is wrong with a value, "" if nothing is.
type Check func(v any) string

// What is wrong with a field.
const (
	Missing = "missing"
	Unknown = "unknown"
	Invalid = "invalid"
	Refused = "refused" // because the test said so: see Fake.Refuse
)

// Problem is one rule that a request breaks.
type Problem struct {
	// Kind is one of Missing, Unknown, Invalid and Refused.
	Kind, Field, What string
	Value             any
}

// String tells it to whoever reads a failed test.
func (p Problem) String() string { return fmt.Sprintf("%s: %s: %s", p.Field, p.Kind, p.What) }

// Last is the last name on the way to the field: "status" of "ticket.status".
func (p Problem) Last() string {
	return strings.TrimSuffix(p.Field[strings.LastIndex(p.Field, ".")+1:], "[]")
}

// broken applies the rules to a body. It drops what is unknown, if the route does.
func (route *Route) broken(body any, refuse string) (problems []Problem) {
	present := map[string]int{"": 1}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				at := strings.TrimPrefix(path+"."+name, ".")
				i := slices.IndexFunc(route.Fields, func(f Field) bool { return f.Name == at })
				isParent := slices.ContainsFunc(route.Fields, func(f Field) bool {
					return strings.HasPrefix(f.Name, at+".") || strings.HasPrefix(f.Name, at+"[]")
				})
				present[at]++
				switch {
				case refuse != "" && (at == refuse || name == refuse):
					problems = append(problems, Problem{Refused, at, "is refused", inner})
				case i >= 0:
					if is := route.Fields[i].Is; is != nil {
						if what := is(inner); what != "" {
							problems = append(problems, Problem{Invalid, at, what, inner})
						}
					}
				case isParent:
				case route.Drops:
					delete(v, name)
				default:
					problems = append(problems, Problem{Unknown, at, "is no field of this request", inner})
				}
				if isParent {
					walk(at, inner)
				}
			}
		case []any:
			for _, item := range v {
				present[path+"[]"]++
				walk(path+"[]", item)
			}
		}
	}
	walk("", body)
	for _, f := range route.Fields {
		parent := strings.TrimSuffix(f.Name, "[]")
		if i := strings.LastIndex(parent, "."); i >= 0 {
			parent = parent[:i]
		} else {
			parent = ""
		}
		if f.Required && present[f.Name] < present[parent] {
			problems = append(problems, Problem{Missing, f.Name, "is required", nil})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Field, b.Field) })
	return problems
}

// brokenQuery applies the rules to an address. An unknown name is always a problem: APIs that ignore one would make a filter
// that has no effect look like one that has.
func (route *Route) brokenQuery(q url.Values) (problems []Problem) {
	for name, values := range q {
		i := slices.IndexFunc(route.Query, func(f Field) bool { return f.Name == name })
		if i < 0 {
			problems = append(problems, Problem{Unknown, name, "is no parameter of this request", values[0]})
			continue
		}
		if is := route.Query[i].Is; is != nil {
			if what := is(values[0]); what != "" {
				problems = append(problems, Problem{Invalid, name, what, values[0]})
			}
		}
	}
	for _, f := range route.Query {
		if f.Required && !q.Has(f.Name) {
			problems = append(problems, Problem{Missing, f.Name, "is required", nil})
		}
	}
	return problems
}

// Str is a text, of so many characters at most; 0 is any number.
func Str(most int) Check {
	return func(v any) string {
		s, ok := v.(string)
		switch {
		case !ok:
			return "expected a string"
		case most > 0 && len([]rune(s)) > most:
			return fmt.Sprintf("longer than %d characters", most)
		}
		return ""
	}
}

// Filled is a text that isn't empty.
func Filled(v any) string {
	if s, ok := v.(string); !ok || strings.TrimSpace(s) == "" {
		return "expected a string that is not empty"
	}
	return ""
}

// Int is a whole number.
func Int(v any) string {
	if n, ok := v.(json.Number); !ok || !whole.MatchString(n.String()) {
		return "expected an integer"
	}
	return ""
}

// Bool is true or false.
func Bool(v any) string {
	if _, ok := v.(bool); !ok {
		return "expected a boolean"
	}
	return ""
}

// List is a list of values that each fit.
func List(each Check) Check {
	return func(v any) string {
		list, ok := v.([]any)
		if !ok {
			return "expected an array"
		}
		for _, item := range list {
			if what := each(item); what != "" {
				return what
			}
		}
		return ""
	}
}

// OneOf is one of these texts; a number is compared as it is written, and must be one.
func OneOf(values ...any) Check {
	return func(v any) string {
		for _, one := range values {
			if n, ok := v.(json.Number); ok && n.String() == fmt.Sprint(one) {
				if _, text := one.(string); !text {
					return ""
				}
			}
			if v == one {
				return ""
			}
		}
		words := make([]string, len(values))
		for i, one := range values {
			words[i] = fmt.Sprint(one)
		}
		return fmt.Sprintf("expected one of %s", strings.Join(words, ", "))
	}
}

// Like is a text that matches a pattern, which is said in words.
func Like(pattern, words string) Check {
	re := regexp.MustCompile(pattern)
	return func(v any) string {
		if s, ok := v.(string); !ok || !re.MatchString(s) {
			return "expected " + words
		}
		return ""
	}
}

// Time is a text in a layout of package time.
func Time(layout string) Check {
	return func(v any) string {
		s, _ := v.(string)
		if _, err := time.Parse(layout, s); err != nil {
			return "expected a time such as " + layout
		}
		return ""
	}
}

var whole = regexp.MustCompile(`^-?\d+$`)

// Get reads a value of a body: Get(body, "ticket", "requester", "phone"). It is nil where there is none.
func Get(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// mapOf and listOf are a value as a map, or a list; empty if it is none.
func mapOf(v any) map[string]any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	return map[string]any{}
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// Said is a value as a text: a number as it is written, "" for nil.
func Said(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// atMost is a list of so many items at most.
func atMost(n int) Check {
	return func(v any) string {
		list, ok := v.([]any)
		if !ok {
			return "expected an array"
		}
		if len(list) > n {
			return fmt.Sprintf("more than %d items", n)
		}
		return ""
	}
}

// National is a number of the tests without its country code: they are Indonesian and German.
func National(phone string) string {
	for _, code := range []string{"+62", "+49"} {
		phone = strings.TrimPrefix(phone, code)
	}
	return phone
}

// Digits are the digits of a text.
func Digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

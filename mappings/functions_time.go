package mappings

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"wrapup/connector"
)

// timeFunction is a function of one time.
func timeFunction(name, doc string, result kind, do func(t time.Time) any) function {
	return function{
		name: name, doc: doc, params: []param{{name: "time", kind: kindTime}}, result: &typ{kind: result},
		do: func(a []any) (any, error) {
			t, err := argTime(a[0])
			if err != nil {
				return nil, err
			}
			return do(t), nil
		},
	}
}

func layout(l string) func(t time.Time) any { return func(t time.Time) any { return t.Format(l) } }

func timeFunctions() []function {
	zone := param{name: "'Zone/City'", kind: kindText, prepare: loadZone}
	return []function{
		timeFunction("unix", "Seconds since 1970, whole.", kindNumber, func(t time.Time) any { return int(t.Unix()) }),
		timeFunction("unix_ms", "Milliseconds since 1970, whole.", kindNumber, func(t time.Time) any { return int(t.UnixMilli()) }),
		timeFunction("rfc3339", "2019-05-24T06:03:02.655356Z, in UTC.", kindText, layout("2006-01-02T15:04:05.000000Z")),
		timeFunction("rfc3339_seconds", "2019-05-24T06:03:02Z, in UTC.", kindText, layout("2006-01-02T15:04:05Z")),
		timeFunction("sql_time", "2019-05-24 06:03:02, in UTC.", kindText, layout("2006-01-02 15:04:05")),
		{
			name: "date_in", doc: "The date in a time zone: 2019-05-24.",
			params: []param{{name: "time", kind: kindTime}, zone}, result: &typ{kind: kindText},
			do: func(a []any) (any, error) {
				t, err := argTime(a[0])
				if err != nil {
					return nil, err
				}
				zone, ok := a[1].(*time.Location)
				if !ok {
					return nil, errors.New("needs a time zone")
				}
				return t.In(zone).Format(time.DateOnly), nil
			},
		},
		{
			name: "format", doc: "The time in a form of one's own, in a time zone: YYYY, MM, DD, HH, mm, ss and SSS stand for its parts.",
			params: []param{{name: "time", kind: kindTime}, {name: "'YYYY-MM-DD HH:mm'", kind: kindText, prepare: goLayout}, zone},
			result: &typ{kind: kindText},
			do: func(a []any) (any, error) {
				t, err := argTime(a[0])
				if err != nil {
					return nil, err
				}
				form, okForm := a[1].([]layoutPart)
				zone, okZone := a[2].(*time.Location)
				if !okForm || !okZone {
					return nil, errors.New("needs a form and a time zone")
				}
				return formatTime(t.In(zone), form), nil
			},
		},
	}
}

func formatTime(t time.Time, form []layoutPart) string {
	var b strings.Builder
	for _, p := range form {
		if p.literal {
			b.WriteString(p.text)
		} else {
			b.WriteString(strings.TrimPrefix(t.Format(p.text), "."))
		}
	}
	return b.String()
}

// loadZone reads a time zone by name.
func loadZone(name string) (any, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("unknown time zone %q: write one such as Asia/Jakarta or UTC", name)
	}
	return zone, nil
}

// layoutPart is a part of a time's form: text, or a layout of package time.
type layoutPart struct {
	literal bool
	text    string
}

// goLayout reads a form such as YYYY-MM-DD.
func goLayout(form string) (any, error) {
	tokens := []struct{ written, layout string }{
		{"YYYY", "2006"}, {"YY", "06"}, {"MM", "01"}, {"DD", "02"}, {"HH", "15"}, {"hh", "03"}, {"mm", "04"}, {"ss", "05"},
		{"SSS", ".000"}, {"A", "PM"}, {"ZZ", "-0700"}, {"Z", "-07:00"}, {"T", "T"},
	}
	var parts []layoutPart
	before, twelve, halves := "", false, false
next:
	for rest := form; rest != ""; {
		for _, t := range tokens {
			if after, ok := strings.CutPrefix(rest, t.written); ok {
				if err := misplaced(before, t.written); err != nil {
					return nil, err
				}
				before, twelve, halves = t.written, twelve || t.written == "hh", halves || t.written == "A"
				parts = append(parts, layoutPart{t.written == "T", t.layout})
				rest = after
				continue next
			}
		}
		if c := rest[0]; 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			return nil, fmt.Errorf("%q means nothing in the form of a time: use YYYY YY MM DD HH hh mm ss SSS A Z ZZ", c)
		}
		parts = append(parts, layoutPart{true, rest[:1]})
		rest = rest[1:]
	}
	if twelve && !halves {
		return nil, errors.New("hh counts to 12 and begins again: write HH, or A behind the time for AM and PM")
	}
	return parts, nil
}

// misplaced recognises months for minutes, and minutes for months, by what stands before them.
func misplaced(before, part string) error {
	switch {
	case part == "MM" && (before == "HH" || before == "hh"):
		return errors.New("MM is the month: minutes are mm")
	case part == "mm" && (before == "YYYY" || before == "YY" || before == "DD"):
		return errors.New("mm are the minutes: the month is MM")
	}
	return nil
}

// argTime reads an argument that has to be a time; an answer's times are texts in RFC 3339.
func argTime(v any) (time.Time, error) {
	switch v := v.(type) {
	case connector.Time:
		return v.Time(), nil
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("needs a time, not %s", describe(v))
}

// durationFunction is a function of a duration in seconds.
func durationFunction(name, doc string, result kind, do func(seconds float64) any) function {
	return function{
		name: name, doc: doc, params: []param{{name: "seconds", kind: kindNumber}}, result: &typ{kind: result},
		do: func(a []any) (any, error) {
			f, ok := float(a[0])
			if !ok {
				return nil, fmt.Errorf("needs a number, not %s", describe(a[0]))
			}
			if math.Abs(f) > 1e12 || math.IsNaN(f) {
				return nil, errors.New("this is no duration in seconds")
			}
			return do(f), nil
		},
	}
}

func durationFunctions() []function {
	rounded := func(f float64) int { return int(math.Round(f)) }
	pair := func(n int) string {
		sign := ""
		if n < 0 {
			sign, n = "-", -n
		}
		return fmt.Sprintf("%s%02d:%02d", sign, n/60, n%60)
	}
	return []function{
		durationFunction("seconds", "Whole seconds, rounded.", kindNumber, func(s float64) any { return rounded(s) }),
		durationFunction("millis", "Whole milliseconds, rounded.", kindNumber, func(s float64) any { return rounded(s * 1000) }),
		durationFunction("minutes", "Whole minutes, rounded.", kindNumber, func(s float64) any { return rounded(s / 60) }),
		durationFunction("mmss", "Minutes and seconds: 05:59.", kindText, func(s float64) any { return pair(rounded(s)) }),
		durationFunction("hhmm", "Hours and minutes: 00:06.", kindText, func(s float64) any { return pair(rounded(s / 60)) }),
	}
}

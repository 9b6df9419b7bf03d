package mappings

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wrapup/connector"
)

// Sizes that no real request comes near; they keep a hostile answer or a mapping gone wrong from filling the memory.
const (
	maxTextBytes = 1 << 20
	maxBodyBytes = 4 << 20
)

var errBody = errors.New("the request is larger than 4 MiB")

// MarshalJSON gives the object with its keys in order, so that what steps saved can be stored.
func (o object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

// appendJSON appends a value as JSON, without escaping for HTML.
func appendJSON(b []byte, v any) ([]byte, error) {
	var err error
	if len(b) > maxBodyBytes {
		return nil, errBody
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendJSONText(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case connector.Time:
		if !v.Known() {
			return append(b, "null"...), nil
		}
		return append(appendTime(append(b, '"'), v), '"'), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case json.Number:
		return append(b, v...), nil
	case float64:
		s, err := text(v)
		return append(b, s...), err
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, item); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case object:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSONText(b, m.key); err != nil {
				return nil, err
			}
			if b, err = appendJSON(append(b, ':'), m.value); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	return nil, fmt.Errorf("%s has no JSON", describe(v))
}

// appendTime appends a known time in the form of the record.
func appendTime(b []byte, t connector.Time) []byte {
	return t.Time().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
}

func appendJSONText(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return appendJSONEscaped(b, s)
		}
	}
	b = slices.Grow(b, len(s)+2)
	return append(append(append(b, '"'), s...), '"'), nil
}

func appendJSONEscaped(b []byte, s string) ([]byte, error) {
	var w strings.Builder
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return append(b, strings.TrimSuffix(w.String(), "\n")...), nil
}

package mappings

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"
	"unicode/utf8"
)

// textFunction is a function from one text to another.
func textFunction(name, doc string, do func(s string) string) function {
	return function{
		name: name, doc: doc, params: []param{{name: "text", kind: kindText}}, result: &typ{kind: kindText},
		do: func(a []any) (any, error) {
			s, err := argText(a[0])
			if err != nil {
				return nil, err
			}
			return do(s), nil
		},
	}
}

func textFunctions() []function {
	aText := &typ{kind: kindText}
	return []function{
		textFunction("upper", "The text in capitals.", strings.ToUpper),
		textFunction("lower", "The text in small letters.", strings.ToLower),
		textFunction("trim", "The text without spaces at its ends.", strings.TrimSpace),
		textFunction("html", "The text as it is written in HTML: <, >, & and quotes escaped.", html.EscapeString),
		textFunction("urlq", "The text as it is written in a URL's query.", url.QueryEscape),
		textFunction("uuid_compact", "A uuid without its dashes, in small letters.", func(s string) string {
			return strings.ToLower(strings.ReplaceAll(s, "-", ""))
		}),
		{
			name: "truncate", doc: "The first so many characters of a text.",
			params: []param{{name: "text", kind: kindText}, {name: "characters", kind: kindNumber}}, result: aText,
			do: func(a []any) (any, error) {
				s, err := argText(a[0])
				if err != nil {
					return nil, err
				}
				n, err := argCount(a[1])
				if err != nil {
					return nil, err
				}
				if utf8.RuneCountInString(s) > n {
					s = string([]rune(s)[:n])
				}
				return s, nil
			},
		},
		{
			name: "join", doc: "The items of a list as one text, with a text between them; null items are left out.",
			params: []param{{name: "list", kind: kindList}, {name: "between", kind: kindText}}, result: aText,
			do: func(a []any) (any, error) {
				list, ok := a[0].([]any)
				if !ok {
					return nil, errors.New("needs a list, not " + describe(a[0]))
				}
				between, err := argText(a[1])
				if err != nil {
					return nil, err
				}
				var items []string
				for _, item := range list {
					if item == nil {
						continue
					}
					s, err := text(item)
					if err != nil {
						return nil, err
					}
					items = append(items, s)
				}
				return strings.Join(items, between), nil
			},
		},
		{
			name: "json", doc: "The value as JSON, in a text.", params: []param{{name: "value"}}, result: aText,
			do: func(a []any) (any, error) {
				b, err := appendJSON(nil, a[0])
				return string(b), err
			},
		},
		{
			name: "hmac_sha256", doc: "The HMAC-SHA256 of a text, in hexadecimal.",
			params: []param{{name: "text", kind: kindText}, {name: "key", kind: kindText}}, result: aText,
			do: func(a []any) (any, error) {
				s, err := argText(a[0])
				if err != nil {
					return nil, err
				}
				key, err := argText(a[1])
				if err != nil {
					return nil, err
				}
				mac := hmac.New(sha256.New, []byte(key))
				mac.Write([]byte(s))
				return hex.EncodeToString(mac.Sum(nil)), nil
			},
		},
	}
}

// argText reads an argument that has to be a text; a number is taken as it is written, for ids come as either.
func argText(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	if _, ok := number(v); ok {
		return text(v)
	}
	return "", fmt.Errorf("needs a text, not %s", describe(v))
}

// argCount reads an argument that counts something.
func argCount(v any) (int, error) {
	n, ok := number(v)
	i, isInt := n.(int)
	if !ok || !isInt || i < 0 {
		return 0, errors.New("needs a whole number that is not negative")
	}
	return i, nil
}

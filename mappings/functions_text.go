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

// escapeFunction is a text function that makes the text longer.
func escapeFunction(name, doc string, do func(s string) string) function {
	f := textFunction(name, doc, do)
	f.escapes = true
	return f
}

// escaper puts a backslash before each of the characters, and takes line breaks and other control characters for spaces:
// no query language has a use for them.
func escaper(special string) func(s string) string {
	return func(s string) string {
		var b strings.Builder
		for _, r := range s {
			switch {
			case r < ' ' || r == 0x7f:
				r = ' '
			case strings.ContainsRune(special, r):
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
		return b.String()
	}
}

func textFunctions() []function {
	aText := &typ{kind: kindText}
	return []function{
		textFunction("upper", "The text in capitals.", strings.ToUpper),
		textFunction("lower", "The text in small letters.", strings.ToLower),
		textFunction("trim", "The text without spaces at its ends.", strings.TrimSpace),
		escapeFunction("html", "The text as it is written in HTML: <, >, & and quotes escaped.", html.EscapeString),
		escapeFunction("urlq", "The text as it is written in a URL's query.", url.QueryEscape),
		escapeFunction("soql", "The text as it is written between single quotes in SOQL (Salesforce).", escaper(`\'"`)),
		escapeFunction("sosl", "The text as it is written within the braces of a SOSL search (Salesforce).", escaper(`?&|!{}[]()^~*:\"'+-`)),
		escapeFunction("odata", "The text as it is written between single quotes in OData (Dynamics).", func(s string) string {
			return strings.ReplaceAll(s, "'", "''")
		}),
		escapeFunction("jql", "The text as it is written between quotes in JQL (Jira) and TicketSQL (Request Tracker).", escaper(`\'"`)),
		textFunction("uuid_compact", "A uuid without its dashes, in small letters.", func(s string) string {
			return strings.ToLower(strings.ReplaceAll(s, "-", ""))
		}),
		{
			name: "truncate", doc: "The first so many characters of a text.",
			params: []param{{name: "text", kind: kindText}, {name: "characters", kind: kindNumber, literal: isCount}}, result: aText,
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
			params: []param{{name: "list", kind: kindList}, {name: "between", kind: kindText, prepare: written}}, result: aText,
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
			name: "json", doc: "The value as JSON, in a text.", params: []param{{name: "value"}}, result: aText, escapes: true,
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

// written takes a text as it is; as a parameter's prepare it asks for one that is known at load.
func written(s string) (any, error) { return s, nil }

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

// isCount refuses what argCount would.
func isCount(v any) error {
	_, err := argCount(v)
	return err
}

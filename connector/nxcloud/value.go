package nxcloud

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"wrapup/connector"
)

// reader turns the values of one event into Go and collects what is wrong with them. An empty string (or one of spaces)
// and null mean that a field is absent.
type reader struct {
	index int
	errs  []*EventError
}

// fail notes that the field's value isn't what it should be.
func (r *reader) fail(field string, raw []byte, want string) {
	value := excerpt(raw)
	switch field {
	case "type", "state", "time", "callid", "uuid", "agentid":
		value = shorten(raw) // Nobody's phone number stands there.
	}
	r.errs = append(r.errs, &EventError{Index: r.index, Field: field, Value: value, Want: want})
}

// required notes that the field is missing if there is no text and nothing else is wrong with it. It returns the text.
func (r *reader) required(field, text, want string) string {
	if text == "" && !r.failed(field) {
		r.fail(field, nil, want)
	}
	return text
}

func (r *reader) failed(field string) bool {
	for _, err := range r.errs {
		if err.Field == field {
			return true
		}
	}
	return false
}

// content gives what a string or a number says, without the space around it; nil if it is absent or wrong.
func (r *reader) content(field string, raw []byte, numbers bool, want string) []byte {
	switch {
	case len(raw) == 0, string(raw) == "null":
		return nil
	case raw[0] == '"':
		text, ok := unquote(raw)
		if !ok {
			r.fail(field, raw, wantUTF8)
			return nil
		}
		return bytes.TrimSpace(text)
	case numbers && (raw[0] == '-' || isDigit(raw[0])):
		return raw
	default:
		r.fail(field, raw, want)
		return nil
	}
}

// number gives the text of a required number, which may be sent as a string. It is empty if it is missing or wrong, and
// that has been noted.
func (r *reader) number(field string, raw []byte, want string) []byte {
	failed := len(r.errs)
	text := r.content(field, raw, true, want)
	if len(text) == 0 && len(r.errs) == failed {
		r.fail(field, nil, want)
	}
	return text
}

// whole gives the required whole number.
func (r *reader) whole(field string, raw []byte, lowest, highest int, want string) int {
	text := r.number(field, raw, want)
	if len(text) == 0 {
		return 0
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < lowest || n > highest {
		r.fail(field, raw, want)
		return 0
	}
	return n
}

// stamp gives the required time.
func (r *reader) stamp(field string, raw []byte) connector.Time {
	text := r.number(field, raw, wantTime)
	if len(text) == 0 {
		return 0
	}
	t, ok := parseStamp(text)
	if !ok {
		r.fail(field, raw, wantTime)
	}
	return t
}

// uuid gives an identifier that is always a string.
func (r *reader) uuid(field string, raw []byte) string {
	return r.identifier(field, raw, false, wantUUID)
}

// id gives an identifier that is made of digits as a rule, and may be sent as a number.
func (r *reader) id(field string, raw []byte) string {
	return r.identifier(field, raw, true, wantID)
}

func (r *reader) identifier(field string, raw []byte, numbers bool, want string) string {
	text := r.content(field, raw, numbers, want)
	switch {
	case len(text) == 0:
		return ""
	case len(text) > MaxText, raw[0] != '"' && !isDigits(text):
		r.fail(field, raw, want)
		return ""
	case bytes.ContainsFunc(text, isControl):
		r.fail(field, raw, wantPrint)
		return ""
	}
	return string(text)
}

// info gives the text for people: what is no UTF-8 in it is replaced, and what is too long is cut.
func (r *reader) info(field string, raw []byte) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] != '"' {
		r.fail(field, raw, wantInfo)
		return ""
	}
	text, ok := unquote(raw)
	if !ok {
		text = bytes.ToValidUTF8(text, []byte("\ufffd"))
	}
	if len(text) <= MaxInfo {
		return string(text)
	}
	end := MaxInfo
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return string(text[:end])
}

// isControl says that the character could break a line of a log in two, or hide there.
func isControl(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isDigits says that b consists of decimal digits, one at least.
func isDigits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

// unquote gives what a JSON string says. It is not ok if that is no valid UTF-8, be it in bytes or by escapes (half a
// surrogate pair); what can't be read is replaced then. The text may share memory with raw.
func unquote(raw []byte) (text []byte, ok bool) {
	ok = utf8.Valid(raw)
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], ok
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, false
	}
	const replacement = "\ufffd"
	if strings.Contains(s, replacement) && !bytes.Contains(raw, []byte(replacement)) {
		ok = false
	}
	return []byte(s), ok
}

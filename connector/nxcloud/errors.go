package nxcloud

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// EventError says what is wrong at one place of a body.
type EventError struct {
	// Index of the event in the body, from 1; 0 if it is about the body as a whole.
	Index int
	// Field that it is about; empty if it is about the event as a whole.
	Field string
	// Value is what stands there: JSON as sent, shortened, in printable characters only, with its digits masked
	// where it may be a phone number; or what happened, in words. It is empty if the field is missing.
	Value string
	// Want is what was expected there.
	Want string

	from, to int
}

// Part gives where in the body the event stands that it is about: from its first byte up to the one behind its last. What
// stands around it was understood. Both are 0 where that can't be said, because the error is about the whole, or an array
// broke off.
func (e *EventError) Part() (from, to int) { return e.from, e.to }

// Error gives "event 1: time: "abc": expected …".
func (e *EventError) Error() string {
	var b strings.Builder
	if e.Index > 0 {
		b.WriteString("event ")
		b.WriteString(strconv.Itoa(e.Index))
		b.WriteString(": ")
	}
	if e.Field != "" {
		b.WriteString(shorten([]byte(e.Field)))
		b.WriteString(": ")
	}
	if e.Value == "" {
		b.WriteString("missing")
	} else {
		b.WriteString(e.Value)
	}
	b.WriteString(": expected ")
	b.WriteString(e.Want)
	return b.String()
}

// shownRunes is how much of a value is shown.
const shownRunes = 40

// shorten gives the beginning of b in printable characters: what isn't printable, or no UTF-8, is escaped as in Go.
func shorten(b []byte) string {
	var s strings.Builder
	for n := 0; len(b) > 0; n++ {
		if n == shownRunes {
			s.WriteString("…")
			break
		}
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1:
			s.WriteString(`\x`)
			s.WriteString(strconv.FormatUint(uint64(b[0]), 16))
		case unicode.IsPrint(r):
			s.WriteRune(r)
		default:
			s.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		b = b[size:]
	}
	return s.String()
}

// excerpt is shorten for what may hold a phone number: of all its digits no more than the last three are shown.
func excerpt(b []byte) string {
	b = b[:min(len(b), utf8.UTFMax*shownRunes)]
	masked := make([]byte, len(b))
	digits := 0
	for i := len(b) - 1; i >= 0; i-- {
		masked[i] = b[i]
		if !isDigit(b[i]) {
			continue
		}
		if digits++; digits > 3 {
			masked[i] = '*'
		}
	}
	return shorten(masked)
}

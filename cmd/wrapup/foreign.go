package main

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Foreign text, from dialers and CRMs, is printed to terminals and into logs. There a line break makes a line of its own, an
// escape sequence moves the cursor or sets a colour, and a character that turns the direction of writing makes a line read
// as another one.

// harmful says that a character must not get to a terminal.
func harmful(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// printable keeps foreign text from writing lines or colours of its own: what is harmful becomes a blank.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if harmful(r) {
			return ' '
		}
		return r
	}, s)
}

// escaped shows what is harmful, and what is no UTF-8, as Go writes it: \x1b, \u202e, \xff.
func escaped(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0]), 16))
		case harmful(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// escapedLines is escaped for a text of lines, which may be set in with tabs.
func escapedLines(s string) string {
	for _, between := range []string{"\n", "\t"} {
		if before, after, ok := strings.Cut(s, between); ok {
			return escapedLines(before) + between + escapedLines(after)
		}
	}
	return escaped(s)
}

// escapedJSON escapes what is harmful in a JSON text and not escaped there already. Outside of strings there is nothing of
// it but line breaks, which stay.
func escapedJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, harmful) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r != '\n' && harmful(r) {
			out = append(out, strings.Replace(strings.Trim(strconv.QuoteRuneToASCII(r), "'"), `\x`, `\u00`, 1)...)
		} else {
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}

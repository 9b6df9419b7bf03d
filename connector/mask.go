package connector

import "strings"

// shownDigits are the last digits of a number that a log shows: enough to tell one call from another, too few to call back.
const shownDigits = 3

// MaskNumber gives a phone number for a log: its last digits.
func MaskNumber(number string) string {
	digits := 0
	for i := range len(number) {
		if isDigit(number[i]) {
			digits++
		}
	}
	return maskDigits(number, 0, digits-shownDigits)
}

// maskDigits puts stars in place of the digits from the one to before the other, counted from the first digit.
func maskDigits(text string, from, to int) string {
	out := []byte(text)
	n := 0
	for i := range out {
		if isDigit(out[i]) {
			if n >= from && n < to {
				out[i] = '*'
			}
			n++
		}
	}
	return string(out)
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// A number is known again by its last digits: those before them are the country's, or a 0 for it.
const (
	knownDigits = 7
	fewDigits   = 5 // shorter ones are everywhere
)

// MaskNumberIn masks a phone number wherever a text has it, with or without its country code, and with blanks and the like
// between its digits: a CRM likes to repeat what it was sent.
func MaskNumberIn(text, number string) string {
	tail := Digits(number)
	tail = tail[max(0, len(tail)-knownDigits):]
	if len(tail) < fewDigits || !strings.ContainsAny(text, "0123456789") {
		return text
	}
	var out strings.Builder
	for text != "" {
		length := runOfDigits(text)
		if length == 0 {
			out.WriteByte(text[0])
			text = text[1:]
			continue
		}
		run := text[:length]
		if at := strings.LastIndex(Digits(run), tail); at >= 0 { // and what stands before it: a country code
			run = maskDigits(run, 0, at+len(tail)-shownDigits)
		}
		out.WriteString(run)
		text = text[length:]
	}
	return out.String()
}

// runOfDigits gives the length of what may be a number at the text's beginning: digits, with one or two signs between them at most.
func runOfDigits(text string) (length int) {
	if !isDigit(text[0]) {
		return 0
	}
	for i := 0; i < len(text) && i-length < 3; i++ {
		switch {
		case isDigit(text[i]):
			length = i + 1
		case !strings.ContainsRune(" -./()", rune(text[i])):
			return length
		}
	}
	return length
}

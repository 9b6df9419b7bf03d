package mappings

import "strings"

// piece is a part of a scalar: text, or the code of an expression.
type piece struct {
	code bool
	// text is the text with $${ already read as ${, or the code between the braces.
	text string
	// at is where the text or the code begins in the scalar, in bytes.
	at int
}

// split takes a scalar apart at its "${…}". If one isn't closed, unclosed is where it begins, else -1.
func split(s string) (pieces []piece, unclosed int) {
	var literal strings.Builder
	begin := 0
	flush := func(next int) {
		if literal.Len() > 0 {
			pieces = append(pieces, piece{text: literal.String(), at: begin})
			literal.Reset()
		}
		begin = next
	}
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			literal.WriteString("${")
			i += 3
		case strings.HasPrefix(s[i:], "${"):
			flush(i)
			end := closing(s, i+2)
			if end < 0 {
				return pieces, i
			}
			pieces = append(pieces, piece{code: true, text: s[i+2 : end], at: i + 2})
			i = end + 1
			begin = i
		default:
			literal.WriteByte(s[i])
			i++
		}
	}
	flush(len(s))
	return pieces, -1
}

// closing finds the brace that closes an expression which begins at i, past braces and quotes within it; -1 if none does.
func closing(s string, i int) int {
	depth := 0
	var quote byte
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}':
			return i
		}
	}
	return -1
}

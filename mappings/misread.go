package mappings

import (
	"strings"
	"unicode/utf8"
)

const (
	quote           = "put double quotes around this value: "
	quoteForComment = quote + "YAML reads everything after ' #' as a comment"
)

// misread looks in a line for an expression without quotes around it that YAML takes for something else. It gives the
// column where the value begins and what to do, or "".
func misread(line string) (column int, what string) {
	at := bareExpression(line)
	if at < 0 {
		return 0, ""
	}
	column = utf8.RuneCountInString(line[:at]) + 1
	end := closing(line, at+strings.Index(line[at:], "${")+2)
	if end < 0 {
		end = len(line)
	}
	expression := line[at:end]
	switch {
	case strings.Contains(expression, " #"):
		return column, quoteForComment
	case strings.Contains(expression, ": "):
		return column, quote + "YAML reads ': ' as the end of a key"
	}
	return column, quote + "YAML reads { and [ as the beginning of a map or list"
}

// bareExpression finds where a value begins that holds "${" and no quotes around it, -1 if the line has none.
func bareExpression(line string) int {
	var quote byte
	begin := 0
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == '\\' && quote == '"':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case strings.HasPrefix(line[i:], "${"):
			return begin
		case (c == '"' || c == '\'') && strings.TrimSpace(line[begin:i]) == "":
			quote = c
		case c == '#' && (i == 0 || line[i-1] == ' '):
			return -1
		case (c == ':' || c == '-') && i+1 < len(line) && line[i+1] == ' ', c == '{', c == '[', c == ',':
			begin = i + 1
			for begin < len(line) && line[begin] == ' ' {
				begin++
			}
		}
	}
	return -1
}

// tabbed recognises a line that is indented with tabs.
func tabbed(line string) (column int, what string) {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	at := strings.IndexByte(indent, '\t')
	if at < 0 {
		return 0, ""
	}
	return at + 1, "this line is indented with a tab, which YAML doesn't take: use spaces"
}

// quotedTwice recognises an expression in double quotes with double quotes within, which end the value for YAML.
func quotedTwice(line string) (column int, what string) {
	const begins = `"${`
	for from := 0; ; {
		at := strings.Index(line[from:], begins)
		if at < 0 {
			return 0, ""
		}
		from += at + len(begins)
		rest := line[from:]
		quote, end := strings.IndexByte(rest, '"'), strings.IndexByte(rest, '}')
		if quote < 0 || end >= 0 && end < quote || quote > 0 && rest[quote-1] == '\\' {
			continue
		}
		return utf8.RuneCountInString(line[:from+quote]) + 1,
			`a text within "${…}" stands in single quotes, as in "${call.outcome == 'connected'}": this double quote ends the value`
	}
}

// curly are the quotes that word processors write.
const curly = "‘’‚‛“”„‟"

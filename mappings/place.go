package mappings

import (
	"slices"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// place says where in the file a value stands, and how the characters of a scalar lie in it.
type place struct {
	line, column int
	path         string
	// columns gives for each byte of the scalar's value the column that it was read from. It is nil if the scalar
	// spans lines; then the scalar's own place has to do.
	columns []int
}

// inside is the place of one byte of the scalar.
func (p place) inside(at int) place {
	if len(p.columns) == 0 {
		return p
	}
	p.column = p.columns[min(max(at, 0), len(p.columns)-1)]
	return p
}

// placeOf gives the place of a node.
func (l *loader) placeOf(n *yaml.Node, path string) place {
	p := place{line: n.Line, column: n.Column, path: path}
	if n.Kind == yaml.ScalarNode && n.Line >= 1 && n.Line <= len(l.lines) {
		p.columns = columnsOf(l.lines[n.Line-1], n)
	}
	return p
}

// columnsOf follows a scalar through its line and notes the column of each byte of its value, and of its end. It gives
// nil if the line doesn't hold the whole scalar.
func columnsOf(line string, n *yaml.Node) []int {
	runes := []rune(line)
	at := n.Column - 1
	if at < 0 || at > len(runes) {
		return nil
	}
	double, single := n.Style&yaml.DoubleQuotedStyle != 0, n.Style&yaml.SingleQuotedStyle != 0
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return nil
	}
	if double || single {
		at++
	}
	columns := make([]int, 0, len(n.Value)+1)
	for _, want := range n.Value {
		if at >= len(runes) {
			return nil
		}
		width := 1
		switch {
		case double && runes[at] == '\\':
			if width = escapeWidth(runes[at:]); width == 0 {
				return nil
			}
		case single && runes[at] == '\'':
			width = 2
		case runes[at] != want:
			return nil
		}
		columns = append(columns, slices.Repeat([]int{at + 1}, utf8.RuneLen(want))...)
		at += width
	}
	return append(columns, at+1)
}

// escapeWidth is how many characters an escape in double quotes takes, 0 if it is none that stands for one character.
func escapeWidth(s []rune) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}

// under gives the path of a key below a path.
func under(path, key string) string {
	plain := key != "" && strings.Trim(strings.ToLower(key), "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
	switch {
	case !plain:
		return path + `["` + key + `"]`
	case path == "":
		return key
	}
	return path + "." + key
}

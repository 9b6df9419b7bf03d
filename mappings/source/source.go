// Package source says where in a file that people wrote something is wrong, and what to do about it.
//
// Everything that reads such a file (the configuration, a mapping, a table) collects [Problems] and reports them all at
// once, each with file, line, column, the path of keys that leads there, what is wrong, and a suggestion where there is
// a likely one.
package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one thing that is wrong (or, as a warning, doubtful) at one place of a file.
type Problem struct {
	// File as the user named it. It may also name a place that is no file: "environment WRAPUP_LISTEN".
	File string `json:"file"`
	// Line and Column count from 1; 0 means that the problem is about the file as a whole.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Path is the way of keys to the place, such as "destinations[0].retry.first". It may be empty.
	Path string `json:"path,omitempty"`
	// What is wrong, and what to do, in a sentence without a full stop.
	What string `json:"what"`
	// Warning says that the file can be used all the same.
	Warning bool `json:"warning,omitempty"`
	// Text is the line of the file, "" where there is none to show: a line that may hold a secret is not shown.
	Text string `json:"text,omitempty"`
}

// String gives "file:line:column: path: what".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.What)
	return b.String()
}

// shownColumns is how much of a long line is shown, around the column.
const shownColumns = 100

// Detailed gives String and below it, where the line is known, the line and a caret under the column:
//
//	bad.yaml:4:9: steps.log.body.talked: unknown field "talk_secnds" (did you mean "talk_seconds"?)
//	  |         talked: "${call.talk_secnds}"
//	  |                         ^
func (p Problem) Detailed() string {
	if p.Text == "" || p.Line == 0 {
		return p.String()
	}
	line := []rune(strings.Map(shownAs, strings.TrimRight(p.Text, "\r\n")))
	at := min(max(p.Column-1, 0), len(line))
	from, begin, end := 0, "", ""
	if len(line) > shownColumns {
		from = max(0, min(at-shownColumns/2, len(line)-shownColumns))
		to := from + shownColumns
		if to < len(line) {
			end = "…"
		}
		if from > 0 {
			begin = "…"
		}
		line = line[from:to]
	}
	lines := p.String() + "\n  | " + begin + string(line) + end
	if p.Column > 0 {
		lines += "\n  | " + strings.Repeat(" ", len([]rune(begin))+at-from) + "^"
	}
	return lines
}

// shownAs keeps what a file holds from being taken for a terminal's commands, and each character one column wide.
func shownAs(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
		return ' '
	}
	return r
}

// Problems is all that is wrong, as one error.
type Problems []Problem

// Detailed gives each problem with its line and a caret.
func (ps Problems) Detailed() string {
	all := make([]string, len(ps))
	for i, p := range ps {
		all[i] = p.Detailed()
	}
	return strings.Join(all, "\n")
}

// Error gives one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err gives nil if there is no problem but warnings, else the problems as an error. It keeps a nil Problems from
// becoming an error that isn't nil.
func (ps Problems) Err() error {
	for _, p := range ps {
		if !p.Warning {
			return ps
		}
	}
	return nil
}

// Sort puts the problems in the order of files, lines and columns, and takes out repeats.
func (ps Problems) Sort() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}

// Suggest gives ` (did you mean "x"?)` for the candidate that is likely meant by word, or "" if none is near enough.
func Suggest(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// Nearest gives the candidate that is likely meant by word, or "". A word may be off by a third of its letters, where
// letters that swapped places count once.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if c == "" || c == word {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Damerau-Levenshtein distance (optimal string alignment) of two words, in bytes.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

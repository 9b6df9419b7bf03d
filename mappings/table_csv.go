package mappings

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"wrapup/mappings/source"
)

// Sizes that no real table comes near.
const (
	maxTableBytes = 8 << 20
	maxTableRows  = 200_000
	// maxTableProblems bounds what is said about one file: a wrong column is wrong in each row.
	maxTableProblems = 20
)

// csvTable reads one table's file.
type csvTable struct {
	*table
	text     []string // its lines
	problems source.Problems
	// rounded recognises what a spreadsheet made of a long number.
	rounded *regexp.Regexp
}

// readCSV fills a table from its file: a CSV file with names in its first line, with commas, semicolons or tabs.
func readCSV(t *table, src []byte) source.Problems {
	c := &csvTable{table: t, rounded: regexp.MustCompile(`^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$`)}
	if bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}) {
		c.problem(1, 0, "this file is in UTF-16: save it as \"CSV UTF-8\"")
		return c.problems
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	switch {
	case len(src) > maxTableBytes:
		c.problem(0, 0, "the file is larger than %d MiB", maxTableBytes>>20)
	case !utf8.Valid(src):
		c.problem(0, 0, "the file is not in UTF-8: save it as \"CSV UTF-8\"")
	default:
		c.text = strings.Split(string(src), "\n")
		c.read(src)
	}
	return c.problems
}

func (c *csvTable) problem(line, column int, format string, args ...any) {
	if len(c.problems) < maxTableProblems {
		p := source.Problem{File: c.file, Line: line, Column: column, What: fmt.Sprintf(format, args...)}
		if line > 0 && line <= len(c.text) {
			p.Text = c.text[line-1]
			if column > 0 && column <= len(p.Text) { // the CSV reader counts bytes
				p.Column = utf8.RuneCountInString(p.Text[:column-1]) + 1
			}
		}
		c.problems = append(c.problems, p)
	}
}

func (c *csvTable) read(src []byte) {
	first, _, _ := bytes.Cut(src, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(src))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	for _, comma := range []rune{';', '\t'} {
		if bytes.ContainsRune(first, comma) && !bytes.ContainsRune(first, ',') {
			r.Comma = comma
		}
	}
	header, err := r.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			c.problem(0, 0, "the file is empty: its first line names the columns")
			return
		}
		c.unreadable(err)
		return
	}
	columns := make([]string, len(header))
	for i, name := range header {
		columns[i] = strings.TrimSpace(name)
	}
	key, value := c.column(columns, c.keyColumn), c.column(columns, c.valueColumn)
	if key < 0 || value < 0 {
		return
	}
	for rows := 0; ; rows++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			if len(c.lines) == 0 && len(c.problems) == 0 {
				c.problem(1, 0, "the file has no rows, so the table %s knows no key", c.name)
				c.problems[0].Warning = true
			}
			return
		}
		if err != nil {
			c.unreadable(err)
			return
		}
		if rows == maxTableRows {
			c.problem(0, 0, "the file has more than %d rows", maxTableRows)
			return
		}
		line, _ := r.FieldPos(0)
		if strings.TrimSpace(strings.Join(row, "")) == "" {
			continue
		}
		if len(row) != len(columns) {
			c.problem(line, 0, "this line has %d values, and the first line names %d columns", len(row), len(columns))
			continue
		}
		c.row(r, row, key, value)
	}
}

// column finds a column by name.
func (c *csvTable) column(columns []string, name string) int {
	at := slices.Index(columns, name)
	switch {
	case at < 0:
		c.problem(1, 0, "there is no column %q%s: the first line names %s", name, source.Suggest(name, columns), strings.Join(columns, ", "))
	case slices.Contains(columns[at+1:], name):
		c.problem(1, 0, "there are two columns %q", name)
		return -1
	}
	return at
}

// row takes one line's key and value. A blank value says that there is none for this key yet.
func (c *csvTable) row(r *csv.Reader, row []string, key, value int) {
	line, column := r.FieldPos(key)
	k, v := strings.TrimSpace(row[key]), strings.TrimSpace(row[value])
	if k == "" {
		c.problem(line, column, "the %s is blank", c.keyColumn)
		return
	}
	for _, i := range []int{key, value} {
		if s := strings.TrimSpace(row[i]); c.rounded.MatchString(s) {
			_, column := r.FieldPos(i)
			c.problem(line, column, "%s: a spreadsheet rounded this: format the column as text", s)
			return
		}
	}
	if first, ok := c.lines[k]; ok {
		c.problem(line, column, "%q is here twice (first in line %d)", k, first.line)
		return
	}
	c.lines[k] = place{line: line, column: column}
	if v == "" {
		return
	}
	converted, err := convert(v, c.valueType)
	if err != nil {
		_, column := r.FieldPos(value)
		c.problem(line, column, "%s %q: %s", c.valueColumn, v, err)
		return
	}
	c.values[k] = converted
}

// unreadable says where a file is no CSV.
func (c *csvTable) unreadable(err error) {
	if at, ok := errors.AsType[*csv.ParseError](err); ok {
		what := "a quote stands where none can be: a value with a quote in it is written \"a \"\"b\"\" c\""
		if errors.Is(at.Err, csv.ErrQuote) {
			what = "a quote is not closed, or text follows a closing quote"
		}
		c.problem(at.Line, at.Column, "%s", what)
		return
	}
	c.problem(0, 0, "%s", err)
}

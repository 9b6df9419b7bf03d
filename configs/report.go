package configs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"wrapup/mappings/source"
)

// place is where a value was given: in a line of the file, by a variable, by a flag.
type place struct {
	file         string
	line, column int
}

// report collects what is wrong, and knows where each value came from.
type report struct {
	// whole is the place of what was given nowhere: the configuration file.
	whole place
	// places of the values that were given, by their path of keys.
	places map[string]place
	// wrong are the paths whose values can't be used. What is wrong with one of them was said once, and nothing more is
	// said about it or what it holds.
	wrong    map[string]bool
	problems source.Problems
	// lines are those of the file.
	lines []string
}

func newReport(file string) *report {
	return &report{whole: place{file: file}, places: map[string]place{}, wrong: map[string]bool{}}
}

// given says that there is a value at the path, good or bad, that was not a default.
func (r *report) given(path string) bool {
	_, ok := r.places[path]
	return ok
}

// at gives the place of the value at the path or, if none was given, of what should have held it.
func (r *report) at(path string) place {
	for ; path != ""; path = parent(path) {
		if p, ok := r.places[path]; ok {
			return p
		}
	}
	return r.whole
}

// isWrong says that the value at the path, or what holds it, is known to be wrong.
func (r *report) isWrong(path string) bool {
	for ; path != ""; path = parent(path) {
		if r.wrong[path] {
			return true
		}
	}
	return false
}

// errorf says what is wrong with the value at the path, if nothing was said about it yet.
func (r *report) errorf(path, format string, args ...any) {
	if r.isWrong(path) {
		return
	}
	r.wrong[path] = true
	r.add(r.at(path), path, false, fmt.Sprintf(format, args...))
}

// warnf says what is doubtful about the value at the path, if it isn't wrong anyway.
func (r *report) warnf(path, format string, args ...any) {
	if !r.isWrong(path) {
		r.add(r.at(path), path, true, fmt.Sprintf(format, args...))
	}
}

func (r *report) add(p place, path string, warning bool, what string) {
	r.problems = append(r.problems,
		source.Problem{File: p.file, Line: p.line, Column: p.column, Path: path, What: what, Warning: warning, Text: r.text(p, path)})
}

// shownKeys are the keys whose values are no secret. What else stands in a file is not shown: a secret may stand in a place
// that is wrong, or under a key that is misspelt.
const shownKeys = `version|was|listen|data_dir|mappings_dir|socket|name|kind|path|in|hours|zone|within|region|owner|settle|ring_timeout|` +
	`max_age|late_window|late_connect_after|level|format|mapping|when|concurrency|timeout|connect_timeout|tls_timeout|header_timeout|` +
	`rate|brake|probe|newest_first|ambiguous|first|max|give_up_after|max_size|calls|answers|quarantine`

// text gives the line of a place, "" unless it is a key alone, or one with a value that is no secret.
func (r *report) text(p place, path string) string {
	if path == "" || p.file != r.whole.file || p.line < 1 || p.line > len(r.lines) {
		return ""
	}
	line := strings.TrimRight(r.lines[p.line-1], " \r")
	leaf := path[strings.LastIndexAny(path, ".]")+1:]
	pattern := `^\s*(- +)?["a-zA-Z0-9_.-]+\s*:$`
	if regexp.MustCompile(`^(` + shownKeys + `)$`).MatchString(leaf) {
		pattern = `^\s*(- +)?(["a-zA-Z0-9_.-]+\s*:$|` + leaf + `\s*:\s+[^{\[|>&*!#]+$)`
	}
	if !regexp.MustCompile(pattern).MatchString(line) {
		return ""
	}
	return line
}

// all gives the problems in order, each once.
func (r *report) all() source.Problems {
	seen := make(map[source.Problem]bool, len(r.problems))
	return slices.DeleteFunc(r.problems.Sort(), func(p source.Problem) bool {
		before := seen[p]
		seen[p] = true
		return before
	})
}

// child gives the path of a key below a path. A key that would be misread is quoted: queues["a.b"].region.
func child(path, key string) string {
	switch {
	case key == "" || strings.ContainsFunc(key, misread):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

func misread(r rune) bool { return r <= ' ' || strings.ContainsRune(`."[]`, r) }

// item gives the path of an item of the list at a path.
func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parent gives the path of what holds the value at a path, "" at the top. Where a quoted key makes it give a path that
// isn't there, the one above that is as good.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

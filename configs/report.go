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

// text gives the line of a place, "" if it may hold a secret: one that stands in the file, or under a key that is misspelt.
func (r *report) text(p place, path string) string {
	if p.file != r.whole.file || p.line < 1 || p.line > len(r.lines) {
		return ""
	}
	line := r.lines[p.line-1]
	matches := func(pattern, s string) bool { return regexp.MustCompile(pattern).MatchString(s) }
	const suspicious = `(?i)auth|bearer|basic|token|secret|pass|pwd|key|credential|header|sign|hmac|value|url|https?:`
	switch {
	case matches(suspicious, line), matches(suspicious, path):
		return ""
	case !matches(`^\s*(- )?\s*[a-z0-9_."-]+\s*:`, line): // it goes on with what began above
		return ""
	case matches(`^(sources|destinations)\[|^admin`, path) && !matches(`(^|\.)(name|kind|path|in|expect|hours|zone|within|mapping|when|`+
		`concurrency|timeout|connect_timeout|tls_timeout|ca|link_local|rate|brake|probe|ambiguous|retry|first|max|give_up_after|listen|socket)$`, path):
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

package mappings

import (
	"maps"
	"path/filepath"
	"strings"

	"wrapup/mappings/source"
)

// Mapping is a compiled mapping, bound to the settings of one destination. It is immutable.
type Mapping struct {
	name string
	// when has the mapping's own condition and the destination's; both must hold.
	when []condition
	// url is where paths are added to.
	url *template
	// create and update are the steps that log a call and those that amend its log, in order.
	create, update []*step
	params         any
}

// condition is a `when`, and whose it is.
type condition struct {
	*template
	whose string
}

// step is one request.
type step struct {
	name    string
	when    *template
	method  string
	path    *template
	query   tree
	headers []header
	body    tree
	repeat  Repeat
}

// header is one header of a request.
type header struct {
	name  string
	value *template
}

// Options is what a destination brings to its mapping.
type Options struct {
	// URL is the destination's url; it overrides the mapping's.
	URL string
	// Params are the destination's params.
	Params map[string]any
	// When is the destination's own condition ("${…}"), and-ed with the mapping's.
	When string
	// WhenAt is where When stands (File, Line, Column, Path), for its problems.
	WhenAt source.Problem
	// Unbound says that the mapping is only checked, for no destination: url and params may be missing.
	Unbound bool
}

// Compile reads a mapping and checks everything in it. File is its name in problems. The Mapping is nil if the problems
// are more than warnings.
func Compile(file string, src []byte, opts Options) (*Mapping, source.Problems) {
	l := newLoader(file, opts)
	m := &Mapping{name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), params: l.language.constants["params"]}
	if root := l.root(src); root != nil {
		l.mapping(m, root, opts)
	}
	if when := l.destinationWhen(opts); when != nil {
		m.when = append(m.when, condition{when, "the destination's condition"})
	}
	problems := l.problems.Sort()
	if problems.Err() != nil {
		return nil, problems
	}
	return m, problems
}

func newLoader(file string, opts Options) *loader {
	l := &loader{file: file}
	params := make(map[string]any, len(opts.Params))
	maps.Copy(params, opts.Params)
	value, err := normal(params)
	if err != nil {
		l.problem(place{}, "params: %s", err)
		value = object{}
	}
	paramsType := typeOf(value)
	if opts.Unbound {
		paramsType = &typ{kind: kindMap}
	}
	l.language = newLanguage(
		map[string]*typ{"call": recordType(), "params": paramsType},
		map[string]any{"params": value},
	)
	l.language.unbound = opts.Unbound
	return l
}

// destinationWhen compiles the destination's condition. Its problems lie in the destination's file.
func (l *loader) destinationWhen(opts Options) *template {
	if opts.When == "" {
		return nil
	}
	inner := &loader{file: opts.WhenAt.File, language: l.language}
	at := place{line: opts.WhenAt.Line, column: opts.WhenAt.Column, path: opts.WhenAt.Path}
	t := inner.templateText(opts.When, at, false)
	if t != nil {
		t = inner.conditionTemplate(t, at)
	}
	l.problems = append(l.problems, inner.problems...)
	return t
}

// Name is the mapping's name: that of its file, without the ending.
func (m *Mapping) Name() string { return m.name }

// PostsRevisions says whether anything is sent for a later revision of a call that was logged before.
func (m *Mapping) PostsRevisions() bool { return len(m.update) > 0 }

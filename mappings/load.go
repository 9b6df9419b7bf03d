package mappings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"wrapup/mappings/source"
)

// maxFileBytes bounds a mapping's file; the longest real ones have 4 kB. Its keys and values are bounded as well, for each
// takes more memory and time than it has bytes.
const (
	maxFileBytes  = 1 << 20
	maxFileValues = 50_000
)

// loader reads one file and collects all that is wrong with it.
type loader struct {
	file     string
	lines    []string
	problems source.Problems
	opts     Options
	m        *Mapping
	grammar  *grammar
	// language is that of the place that is being read.
	language *language
	// vars counts the vars that were named since it was cleared.
	vars map[int]int
}

// problem notes what is wrong at a place.
func (l *loader) problem(p place, format string, args ...any) {
	l.problems = append(l.problems, source.Problem{
		File: l.file, Line: p.line, Column: p.column, Path: p.path, What: fmt.Sprintf(format, args...), Text: l.line(p.line),
	})
}

// warn notes what is doubtful at a place.
func (l *loader) warn(p place, format string, args ...any) {
	l.problem(p, format, args...)
	l.problems[len(l.problems)-1].Warning = true
}

// root reads the file as YAML and gives the map that it has to be, nil if it isn't.
func (l *loader) root(src []byte) *yaml.Node {
	if len(src) > maxFileBytes {
		l.problem(place{}, "the file is larger than %d bytes", maxFileBytes)
		return nil
	}
	l.lines = strings.Split(strings.ReplaceAll(string(src), "\r\n", "\n"), "\n")
	documents, err := readDocuments(src)
	if err != nil {
		l.syntax(err)
		return nil
	}
	if len(documents) == 0 || len(documents[0].Content) == 0 {
		l.problem(place{}, "the file is empty")
		return nil
	}
	if values(documents[0]) > maxFileValues {
		l.problem(place{}, "the file holds more than %d keys and values: a long table belongs into a CSV file", maxFileValues)
		return nil
	}
	if len(documents) > 1 {
		l.problem(place{line: documents[1].Line, column: documents[1].Column},
			"a file holds one mapping: what follows '---' belongs into a file of its own")
	}
	root := documents[0].Content[0]
	if root.Kind != yaml.MappingNode {
		l.problem(l.placeOf(root, ""), "a mapping begins with keys such as steps:")
		return nil
	}
	return root
}

// values counts the keys and values of a node.
func values(n *yaml.Node) int {
	all := len(n.Content)
	for _, inner := range n.Content {
		all += values(inner)
	}
	return all
}

// readDocuments reads a file's documents, two at most: there should be one.
func readDocuments(src []byte) ([]*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	var documents []*yaml.Node
	for len(documents) < 2 {
		n := new(yaml.Node)
		if err := loader.Load(n); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		documents = append(documents, n)
	}
	return documents, nil
}

// entry is a key of a map, and its value.
type entry struct {
	name  string
	path  string
	key   *yaml.Node
	value *yaml.Node
}

// entries reads a map whose keys are free, and complains about keys that are given twice.
func (l *loader) entries(n *yaml.Node, path string) []entry {
	if !l.expect(n, path, yaml.MappingNode) {
		return nil
	}
	list := make([]entry, 0, len(n.Content)/2)
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := l.placeOf(key, under(path, key.Value))
		switch {
		case key.Kind != yaml.ScalarNode:
			l.problem(l.placeOf(key, path), "a key must be a plain word; what begins with ${ or { needs double quotes around it")
			continue
		case key.ShortTag() == "!!merge":
			l.problem(at, "<< is not supported in mappings")
			continue
		case strings.Contains(key.Value, "${"):
			l.problem(at, "a key can't hold an expression")
			continue
		}
		if line := first[key.Value]; line > 0 {
			l.problem(at, "%q is given twice (first in line %d)", key.Value, line)
			continue
		}
		first[key.Value] = key.Line
		if value.Kind == yaml.ScalarNode && plainStyle(value) && value.Value == "" && strings.Contains(key.LineComment, "${") {
			l.problem(at, "%s", quoteForComment) // the value is all comment
		}
		list = append(list, entry{name: key.Value, path: under(path, key.Value), key: key, value: value})
	}
	return list
}

// known reads a map whose keys are given.
func (l *loader) known(n *yaml.Node, path string, keys ...string) map[string]entry {
	found := make(map[string]entry)
	for _, e := range l.entries(n, path) {
		if !slices.Contains(keys, e.name) {
			l.problem(l.placeOf(e.key, path), "unknown key %q%s", e.name, l.keyHint(e.name, keys))
			continue
		}
		found[e.name] = e
	}
	return found
}

// keyHint says which key is meant, or where a key that stands at the wrong place belongs.
func (l *loader) keyHint(name string, keys []string) string {
	if hint := source.Suggest(name, keys); hint != "" {
		return hint
	}
	belongs := func(where string, of []string) string {
		if slices.Contains(of, name) {
			return " (it belongs " + where + ")"
		}
		return ""
	}
	return cmp.Or(belongs("under answers:", answerKeys()), belongs("in a step", stepKeys()), belongs("at the top of the file", topKeys()))
}

// expect complains unless the node is of the kind.
func (l *loader) expect(n *yaml.Node, path string, kind yaml.Kind) bool {
	if n.Kind == kind {
		return l.simple(n, path)
	}
	want := map[yaml.Kind]string{yaml.MappingNode: "keys with values", yaml.SequenceNode: "a list (each item behind a -)",
		yaml.ScalarNode: "a single value"}[kind]
	if l.simple(n, path) {
		l.problem(l.placeOf(n, path), "this must be %s", want)
	}
	return false
}

// simple complains about what YAML can do and mappings don't use.
func (l *loader) simple(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.problem(l.placeOf(n, path), "& and * (anchors) are not supported in mappings; a text that begins so needs double quotes around it")
	case n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str":
		l.problem(l.placeOf(n, path), "! (a tag) is not supported in mappings; a text that begins so needs double quotes around it")
	case n.Kind == yaml.ScalarNode && plainStyle(n) && strings.Contains(n.LineComment, "${"):
		l.problem(l.placeOf(n, path), "%s", quoteForComment)
	default:
		return true
	}
	return false
}

// syntax notes that the file is no YAML, and says what to do about it where that can be guessed.
func (l *loader) syntax(err error) {
	at, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		l.problem(place{}, "this is no YAML: %s", err)
		return
	}
	p := place{line: at.Mark.Line, column: at.Mark.Column}
	if strings.Contains(at.Message, "unexpected end of stream") && at.ContextMark.Line > 0 {
		p = place{line: at.ContextMark.Line, column: at.ContextMark.Column} // where what isn't closed begins
	}
	for _, guess := range []func(line string) (int, string){tabbed, quotedTwice, misread} {
		if column, what := guess(l.line(p.line)); what != "" {
			p.column = column
			l.problem(p, "%s", what)
			return
		}
	}
	l.problem(p, "this is no YAML: %s", yamlAdvice(at.Message))
}

func (l *loader) line(n int) string {
	if n < 1 || n > len(l.lines) {
		return ""
	}
	return l.lines[n-1]
}

// yamlAdvice adds to the library's words what mostly is the matter.
func yamlAdvice(message string) string {
	for part, advice := range map[string]string{
		"mapping values are not allowed": "a ': ' stands where no key can be; a value that holds ': ' needs double quotes around it",
		"unexpected end of stream":       "a quote or bracket is not closed",
		"unknown escape character":       `in double quotes a \ must be written twice`,
		"cannot start any token":         "a value can't begin with this character (or with a tab): put double quotes around it",
		"expected <block end>":           "the indentation is wrong, or text follows a closing quote",
		"expected '-' indicator":         "the indentation is wrong",
		"could not find expected ':'":    "a key without ':', or wrong indentation",
	} {
		if strings.Contains(message, part) {
			return advice
		}
	}
	return message
}

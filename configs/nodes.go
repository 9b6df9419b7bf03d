package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// parseYAML gives the file's top node: nil if the file says nothing, false if it is no YAML.
func (r *report) parseYAML(src []byte) (*yaml.Node, bool) {
	r.lines = strings.Split(string(src), "\n")
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		r.add(r.whole, "", false, err.Error())
		return nil, false
	}
	var doc, next yaml.Node
	if err = loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, true
	}
	if err == nil {
		if err = loader.Load(&next); err == nil {
			r.add(place{r.whole.file, next.Line, next.Column}, "", false, "more than one document: take out the line ---")
			return nil, false
		}
	}
	if !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil, false
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return nil, true
	}
	return doc.Content[0], true
}

// syntax reports what the YAML parser said.
func (r *report) syntax(err error) {
	at, what := r.whole, err.Error()
	var detail *yaml.LoadError
	if errors.As(err, &detail) {
		at.line, at.column = detail.Mark.Line, detail.Mark.Column
		what = detail.Message
		if detail.ContextMsg != "" {
			what += " " + detail.ContextMsg
			if detail.ContextMark.Line > 0 && detail.ContextMark.Line != detail.Mark.Line {
				what += fmt.Sprintf(" that began in line %d", detail.ContextMark.Line)
			}
		}
		what = "not YAML: " + what
	}
	r.add(at, "", false, what)
}

// isNull says that a node holds nothing: "key:" without a value, null, ~.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// isForeign says that a node has a tag that YAML itself doesn't know, such as !secret, and means something that wrapup
// doesn't know either.
func isForeign(n *yaml.Node) bool {
	tag := n.ShortTag()
	return tag == "!!binary" || strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!")
}

// describe names what a node holds.
func describe(n *yaml.Node) string {
	switch {
	case isForeign(n):
		return "something tagged " + n.Tag
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!int" || n.ShortTag() == "!!float":
		return "the number " + n.Value
	case n.ShortTag() == "!!bool":
		return n.Value
	default:
		return "a text"
	}
}

// free reads a value that may be anything, such as a parameter of a mapping: text, number, true or
// false, null, list, map. A number is one only if it is written as numbers are: 0812 and +62 stay texts.
func (w *walker) free(n *yaml.Node, path string, kinds ...yaml.Kind) (any, bool) {
	if len(kinds) == 1 && !w.expect(n, path, kinds[0]) {
		return nil, false
	}
	switch {
	case isForeign(n):
		w.errorf(path, "expected a value, not %s", describe(n))
		return nil, false
	case n.Kind == yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = w.freeChild(c, item(path, i))
		}
		return list, true
	case n.Kind == yaml.MappingNode:
		tree := map[string]any{}
		for key, pair := range w.pairs(n, path) {
			tree[key] = w.freeChild(pair.value, child(path, key))
		}
		return tree, true
	default:
		return plain(n), true
	}
}

func (w *walker) freeChild(n *yaml.Node, path string) any {
	n, ok := w.enter(n, path)
	defer w.leave()
	if !ok {
		return nil
	}
	v, _ := w.free(n, path)
	return v
}

func plain(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		if i, err := strconv.Atoi(n.Value); err == nil && strconv.Itoa(i) == n.Value {
			return i
		}
	case "!!float":
		digits := strings.TrimPrefix(n.Value, "-")
		asWritten := strings.HasPrefix(digits, "+") || strings.HasPrefix(digits, "0") && !strings.HasPrefix(digits, "0.") ||
			!strings.ContainsAny(digits, ".eE")
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && !asWritten {
			return f
		}
	}
	return n.Value
}

package configs

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"wrapup/mappings/source"
)

// What a file may hold at most: anchors can make a small file large.
const (
	maxDepth = 50
	maxNodes = 100_000
)

// walker goes over the nodes of a file along the Config struct. It gives a tree of plain values in which all is well:
// what is wrong is reported and left out, or held empty where an index would move.
type walker struct {
	*report
	// envNames are the variables that secrets are read from.
	envNames map[string]bool
	// outline has a key that is misspelt taken for the one that was likely meant.
	outline bool
	// inside are the nodes that the walk is in, and nodes counts all that it has been in.
	inside []*yaml.Node
	nodes  int
}

// enter begins with a node, and says whether to go on; leave is called in any case. An alias stands for its anchor.
func (w *walker) enter(n *yaml.Node, path string) (*yaml.Node, bool) {
	w.places[path] = place{w.whole.file, n.Line, n.Column}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	w.nodes++
	again := slices.Contains(w.inside, n)
	w.inside = append(w.inside, n)
	switch {
	case again:
		w.errorf(path, "holds itself")
	case w.nodes > maxNodes || len(w.inside) > maxDepth:
		w.errorf(path, "holds too much: more than %d values, or deeper than %d levels", maxNodes, maxDepth)
	default:
		return n, true
	}
	return n, false
}

func (w *walker) leave() { w.inside = w.inside[:len(w.inside)-1] }

// value gives the value of a node, false if there is none to use. Default values are put in below lists and maps;
// outside of them they are a layer of their own.
func (w *walker) value(n *yaml.Node, f field, path string, inList bool) (any, bool) {
	n, ok := w.enter(n, path)
	defer w.leave()
	if !ok {
		return nil, false
	}
	t := f.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	secret, open := isSecret(t)
	switch {
	case secret:
		return w.secret(n, path, open)
	case t == secretsType && n.Kind != yaml.SequenceNode:
		v, ok := w.secret(n, path, false)
		return []any{v}, ok
	case isLeaf(t):
		f.typ = t
		return w.scalar(n, f, path)
	case isNull(n) && f.typ.Kind() != reflect.Pointer:
		return nil, false // a list of which all items are comments, say
	case t.Kind() == reflect.Slice:
		return w.list(n, t.Elem(), path)
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Interface:
		return w.free(n, path, yaml.MappingNode)
	case t.Kind() == reflect.Map:
		return w.entries(n, t.Elem(), path)
	default:
		return w.structure(n, t, path, inList)
	}
}

// structure reads a map whose keys are known.
func (w *walker) structure(n *yaml.Node, t reflect.Type, path string, inList bool) (any, bool) {
	if !w.expect(n, path, yaml.MappingNode) {
		return nil, false
	}
	fields, later := fieldsOf(t)
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	tree := map[string]any{}
	if inList {
		tree = defaults(t)
	}
	for key, pair := range w.pairs(n, path) {
		i := slices.Index(known, key)
		if i < 0 {
			meant := w.unknown(pair.key, key, path, known, later)
			if _, there := tree[meant]; !w.outline || meant == "" || there {
				continue
			}
			key, i = meant, slices.Index(known, meant)
		}
		if v, ok := w.value(pair.value, fields[i], child(path, key), inList); ok {
			tree[key] = v
		}
	}
	return tree, true
}

// unknown reports a key that isn't known. The key that was likely meant counts as said, so that nobody is told that it is
// missing; it is given, "" if there is none.
func (w *walker) unknown(n *yaml.Node, key, path string, known, later []string) (meant string) {
	at := place{w.whole.file, n.Line, n.Column}
	if slices.Contains(later, key) {
		w.wrong[child(path, key)] = true
		w.add(at, child(path, key), false, "not supported by this version")
		return ""
	}
	if meant = source.Nearest(key, known); meant != "" {
		w.wrong[child(path, meant)] = true
	}
	w.add(at, child(path, key), false, fmt.Sprintf("unknown key%s", source.Suggest(key, append(known, later...))))
	return meant
}

// list reads a list. Its items keep their places: an item that can't be used stays as an empty one.
func (w *walker) list(n *yaml.Node, t reflect.Type, path string) (any, bool) {
	if !w.expect(n, path, yaml.SequenceNode) {
		return nil, false
	}
	items := make([]any, len(n.Content))
	for i, c := range n.Content {
		at := item(path, i)
		v, ok := w.value(c, field{typ: reflect.PointerTo(t)}, at, true)
		if !ok {
			v = empty(t)
			w.wrong[at] = true
		}
		items[i] = v
	}
	return items, true
}

// entries reads a map whose keys are anybody's choice, and whose values are structs or secrets. Keys are taken as they are
// written.
func (w *walker) entries(n *yaml.Node, t reflect.Type, path string) (any, bool) {
	if !w.expect(n, path, yaml.MappingNode) {
		return nil, false
	}
	tree := map[string]any{}
	for key, pair := range w.pairs(n, path) {
		v, ok := w.value(pair.value, field{typ: t}, child(path, key), true)
		switch {
		case ok:
			tree[key] = v
		default:
			tree[key] = empty(t)
		}
	}
	return tree, true
}

// empty stands for a value of the type of which it was said what is wrong with it.
func empty(t reflect.Type) any {
	switch {
	case t == networkType:
		return ""
	case isLeaf(t):
		return fromLiteral + ":"
	default:
		return map[string]any{}
	}
}

// pair is a key of a map and its value.
type pair struct{ key, value *yaml.Node }

// pairs gives the keys of a map in their order, each once, and reports what is wrong with them.
func (w *walker) pairs(n *yaml.Node, path string) iter.Seq2[string, pair] {
	return func(yield func(string, pair) bool) {
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			at := place{w.whole.file, k.Line, k.Column}
			for k.Kind == yaml.AliasNode {
				k = k.Alias
			}
			before, twice := first[k.Value]
			switch {
			case k.Kind != yaml.ScalarNode || isNull(k):
				w.add(at, path, false, "a key must be a text")
			case k.ShortTag() == "!!merge":
				w.add(at, path, false, "merge keys (<<) are not supported: write the keys out")
			case strings.Contains(k.Value, delimiter):
				w.add(at, path, false, fmt.Sprintf("key %q: holds a zero byte", k.Value))
			case twice:
				w.add(at, child(path, k.Value), false, fmt.Sprintf("given twice, first in line %d", before))
			default:
				first[k.Value] = k.Line
				if !yield(k.Value, pair{k, v}) {
					return
				}
			}
		}
	}
}

// scalar reads a single value as it is written: 0812 stays 0812.
func (w *walker) scalar(n *yaml.Node, f field, path string) (any, bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) || isForeign(n) {
		w.mismatch(n, path, f.expects())
		return nil, false
	}
	v, err := f.parse(n.Value)
	if err != nil {
		w.errorf(path, "%s", err)
		return nil, false
	}
	return v, true
}

// expects names what a scalar should be.
func (f field) expects() string {
	switch {
	case f.typ.Kind() == reflect.Int:
		return "a whole number"
	case f.typ == durationType:
		return "a duration such as 5s, 10m, 7d"
	case f.typ == rateType:
		return "so many in some time, such as 15/s, 40/m, 60/h or 1000/d"
	case f.typ == hoursType:
		return "hours such as \"Mon-Fri 08:00-20:00\""
	case f.typ == networkType:
		return "a network such as 10.0.0.0/8, or an address"
	case len(f.oneOf) > 0:
		return anyOf(f.oneOf)
	default:
		return "a text"
	}
}

// secret reads where a secret comes from: "env:NAME" and the like, "literal:…" for a text.
func (w *walker) secret(n *yaml.Node, path string, open bool) (any, bool) {
	expected := "{env: NAME}, {file: PATH} or {credential: NAME}"
	if n.Kind == yaml.ScalarNode && !isNull(n) && !isForeign(n) {
		if n.Value == "" {
			w.errorf(path, "is empty")
			return nil, false
		}
		if !open {
			w.warnf(path, "the secret itself stands here: better %s", expected)
		}
		return fromLiteral + ":" + n.Value, true
	}
	if n.Kind != yaml.MappingNode {
		if open {
			expected = "a text, " + expected
		}
		w.mismatch(n, path, expected)
		return nil, false
	}
	kinds := []string{fromEnv, fromFile, fromCredential}
	refs := map[string]string{}
	for key, pair := range w.pairs(n, path) {
		if !slices.Contains(kinds, key) {
			w.errorf(child(path, key), "unknown key%s: expected %s", source.Suggest(key, kinds), expected)
			continue
		}
		v, ok := w.value(pair.value, field{typ: reflect.TypeFor[string]()}, child(path, key), true)
		if name, _ := v.(string); name != "" {
			refs[key] = name
		} else if ok {
			w.errorf(child(path, key), "is empty")
		}
		w.wrong[path] = w.wrong[path] || w.wrong[child(path, key)]
	}
	if len(refs) != 1 {
		w.errorf(path, "expected one of %s", expected)
	}
	if w.isWrong(path) {
		return nil, false
	}
	from := slices.Collect(maps.Keys(refs))[0]
	if from == fromEnv {
		w.envNames[refs[from]] = true
	}
	return from + ":" + refs[from], true
}

// expect says whether a node is of the kind, and reports it if not.
func (w *walker) expect(n *yaml.Node, path string, kind yaml.Kind) bool {
	if n.Kind == kind && !isForeign(n) {
		return true
	}
	expected := "a map"
	if kind == yaml.SequenceNode {
		expected = "a list"
	}
	w.mismatch(n, path, expected)
	return false
}

func (w *walker) mismatch(n *yaml.Node, path, expected string) {
	if isNull(n) {
		w.errorf(path, "is empty: expected %s", expected)
		return
	}
	w.errorf(path, "expected %s, not %s", expected, describe(n))
}

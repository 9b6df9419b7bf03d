package mappings

// tree is a value of a mapping that may be of any shape, such as a body.
type tree interface {
	// render gives the value.
	render(s *scope) (any, error)
	// append writes the value as JSON, without building it first.
	append(b []byte, s *scope) ([]byte, gave, error)
}

// gave is what a tree wrote.
type gave int

const (
	gaveValue   gave = iota
	gaveNull         // null, which was written
	gaveEmptied      // a map all of whose values are null; {} was written
	gaveNothing      // a map whose $if is false; nothing was written
)

// absent is what a map gives whose $if is false: unlike null it leaves no trace in a list either.
type absent struct{}

// literalTree is a value without expressions.
type literalTree struct {
	value any
	json  []byte
}

func newLiteral(v any) literalTree {
	b, err := appendJSON(nil, v)
	if err != nil {
		return literalTree{}
	}
	return literalTree{v, b}
}

func (t literalTree) render(*scope) (any, error) { return t.value, nil }

func (t literalTree) append(b []byte, _ *scope) ([]byte, gave, error) {
	if t.value == nil {
		return append(b, "null"...), gaveNull, nil
	}
	return append(b, t.json...), gaveValue, nil
}

// templateTree is a scalar with expressions.
type templateTree struct{ *template }

func (t templateTree) render(s *scope) (any, error) { return t.value(s) }

func (t templateTree) append(b []byte, s *scope) ([]byte, gave, error) {
	if e := t.single(); e == nil || e.field != nil {
		if b, got, done, err := t.appendText(b, s, e); done {
			return b, got, err
		}
	}
	v, err := t.value(s)
	if err != nil {
		return nil, gaveNull, err
	}
	if b, err = appendJSON(b, v); err != nil {
		return nil, gaveNull, t.fail(err)
	}
	if v == nil {
		return b, gaveNull, nil
	}
	return b, gaveValue, nil
}

// appendText writes what is a text, without a value between; done is false if it is something else.
func (t templateTree) appendText(b []byte, s *scope, e *expression) (to []byte, got gave, done bool, err error) {
	var word string
	if e == nil {
		word, err = t.text(s, asItIs)
	} else {
		var null, isText bool
		if word, null, isText = e.field.text(s.record); !isText {
			return b, gaveValue, false, nil
		}
		if null {
			return append(b, "null"...), gaveNull, true, nil
		}
	}
	if err == nil && len(b) > maxBodyBytes {
		err = t.fail(errBody)
	}
	if err != nil {
		return nil, gaveNull, true, err
	}
	b, err = appendJSONText(b, word)
	return b, gaveValue, true, err
}

// mapTree is a map. A key whose value is null is left out; so is a map that is emptied by that, but a map that was
// written empty stays.
type mapTree struct {
	// only is the condition of its $if, nil if it has none.
	only *template
	keys []string
	of   []tree
	// json holds the keys as they are written, with their colons.
	json [][]byte
}

func (t *mapTree) add(key string, value tree) {
	t.keys = append(t.keys, key)
	t.of = append(t.of, value)
	written, err := appendJSONText(nil, key)
	if err != nil {
		written = []byte(`""`)
	}
	t.json = append(t.json, append(written, ':'))
}

func (t *mapTree) holds(s *scope) (bool, error) {
	if t.only == nil {
		return true, nil
	}
	return t.only.condition(s)
}

func (t *mapTree) render(s *scope) (any, error) {
	if holds, err := t.holds(s); err != nil || !holds {
		return absent{}, err
	}
	o := make(object, 0, len(t.keys))
	for i, key := range t.keys {
		value, err := t.of[i].render(s)
		if err != nil {
			return nil, err
		}
		if value == nil || value == any(absent{}) {
			continue
		}
		if written, ok := t.of[i].(*mapTree); ok && len(written.keys) > 0 {
			if inner, ok := value.(object); ok && len(inner) == 0 {
				continue
			}
		}
		o = append(o, member{key, value})
	}
	return o, nil
}

func (t *mapTree) append(b []byte, s *scope) ([]byte, gave, error) {
	if holds, err := t.holds(s); err != nil || !holds {
		return b, gaveNothing, err
	}
	b = append(b, '{')
	first := len(b)
	for i, of := range t.of {
		before := len(b)
		if before > first {
			b = append(b, ',')
		}
		b = append(b, t.json[i]...)
		var got gave
		var err error
		if b, got, err = of.append(b, s); err != nil {
			return nil, got, err
		}
		if got != gaveValue {
			b = b[:before]
		}
	}
	b = append(b, '}')
	if len(b) == first+1 && len(t.keys) > 0 {
		return b, gaveEmptied, nil
	}
	return b, gaveValue, nil
}

// listTree is a list. Its items stay where they are, null or emptied, for their places may mean something.
type listTree struct{ items []tree }

func (t listTree) render(s *scope) (any, error) {
	list := make([]any, 0, len(t.items))
	for _, item := range t.items {
		value, err := item.render(s)
		if err != nil {
			return nil, err
		}
		if value != any(absent{}) {
			list = append(list, value)
		}
	}
	return list, nil
}

func (t listTree) append(b []byte, s *scope) ([]byte, gave, error) {
	b = append(b, '[')
	first := len(b)
	for _, item := range t.items {
		before := len(b)
		if before > first {
			b = append(b, ',')
		}
		var got gave
		var err error
		if b, got, err = item.append(b, s); err != nil {
			return nil, got, err
		}
		if got == gaveNothing {
			b = b[:before]
		}
	}
	return append(b, ']'), gaveValue, nil
}

// sizeOf says about how long a value gets as JSON.
func sizeOf(t tree) int {
	switch t := t.(type) {
	case literalTree:
		return len(t.json)
	case templateTree:
		return t.size + 2
	case *mapTree:
		n := 2
		for i, of := range t.of {
			n += len(t.json[i]) + 1 + sizeOf(of)
		}
		return n
	case listTree:
		n := 2
		for _, item := range t.items {
			n += 1 + sizeOf(item)
		}
		return n
	}
	return 0
}

package mappings

// tree is a value of a mapping that may be of any shape, such as a body.
type tree interface {
	render(env environment) (any, error)
}

// absent is what a map gives whose $if is false: unlike null it leaves no trace in a list either.
type absent struct{}

// literalTree is a value without expressions.
type literalTree struct{ value any }

func (t literalTree) render(environment) (any, error) { return t.value, nil }

// templateTree is a scalar with expressions.
type templateTree struct{ *template }

func (t templateTree) render(env environment) (any, error) { return t.value(env) }

// mapTree is a map. A key whose value is null is left out; so is a map that is emptied by that, but a map that was
// written empty stays.
type mapTree struct {
	// only is the condition of its $if, nil if it has none.
	only *template
	keys []string
	of   []tree
}

func (t mapTree) render(env environment) (any, error) {
	if t.only != nil {
		holds, err := t.only.condition(env)
		if err != nil {
			return nil, err
		}
		if !holds {
			return absent{}, nil
		}
	}
	o := make(object, 0, len(t.keys))
	for i, key := range t.keys {
		value, err := t.of[i].render(env)
		if err != nil {
			return nil, err
		}
		if value == nil || value == any(absent{}) {
			continue
		}
		if written, ok := t.of[i].(mapTree); ok && len(written.keys) > 0 {
			if inner, ok := value.(object); ok && len(inner) == 0 {
				continue
			}
		}
		o = append(o, member{key, value})
	}
	return o, nil
}

// listTree is a list. Its items stay where they are, null or emptied, for their places may mean something.
type listTree struct{ items []tree }

func (t listTree) render(env environment) (any, error) {
	list := make([]any, 0, len(t.items))
	for _, item := range t.items {
		value, err := item.render(env)
		if err != nil {
			return nil, err
		}
		if value != any(absent{}) {
			list = append(list, value)
		}
	}
	return list, nil
}

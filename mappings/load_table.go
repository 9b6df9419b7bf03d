package mappings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"wrapup/mappings/source"
)

// readTables reads tables and gives the type of `tables`.
func (l *loader) readTables(e entry) *typ {
	all := &typ{kind: kindMap, fields: map[string]*typ{}}
	for _, t := range l.entries(e.value, e.path) {
		if !identifier(t.name) {
			l.problem(l.placeOf(t.key, t.path), "the name of a table is made of letters, digits and _")
			continue
		}
		table := &table{name: t.name, at: l.placeOf(t.key, t.path), lines: map[string]place{}}
		table.typ = &tableType{name: t.name, index: len(l.m.tables)}
		var values *typ
		if l.isFile(t.value) {
			values = l.fileTable(table, t)
		} else {
			values = l.inlineTable(table, t)
		}
		table.typ.fallback = table.fallback != nil
		l.m.tables = append(l.m.tables, table)
		all.fields[t.name] = &typ{kind: kindMap, elem: values, table: table.typ}
	}
	if len(all.fields) == 0 {
		all.fields["NAME"] = typeAny()
	}
	return all
}

func (l *loader) isFile(n *yaml.Node) bool {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "file" {
			return true
		}
	}
	return false
}

// inlineTable reads keys and values. Keys are texts as they are written: 6122312312 is one.
func (l *loader) inlineTable(t *table, e entry) *typ {
	t.values = map[string]any{}
	t.typ.keys = []string{}
	values := &typ{kind: kindNull}
	for _, v := range l.entries(e.value, e.path) {
		value := l.literal(v.value, v.path)
		values = either(values, typeOf(value))
		if v.name == "default" {
			t.fallback = value
			continue
		}
		if strings.TrimSpace(v.name) == "" {
			l.problem(l.placeOf(v.key, v.path), "a key can't be blank")
		}
		if value == nil {
			values = typeAny()
		}
		t.values[v.name] = value
		t.lines[v.name] = l.placeOf(v.key, v.path)
		t.typ.keys = append(t.typ.keys, v.name)
	}
	if values.kind == kindNull {
		return typeAny()
	}
	return values
}

// tableKeys are the keys of a table that is a file.
func tableKeys() []string { return []string{"file", "key", "value", "type", "default", "missing"} }

// fileTable reads where a table's file is, and the file.
func (l *loader) fileTable(t *table, e entry) *typ {
	keys := l.known(e.value, e.path, tableKeys()...)
	for _, k := range []struct {
		name string
		to   *string
	}{{"file", &t.file}, {"key", &t.keyColumn}, {"value", &t.valueColumn}, {"type", &t.valueType}} {
		v, ok := keys[k.name]
		switch {
		case ok:
			*k.to, _ = l.text(v.value, v.path)
			if *k.to == "" {
				l.problem(l.placeOf(v.value, v.path), "this is empty")
			}
		case k.name != "type":
			l.problem(l.placeOf(e.key, e.path), "%s: is missing: a table from a file has file, key and value (the names of two columns)", k.name)
		}
	}
	types := []string{"text", "int", "number", "bool"}
	if v, ok := keys["type"]; ok && !slices.Contains(types, t.valueType) {
		l.problem(l.placeOf(v.value, v.path), "type is one of %s, not %q%s", strings.Join(types, ", "), t.valueType, typeHint(t.valueType, types))
		t.valueType = ""
	}
	if t.valueType == "" {
		t.valueType = "text"
	}
	if v, ok := keys["default"]; ok {
		value, err := convert(l.literal(v.value, v.path), t.valueType)
		if err != nil {
			l.problem(l.placeOf(v.value, v.path), "%s", err)
		}
		t.fallback = value
	}
	if v, ok := keys["missing"]; ok {
		t.missing = &missing{}
		t.missing.hold, t.missing.then = l.holdThen(v, thenNull, thenDead)
		if d, ok := keys["default"]; ok {
			l.problem(l.placeOf(d.key, d.path), "a table has either missing or default")
		}
	}
	if v, ok := keys["file"]; ok && t.file != "" && t.keyColumn != "" && t.valueColumn != "" {
		t.at = l.placeOf(v.value, v.path)
		l.fill(t)
	}
	return typeNamed(t.valueType)
}

// fill reads a table's file.
func (l *loader) fill(t *table) {
	t.values, t.lines = map[string]any{}, map[string]place{}
	if l.opts.ReadFile == nil {
		if !l.opts.Unbound {
			l.problem(t.at, "the file %s can't be read here", t.file)
		}
		return
	}
	src, err := l.opts.ReadFile(t.file)
	if err != nil {
		l.problem(t.at, "the table's file can't be read: %s", err)
		l.problems[len(l.problems)-1].Warning = l.opts.Unbound // a destination may be the first to need it
		return
	}
	l.problems = append(l.problems, readCSV(t, src)...)
}

// checkTableKeys checks the keys of tables that are only asked for texts that are known: the outcomes, for example.
func (l *loader) checkTableKeys() {
	for _, t := range l.m.tables {
		if t.typ.any || len(t.typ.asked) == 0 {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(t.values)) {
			if slices.Contains(t.typ.asked, key) {
				continue
			}
			what := fmt.Sprintf("the table %s is never asked for %q%s", t.name, key, source.Suggest(key, t.typ.asked))
			at := t.lines[key]
			p := source.Problem{File: l.file, Line: at.line, Column: at.column, Path: at.path, What: what, Text: l.line(at.line)}
			if t.file != "" {
				p.File, p.Path, p.Text = t.file, "", ""
			}
			l.problems = append(l.problems, p)
		}
	}
}

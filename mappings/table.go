package mappings

import (
	"reflect"
	"slices"
	"time"

	"wrapup/mappings/source"
)

// table is a lookup of a mapping.
type table struct {
	name string
	// at is where it stands in the mapping.
	at place
	// file is where its keys and values are, "" if they stand in the mapping.
	file string
	// keyColumn and valueColumn are the columns of the file, and valueType is what values are read as.
	keyColumn, valueColumn, valueType string
	values                            map[string]any
	// fallback is for keys that are not there.
	fallback any
	// missing says what to do about keys that are not there; nil takes the fallback.
	missing *missing
	typ     *tableType
	// lines says where each key stands, in the file or in the mapping.
	lines map[string]place
}

// missing is what becomes of a call whose key a table doesn't know.
type missing struct {
	hold time.Duration
	then string
}

// AgentTable is a table that is asked for agents' usernames.
type AgentTable struct {
	// Name is the table's; File is empty if it stands in the mapping itself.
	Name, File string
	// Missing says what becomes of a call of an agent who isn't in it: "" takes a default, "null" leaves the agent out,
	// "dead" refuses the call.
	Missing string
	values  map[string]any
}

// Has says whether the table knows the agent.
func (t AgentTable) Has(username string) bool {
	_, ok := t.values[username]
	return ok
}

// AgentTables lists the tables that are asked for agents, so that unknown agents can be named before a call comes.
func (m *Mapping) AgentTables() []AgentTable {
	var list []AgentTable
	for _, t := range m.tables {
		if !t.typ.byAgent {
			continue
		}
		a := AgentTable{Name: t.name, File: t.file, values: t.values}
		if t.missing != nil {
			a.Missing = t.missing.then
		}
		list = append(list, a)
	}
	return list
}

// TableFiles names the files that the mapping's tables are read from.
func (m *Mapping) TableFiles() []string {
	var files []string
	for _, t := range m.tables {
		if t.file != "" && !slices.Contains(files, t.file) {
			files = append(files, t.file)
		}
	}
	return files
}

// SameTables says whether the tables of two states of a mapping hold the same.
func (m *Mapping) SameTables(other *Mapping) bool {
	return slices.EqualFunc(m.tables, other.tables, func(a, b *table) bool { return reflect.DeepEqual(a.values, b.values) })
}

// WithTables gives the mapping with its tables read again. The Mapping is nil if the problems are more than warnings:
// then the old one stays in use. A table that had rows and has none any more is such a problem.
func (m *Mapping) WithTables(readFile func(name string) ([]byte, error)) (*Mapping, source.Problems) {
	l := &loader{file: m.file, opts: Options{ReadFile: readFile}}
	fresh := *m
	fresh.tables = slices.Clone(m.tables)
	for i, t := range fresh.tables {
		if t.file == "" {
			continue
		}
		again := *t
		before := len(l.problems)
		l.fill(&again)
		if len(t.lines) > 0 && len(again.lines) == 0 { // half written, or cleared by mistake: each call would be held, or go without
			for i := range l.problems[before:] {
				l.problems[before+i].Warning = false
			}
		}
		fresh.tables[i] = &again
	}
	l.m = &fresh
	l.checkTableKeys()
	problems := l.problems.Sort()
	if problems.Err() != nil {
		return nil, problems
	}
	return &fresh, problems
}

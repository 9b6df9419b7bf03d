package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Change is one way in which two configurations differ.
type Change struct {
	// Path of what differs: "correlation.settle", "sources[predictive].auth", "destinations[crm].mapping". Entries of lists
	// are named, not numbered. A secret never shows.
	Path string
	// Added and Removed say that only the new, or only the old configuration has the entry.
	Added, Removed bool
}

// String gives the path and what became of it.
func (c Change) String() string {
	switch {
	case c.Added:
		return c.Path + " is new"
	case c.Removed:
		return c.Path + " is gone"
	default:
		return c.Path
	}
}

// Restart says that the change takes effect at the next start only.
func (c Change) Restart() bool {
	return slices.ContainsFunc(restart, func(path string) bool {
		return c.Path == path || strings.HasPrefix(c.Path, path+".")
	})
}

// restart are the settings that are read at the start: what they are about is open while the daemon runs.
var restart = []string{"listen", "data_dir", "admin", "store", "retention.calls", "retention.answers", "log.format"}

// Changes tells how two configurations that Load gave differ, in the order of the keys. What files hold counts: secrets,
// mappings, tables, certificates of authorities. The daemon's own certificate doesn't; it is looked after by itself.
func Changes(old, fresh *Config) []Change {
	changes := diff("", reflect.ValueOf(old).Elem(), reflect.ValueOf(fresh).Elem())
	if (old.TLS.Cert == "") != (fresh.TLS.Cert == "") { // one can't be had without the other
		changes = append(slices.DeleteFunc(changes, func(c Change) bool { return strings.HasPrefix(c.Path, "tls.") }), Change{Path: "tls"})
	}
	return changes
}

// diff compares two structs of settings at a path.
func diff(path string, old, fresh reflect.Value) (changes []Change) {
	for i := range old.NumField() {
		key, _, _ := strings.Cut(old.Type().Field(i).Tag.Get("yaml"), ",")
		if !old.Type().Field(i).IsExported() || key == "-" {
			continue
		}
		at, a, b := child(path, key), old.Field(i), fresh.Field(i)
		switch {
		case a.Type() == reflect.TypeFor[[]Source](), a.Type() == reflect.TypeFor[[]Destination]():
			changes = append(changes, entries(at, byName(a), byName(b))...)
		case a.Type() == reflect.TypeFor[map[string]Queue]():
			changes = append(changes, entries(at, byKey(a), byKey(b))...)
		case a.Kind() == reflect.Struct && !isLeaf(a.Type()):
			changes = append(changes, diff(at, a, b)...)
		case !reflect.DeepEqual(a.Interface(), b.Interface()): // a secret's value is behind a pointer, which is followed
			changes = append(changes, Change{Path: at})
		}
	}
	return changes
}

// named are the entries of a list or a map, and their names in order.
type named struct {
	names []string
	by    map[string]reflect.Value
}

func byName(list reflect.Value) named {
	n := named{by: map[string]reflect.Value{}}
	for i := range list.Len() {
		name := list.Index(i).FieldByName("Name").String()
		n.names, n.by[name] = append(n.names, name), list.Index(i)
	}
	return n
}

func byKey(m reflect.Value) named {
	n := named{by: map[string]reflect.Value{}}
	for key, value := range m.Seq2() {
		n.by[key.String()] = value
	}
	n.names = slices.Sorted(maps.Keys(n.by))
	return n
}

func entries(path string, old, fresh named) (changes []Change) {
	at := func(name string) string { return fmt.Sprintf("%s[%s]", path, name) }
	for _, name := range old.names {
		if _, there := fresh.by[name]; !there {
			changes = append(changes, Change{Path: at(name), Removed: true})
		}
	}
	for _, name := range fresh.names {
		b := fresh.by[name]
		a, there := old.by[name]
		if !there {
			changes = append(changes, Change{Path: at(name), Added: true})
			continue
		}
		changes = append(changes, diff(at(name), a, b)...)
		if d, ok := a.Interface().(Destination); ok {
			changes = append(changes, d.files(b.Interface().(Destination), at(name))...) //nolint:forcetypeassert // of one list
		}
	}
	return changes
}

// files tells how what the destination's files hold has changed: those that have the same names as before.
func (d *Destination) files(fresh Destination, at string) (changes []Change) {
	if d.Mapping == fresh.Mapping && d.Compiled != nil && fresh.Compiled != nil {
		switch {
		case d.MappingFile != fresh.MappingFile, !d.Compiled.SameFile(fresh.Compiled):
			changes = append(changes, Change{Path: child(at, "mapping")})
		case !d.Compiled.SameTables(fresh.Compiled):
			changes = append(changes, Change{Path: child(at, "mapping") + " (tables)"})
		}
	}
	if d.CA == fresh.CA && !d.Roots.Equal(fresh.Roots) {
		changes = append(changes, Change{Path: child(at, "ca")})
	}
	return changes
}

// Gone names the destinations of the old configuration that the new one neither has, nor says of where they went. The names
// that they had before count likewise: calls may still wait under them.
func Gone(old, fresh *Config) (names []string) {
	for i := range old.Destinations {
		for _, name := range []string{old.Destinations[i].Name, old.Destinations[i].Was} {
			known := name == "" || slices.Contains(fresh.Retired, name) || slices.ContainsFunc(fresh.Destinations, func(d Destination) bool {
				return d.Name == name || d.Was == name
			})
			if !known {
				names = append(names, name)
			}
		}
	}
	return names
}

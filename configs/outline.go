package configs

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"wrapup/mappings/source"
)

// Outline is as much of a configuration as can be read, however wrong the rest of it is: for those who only want to know
// where the daemon and its store are. While somebody edits the file, a daemon runs that was started by an earlier one.
type Outline struct {
	// Config has the defaults where nothing could be read. It is never nil; no secret and no mapping of it was read.
	Config *Config
	// Problems are those of the file, the variables and the flags, not those of what they name.
	Problems source.Problems
	// Unread says that there was nothing to read: no such file, or one that this user may not read.
	Unread bool

	known map[string]bool
}

// What an outline is read for, as paths of keys.
const (
	AdminSocket = "admin.socket"
	DataDir     = "data_dir"
	MappingsDir = "mappings_dir"
)

// Known says whether a value is what was meant, and no default in the place of what can't be read: for AdminSocket, DataDir and
// MappingsDir.
func (o *Outline) Known(path string) bool { return o.known[path] }

// ReadOutline reads what can be read. A file that is no YAML is read piece by piece: what is wrong within one key of the top
// spoils no other.
func ReadOutline(in Input) *Outline {
	l := newLoader(in)
	l.outline = true
	envNames := map[string]bool{}
	file, whole := l.readConfig(envNames)
	if !whole {
		file = l.readPieces(envNames)
	}
	env, flags := l.environment(l.Environ, envNames), l.flags(l.Flags)
	base := defaults(reflect.TypeFor[Config]())
	c, err := merge(base, file, env, flags)
	if err != nil { // what a tree holds was checked: the defaults are always well
		l.add(l.whole, "", false, err.Error())
		c, file, env, flags = must(merge(base)), nil, nil, nil
	}
	o := &Outline{Config: c, Unread: !whole && l.lines == nil, known: map[string]bool{}}
	for _, path := range []string{AdminSocket, DataDir, MappingsDir} {
		keys := strings.Split(path, ".")
		said := slices.ContainsFunc([]map[string]any{file, env, flags}, func(layer map[string]any) bool { return textAt(layer, keys) != "" })
		unsaid := !o.Unread && !l.given(path) && !l.isWrong(path) && (whole || !strings.Contains(l.withoutComments(), keys[len(keys)-1]))
		o.known[path] = said || unsaid
	}
	if c.Admin.Socket == "" {
		c.Admin.Socket = textAt(base, []string{"admin", "socket"})
	}
	if c.DataDir == "" {
		c.DataDir = textAt(base, []string{DataDir})
	}
	if c.MappingsDir != "" {
		c.MappingsDir = l.besideFile(MappingsDir, c.MappingsDir)
	}
	o.Problems = l.all()
	return o
}

// textAt gives the text that a layer has at a path of keys, "" if there is none.
func textAt(layer map[string]any, keys []string) string {
	for _, key := range keys[:len(keys)-1] {
		layer, _ = layer[key].(map[string]any)
	}
	text, _ := layer[keys[len(keys)-1]].(string)
	return text
}

func must(c *Config, err error) *Config {
	if err != nil {
		panic("configs: the defaults: " + err.Error()) // a slip in a tag: every test would see it
	}
	return c
}

// A key of the top begins a line. So may a line within a value in braces or quotes: then both pieces are no YAML, and are left.
var topKey = regexp.MustCompile(`^["']?([a-zA-Z0-9_]+)["']?\s*:(\s|$)`)

// readPieces gives the layer of a file that is no YAML: of the pieces that are. Each begins with a key of the top; the first of a
// name counts. Nothing is reported: what is wrong with the file has been said.
func (l *loader) readPieces(envNames map[string]bool) map[string]any {
	var keys []string
	fields, _ := fieldsOf(reflect.TypeFor[Config]())
	for _, f := range fields {
		keys = append(keys, f.key)
	}
	layer, read := map[string]any{}, map[string]bool{}
	for from, to := 0, 0; from < len(l.lines); from = to {
		for to = from + 1; to < len(l.lines) && !topKey.MatchString(l.lines[to]) && !strings.HasPrefix(l.lines[to], "---"); to++ {
		}
		key := topKey.FindStringSubmatch(l.lines[from])
		if key == nil || read[key[1]] || !slices.Contains(keys, key[1]) {
			continue
		}
		read[key[1]] = true
		piece := newReport(l.Path)
		node, ok := piece.parseYAML([]byte(strings.Join(l.lines[from:to], "\n")))
		if !ok || node == nil {
			continue
		}
		w := &walker{report: piece, envNames: envNames, outline: true}
		tree, _ := w.value(node, field{typ: reflect.TypeFor[Config]()}, "", false)
		if values, ok := tree.(map[string]any); ok {
			maps.Copy(layer, values)
			maps.Copy(l.wrong, piece.wrong)
		}
	}
	l.readWords(layer)
	return layer
}

// readWords looks for the paths in what is no YAML at all. There is one key of each of these names in the whole format.
func (l *loader) readWords(layer map[string]any) {
	text := l.withoutComments()
	admin, _ := layer["admin"].(map[string]any)
	if admin == nil {
		admin = map[string]any{}
	}
	for key, holder := range map[string]map[string]any{"socket": admin, DataDir: layer, MappingsDir: layer} {
		found := regexp.MustCompile(`\b` + key + `["']?\s*:\s+(?:"([^"\n]+)"|'([^'\n]+)'|([^\s"',{}\[\]]+))`).FindStringSubmatch(text)
		if found != nil && textAt(holder, []string{key}) == "" {
			holder[key] = found[1] + found[2] + found[3]
		}
	}
	layer["admin"] = admin
}

var comment = regexp.MustCompile(`(?m)(^|\s)#.*$`)

func (l *loader) withoutComments() string {
	return comment.ReplaceAllString(strings.Join(l.lines, "\n"), "")
}

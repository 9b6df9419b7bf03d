package configs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"wrapup/mappings/source"
)

// Input is all that a configuration is made of. Nothing else is looked at.
type Input struct {
	// Path of wrapup.yaml, as the user named it.
	Path string
	// Environ are the variables as os.Environ gives them.
	Environ []string
	// Flags that were set, by the path of keys that they set: "correlation.settle".
	Flags map[string]string
	// Placeholders reads no secret: each is taken for a text that says where it would stand, such as «secrets.token». It is for
	// showing what would be sent.
	Placeholders bool
	// ReadFile reads a file; nil is os.ReadFile.
	ReadFile func(name string) ([]byte, error)
	// ReadDir lists a folder; nil is os.ReadDir.
	ReadDir func(name string) ([]fs.DirEntry, error)
}

// Load reads and checks a configuration: the file, the variables and flags over it, the secrets, and the mappings.
//
// It gives all problems at once, in the order of the file. The Config is nil if one of them is more than a warning. It is
// not changed afterwards and may be read by everybody.
func Load(in Input) (*Config, source.Problems) {
	l := newLoader(in)
	c := l.load()
	problems := l.all()
	if problems.Err() != nil {
		return nil, problems
	}
	return c, problems
}

type loader struct {
	Input
	*report
	// outline says that a key that is misspelt is taken for what it was likely meant to be.
	outline bool
}

func newLoader(in Input) *loader {
	l := &loader{Input: in, report: newReport(in.Path)}
	if l.ReadFile == nil {
		l.ReadFile = os.ReadFile
	}
	if l.ReadDir == nil {
		l.ReadDir = os.ReadDir
	}
	return l
}

func (l *loader) load() *Config {
	envNames := map[string]bool{}
	file, ok := l.readConfig(envNames)
	env, flags := l.environment(l.Environ, envNames), l.flags(l.Flags)
	if !ok {
		return nil // what is missing can't be told from what wasn't read
	}
	c, err := merge(defaults(reflect.TypeFor[Config]()), file, env, flags)
	if err != nil {
		l.add(l.whole, "", false, err.Error())
		return nil
	}
	if c.MappingsDir != "" {
		c.MappingsDir = l.besideFile("mappings_dir", c.MappingsDir)
	}
	l.resolve(reflect.ValueOf(c).Elem(), "")
	l.check(c)
	l.compile(c)
	return c
}

// readConfig gives the layer of the file, false if there is none to speak of.
func (l *loader) readConfig(envNames map[string]bool) (map[string]any, bool) {
	src, err := l.ReadFile(l.Path)
	if err != nil {
		what := unreadable(err)
		if errors.Is(err, fs.ErrNotExist) {
			what += ": wrapup init writes a first one; --config, or the variable " + envConfig + ", names another"
		}
		l.add(l.whole, "", false, what)
		return nil, false
	}
	node, ok := l.parseYAML(src)
	if !ok || node == nil {
		return nil, ok
	}
	w := &walker{report: l.report, envNames: envNames, outline: l.outline}
	tree, ok := w.value(node, field{typ: reflect.TypeFor[Config]()}, "", false)
	delete(l.places, "")
	layer, _ := tree.(map[string]any)
	return layer, ok
}

// unreadable says why a file or a folder can't be read, without its name.
func unreadable(err error) string {
	var detail *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read by this user"
	case errors.As(err, &detail):
		return "can't be read: " + detail.Err.Error()
	default:
		return "can't be read: " + err.Error()
	}
}

// beside makes a relative path relative to the configuration file's folder.
func (l *loader) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(l.Path), path)
}

// holder is a Secret or a URL.
type holder interface{ hold() *held }

// resolve reads the secrets, wherever there are some in v, which is found at the path.
func (l *loader) resolve(v reflect.Value, path string) {
	if h, ok := v.Addr().Interface().(holder); ok {
		if s := h.hold(); s != nil {
			l.read(s, path)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			l.resolve(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			at := item(path, i)
			if v.Type() == secretsType && !l.given(at) {
				at = path // one that stands alone
			}
			l.resolve(v.Index(i), at)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			entry := reflect.New(v.Type().Elem()).Elem() // what a secret holds is behind a pointer, which a copy shares
			entry.Set(v.MapIndex(key))
			l.resolve(entry, child(path, key.String()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if v.Type().Field(i).IsExported() && key != "-" {
				l.resolve(v.Field(i), child(path, key))
			}
		}
	}
}

// read reads one secret. What is wrong with it is said without any part of it.
func (l *loader) read(s *held, path string) {
	at := child(path, s.from)
	if l.Placeholders && (s.secret() || strings.Contains(path, "].headers")) { // a header may be a key, whatever its name
		s.value = placeholder(path)
		return
	}
	switch s.from {
	case fromLiteral:
		s.value, at = s.name, path
		if l.Placeholders {
			s.value = withoutQuery(s.name)
		}
	case fromEnv:
		s.value = l.variable(s.name)
		if s.value == "" {
			l.errorf(at, "the environment has no %s, or an empty one", s.name)
		}
	case fromFile:
		s.value = l.secretFile(at, s.name, l.beside(s.name))
	case fromCredential:
		dir := l.variable("CREDENTIALS_DIRECTORY")
		switch {
		case s.name == "." || s.name == ".." || strings.ContainsAny(s.name, `/\`):
			l.errorf(at, "%q: expected a name, not a path", s.name)
		case dir == "":
			l.errorf(at, "no credentials here: $CREDENTIALS_DIRECTORY is not set (LoadCredential= of a systemd unit sets it)")
		default:
			s.value = l.secretFile(at, s.name, filepath.Join(dir, s.name))
		}
	}
	if !s.lines && strings.ContainsFunc(s.value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufeff' }) {
		l.errorf(at, "the secret holds a line break or another character that can't be sent")
	}
	if s.value == ToReplace || s.value == AddressToReplace {
		l.warnf(at, "still %s, as wrapup init wrote it: put there what it stands for", s.value)
	}
	l.wrong[path] = l.wrong[path] || l.wrong[at]
}

// What stands in the file of a secret that nobody has given yet, and of an address that is a secret.
const (
	ToReplace        = "REPLACE-ME"
	AddressToReplace = "https://replace-me.invalid/"
)

// withoutQuery hides the values of an address's query: a key often stands there.
func withoutQuery(address string) string {
	base, query, ok := strings.Cut(address, "?")
	if !ok {
		return address
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, _, ok := strings.Cut(pair, "="); ok {
			pairs[i] = name + "=«url»"
		}
	}
	return base + "?" + strings.Join(pairs, "&")
}

// placeholder stands for the secret of a destination at the path.
func placeholder(path string) string {
	if _, name, ok := strings.Cut(path, "]."); ok {
		path = name
	}
	if path == "url" || path == "proxy" || strings.HasSuffix(path, ".token_url") {
		return "https://«" + path + "»"
	}
	return "«" + path + "»"
}

func (l *loader) secretFile(at, name, path string) string {
	b, err := l.ReadFile(path)
	if err != nil {
		l.errorf(at, "%s: %s", name, unreadable(err))
		return ""
	}
	value := strings.TrimRight(string(b), "\r\n")
	if value == "" {
		l.errorf(at, "%s: is empty", name)
	}
	return value
}

// variable gives a variable of the environment, "" if there is none. Of two with one name the last one counts.
func (l *loader) variable(name string) string {
	value := ""
	for _, v := range l.Environ {
		if n, text, ok := strings.Cut(v, "="); ok && n == name {
			value = text
		}
	}
	return value
}

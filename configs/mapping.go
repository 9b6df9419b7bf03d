package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"wrapup/mappings"
	"wrapup/mappings/source"
)

const (
	// recordMapping is the mapping that posts the record as it is.
	recordMapping = "record"
	mappingSuffix = ".yaml"
	// unknownURL stands for an address that is known to be wrong.
	unknownURL = "https://unknown.invalid"
)

// compile finds and compiles the mapping of each destination, and checks the files of mappings_dir that none uses.
func (l *loader) compile(c *Config) {
	if !l.required("mappings_dir", c.MappingsDir) {
		return
	}
	files := l.mappingFiles(c.MappingsDir)
	used, refresh := map[string]bool{}, map[string]int{}
	for i := range c.Destinations {
		d, at := &c.Destinations[i], item("destinations", i)
		if d.Mapping == "" || l.isWrong(child(at, "mapping")) {
			continue
		}
		used[d.Mapping] = true
		d.Compiled = l.mapping(d, at, c.MappingsDir, files)
		l.checkMapping(d, at)
		l.checkRefreshTokens(refresh, c.Destinations, i)
	}
	for _, name := range files {
		if !used[name] {
			l.unused(name, c.MappingsDir)
		}
		l.checkShadow(name, c.MappingsDir)
	}
}

// mapping compiles the mapping of the destination at the path.
func (l *loader) mapping(d *Destination, at, dir string, files []string) *mappings.Mapping {
	when := l.at(child(at, "when"))
	opts := mappings.Options{
		URL: d.URL.Value(), Params: d.Params, When: d.When,
		WhenAt: source.Problem{File: when.file, Line: when.line, Column: when.column, Path: child(at, "when"),
			Text: l.text(when, child(at, "when"))},
		ReadFile: l.tableReader(dir),
		Secrets:  l.secrets(d, at), Headers: l.headers(d, at), Rate: mappings.Rate(d.Rate),
		OAuth2: l.tokens(d, at),
	}
	if l.isWrong(child(at, "url")) {
		opts.URL = unknownURL // there is one, and what is wrong with it was said
	}
	d.MappingFile = recordMapping
	if d.Mapping == recordMapping {
		if opts.URL == "" {
			l.errorf(child(at, "url"), "is missing: the mapping \"record\" has none of its own")
			opts.URL = unknownURL
		}
		m, problems := mappings.Record(opts)
		for _, p := range problems {
			if p.File == recordMapping {
				place := l.at(child(at, "mapping"))
				p.File, p.Line, p.Column, p.Path = place.file, place.line, place.column, child(at, "mapping")
			}
			l.problems = append(l.problems, p)
		}
		return m
	}
	file, src, ok := l.mappingSource(d.Mapping, dir, files)
	if !ok {
		l.unknownMapping(child(at, "mapping"), d.Mapping, files)
		return nil
	}
	if src == nil {
		return nil
	}
	d.MappingFile, d.MappingSource = file, src
	_, own := mappings.Compile(file, src, mappings.Options{Unbound: true, ReadFile: l.tableReader(dir)})
	m, problems := mappings.Compile(file, src, opts)
	for _, p := range problems {
		switch {
		case p.File == file && !slices.Contains(own, p):
			p.What += fmt.Sprintf(" (for the destination %q)", d.Name) // others may give it what is missing here
		case p.File != file && p.File != when.file:
			p.File = tablePath(dir, p.File)
		}
		l.problems = append(l.problems, p)
	}
	return m
}

// tableReader reads the files of a mapping's tables, which stand beside it in mappings_dir; those of presets do, too.
func (l *loader) tableReader(dir string) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		file := tablePath(dir, name)
		src, err := l.ReadFile(file)
		if err != nil {
			return nil, tableUnreadable(file, err)
		}
		return src, nil
	}
}

func tableUnreadable(file string, err error) error {
	return fmt.Errorf("%s: %s", file, unreadable(err))
}

// tablePath is where the file of a table is, for mappings in the folder.
func tablePath(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// TablePath is where the file of a mapping's table is.
func (c *Config) TablePath(name string) string { return tablePath(c.MappingsDir, name) }

// unknownMapping says which mappings there are.
func (l *loader) unknownMapping(at, name string, files []string) {
	known := slices.Concat(files, mappings.Presets(), []string{recordMapping})
	slices.Sort(known)
	known = slices.Compact(known)
	meant := strings.TrimSuffix(name, mappingSuffix)
	if !slices.Contains(known, meant) {
		meant = source.Nearest(meant, known)
	}
	if meant != "" {
		meant = fmt.Sprintf(" (did you mean %q?)", meant)
	}
	l.errorf(at, "unknown mapping %q%s: there are %s, and the presets (wrapup mappings list)", name, meant,
		strings.Join(slices.Sorted(slices.Values(append(slices.Clone(files), recordMapping))), ", "))
}

// mappingSource gives the text of a mapping and the name of its file: what is in mappings_dir before a preset of that
// name. It gives false if there is neither, and no text if there is a file that can't be read, which is reported.
func (l *loader) mappingSource(name, dir string, files []string) (file string, src []byte, ok bool) {
	if slices.Contains(files, name) {
		file = filepath.Join(dir, name+mappingSuffix)
		src, err := l.ReadFile(file)
		if err != nil {
			l.add(place{file: file}, "", false, unreadable(err))
			return file, nil, true
		}
		return file, append([]byte{}, src...), true
	}
	src, ok = mappings.Preset(name)
	return "presets/" + name + mappingSuffix, src, ok
}

// unused checks a file of mappings_dir that no destination uses. What a destination would have to give is not missed.
func (l *loader) unused(name, dir string) {
	file, src, _ := l.mappingSource(name, dir, []string{name})
	if name == recordMapping {
		l.add(place{file: file}, "", true, "never used: the mapping \"record\" is built in")
		return
	}
	if src == nil {
		return
	}
	_, problems := mappings.Compile(file, src, mappings.Options{Unbound: true, ReadFile: l.tableReader(dir)})
	for _, p := range problems {
		if p.File != file {
			p.File = tablePath(dir, p.File)
		}
		l.problems = append(l.problems, p)
	}
}

// mappingFiles gives the names of the mappings in mappings_dir, without .yaml. The folder of the default may be missing.
func (l *loader) mappingFiles(dir string) []string {
	entries, err := l.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) || l.given("mappings_dir") {
			l.errorf("mappings_dir", "%s: %s", dir, strings.ReplaceAll(unreadable(err), "such file", "such folder"))
		}
		return nil
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), mappingSuffix)
		switch {
		case e.IsDir() || strings.HasPrefix(e.Name(), "."):
		case ok:
			names = append(names, name)
		case strings.HasSuffix(e.Name(), ".yml"):
			l.add(place{file: filepath.Join(dir, e.Name())}, "", true, "never used: the names of mappings end in .yaml")
		}
	}
	return names
}

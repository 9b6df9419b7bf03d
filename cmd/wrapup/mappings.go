package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/mappings"
	problem "wrapup/mappings/source"
)

const (
	mappingSuffix = ".yaml"
	// builtIn is the mapping that posts the record as it is.
	builtIn = "record"
)

func (a *app) mappings() *cobra.Command {
	c := group("mappings", "What calls can become in which CRM", `  wrapup mappings list
  wrapup mappings show zendesk
  wrapup mappings init zendesk
  wrapup mappings functions`)
	dir := ""
	c.PersistentFlags().StringVar(&dir, "mappings-dir", "", "the `folder` of your own mappings; otherwise the one that the configuration names")
	c.AddCommand(a.mappingsList(&dir), a.mappingsShow(&dir), a.mappingsInit(&dir), a.mappingsFunctions())
	return c
}

func (a *app) mappingsList(dir *string) *cobra.Command {
	format := output("text")
	c := &cobra.Command{
		Use:   "list [NAME…]",
		Short: "List the presets and the mappings of your own",
		Long: `List shows each mapping that a destination can use: where it comes from, the requests that it makes, what what
it needs, what keeps it from logging a call twice, and how it was proven.`,
		Example: "  wrapup mappings list\n  wrapup mappings list hubspot pipedrive\n  wrapup mappings list -o json | jq -r '.[] | [.name, .about.proven] | @tsv'",
		RunE: func(c *cobra.Command, names []string) error {
			l, err := a.library(*dir)
			if err != nil {
				return err
			}
			list, err := l.all(names)
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(c.OutOrStdout(), list)
			}
			return printMappings(c.OutOrStdout(), list)
		},
	}
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func (a *app) mappingsShow(dir *string) *cobra.Command {
	preset := false
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Print a mapping",
		Long: `Show prints a mapping as it is used: the file of that name in the folder of your own mappings, or else the preset.
The set-up that a preset needs is at its top.`,
		Example: "  wrapup mappings show hubspot\n  wrapup mappings show --preset hubspot | diff /etc/wrapup/mappings/hubspot.yaml -",
		Args:    args(1, "the mapping's name"),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := a.library(*dir)
			if err != nil {
				return err
			}
			if preset {
				l.files = nil
			}
			found, err := l.find(args[0])
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(found.src)
			return err
		},
	}
	c.Flags().BoolVar(&preset, "preset", false, "the preset, also where a file of your own stands before it")
	return c
}

func (a *app) mappingsInit(dir *string) *cobra.Command {
	as := ""
	c := &cobra.Command{
		Use:   "init NAME",
		Short: "Copy a preset into the folder of your own mappings, to change it",
		Long: `Init copies a preset into the folder of your own mappings. There it stands before the preset, unless it gets another
name. It overwrites nothing. ` + "`wrapup check`" + ` tells when a newer wrapup has a newer version of the preset.`,
		Example: "  wrapup mappings init hubspot\n  wrapup mappings init hubspot --as hubspot-support",
		Args:    args(1, "the preset's name"),
		RunE: func(c *cobra.Command, args []string) error {
			folder := *dir
			if folder == "" {
				folder = a.mappingsDir()
			}
			return initMapping(c.OutOrStdout(), folder, args[0], as)
		},
	}
	c.Flags().StringVar(&as, "as", "", "the `name` of the copy")
	return c
}

// library is where mappings are.
type library struct {
	dir string
	// files are the names of those in dir, sorted.
	files []string
}

// library finds the mappings: in the folder that is given, or in the configuration's. It doesn't need one that is right.
func (a *app) library(dir string) (*library, error) {
	asked := dir != ""
	if !asked {
		dir = a.mappingsDir()
	}
	l := &library{dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil && (asked || !errors.Is(err, fs.ErrNotExist)) {
		return nil, fmt.Errorf("the folder of mappings: %w", err)
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), mappingSuffix); ok && !e.IsDir() && !strings.HasPrefix(name, ".") && name != builtIn {
			l.files = append(l.files, name)
		}
	}
	return l, nil
}

// mappingsDir is the folder that the configuration names.
func (a *app) mappingsDir() string {
	o := a.outline()
	switch _, err := os.Stat(a.config); {
	case err != nil: // it needs none
	case o.Known(configs.MappingsDir):
		a.warnOf(o)
	default:
		a.report(o)
		fmt.Fprintf(a.err, "mappings_dir can't be read, so mappings are looked for in %s (--mappings-dir names another folder).\n", o.Config.MappingsDir)
	}
	return o.Config.MappingsDir
}

// foundMapping is a mapping's text and where it comes from.
type foundMapping struct {
	name, file, from string
	src              []byte
}

// find finds a mapping by its name: a file before a preset.
func (l *library) find(name string) (*foundMapping, error) {
	if name == builtIn {
		return &foundMapping{name, "", "built in", mappings.RecordSource()}, nil
	}
	if slices.Contains(l.files, name) {
		file := filepath.Join(l.dir, name+mappingSuffix)
		src, err := os.ReadFile(file)
		return &foundMapping{name, file, file, src}, err
	}
	if src, ok := mappings.Preset(name); ok {
		return &foundMapping{name, "presets/" + name + mappingSuffix, "preset", src}, nil
	}
	return nil, fmt.Errorf("unknown mapping %q%s: wrapup mappings list says which there are", name, problem.Suggest(name, l.names()))
}

func (l *library) names() []string {
	names := slices.Concat(l.files, mappings.Presets(), []string{builtIn})
	slices.Sort(names)
	return slices.Compact(names)
}

// initMapping copies a preset into a folder, which is created if it isn't there.
func initMapping(w io.Writer, dir, name, as string) error {
	found, err := (&library{}).find(name)
	if err != nil {
		return err
	}
	if as == "" {
		as = name
	}
	as = strings.TrimSuffix(as, mappingSuffix)
	switch {
	case as == builtIn:
		return usageError{fmt.Errorf("%q is always the one that is built in: give the copy another name with --as", as)}
	case as == "" || strings.Trim(strings.ToLower(as), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return usageError{fmt.Errorf(`--as %q: a name is made of letters, digits, "-" and "_"`, as)}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // no secrets are there, and the daemon's user has to read it
		return fmt.Errorf("%w (--mappings-dir names another folder)", err)
	}
	path := filepath.Join(dir, as+mappingSuffix)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // as above
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and is left as it is: give the copy another name with --as", path)
	}
	if err != nil {
		return fmt.Errorf("%w (--mappings-dir names another folder)", err)
	}
	_, err = file.Write(found.src)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	before := ""
	if as == name {
		before = ", and stands before the preset of that name"
	}
	fmt.Fprintf(w, `%[1]s is yours now%[3]s.

Next:
  edit it; what has to be set up in the CRM is at its top
  wrapup preview --mapping %[1]s     shows what it would send
  destinations: [{name: crm, mapping: %[2]s, …}]     in the configuration puts it to use
  wrapup check     says whether all of it is right
`, path, as, before)
	return nil
}

// listedMapping is a mapping in the list.
type listedMapping struct {
	Name string `json:"name"`
	// From is "preset", "built in", or the file.
	From string `json:"from"`
	// Hides says that it stands before a preset of its name.
	Hides bool `json:"hides_preset"`
	*mappings.Summary
	// Problems are what is wrong with it; then it has no Summary.
	Problems problem.Problems `json:"problems,omitempty"`
}

// all gives those of these names; without any, all that there are.
func (l *library) all(names []string) ([]listedMapping, error) {
	var list []listedMapping
	if len(names) == 0 {
		names = l.names()
	}
	for _, name := range names {
		found, err := l.find(name)
		if err != nil {
			return nil, err
		}
		m := listedMapping{Name: name, From: found.from}
		if name == builtIn {
			m.Summary = mappings.SummarizeRecord()
		} else {
			m.Summary, m.Problems = mappings.Summarize(found.file, found.src)
			if m.Summary != nil {
				m.Problems = nil // warnings are check's
			}
			_, preset := mappings.Preset(name)
			m.Hides = preset && found.from != "preset"
		}
		list = append(list, m)
	}
	return list, nil
}

func printMappings(w io.Writer, list []listedMapping) error {
	var b strings.Builder
	for i, m := range list {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(m.Name)
		if m.Summary != nil && m.Version != "" {
			b.WriteString(" " + printable(m.Version))
		}
		fmt.Fprintf(&b, "  (%s", m.From)
		if m.Hides {
			b.WriteString(", before the preset")
		}
		b.WriteString(")\n")
		if m.Summary == nil {
			fmt.Fprintf(&b, "  wrong    %d problem(s), the first is %s\n", len(m.Problems), m.Problems[0])
			continue
		}
		if m.Description != "" {
			fmt.Fprintf(&b, "  %s\n", printable(m.Description))
		}
		fmt.Fprintf(&b, "  steps    %s\n", stepsInWords(m.Steps))
		if len(m.Update) > 0 {
			fmt.Fprintf(&b, "  updates  %s\n", stepsInWords(m.Update))
		}
		fmt.Fprintf(&b, "  needs    %s\n  doubles  %s\n", needsInWords(m.Summary), doublesInWords(m.Summary))
		if m.About != nil && m.About.Proven != "" {
			fmt.Fprintf(&b, "  proven   %s\n", provenInWords(m.About.Proven))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func stepsInWords(steps []mappings.StepSummary) string {
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.Name
		switch {
		case s.Finds != "":
			names[i] += " (looks for " + s.Finds + ", if need be)"
		case s.Lookup:
			names[i] += " (lookup)"
		}
	}
	return strings.Join(names, ", ")
}

// needsInWords says what a destination has to give to a mapping.
func needsInWords(s *mappings.Summary) string {
	var needs []string
	if s.About != nil && s.About.Needs != "" {
		needs = append(needs, "there: "+s.About.Needs)
	}
	if !s.HasURL {
		needs = append(needs, "url")
	}
	if s.OAuth2 {
		needs = append(needs, "auth: oauth2 ("+s.Grant+")")
	}
	if !s.OAuth2 && len(s.Secrets) == 0 {
		needs = append(needs, "auth, if the API wants any")
	}
	if len(s.Secrets) > 0 {
		needs = append(needs, "secrets: "+strings.Join(s.Secrets, ", "))
	}
	params := make([]string, len(s.Params))
	for i, p := range s.Params {
		params[i] = p.Name
		switch {
		case p.Required:
			params[i] += " (required)"
		case p.Default != nil:
			params[i] += fmt.Sprintf(" (else %v)", p.Default)
		}
	}
	if len(params) > 0 {
		needs = append(needs, "params: "+strings.Join(params, ", "))
	}
	if len(s.Tables) > 0 {
		needs = append(needs, "in the folder of your own mappings: "+strings.Join(s.Tables, ", "))
	}
	return printable(strings.Join(needs, "; "))
}

// provenInWords says how a preset was tested.
func provenInWords(proven string) string {
	switch proven {
	case mappings.ProvenByReal:
		return "against a real one"
	case mappings.ProvenByFake:
		return "against a strict fake, which enforces what the API's documentation demands"
	}
	return printable(proven) + ": not all that it relies on could be verified; try it before you rely on it"
}

// doublesInWords says what keeps a mapping from logging a call twice.
func doublesInWords(s *mappings.Summary) string {
	if s.About != nil && s.About.Doubles != "" {
		own := *s
		own.About = nil
		words := printable(s.About.Doubles)
		if parts := doublesInWords(&own); strings.Contains(parts, "parks") {
			words += "\n           " + parts // what it says of itself may not leave that out
		}
		return words
	}
	var sure, parts []string
	seen := map[string]bool{}
	for _, step := range slices.Concat(s.Steps, s.Update) {
		switch {
		case step.Lookup || seen[step.Name]:
		case step.Repeat == "safe":
			sure = append(sure, step.Name)
		case step.FoundBy != "":
			parts = append(parts, step.Name+" is looked for before it is sent again")
		case step.Repeat == "never":
			parts = append(parts, "a lost answer to "+step.Name+" parks the call, unless ambiguous: retry risks a double")
		default:
			parts = append(parts, step.Name+" may be sent again for "+step.Repeat+", later on a lost answer parks the call")
		}
		seen[step.Name] = true
	}
	if len(sure) > 0 {
		parts = append([]string{"none by " + strings.Join(sure, ", ") + ", which may be sent again"}, parts...)
	}
	if len(parts) == 0 {
		return "none: it creates nothing"
	}
	return strings.Join(parts, "; ")
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"wrapup/configs"
	"wrapup/mappings"
)

const (
	// placeholder stands in the file of a secret that nobody has given yet.
	placeholder = configs.ToReplace
	// placeholderURL stands where the secret is an address.
	placeholderURL = configs.AddressToReplace
	dialerFile     = "dialer.token"
)

// planned is a file that is to be written.
type planned struct {
	name    string
	content []byte
	// replace says that a file of that name is overwritten; others are never.
	replace bool
}

// plan is all that init would write. The configuration is the last: where it is, the rest is.
type plan struct {
	dir   string
	files []planned
	// empty are the files of secrets that nobody has given yet.
	empty       []string
	destination string
}

// mappings is the folder of mappings and tables.
func (p *plan) mappings() string { return filepath.Join(p.dir, "mappings") }

// plan makes the files of the answers. Token is the dialer's, unless it has one.
func (s *setup) plan(k *chosen, token string) (*plan, error) {
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return nil, err
	}
	p := &plan{dir: dir}
	if err := p.add(dialerFile, token+"\n"); err != nil {
		return nil, err
	}
	if k.name == builtIn && !s.knows(dir, "record.token") {
		k.setUp.Destination.Content = withoutKey(k.setUp.Destination.Content, "auth") // receivers of one's own often want none
	}
	for _, name := range secretFiles(k.setUp.Destination) {
		if err := p.addSecret(name, s); err != nil {
			return nil, err
		}
	}
	for _, table := range slices.Sorted(maps.Keys(k.setUp.Tables)) {
		if err := p.add(filepath.Join("mappings", table), strings.Join(k.setUp.Tables[table], ",")+"\n"); err != nil {
			return nil, err
		}
	}
	destination, err := s.destination(k)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(destination.Content); i += 2 {
		if destination.Content[i].Value == "name" {
			p.destination = destination.Content[i+1].Value
		}
	}
	text, err := s.config(k, destination)
	if err != nil {
		return nil, err
	}
	p.files = append(p.files, planned{filepath.Join(dir, configFile), text, s.force})
	return p, nil
}

// add plans a file, unless it is there: what a person has put there is never overwritten.
func (p *plan) add(name, content string) error {
	path := filepath.Join(p.dir, name)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		p.files = append(p.files, planned{name: path, content: []byte(content)})
		return nil
	}
	return err
}

// knows says that a secret is given, or was before.
func (s *setup) knows(dir, name string) bool {
	if s.secrets[name]+s.typed[name] != "" {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func (p *plan) addSecret(name string, s *setup) error {
	path := filepath.Join(p.dir, name)
	if from := s.secrets[name]; from != "" {
		content, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("--secret %s: %w", name, err)
		}
		if _, err := os.Stat(path); err == nil && !s.force {
			return fmt.Errorf("%s is there already, and is left as it is: --force overwrites it", path)
		}
		p.files = append(p.files, planned{path, content, s.force})
		return nil
	}
	if typed := s.typed[name]; typed != "" {
		return p.add(name, typed+"\n")
	}
	content := placeholder
	if strings.HasSuffix(name, ".url") {
		content = placeholderURL
	}
	before := len(p.files)
	err := p.add(name, content+"\n")
	if len(p.files) > before {
		p.empty = append(p.empty, path)
	}
	return err
}

// destination is the example with the answers in it. Its secrets are beside the configuration.
func (s *setup) destination(k *chosen) (*yaml.Node, error) {
	d := k.setUp.Destination
	paths := map[string]string{"url": s.url}
	maps.Copy(paths, s.set)
	known := map[string]bool{}
	for _, leaf := range leaves(d, "") {
		known[leaf.path] = true
		if value := paths[leaf.path]; value != "" {
			*leaf.node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
		}
	}
	for _, path := range sortedNames(paths) {
		if paths[path] != "" && !known[path] {
			return nil, usageError{fmt.Errorf("%s: the destination of %s has no such value to set; edit wrapup.yaml afterwards", path, k.name)}
		}
	}
	relative(d)
	params := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	declared := map[string]bool{}
	for _, p := range k.summary.Params {
		declared[p.Name] = true
		if value := s.params[p.Name]; value != "" {
			node := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
			if p.Type == "text" {
				node.Tag = "!!str"
			}
			params.Content = append(params.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: p.Name}, node)
		}
	}
	for _, name := range sortedNames(s.params) {
		if !declared[name] {
			return nil, usageError{fmt.Errorf("--param %s: %s has no such param (wrapup mappings list %s)", name, k.name, k.name)}
		}
	}
	d.Content = withoutKey(d.Content, "params")
	if len(params.Content) > 0 {
		d.Content = append(d.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "params"}, params)
	}
	return d, nil
}

// relative takes the folder off the files of secrets: they are found beside the configuration.
func relative(n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if file := secretFile(n.Content[i+1]); file != "" {
			n.Content[i+1].Content[1].Value = filepath.Base(file)
		} else {
			relative(n.Content[i+1])
		}
	}
}

func withoutKey(content []*yaml.Node, key string) []*yaml.Node {
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Value == key {
			return slices.Concat(content[:i], content[i+2:])
		}
	}
	return content
}

// config writes wrapup.yaml.
func (s *setup) config(k *chosen, destination *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`# wrapup.yaml, as wrapup init made it. /etc/wrapup/wrapup.example.yaml has all that can be said here.
# After a change: wrapup check, then wrapup reload (or systemctl reload wrapup). Files are relative to this one's folder.

version: 1

`)
	fmt.Fprintf(&b, "listen: %s    # where the dialer posts; with wrapup.socket its ListenStream= counts instead\n", scalar(s.listen))
	if s.data != "" {
		fmt.Fprintf(&b, "data_dir: %s    # the store\n", scalar(s.data))
	}
	if s.socket != "" {
		fmt.Fprintf(&b, "admin: {socket: %s}    # where the commands ask the daemon\n", scalar(s.socket))
	}
	if s.dir != filepath.Dir(defaultConfig) {
		b.WriteString("mappings_dir: mappings\n")
	}
	_, port, _ := net.SplitHostPort(s.listen) // it was checked
	b.WriteString(`
# Posts must have the token in their address: http://HOST:` + port + `/callbacks/nxcloud/events/TOKEN
# (wrapup status --show-secrets has it whole)
sources:
  - kind: nxcloud-events
    auth:
      token: {file: ` + dialerFile + `}
      # allow: [203.0.113.0/24]    # and come from there

# What is known of an access number. The region makes +62812345613 of 0812345613.
queues:
`)
	for _, queue := range s.queues {
		number, name, named := strings.Cut(queue, "=")
		b.WriteString("  " + quoted(number) + ": {")
		if named {
			b.WriteString("name: " + quoted(name) + ", ")
		}
		b.WriteString("region: " + scalar(s.region) + "}\n")
	}
	b.WriteString("  default: {region: " + scalar(s.region) + "}    # of all others\n\ndestinations:\n")
	fmt.Fprintf(&b, "  # What has to be set up in %s: wrapup mappings show %s\n", k.system(), k.name)
	text, err := yaml.Dump([]*yaml.Node{destination})
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		b.WriteString("  " + line)
	}
	if optional := s.optional(k); len(optional) > 0 {
		b.WriteString("    # These params have not been given:\n")
		for _, p := range optional {
			fmt.Fprintf(&b, "    #   %s%s: %s\n", p.Name, otherwise(p), p.Help)
		}
	}
	return b.Bytes(), nil
}

// otherwise says what a param is if nothing is said.
func otherwise(p mappings.ParamSummary) string {
	if p.Default == nil {
		return ""
	}
	return fmt.Sprintf(" (else %v)", p.Default)
}

// scalar writes a text as a value.
func scalar(text string) string {
	out, err := yaml.Dump(text)
	if err != nil {
		return quoted(text)
	}
	return strings.TrimSpace(string(out))
}

// quoted writes a text in quotes, whatever it looks like. JSON's are YAML's, too.
func quoted(text string) string { return fmt.Sprintf("%q", text) }

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

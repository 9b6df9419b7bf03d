package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	yaml "go.yaml.in/yaml/v4"
	"golang.org/x/term"

	"wrapup/mappings"
)

// questions are asked of whoever is at the terminal. Where nobody is, what isn't answered by a flag is noted as missing.
type questions struct {
	in  *bufio.Reader
	out io.Writer
	// unseen reads what is not to be shown while it is typed, nil where there is nothing to hide it from.
	unseen  func() (string, error)
	nobody  bool
	missing []string
}

func newQuestions(in io.Reader, out io.Writer) *questions {
	q := &questions{in: bufio.NewReader(in), out: out}
	if f, ok := in.(*os.File); ok {
		fd := int(f.Fd())
		q.nobody = !term.IsTerminal(fd)
		q.unseen = func() (string, error) {
			typed, err := term.ReadPassword(fd)
			fmt.Fprintln(out)
			return string(typed), err
		}
	}
	return q
}

// errNoAnswer says that whoever was asked went away.
var errNoAnswer = errors.New("there was no answer, and nothing was written")

// ask gives the answer to a question: the flag's, the person's, or what is taken if nothing is said. It asks until the
// answer is right.
func (q *questions) ask(given, flag, question, otherwise string, wrong func(string) error) (string, error) {
	if given != "" {
		if wrong != nil {
			if err := wrong(given); err != nil {
				return "", usageError{fmt.Errorf("%s: %w", flag, err)}
			}
		}
		return given, nil
	}
	if q.nobody {
		if otherwise == "" {
			q.missing = append(q.missing, flag+"  "+question)
		}
		return otherwise, nil
	}
	for {
		fmt.Fprint(q.out, question)
		if otherwise != "" {
			fmt.Fprintf(q.out, " [%s]", otherwise)
		}
		fmt.Fprint(q.out, ": ")
		line, err := q.in.ReadString('\n')
		if err != nil {
			return "", errNoAnswer
		}
		answer := cmp.Or(strings.TrimSpace(line), otherwise)
		if answer == "" {
			continue
		}
		if wrong == nil {
			return answer, nil
		}
		if err = wrong(answer); err == nil {
			return answer, nil
		}
		fmt.Fprintln(q.out, "  "+err.Error())
	}
}

// secret asks for a secret, which may be left for later: then it is "".
func (q *questions) secret(question string) (string, error) {
	if q.nobody {
		return "", nil
	}
	fmt.Fprintf(q.out, "%s (nothing: later): ", question)
	if q.unseen != nil {
		typed, err := q.unseen()
		if err != nil {
			return "", errNoAnswer
		}
		return strings.TrimSpace(typed), nil
	}
	line, err := q.in.ReadString('\n')
	if err != nil {
		return "", errNoAnswer
	}
	return strings.TrimSpace(line), nil
}

// askAll completes the answers, and gives the mapping that was chosen.
func (s *setup) askAll(q *questions) (*chosen, error) {
	var err error
	question := "The CRM"
	switch {
	case q.nobody:
		question += ": one of " + strings.Join(crmNames(), ", ")
	case s.crm == "":
		if err := q.showCRMs(); err != nil {
			return nil, err
		}
	}
	s.crm, err = q.ask(s.crm, "--crm", question, "", func(name string) error {
		_, err := choose(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	queue, err := q.ask(strings.Join(s.queues, " "), "--queue", "The queue's access number (NUMBER or NUMBER=NAME)", "", nil)
	if err != nil {
		return nil, err
	}
	if len(s.queues) == 0 && queue != "" {
		s.queues = []string{queue}
	}
	if s.region, err = q.ask(s.region, "--region", "The country whose numbers it calls, such as ID", "", nil); err != nil {
		return nil, err
	}
	if s.crm == "" {
		return nil, s.unanswered(q)
	}
	k, err := choose(s.crm)
	if err != nil {
		return nil, err
	}
	if err := s.askDestination(q, k); err != nil {
		return nil, err
	}
	return k, s.unanswered(q)
}

// showCRMs lists what there is to choose from, and what each needs on its side.
func (q *questions) showCRMs() error {
	t := tabwriter.NewWriter(q.out, 0, 0, 2, ' ', 0)
	for _, name := range crmNames() {
		k, err := choose(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "  %s\t%s", name, k.summary.Description)
		if about := k.summary.About; about != nil && about.Needs != "" {
			fmt.Fprintf(t, "; needs %s", about.Needs)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func (s *setup) unanswered(q *questions) error {
	if len(q.missing) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("nobody is here to be asked, and these are missing (see wrapup init --help):\n  %s", strings.Join(q.missing, "\n  "))}
}

// askDestination asks for what the mapping's example leaves open, and puts the answers into it.
func (s *setup) askDestination(q *questions, k *chosen) error {
	if s.set == nil {
		s.set = map[string]string{}
	}
	if s.params == nil {
		s.params = map[string]string{}
	}
	for _, leaf := range leaves(k.setUp.Destination, "") {
		var err error
		switch asked := cmp.Or(s.set[leaf.path], leaf.answers(s)); {
		case leaf.path == "url":
			asked, err = q.ask(asked, "--url", k.system()+"'s address, such as "+leaf.node.Value, "", plainURL)
			s.url = asked
		case strings.HasSuffix(leaf.path, ".user"), strings.HasSuffix(leaf.path, ".client_id"):
			asked, err = q.ask(asked, "--set "+leaf.path+"=…", leaf.path+", such as "+leaf.node.Value, "", nil)
			s.set[leaf.path] = asked
		}
		if err != nil {
			return err
		}
	}
	for _, p := range k.summary.Params {
		if !p.Required {
			continue
		}
		answer, err := q.ask(s.params[p.Name], "--param "+p.Name+"=…", p.Name+": "+p.Help, "", nil)
		if err != nil {
			return err
		}
		s.params[p.Name] = answer
	}
	return s.askSecrets(q, k)
}

// askSecrets asks for the secrets that no file was named for and that aren't there yet.
func (s *setup) askSecrets(q *questions, k *chosen) error {
	names := secretFiles(k.setUp.Destination)
	if s.secrets == nil {
		s.secrets = map[string]string{}
	}
	for _, name := range sortedNames(s.secrets) {
		if !slices.Contains(names, name) {
			return usageError{fmt.Errorf("--secret %s: the secrets of %s are %s", name, k.name, cmp.Or(strings.Join(names, ", "), "none"))}
		}
	}
	s.typed = map[string]string{}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(s.dir, name)); err == nil || s.secrets[name] != "" {
			continue
		}
		typed, err := q.secret("The secret " + name)
		if err != nil {
			return err
		}
		if typed != "" {
			s.typed[name] = typed
		}
	}
	return nil
}

// system is the CRM's name.
func (k *chosen) system() string {
	if about := k.summary.About; about != nil && about.System != "" {
		return about.System
	}
	return k.name
}

// leaf is a value of the example, at its path of keys.
type leaf struct {
	path string
	node *yaml.Node
}

func (l leaf) answers(s *setup) string {
	if l.path == "url" {
		return s.url
	}
	return ""
}

// leaves lists the values of a destination that are no secrets; the params are the mapping's matter.
func leaves(n *yaml.Node, path string) []leaf {
	var list []leaf
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		at := strings.TrimPrefix(path+"."+key, ".")
		switch {
		case at == "params" || secretFile(value) != "":
		case value.Kind == yaml.MappingNode:
			list = append(list, leaves(value, at)...)
		default:
			list = append(list, leaf{at, value})
		}
	}
	return list
}

// secretFiles gives the names of the files that the example's secrets are in.
func secretFiles(n *yaml.Node) []string {
	var names []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		if file := secretFile(n.Content[i+1]); file != "" {
			names = append(names, filepath.Base(file))
		} else {
			names = append(names, secretFiles(n.Content[i+1])...)
		}
	}
	return names
}

// secretFile gives the path of a {file: PATH}, "" if the node is something else.
func secretFile(n *yaml.Node) string {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 || n.Content[0].Value != "file" {
		return ""
	}
	return n.Content[1].Value
}

// optional lists the params that were not given, with what they are for.
func (s *setup) optional(k *chosen) []mappings.ParamSummary {
	return slices.DeleteFunc(slices.Clone(k.summary.Params), func(p mappings.ParamSummary) bool { return s.params[p.Name] != "" })
}

package mappings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// SetUp is what a mapping needs around it before the first call can go through it.
type SetUp struct {
	// Steps is the text at the top of the mapping, without the example: what has to be done in the CRM.
	Steps string
	// Destination is the example of a destination that stands there, a mapping node. Secrets in it are {file: PATH}.
	Destination *yaml.Node
	// Tables has the columns that its table files must have, by the file's name.
	Tables map[string][]string
}

// The words with which the top of a mapping comes to the example of its destination.
const (
	exampleLeadIn = "In wrapup.yaml:"
	exampleBegins = "destinations:"
)

// SetUpOf reads what a mapping that comes with wrapup says at its top. An error says that it lacks the example of a destination.
func SetUpOf(src []byte) (*SetUp, error) {
	var steps, example []string
	indent := -1 // of the example, once it has begun
	for line := range strings.Lines(string(src)) {
		text, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "#")
		if !ok {
			break
		}
		text = strings.TrimPrefix(text, " ")
		blank := len(text) - len(strings.TrimLeft(text, " "))
		switch {
		case strings.TrimSpace(text) == exampleBegins && example == nil:
			indent = blank
			example = append(example, text[blank:])
		case indent >= 0 && blank > indent:
			example = append(example, text[indent:])
		default:
			indent = -1
			steps = append(steps, text)
		}
	}
	var written struct {
		Destinations []yaml.Node
	}
	if err := yaml.Load([]byte(strings.Join(example, "\n")), &written); err != nil {
		return nil, fmt.Errorf("the example of a destination at the top: %w", err)
	}
	if len(written.Destinations) != 1 || written.Destinations[0].Kind != yaml.MappingNode {
		return nil, errors.New("there is no example of a destination at the top")
	}
	s := &SetUp{Steps: withoutLeadIn(steps), Destination: &written.Destinations[0]}
	var err error
	s.Tables, err = tableColumns(src)
	return s, err
}

// withoutLeadIn takes out the words that came to the example, and their number if nothing else is left of their step.
func withoutLeadIn(lines []string) string {
	var kept []string
	for _, line := range lines {
		if before, ok := strings.CutSuffix(line, exampleLeadIn); ok {
			line = strings.TrimRight(before, " ")
			if strings.Trim(line, " 0123456789.") == "" {
				continue
			}
		}
		kept = append(kept, line)
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}

// tableColumns gives the columns of each table that is a file.
func tableColumns(src []byte) (map[string][]string, error) {
	var written struct {
		Tables map[string]yaml.Node
	}
	if err := yaml.Load(src, &written); err != nil {
		return nil, err
	}
	columns := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(written.Tables)) {
		node := written.Tables[name]
		var table struct {
			File  string
			Key   string
			Value string
		}
		if fileOf(&node) == "" {
			continue // its values stand in the mapping
		}
		if err := node.Load(&table); err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
		for _, column := range []string{table.Key, table.Value} {
			if !slices.Contains(columns[table.File], column) {
				columns[table.File] = append(columns[table.File], column)
			}
		}
	}
	return columns, nil
}

// fileOf gives the value of the key file of a mapping node, "" if it has none.
func fileOf(n *yaml.Node) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "file" {
			return n.Content[i+1].Value
		}
	}
	return ""
}

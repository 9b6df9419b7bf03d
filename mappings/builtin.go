package mappings

import (
	"embed"
	"slices"
	"strings"

	"wrapup/mappings/source"
)

// presetFiles holds the mappings that come with wrapup.
//
//go:embed presets
var presetFiles embed.FS

// recordMapping posts the record as it is. The key tells a receiver that it has seen this revision before.
const recordMapping = `
headers: {Idempotency-Key: "${call.call_id}:${call.revision}"}
steps:
  - name: post
    repeat: safe
    body: "${call}"
`

// Record is the built-in `mapping: record`: it posts each revision of a call as JSON, as it is, to the url of opts.
func Record(opts Options) (*Mapping, source.Problems) {
	if opts.URL == "" && !opts.Unbound {
		return nil, source.Problems{{File: "record", What: "mapping: record needs a url in the destination"}}
	}
	m, problems := Compile("record", []byte(recordMapping), opts)
	if m != nil {
		m.update = m.create
	}
	return m, problems
}

// Preset gives the mapping of this name that comes with wrapup.
func Preset(name string) (src []byte, ok bool) {
	if strings.ContainsAny(name, "/\\.") {
		return nil, false
	}
	src, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	return src, err == nil
}

// Presets names the mappings that come with wrapup, sorted.
func Presets() []string {
	entries, err := presetFiles.ReadDir("presets")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".yaml"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names) // their files are in another order: '-' comes before '.'
	return names
}

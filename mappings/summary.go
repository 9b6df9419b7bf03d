package mappings

import (
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"wrapup/mappings/source"
)

// Summary is what people want to know of a mapping before they use it.
type Summary struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description"`
	// About is what the mapping says of itself, nil if it doesn't.
	About *About        `json:"about,omitempty"`
	Steps []StepSummary `json:"steps"`
	// Update holds what is sent for a later revision.
	Update []StepSummary `json:"update"`
	// HasURL says that the mapping knows where its API is, and where tokens are had.
	HasURL bool `json:"has_url"`
	// OAuth2 and Session say that a token, or a login, comes first; Grant is the way to the token.
	OAuth2  bool           `json:"oauth2"`
	Grant   string         `json:"grant,omitempty"`
	Session bool           `json:"session"`
	Params  []ParamSummary `json:"params"`
	Secrets []string       `json:"secrets"`
	// Tables names the files of its tables.
	Tables []string `json:"tables"`
}

// StepSummary is one step.
type StepSummary struct {
	Name   string `json:"name"`
	Method string `json:"method"`
	// Lookup says that it only asks; Finds names the step that it looks for.
	Lookup bool   `json:"lookup"`
	Finds  string `json:"finds"`
	// FoundBy names the lookup that says whether the step was done already.
	FoundBy string `json:"found_by"`
	// Repeat says whether it may be sent again after an answer was lost: safe, never, or for so long.
	Repeat string `json:"repeat"`
}

// ParamSummary is something that a mapping wants to be told.
type ParamSummary struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	// Default is the value if none is given, nil if there is none.
	Default any    `json:"default"`
	Help    string `json:"help"`
}

// Summarize reads a mapping that is bound to no destination. The Summary is nil if it is wrong.
func Summarize(file string, src []byte) (*Summary, source.Problems) {
	m, problems := Compile(file, src, Options{Unbound: true})
	if m == nil {
		return nil, problems
	}
	var written struct {
		Description string
		Params      yaml.Node
	}
	if err := yaml.Load(src, &written); err != nil {
		return nil, source.Problems{{File: file, What: err.Error()}}
	}
	s := summaryOf(m)
	s.Description = written.Description
	for i := 0; i+1 < len(written.Params.Content); i += 2 {
		p := ParamSummary{Name: written.Params.Content[i].Value}
		var declared struct {
			Required   bool
			Type, Help string
			Default    any
		}
		if err := written.Params.Content[i+1].Load(&declared); err != nil {
			return nil, source.Problems{{File: file, What: err.Error()}}
		}
		p.Required, p.Type, p.Help, p.Default = declared.Required, declared.Type, declared.Help, declared.Default
		s.Params = append(s.Params, p)
	}
	return s, problems
}

// SummarizeRecord is Summarize for the built-in `mapping: record`.
func SummarizeRecord() *Summary {
	m, _ := Record(Options{Unbound: true})
	s := summaryOf(m)
	s.Description = "The record of each revision as it is, as JSON"
	return s
}

func summaryOf(m *Mapping) *Summary {
	s := &Summary{
		Name: m.name, Version: m.version, About: m.about, HasURL: m.hasURL(), OAuth2: m.oauth2 != nil, Session: m.session != nil,
		Steps: summariesOf(m, m.create), Update: summariesOf(m, m.update),
		Params: []ParamSummary{}, Secrets: []string{}, Tables: append([]string{}, m.TableFiles()...),
	}
	if m.oauth2 != nil {
		s.Grant = m.oauth2.Grant
	}
	if secrets, ok := m.secrets.(object); ok {
		for _, secret := range secrets {
			s.Secrets = append(s.Secrets, secret.key)
		}
	}
	return s
}

func (m *Mapping) hasURL() bool {
	return m.url != nil && (m.oauth2 == nil || m.oauth2.TokenPath == "" || !m.url.asks(func(u uses) bool { return u.auth }))
}

func summariesOf(m *Mapping, steps []*step) []StepSummary {
	list := []StepSummary{}
	for _, s := range steps {
		of := StepSummary{Name: s.name, Method: s.method, Lookup: s.found != nil, Finds: s.finds, Repeat: s.repeat.inWords()}
		for _, other := range m.create {
			if other.finds == s.name {
				of.FoundBy = other.name
			}
		}
		list = append(list, of)
	}
	return list
}

// inWords gives what a mapping says: safe, never, or a time.
func (r Repeat) inWords() string {
	switch {
	case r.Safe:
		return "safe"
	case r.Within == 0:
		return "never"
	}
	return InWords(r.Within)
}

// InWords writes a duration as people do: 90d, 24h, 30m.
func InWords(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	words := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(words, zero) {
			words = words[:len(words)-len("0s")]
		}
	}
	return words
}

// RecordSource shows the built-in `mapping: record` as a mapping.
func RecordSource() []byte {
	return []byte("# The record of each revision as it is, as JSON.\ndescription: The record as it is\n" + recordMapping[1:] + "update: [post]\n")
}

package mappings

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wrapup/mappings/source"
)

// Mapping is a compiled mapping, bound to the settings of one destination. It is immutable.
type Mapping struct {
	name    string
	file    string
	version string
	about   *About // nil if it says nothing
	// sum is of the file's content.
	sum [sha256.Size]byte
	// when has the mapping's own condition and the destination's; both must hold.
	when                []condition
	wait, skipOlderThan time.Duration
	brake, rate         Rate
	// url is where paths are added to.
	url    *template
	oauth2 *oauth2
	// placesToken says that a template puts the access token where it belongs; else it is a bearer token.
	placesToken bool
	// session is the login, nil if there is none.
	session *step
	params  any
	secrets any
	// override holds the destination's own headers.
	override []header
	tables   []*table
	vars     []variable
	// create and update are the steps that log a call and those that amend its log, in order.
	create, update []*step
}

// condition is a `when`, and whose it is.
type condition struct {
	*template
	whose string
}

// variable is one of vars.
type variable struct {
	name  string
	value tree
}

// header is one header of a request.
type header struct {
	name  string
	value *template
}

// Options is what a destination brings to its mapping.
type Options struct {
	// URL is the destination's url; it overrides the mapping's.
	URL string
	// Params are the destination's params.
	Params map[string]any
	// Secrets are the values of the mapping's secrets.
	Secrets map[string]string
	// Headers are set on each request, over those of the mapping.
	Headers map[string]string
	// OAuth2 is what the destination says about tokens, over what the mapping says; nil is nothing.
	OAuth2 *OAuth2
	// Rate and Brake override the mapping's, unless they are zero.
	Rate, Brake Rate
	// ReadFile reads the file of a table. The name is as it stands in the mapping: relative to the mapping's folder.
	ReadFile func(name string) ([]byte, error)
	// When is the destination's own condition ("${…}"), and-ed with the mapping's.
	When string
	// WhenAt is where When stands (File, Line, Column, Path, Text), for its problems.
	WhenAt source.Problem
	// Unbound says that the mapping is only checked, for no destination: url, params, secrets and tables may be missing.
	Unbound bool
}

// Compile reads a mapping and checks everything in it. File is its name in problems. The Mapping is nil if the problems
// are more than warnings.
func Compile(file string, src []byte, opts Options) (*Mapping, source.Problems) {
	l := &loader{file: file, grammar: newGrammar(), opts: opts, vars: map[int]int{}}
	l.m = &Mapping{name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), file: file, sum: sha256.Sum256(src)}
	if root := l.root(src); root != nil {
		l.mapping(root)
	}
	problems := l.problems.Sort()
	if problems.Err() != nil {
		return nil, problems
	}
	return l.m, problems
}

// Name is the mapping's name: that of its file, without the ending.
func (m *Mapping) Name() string { return m.name }

// File is the mapping's file, as Compile was told.
func (m *Mapping) File() string { return m.file }

// Version is the mapping's version, "" if it names none.
func (m *Mapping) Version() string { return m.version }

// Stamp says which mapping it is: its name, and the beginning of the SHA-256 checksum of its file, as sha256sum prints it:
// "desk@1f0c22aa". What its tables hold is not in it.
func (m *Mapping) Stamp() string { return fmt.Sprintf("%s@%x", m.name, m.sum[:4]) }

// SameFile says whether two mappings were compiled from the same text.
func (m *Mapping) SameFile(other *Mapping) bool { return m.name == other.name && m.sum == other.sum }

// Wait is how long a finished call is held before the first request.
func (m *Mapping) Wait() time.Duration { return m.wait }

// LongestDelay is the longest time that the mapping itself can put off a request: its wait, or the lag of a lookup.
func (m *Mapping) LongestDelay() time.Duration {
	longest := m.wait
	for _, list := range [][]*step{m.create, m.update} {
		for _, s := range list {
			longest = max(longest, s.lag)
		}
	}
	return longest
}

// SkipOlderThan is the age from which calls are not sent any more; 0 is never. Next obeys it by itself.
func (m *Mapping) SkipOlderThan() time.Duration { return m.skipOlderThan }

// Rate is how many requests the destination takes.
func (m *Mapping) Rate() Rate { return m.rate }

// Brake is how many creations are so many that something must be wrong.
func (m *Mapping) Brake() Rate { return m.brake }

// PostsRevisions says whether anything is sent for a later revision of a call that was logged before.
func (m *Mapping) PostsRevisions() bool { return len(m.update) > 0 }

// HasSession says whether requests need the values of a login.
func (m *Mapping) HasSession() bool { return m.session != nil }

// Doubles names the steps of which a second request, after an answer was lost, may cause a second log entry: neither
// may they be repeated, nor does a lookup find what they did.
func (m *Mapping) Doubles() []string {
	var names []string
	for _, list := range [][]*step{m.create, m.update} { // a lookup is asked only where it stands
		for _, s := range list {
			found := slices.ContainsFunc(list, func(other *step) bool { return other.finds == s.name })
			if !s.repeat.Safe && !found && !slices.Contains(names, s.name) {
				names = append(names, s.name)
			}
		}
	}
	return names
}

// HasStep says whether the mapping has a step of that name.
func (m *Mapping) HasStep(name string) bool { return m.step(name) != nil }

// step finds a step by name, nil if there is none.
func (m *Mapping) step(name string) *step {
	for _, list := range [][]*step{m.create, m.update} {
		for _, s := range list {
			if s.name == name {
				return s
			}
		}
	}
	return nil
}

package mappings

import (
	"strings"

	"wrapup/mappings/source"
)

// About is what people want to know of a preset before they choose it. It changes nothing of what is sent.
type About struct {
	// System is the CRM's name, and its version where that matters.
	System string `json:"system"`
	// Needs is what has to be there on its side: fields, rights, a plan.
	Needs string `json:"needs"`
	// Doubles is how a call that is sent again is kept from being logged twice.
	Doubles string `json:"doubles"`
	// Proven is how it was tested: one of ProvenByReal, ProvenByFake and Experimental.
	Proven string `json:"proven"`
}

// How a preset was tested.
const (
	ProvenByReal = "real system"  // against the CRM itself
	ProvenByFake = "strict fake"  // against a fake that enforces what the API's documentation demands
	Experimental = "experimental" // against neither, or a fake that had to guess: try it before you rely on it
)

// aboutKeys are the keys of about.
func aboutKeys() []string { return []string{"system", "needs", "doubles", "proven"} }

// about reads what people want to know.
func (l *loader) about(e entry) {
	keys := l.known(e.value, e.path, aboutKeys()...)
	a := &About{}
	for name, to := range map[string]*string{"system": &a.System, "needs": &a.Needs, "doubles": &a.Doubles, "proven": &a.Proven} {
		if in, ok := keys[name]; ok {
			*to, _ = l.text(in.value, in.path)
		}
	}
	ways := []string{ProvenByReal, ProvenByFake, Experimental}
	if in, ok := keys["proven"]; ok && a.Proven != ProvenByReal && a.Proven != ProvenByFake && a.Proven != Experimental {
		l.problem(l.placeOf(in.value, in.path), "%q is none of %s%s", a.Proven, strings.Join(ways, ", "), source.Suggest(a.Proven, ways))
	}
	l.m.about = a
}

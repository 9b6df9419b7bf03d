package mappings

import (
	"maps"
	"net/http"
	"slices"
)

// Progress is what is kept with a call for one destination. Its methods leave it as it is and give another one.
type Progress struct {
	// Done names the steps that succeeded for the revision under way.
	Done []string `json:"done,omitempty"`
	// Saved holds the values that steps saved. They outlive the revision.
	Saved map[string]any `json:"saved,omitempty"`
	// Missed names the lookups that found nothing in this attempt.
	Missed []string `json:"missed,omitempty"`
	// Items says for each step with for_each how many items were tried in this attempt.
	Items map[string]int `json:"items,omitempty"`
}

// Fresh gives the progress with which a new attempt begins: lookups that found nothing are asked again.
func (p Progress) Fresh() Progress {
	p.Missed, p.Items = nil, nil
	return p
}

// Finished gives the progress that is kept once a revision is sent in full.
func (p Progress) Finished() Progress {
	p = p.Fresh()
	p.Done = nil
	return p
}

// Retried gives the progress with which a delivery begins that a person had tried again: the requests that do the same
// however often they are sent (those of a method other than POST that may be repeated) are sent again. What lookups found
// stays: a call that has begun is not to end because a contact is gone.
func (m *Mapping) Retried(p Progress) Progress {
	p.Done = slices.DeleteFunc(slices.Clone(p.Done), func(name string) bool {
		s := m.step(name)
		return s != nil && s.found == nil && s.repeat.Safe && s.method != http.MethodPost
	})
	return p
}

// with gives the progress once the step is done.
func (p Progress) with(step string) Progress {
	p.Done = including(p.Done, step)
	return p
}

// missed gives the progress once a lookup found nothing.
func (p Progress) missed(step string) Progress {
	p.Missed = including(p.Missed, step)
	return p
}

// tried gives the progress once so many items of a step were tried.
func (p Progress) tried(step string, items int) Progress {
	p.Items = maps.Clone(p.Items)
	if p.Items == nil {
		p.Items = make(map[string]int, 1)
	}
	p.Items[step] = items
	return p
}

// itemsTried says how many of the step's items were tried. What is stored may say anything.
func (p Progress) itemsTried(step string, items int) int { return min(max(0, p.Items[step]), items) }

// saving gives the progress with one more value. A null never replaces one.
func (p Progress) saving(name string, value any) Progress {
	if value == nil {
		return p
	}
	p.Saved = maps.Clone(p.Saved)
	if p.Saved == nil {
		p.Saved = make(map[string]any, 1)
	}
	p.Saved[name] = value
	return p
}

func including(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(slices.Clone(list), s)
}

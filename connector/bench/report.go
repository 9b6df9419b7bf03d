package bench

import "slices"

// Report is what was measured.
type Report struct {
	// Cores that the processes may use, and the folder whose disk was measured.
	Cores int    `json:"cores"`
	Dir   string `json:"dir"`
	// Rounds that the medians are of.
	Rounds   int       `json:"rounds"`
	Measures []Measure `json:"measures"`
}

// Measure is one figure, with its rounds.
type Measure struct {
	Name string `json:"name"`
	// Unit of the values: "/s", "ms", "MB", "KB", "s".
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"`
	// Of names what the values are compared with, "" if with nothing, and Ratios are those of each round.
	Of     string    `json:"of,omitempty"`
	Ratios []float64 `json:"ratios,omitempty"`
}

// Median of the rounds.
func (m *Measure) Median() float64 { return median(m.Values) }

// Ratio is the median of the rounds' ratios, 0 if there are none.
func (m *Measure) Ratio() float64 { return median(m.Ratios) }

// Spread says how far the rounds lie apart: from the least to the most, as a share of the median.
func (m *Measure) Spread() float64 {
	if len(m.Values) < 2 || m.Median() == 0 {
		return 0
	}
	return (slices.Max(m.Values) - slices.Min(m.Values)) / m.Median()
}

// Get gives the measure of that name, nil if there is none.
func (r *Report) Get(name string) *Measure {
	for i := range r.Measures {
		if r.Measures[i].Name == name {
			return &r.Measures[i]
		}
	}
	return nil
}

// add adds a round's value. of names a measure that has this round's value already; "", or one that isn't measured, is none.
func (r *Report) add(name, unit string, value float64, of string) {
	if r.Get(of) == nil {
		of = ""
	}
	m := r.Get(name)
	if m == nil {
		r.Measures = append(r.Measures, Measure{Name: name, Unit: unit, Of: of})
		m = &r.Measures[len(r.Measures)-1]
	}
	m.Values = append(m.Values, value)
	if limit := r.Get(of); limit != nil {
		m.Ratios = append(m.Ratios, value/limit.Values[len(limit.Values)-1])
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[n/2]
}

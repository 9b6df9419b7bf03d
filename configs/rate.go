package configs

import "wrapup/mappings"

// Rate is how many requests there may be in some time: 15/s, 40/m. The zero Rate says nothing.
type Rate mappings.Rate

// String gives the text that is read back, "" if there is none.
func (r Rate) String() string { return mappings.Rate(r).String() }

// IsZero says that nothing was said.
func (r Rate) IsZero() bool { return r == Rate{} }

// MarshalText gives String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is mappings.ParseRate.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := mappings.ParseRate(string(text))
	*r = Rate(parsed)
	return err
}

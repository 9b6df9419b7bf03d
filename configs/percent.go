package configs

import (
	"errors"
	"strconv"
	"strings"
)

// Percent is a share, written as 50%.
type Percent int

var errPercent = errors.New("expected a share such as 50%, from 0% to 100%")

// ParsePercent reads a whole number from 0 to 100 and a % behind it.
func ParsePercent(text string) (Percent, error) {
	digits, ok := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil || n > 100 {
		return 0, errPercent
	}
	return Percent(n), nil
}

// String gives the text that ParsePercent reads back.
func (p Percent) String() string { return strconv.Itoa(int(p)) + "%" }

// MarshalText gives String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePercent.
func (p *Percent) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePercent(string(text))
	return err
}

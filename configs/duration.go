package configs

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written with days, too: 7d, 1d12h.
type Duration time.Duration

const (
	day     = 24 * time.Hour
	maxDays = int64(math.MaxInt64 / day)
)

var errDuration = errors.New("expected a duration such as 5s, 10m, 7d")

// ParseDuration reads what time.ParseDuration reads, with whole days in front if there are any. A negative duration is
// an error.
func ParseDuration(text string) (Duration, error) {
	rest, days := text, time.Duration(0)
	if before, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseInt(before, 10, 64)
		if err != nil || n < 0 || n >= maxDays || before[0] == '+' || before[0] == '-' {
			return 0, errDuration
		}
		if days, rest = time.Duration(n)*day, after; rest == "" {
			return Duration(days), nil
		}
	}
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, errDuration
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > math.MaxInt64-days {
		return 0, errDuration
	}
	return Duration(days + d), nil
}

// String gives the shortest text that ParseDuration reads back: 7d, 1d12h, 10m.
func (d Duration) String() string {
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	var b strings.Builder
	if days != 0 {
		b.WriteString(strconv.FormatInt(int64(days), 10))
		b.WriteByte('d')
		if rest == 0 {
			return b.String()
		}
	}
	s := rest.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	b.WriteString(s)
	return b.String()
}

// MarshalText gives String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

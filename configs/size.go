package configs

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as 20GiB.
type Size int64

// The units, largest first. A disk's maker counts in thousands, a file system in 1024s: both can be written.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

var errSize = errors.New("expected a size such as 20GiB, 500MiB, 20GB")

// ParseSize reads a whole number with a unit behind it: B, KiB, MiB, GiB, TiB, or KB, MB, GB, TB.
func ParseSize(text string) (Size, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(digits, " "), 10, 63)
		if err != nil || int64(n) > math.MaxInt64/u.bytes {
			return 0, errSize
		}
		return Size(int64(n) * u.bytes), nil
	}
	return 0, errSize
}

// String gives the shortest text that ParseSize reads back.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// MarshalText gives String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSize.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

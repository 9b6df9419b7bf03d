package connector

import (
	"fmt"
	"strconv"
	"time"
)

// Time is a point in time by the dialer's clock, in microseconds since 1970 UTC. The zero Time means "not known" and is
// null in JSON; every stamp that is accepted lies between 2001 and 2100, so no real stamp is zero.
type Time int64

const timeLayout = "2006-01-02T15:04:05.000000Z"

// TimeOf gives t as a Time, cut to microseconds. The zero time.Time gives the unknown Time.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Known says whether the time is known.
func (t Time) Known() bool { return t != 0 }

// Time gives t as a time.Time in UTC, the zero time.Time if it is not known.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// String gives RFC 3339 in UTC with six digits, as in the record, and "" for the unknown Time.
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	return t.Time().Format(timeLayout)
}

// Sub gives the span from u to t, unknown if one of them is. A negative span is returned as it is.
func (t Time) Sub(u Time) Span {
	if t == 0 || u == 0 {
		return Span{}
	}
	return KnownSpan(int64(t - u))
}

// MarshalJSON gives RFC 3339 UTC with six digits, or null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t == 0 {
		return []byte("null"), nil
	}
	return t.Time().AppendFormat(make([]byte, 0, len(timeLayout)+2), `"`+timeLayout+`"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes, and any other RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = 0
		return nil
	}
	s, err := strconv.Unquote(string(b))
	if err != nil {
		return fmt.Errorf("time %s: not a string", b)
	}
	p, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return fmt.Errorf("time %q: not RFC 3339", s)
	}
	*t = TimeOf(p)
	return nil
}

// Span is a duration in microseconds that may be unknown. The zero Span is unknown; a known zero is KnownSpan(0).
type Span struct {
	Micros int64
	Known  bool
}

// KnownSpan is the span of so many microseconds.
func KnownSpan(micros int64) Span { return Span{Micros: micros, Known: true} }

// Seconds gives the span in seconds, 0 if it is unknown. The float's shortest decimal form is the exact number of
// microseconds for every span up to 200 years.
func (s Span) Seconds() float64 { return float64(s.Micros) / 1e6 }

// String gives the seconds as the shortest exact decimal, "" if unknown.
func (s Span) String() string {
	if !s.Known {
		return ""
	}
	return string(s.appendDecimal(nil))
}

func (s Span) appendDecimal(b []byte) []byte {
	m := uint64(s.Micros) //nolint:gosec // the sign is looked at
	if s.Micros < 0 {
		b, m = append(b, '-'), -m
	}
	b = strconv.AppendUint(b, m/1e6, 10)
	frac := m % 1e6
	if frac == 0 {
		return b
	}
	b = append(b, '.')
	for unit := uint64(1e5); frac > 0; unit /= 10 {
		b = append(b, byte('0'+frac/unit)) //nolint:gosec // a digit
		frac %= unit
	}
	return b
}

// MarshalJSON gives seconds as the shortest exact decimal, or null.
func (s Span) MarshalJSON() ([]byte, error) {
	if !s.Known {
		return []byte("null"), nil
	}
	return s.appendDecimal(nil), nil
}

// maxSpan is the longest span that is read, in microseconds: a float holds all up to here exactly.
const maxSpan = 1 << 53

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Span) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*s = Span{}
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("seconds %s: not a number", b)
	}
	micros := f * 1e6
	if micros > maxSpan || micros < -maxSpan {
		return fmt.Errorf("seconds %s: longer than anything lasts", b)
	}
	if micros < 0 {
		micros -= 0.5
	} else {
		micros += 0.5
	}
	*s = KnownSpan(int64(micros))
	return nil
}

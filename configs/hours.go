package configs

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours are the times of a week at which something is going on, as the clocks on the wall show them: "Mon-Fri 08:00-20:00",
// "Mon-Fri 08:00-20:00, Sat 09:00-13:00", "22:00-06:00". Without days they hold for each. An end that is not after its
// beginning is on the next day.
type Hours struct {
	text  string
	spans []hourSpan
}

// hourSpan is a span on a day of the week, in minutes since midnight. One that ends on the next day ends after 24:00.
type hourSpan struct {
	day      time.Weekday
	from, to int
}

const dayMinutes = 24 * 60

var (
	errHours = errors.New("expected hours such as \"Mon-Fri 08:00-20:00\" or \"Mon-Fri 08:00-20:00, Sat 09:00-13:00\"")
	hoursOf  = regexp.MustCompile(`^(?:([A-Za-z]+)(?:-([A-Za-z]+))? +)?(\d\d?):(\d\d)-(\d\d?):(\d\d)$`)
	weekdays = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
)

// ParseHours reads hours.
func ParseHours(text string) (Hours, error) {
	h := Hours{text: text}
	for part := range strings.SplitSeq(text, ",") {
		m := hoursOf.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return Hours{}, errHours
		}
		first, last := time.Sunday, time.Saturday
		if m[1] != "" {
			var err error
			if first, err = weekday(m[1]); err != nil {
				return Hours{}, err
			}
			if last = first; m[2] != "" {
				if last, err = weekday(m[2]); err != nil {
					return Hours{}, err
				}
			}
		}
		from, ok := minuteOf(m[3], m[4])
		to, ok2 := minuteOf(m[5], m[6])
		switch {
		case !ok || !ok2 || from == dayMinutes:
			return Hours{}, fmt.Errorf("%q: there is no such time of day", strings.TrimSpace(part))
		case to <= from:
			to += dayMinutes
		}
		for day := first; ; day = (day + 1) % 7 {
			h.spans = append(h.spans, hourSpan{day, from, to})
			if day == last {
				break
			}
		}
	}
	return h, nil
}

func weekday(text string) (time.Weekday, error) {
	for i, name := range weekdays {
		if strings.EqualFold(text, name) {
			return time.Weekday(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no day: expected one of %s", text, anyOf(weekdays))
}

// minuteOf gives the minute of the day; 24:00 is one.
func minuteOf(hour, minute string) (int, bool) {
	h, err := strconv.Atoi(hour)
	m, err2 := strconv.Atoi(minute)
	at := h*60 + m
	return at, err == nil && err2 == nil && m < 60 && at <= dayMinutes
}

// String gives the text that was read.
func (h Hours) String() string { return h.text }

// MarshalText gives String.
func (h Hours) MarshalText() ([]byte, error) { return []byte(h.text), nil }

// UnmarshalText is ParseHours; of nothing it makes hours that never come.
func (h *Hours) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*h = Hours{}
		return nil
	}
	*h, err = ParseHours(string(text))
	return err
}

// week is how far back Open looks for the beginning: hours without a gap began at least so long ago.
const week = 7

// Open says whether now is within the hours, as clocks in the zone show them, and since when without a gap. When the clocks
// are set the hours keep to them: a night's hours are then an hour longer or shorter than they look.
func (h Hours) Open(now time.Time, zone *time.Location) (since time.Time, open bool) {
	type window struct{ from, to time.Time }
	var windows []window
	year, month, today := now.In(zone).Date()
	for back := -week; back <= 0; back++ {
		day := today + back
		weekday := time.Date(year, month, day, 12, 0, 0, 0, zone).Weekday()
		for _, s := range h.spans {
			if s.day == weekday {
				windows = append(windows, window{time.Date(year, month, day, 0, s.from, 0, 0, zone), time.Date(year, month, day, 0, s.to, 0, 0, zone)})
			}
		}
	}
	slices.SortFunc(windows, func(a, b window) int { return a.from.Compare(b.from) })
	var end time.Time
	for _, w := range windows {
		if w.from.After(now) {
			break
		}
		if w.from.After(end) {
			since = w.from
		}
		if w.to.After(end) {
			end = w.to
		}
	}
	if !end.After(now) {
		return time.Time{}, false
	}
	return since, true
}

// Silent says since when nothing has come that was expected to, false if that is as it should be. last is when something
// came last, and watching since when somebody would have noticed.
func (e *Expect) Silent(now, last, watching time.Time) (since time.Time, silent bool) {
	if e == nil {
		return time.Time{}, false
	}
	zone, err := time.LoadLocation(e.Zone)
	if err != nil { // it was checked
		return time.Time{}, false
	}
	since, open := e.Hours.Open(now, zone)
	if !open {
		return time.Time{}, false
	}
	for _, t := range []time.Time{last, watching} {
		if t.After(since) {
			since = t
		}
	}
	return since, now.Sub(since) > time.Duration(e.Within)
}

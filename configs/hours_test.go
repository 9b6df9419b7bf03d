package configs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestHoursOpen(t *testing.T) {
	for _, c := range []struct{ name, hours, zone, now, since string }{
		{"in them", "Mon-Fri 08:00-20:00", "Asia/Jakarta", "2026-03-02T09:30:00+07:00", "2026-03-02T08:00:00+07:00"},
		{"their first moment", "Mon-Fri 08:00-20:00", "Asia/Jakarta", "2026-03-02T08:00:00+07:00", "2026-03-02T08:00:00+07:00"},
		{"their end is not in them", "Mon-Fri 08:00-20:00", "Asia/Jakarta", "2026-03-02T20:00:00+07:00", ""},
		{"before them", "Mon-Fri 08:00-20:00", "Asia/Jakarta", "2026-03-02T07:59:59+07:00", ""},
		{"a Sunday there, though a Monday here", "Mon-Fri 00:00-24:00", "America/New_York", "2026-03-02T03:00:00Z", ""},
		{"a Monday there, though a Sunday here", "Mon-Fri 00:00-24:00", "Asia/Jakarta", "2026-03-01T20:00:00Z", "2026-03-02T00:00:00+07:00"},
		{"on other hours of a Saturday", "Mon-Fri 08:00-20:00, sat 9:00-13:00", "UTC", "2026-03-07T12:59:00Z", "2026-03-07T09:00:00Z"},
		{"over midnight, in the evening", "Mon 22:00-06:00", "UTC", "2026-03-02T23:00:00Z", "2026-03-02T22:00:00Z"},
		{"over midnight, in the morning", "Mon 22:00-06:00", "UTC", "2026-03-03T05:59:00Z", "2026-03-02T22:00:00Z"},
		{"over midnight, a night later", "Mon 22:00-06:00", "UTC", "2026-03-04T05:59:00Z", ""},
		{"each day", "08:00-20:00", "UTC", "2026-03-08T08:01:00Z", "2026-03-08T08:00:00Z"},
		{"days over a week's end", "Sat-Mon 08:00-20:00", "UTC", "2026-03-09T08:01:00Z", "2026-03-09T08:00:00Z"},
		{"no gap at midnight", "Mon-Fri 00:00-24:00", "UTC", "2026-03-04T00:01:00Z", "2026-03-02T00:00:00Z"},
		{"spans that overlap", "Mon 08:00-12:00, Mon 10:00-14:00", "UTC", "2026-03-02T13:00:00Z", "2026-03-02T08:00:00Z"},
		{"the clock is set forward at 2:00: 08:00 is 08:00", "08:00-20:00", "Europe/Berlin", "2026-03-29T08:00:00+02:00", "2026-03-29T08:00:00+02:00"},
		{"and an hour earlier it isn't", "08:00-20:00", "Europe/Berlin", "2026-03-29T07:59:00+02:00", ""},
		{"the night when it is set back has an hour more", "Sat 22:00-06:00", "Europe/Berlin", "2026-10-25T05:59:00+01:00", "2026-10-24T22:00:00+02:00"},
		{"and ends by the clock on the wall", "Sat 22:00-06:00", "Europe/Berlin", "2026-10-25T06:00:00+01:00", ""},
	} {
		h, err := ParseHours(c.hours)
		require.NoError(t, err, c.name)
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err, c.name)
		now, err := time.Parse(time.RFC3339, c.now)
		require.NoError(t, err, c.name)
		since, open := h.Open(now, zone)
		assert.Equal(t, c.since != "", open, c.name)
		if c.since != "" && open {
			want, err := time.Parse(time.RFC3339, c.since)
			require.NoError(t, err, c.name)
			assert.Equal(t, want.UTC().String(), since.UTC().String(), c.name)
		}
	}
	since, open := func() (time.Time, bool) {
		h, err := ParseHours("0:00-24:00")
		require.NoError(t, err)
		return h.Open(time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC), time.UTC)
	}()
	assert.True(t, open)
	assert.Equal(t, time.Date(2026, 2, 26, 0, 0, 0, 0, time.UTC), since, "as far back as is looked")
	_, open = Hours{}.Open(time.Now(), time.UTC)
	assert.False(t, open)
}

func TestSilent(t *testing.T) {
	h, err := ParseHours("Mon-Fri 08:00-20:00")
	require.NoError(t, err)
	e := &Expect{Hours: h, Zone: "Asia/Jakarta", Within: Duration(10 * time.Minute)}
	zone, err := time.LoadLocation(e.Zone)
	require.NoError(t, err)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, zone) }
	for _, c := range []struct {
		name                       string
		now, last, watching, since time.Time
		silent                     bool
	}{
		{"something came just now", at(2, 9, 0), at(2, 8, 55), at(1, 0, 0), at(2, 8, 55), false},
		{"within is over", at(2, 9, 6), at(2, 8, 55), at(1, 0, 0), at(2, 8, 55), true},
		{"the night doesn't count", at(2, 8, 9), at(1, 19, 0), at(1, 0, 0), at(2, 8, 0), false},
		{"the morning does", at(2, 8, 11), at(1, 19, 0), at(1, 0, 0), at(2, 8, 0), true},
		{"nothing ever came, but nobody looked for long", at(2, 9, 0), time.Time{}, at(2, 8, 58), at(2, 8, 58), false},
		{"nothing ever came", at(2, 9, 10), time.Time{}, at(2, 8, 58), at(2, 8, 58), true},
		{"at night nothing is expected", at(2, 23, 0), at(2, 12, 0), at(1, 0, 0), time.Time{}, false},
		{"nor on Sundays", at(8, 12, 0), at(6, 12, 0), at(1, 0, 0), time.Time{}, false},
	} {
		since, silent := e.Silent(c.now, c.last, c.watching)
		assert.Equal(t, c.silent, silent, c.name)
		assert.Equal(t, c.since.UTC(), since.UTC(), c.name)
	}
	_, silent := (*Expect)(nil).Silent(at(2, 9, 0), time.Time{}, time.Time{})
	assert.False(t, silent, "nothing is expected where nothing is said")
}

// Where no clock is ever set, now is within the hours if a day of the week, counted in minutes, says so.
func TestHoursByTheMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var parts []string
		inside := map[int]bool{} // minutes of the week, from Sunday
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			first, last := rapid.IntRange(0, 6).Draw(t, "first"), rapid.IntRange(0, 6).Draw(t, "last")
			from, to := rapid.IntRange(0, dayMinutes-1).Draw(t, "from"), rapid.IntRange(0, dayMinutes).Draw(t, "to")
			parts = append(parts, fmt.Sprintf("%s-%s %02d:%02d-%02d:%02d", weekdays[first], weekdays[last], from/60, from%60, to/60, to%60))
			if to <= from {
				to += dayMinutes
			}
			for day := first; ; day = (day + 1) % 7 {
				for m := from; m < to; m++ {
					inside[(day*dayMinutes+m)%(7*dayMinutes)] = true
				}
				if day == last {
					break
				}
			}
		}
		h, err := ParseHours(strings.Join(parts, ", "))
		require.NoError(t, err)
		minute := rapid.IntRange(0, 7*dayMinutes-1).Draw(t, "minute")
		now := time.Date(2026, 3, 1, 0, minute, 30, 0, time.UTC) // a Sunday
		since, open := h.Open(now, time.UTC)
		require.Equal(t, inside[minute], open, h.String())
		if !open {
			return
		}
		begin := minute
		for n := 0; inside[(begin+7*dayMinutes-1)%(7*dayMinutes)] && n < 7*dayMinutes; n++ {
			begin--
			if begin < 0 {
				begin += 7 * dayMinutes
			}
		}
		if len(inside) < 7*dayMinutes {
			require.Equal(t, begin, (int(since.Weekday())*24+since.Hour())*60+since.Minute(), h.String())
		}
	})
}

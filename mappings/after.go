package mappings

import (
	"net/http"
	"time"

	"wrapup/connector"
)

// longestWait bounds what an answer may ask for.
const longestWait = 24 * time.Hour

// unixFrom is the number of seconds from which a number can only be a date.
const unixFrom = 1_000_000_000

// after gives how long a retry has to wait; 0 if the mapping or the answer doesn't say.
func (j *judging) after(rule retryRule) time.Duration {
	if rule.after == nil {
		return 0
	}
	v, err := rule.after.value(j.in)
	if err != nil {
		j.note(err)
		return 0
	}
	return min(max(waitOf(v, j.c.Now), 0), longestWait)
}

// waitOf reads a number of seconds, a time such as 10m, or a date.
func waitOf(v any, now time.Time) time.Duration {
	until := func(t time.Time) time.Duration {
		if now.IsZero() {
			return 0
		}
		return t.Sub(now)
	}
	seconds, ok := float(v)
	if s, isText := v.(string); isText {
		if d, is := duration(s); is {
			return d
		}
		if t, err := http.ParseTime(s); err == nil {
			return until(t)
		}
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return until(t)
		}
		seconds, ok = secondsOf(s)
	}
	if t, isTime := v.(connector.Time); isTime {
		return until(t.Time())
	}
	switch {
	case !ok || seconds < 0:
		return 0
	case seconds >= 1000*unixFrom:
		return until(time.UnixMilli(int64(min(seconds, 1e15))))
	case seconds >= unixFrom:
		return until(time.Unix(int64(seconds), 0))
	}
	return time.Duration(seconds * float64(time.Second))
}

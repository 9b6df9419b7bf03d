package main

import (
	"net/http"
	"sync"
	"time"
)

// line is the dialer's line to a daemon. It notes how long the daemon could not be reached, or refused.
type line struct {
	http.Transport
	mu      sync.Mutex
	down    time.Time // when the first post failed since one was accepted; zero while they are accepted
	longest time.Duration
	outages int
	refused int // posts that were answered, but not with 200
	failed  int // posts without an answer
}

func newLine() *line {
	return &line{Transport: http.Transport{MaxIdleConnsPerHost: 64}}
}

// RoundTrip posts, and notes what became of it.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := l.Transport.RoundTrip(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && resp.StatusCode == http.StatusOK:
		if !l.down.IsZero() && began.After(l.down) {
			l.longest = max(l.longest, time.Since(l.down))
			l.down = time.Time{}
		}
		return resp, nil
	case err == nil:
		l.refused++
	default:
		l.failed++
	}
	if l.down.IsZero() {
		l.down = began
		l.outages++
	}
	return resp, err
}

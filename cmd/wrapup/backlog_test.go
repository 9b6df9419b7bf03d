package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/bench"
	"wrapup/outbox/bolt"
)

// backlog puts finished calls into the store of a daemon that doesn't run, as the finish does, each with a delivery to the
// destination that is due.
func (s *site) backlog(destination string, calls int) {
	s.t.Helper()
	dir := filepath.Join(s.dir, "data")
	require.NoError(s.t, os.MkdirAll(dir, 0o700))
	store, err := bolt.Open(filepath.Join(dir, storeFile), bolt.Options{})
	require.NoError(s.t, err)
	require.NoError(s.t, bench.Fill(s.t.Context(), store, destination, calls, time.Now().Add(-time.Minute)))
	require.NoError(s.t, store.Close())
}

// Credentials that are refused are no call's fault: the destination is paused, over a restart too, and once they are good the
// whole backlog is delivered.
func TestRefusedCredentialsOnABacklog(t *testing.T) {
	t.Parallel() // most of it is waiting
	const calls = 10_000
	var mu sync.Mutex
	refused, taken := 0, map[string]int{}
	count := func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return refused, len(taken)
	}
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the connection is used again
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer new" {
			refused++
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		taken[r.Header.Get("Idempotency-Key")]++
	}))
	t.Cleanup(crm.Close)
	s := newSite(t, fmt.Sprintf(`sources: [{kind: nxcloud-events}]
destinations: [{name: crm, mapping: record, url: %q, auth: {bearer: {file: token}}, concurrency: 16}]
`, crm.URL))
	s.write("token", "old")
	s.backlog("crm", calls)

	// A start tries at once, with as many as may be sent at a time; then there is a probe each half a minute.
	const handful = 16 + 1
	for starts := 1; starts <= 2; starts++ {
		s.start()
		s.eventually("the pause", func() bool { return s.paused() })
		time.Sleep(3 * time.Second)
		n, _ := count()
		t.Logf("start %d: %d requests refused so far", starts, n)
		assert.LessOrEqual(t, n, starts*handful)
		assert.True(t, s.paused())
		s.kill()
	}
	s.start()
	assert.Equal(t, calls, s.waiting(), "none is dead, none is forgotten")

	s.write("token", "new")
	require.Zero(t, s.terminate())
	s.start()
	s.drained()
	mu.Lock()
	defer mu.Unlock()
	assert.Len(t, taken, calls)
	for key, n := range taken {
		assert.Equal(t, 1, n, key)
	}
	out, code := s.run("audit", "-o", "json")
	require.Zero(t, code, out)
	var days []struct {
		Calls        int
		Destinations []struct{ Recounted map[string]int }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &days))
	require.Len(t, days, 1)
	assert.Equal(t, calls, days[0].Calls)
	assert.Equal(t, calls, days[0].Destinations[0].Recounted["done"])
}

// paused says that the first destination is paused.
func (s *site) paused() bool {
	s.t.Helper()
	out, code := s.run("destinations", "-o", "json")
	require.Zero(s.t, code, out)
	var list []struct{ State, Reason string }
	require.NoError(s.t, json.Unmarshal([]byte(out), &list), out)
	return list[0].State == "paused" && list[0].Reason == "answered 401 Unauthorized"
}

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"wrapup/connector/bench"
	"wrapup/outbox/bolt"
)

// TestWhySpeed asks on the command line for calls all over a large store: the daemon that has it open, and the store itself
// when none runs, also when nothing of it is in memory. TEST_CALLS=1000000 makes it that large, and then each answer must be
// there in 200 ms, from the disk in the median.
func TestWhySpeed(t *testing.T) {
	t.Parallel()
	calls, looks := 3000, 3
	if text := os.Getenv("TEST_CALLS"); text != "" {
		var err error
		calls, err = strconv.Atoi(text)
		require.NoError(t, err)
		looks = 41
	}
	s := newSite(t, "sources: [{kind: nxcloud-events}]\nqueues: {default: {region: ID}}\ndestinations: [{name: crm, mapping: record, url: \"http://127.0.0.1:1/\"}]\n")
	a := bench.Archive{Calls: calls, Begin: time.Now().Add(-30 * 24 * time.Hour), Destination: "crm"}
	path := filepath.Join(s.dir, "data", storeFile)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	store, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, a.Fill(t.Context(), store))
	require.NoError(t, store.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	t.Logf("%d calls, %s, made in %s", calls, megabytes(info.Size()), time.Since(began).Round(time.Second))

	ask := func(who string, cold bool) {
		for name, of := range map[string]func(i int) string{
			"uuid": a.UUID, "phone": func(i int) string { return "+62 " + a.Phone(i) }, "id": a.ID,
		} {
			var took []time.Duration
			for k := range looks {
				i := (k*calls/looks + k) % calls
				if cold {
					forgetFile(t, path)
				}
				began := time.Now()
				out, errs, code := wrapup(t, "why", of(i), "--config", s.config)
				took = append(took, time.Since(began))
				require.Zero(t, code, out+errs)
				require.Contains(t, out, a.UUID(i))
			}
			slices.Sort(took)
			p50, slowest := took[looks/2], took[looks-1]
			t.Logf("%s, by %s: p50 %s, max %s", who, name, p50.Round(time.Millisecond/10), slowest.Round(time.Millisecond/10))
			if bound := slowest; calls >= 1_000_000 {
				if cold { // then the slowest is the disk's: a number is looked up in each of the 30 days
					bound = p50
				}
				assert.Less(t, bound, 200*time.Millisecond, "%s, by %s", who, name)
			}
		}
	}
	ask("the store of a daemon that is stopped", false)
	ask("the same, from the disk", true)
	s.start()
	ask("a daemon that runs", false)
	began = time.Now()
	out, errs, code := wrapup(t, "version")
	require.Zero(t, code, out+errs)
	t.Logf("of it, the process: %s", time.Since(began).Round(time.Millisecond/10))
	if calls < 100_000 { // or the check of the store would take minutes
		require.Zero(t, s.terminate())
	}
}

// forgetFile has the system forget what it has of a file in memory.
func forgetFile(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Sync()) // what isn't written yet can't be forgotten
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

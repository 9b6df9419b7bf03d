package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A backup is taken while events come in, the daemon is killed and its store put back from the backup. Nothing is sent
// until the destination is resumed; then all that was accepted before the backup began is there.
func TestBackupUnderLoadIsRestored(t *testing.T) {
	crm := newSink(t)
	s := newSite(t, strings.ReplaceAll(oneSink, "SINK", crm.url()))
	s.start()
	var mu sync.Mutex
	var accepted []string
	stop := make(chan struct{})
	var dialers sync.WaitGroup
	for d := range 4 {
		dialers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("call-%d-%d", d, n)
				resp, err := http.Post(s.url(), "application/json", strings.NewReader(created(id)))
				if !assert.NoError(t, err) {
					return
				}
				assert.NoError(t, resp.Body.Close())
				if assert.Equal(t, http.StatusOK, resp.StatusCode) {
					mu.Lock()
					accepted = append(accepted, id)
					mu.Unlock()
				}
			}
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(accepted) }
	s.eventually("calls", func() bool { return count() > 100 && len(crm.requests()) > 20 })
	mu.Lock()
	before := append([]string{}, accepted...)
	mu.Unlock()
	file := filepath.Join(s.dir, "backup.db")
	out, code := s.run("backup", file, "-o", "json")
	assert.Zero(t, code, out)
	after := count()
	close(stop)
	dialers.Wait()
	require.Zero(t, code)
	require.Greater(t, after, len(before), "events came in while it was taken")
	var done backupDone
	require.NoError(t, json.Unmarshal([]byte(out), &done), out)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	assert.Equal(t, file, done.File)
	assert.Positive(t, done.Bytes)
	left, err := filepath.Glob(filepath.Join(s.dir, ".backup.db.*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	s.kill()
	require.NoError(t, os.Rename(file, filepath.Join(s.dir, "data", storeFile)))
	sent := len(crm.requests())
	for range 2 { // a second start finds it paused, too
		s.start()
		s.accepted(created("new-" + s.addr))
		s.eventually("calls to be finished", func() bool { return s.waiting() > 0 })
		time.Sleep(500 * time.Millisecond)
		require.Len(t, crm.requests(), sent, "nothing is sent before it is resumed")
		out, code = s.run("destinations")
		require.Zero(t, code)
		assert.Contains(t, out, "restored from a backup taken at "+done.Taken.Format("2006-01-02T15:04"))
		s.kill()
	}
	s.start()
	out, code = s.run("destinations", "resume", "crm")
	require.Zero(t, code, out)
	s.eventually("all that was accepted before the backup to be delivered", func() bool {
		keys := map[string]bool{}
		for _, r := range crm.requests() {
			keys[r.key] = true
		}
		return !slices.ContainsFunc(before, func(id string) bool { return !keys[id+":1"] })
	})
	s.drained()
	out, code = s.run("audit")
	assert.Zero(t, code, out)

	// Where no daemon runs, the store itself is read.
	require.Zero(t, s.terminate())
	out, code = s.run("backup", file)
	require.Zero(t, code, out)
	assert.Contains(t, out, "taken at")
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	out, code = s.run("backup", file)
	assert.Equal(t, 1, code, out)
	assert.Contains(t, out, file+" is there already, and is left as it is: give another name, or --force to replace it")
	same, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.True(t, slices.Equal(kept, same))
	require.NoError(t, os.WriteFile(file, []byte("an older one"), 0o600))
	out, code = s.run("backup", "--force", file)
	assert.Zero(t, code, out)
	replaced, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Greater(t, len(replaced), len("an older one"))
	left, err = filepath.Glob(filepath.Join(s.dir, ".backup.db.*"))
	require.NoError(t, err)
	assert.Empty(t, left)
	out, code = s.run("backup", filepath.Join(s.dir, "no such folder", "x"))
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "no such folder")
	s.start()
	out, code = s.run("destinations")
	require.Zero(t, code)
	assert.NotContains(t, out, "restored", "to take a backup changes nothing about the store")
}

// A backup never takes the place of the store that it is of: the daemon would go on with a file that has no name any more, and
// what it accepts would be gone at its next start.
func TestBackupOntoTheStoreIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, config("http://127.0.0.1:1/"))
	s.start()
	file := filepath.Join(s.dir, "data", storeFile)
	refused := func() {
		out := s.fails("backup", "--force", file)
		require.Contains(t, out, "is a store in use")
	}
	refused()
	s.accepted(created("a"))
	s.kill()
	refused()
	s.start()
	require.Contains(t, s.succeeds("why", "a"), "a")
	require.NotContains(t, s.succeeds("destinations"), "restored")
}

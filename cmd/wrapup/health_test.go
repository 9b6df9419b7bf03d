package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// public has the site answer for its health, and gives what asks it: the status and what is said.
func (s *site) public() (ask func(path string) string) {
	address := s.freeAddress()
	s.edit("admin: {", "admin: {listen: "+address+", ")
	return func(path string) string {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			return "nobody"
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		assert.NoError(s.t, err)
		return fmt.Sprint(resp.StatusCode, " ", string(body))
	}
}

// While the store is still being checked nobody answers, which sends the traffic elsewhere as well.
func TestNotReadyWhileStarting(t *testing.T) {
	t.Parallel()
	s := newSite(t, config("http://127.0.0.1:1/"))
	s.start() // there must be a store to check
	require.Zero(t, s.terminate())
	ask := s.public()
	s.log = &logs{}
	s.cmd = exec.Command(os.Args[0], "serve", "--config", s.config)
	s.cmd.Env = append(os.Environ(), "BE_WRAPUP=1", "CHECK_ENDS_BY=hang")
	s.cmd.Stderr = s.log
	require.NoError(t, s.cmd.Start())
	s.eventually("the start", func() bool { return s.log.String() != "" })
	assert.Equal(t, "nobody", ask("/readyz"))
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	_ = s.cmd.Wait()
	assert.Equal(t, exitFailed, s.cmd.ProcessState.ExitCode(), "it was never ready")
	s.cmd = nil
}

// A configuration that is refused changes nothing of what is taken; whoever is being stopped takes nothing more.
func TestReadyUntilItIsStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t, config("http://127.0.0.1:1/"))
	s.settleDown()
	ask := s.public()
	s.start()
	require.Equal(t, "200 ok\n", ask("/readyz"))
	s.edit("mapping: record", "mapping: recrod")
	require.Contains(t, s.fails("reload"), "recrod")
	assert.Equal(t, "200 ok\n", ask("/readyz"))
	s.edit("mapping: recrod", "mapping: record")

	post := request("/callbacks/nxcloud/events", "", created("a"))
	slow := s.raw(post[:len(post)-1]) // it is under way, and is waited for
	s.eventually("the post to be seen", func() bool {
		return strings.Contains(s.succeeds("sources", "-o", "json"), `"connections": 1`)
	})
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.eventually("it to say so", func() bool { return ask("/readyz") == "503 it is being stopped\n" })
	assert.Equal(t, "200 ok\n", ask("/healthz"), "what is being stopped need not be killed")
	_, err := io.WriteString(slow, post[len(post)-1:])
	require.NoError(t, err)
	assert.Equal(t, 200, s.answered(slow))
	_ = s.cmd.Wait()
	assert.Zero(t, s.cmd.ProcessState.ExitCode())
	s.cmd = nil
}

// Without room no events are taken, and the store is well: a restart would not help.
func TestNotReadyWithoutRoom(t *testing.T) {
	t.Parallel()
	small := smallDisk(t, 12<<20)
	s := newSite(t, config("http://127.0.0.1:1/"))
	s.settleDown()
	s.edit(s.dir+"/data\n", small+"/data\n")
	ask := s.public()
	s.start()
	s.eventually("the ballast", func() bool { _, err := os.Stat(filepath.Join(small, "data", ballastFile)); return err == nil })
	s.accepted(created("a"))
	require.Equal(t, "200 ok\n", ask("/readyz"))
	filler, err := os.Create(filepath.Join(small, "filler"))
	require.NoError(t, err)
	defer filler.Close()
	var space syscall.Statfs_t
	require.NoError(t, syscall.Statfs(small, &space))
	require.NoError(t, syscall.Fallocate(int(filler.Fd()), 0, 0, int64(space.Bavail-16)*space.Bsize))
	s.eventually("it to say so", func() bool { return strings.HasPrefix(ask("/readyz"), "503 events are refused: the disk has ") })
	status, _ := s.post(created("b"))
	assert.Equal(t, 503, status)
	assert.Equal(t, "200 ok\n", ask("/healthz"))
	assert.Contains(t, s.fails("status"), "! not ready: events are refused: the disk has ")
	require.NoError(t, filler.Truncate(0))
	s.eventually("it to be ready again", func() bool { return ask("/readyz") == "200 ok\n" })
	s.accepted(created("b"))
	require.Zero(t, s.terminate())
}

// A store that is stuck in a commit, as on a disk that hangs: systemd isn't told that all is well, so that it would start another
// daemon, and who asks hears why. When the store goes on, so does all else.
func TestWatchdogOfAStoreThatHangs(t *testing.T) {
	dir := t.TempDir()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	require.NoError(t, err)
	defer told.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	t.Setenv("WATCHDOG_USEC", "400000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))

	hang := make(chan struct{})
	store, err := bolt.Open(filepath.Join(dir, storeFile), bolt.Options{Observe: func(int, time.Duration) { <-hang }})
	require.NoError(t, err)
	log := &logs{}
	room := &room{mono: func() time.Duration { return 1 }, measured: 1}
	d := &daemon{log: slog.New(slog.NewTextHandler(log, nil)), parts: parts{store: store, room: room}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.watchdog(ctx) }()
	hear := func(within time.Duration) error {
		require.NoError(t, told.SetReadDeadline(time.Now().Add(within)))
		said := make([]byte, 100)
		n, err := told.Read(said)
		if err == nil {
			assert.Equal(t, "WATCHDOG=1", string(said[:n]))
		}
		return err
	}
	require.NoError(t, hear(patience))

	stuck := make(chan error, 1)
	go func() {
		_, err := store.Commit(t.Context(), outbox.Tx{Group: "call/a", Add: []outbox.Item{{ID: "1", Body: []byte("x")}}})
		stuck <- err
	}()
	for hear(time.Second) == nil { // what was told before it was stuck
		assert.NoError(t, t.Context().Err())
	}
	assert.Contains(t, log.String(), "the watchdog isn't told that all is well")
	short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	require.Len(t, d.unhealthy(short), 1)
	assert.Contains(t, d.unhealthy(short)[0], "the store doesn't answer: ")
	require.Len(t, d.unready(short), 1)
	assert.Contains(t, d.unready(short)[0], "events can't be stored: the store doesn't answer: ")

	close(hang)
	require.NoError(t, <-stuck)
	require.NoError(t, hear(patience))
	assert.Empty(t, d.unhealthy(t.Context()))
	assert.Empty(t, d.unready(t.Context()))
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, store.Close())
}

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox/outboxtest/disk"
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

// A disk that answers nothing any more: systemd isn't told that all is well, so that it would start another one, and who asks
// hears why. When the disk answers again, all goes on.
func TestWatchdogOfAHangingDisk(t *testing.T) {
	t.Parallel()
	d := disk.New()
	f := newForgetful(t, d)
	ask := f.public()
	v := supervise(t, f.site)
	v.start()
	const silent = "the watchdog isn't told that all is well"
	v.eventually("the watchdog to be told", func() bool { return v.heard("WATCHDOG=1") > 2 })
	hanging := make(chan struct{})
	released := false
	release := func() {
		if !released {
			released = true
			close(hanging)
		}
	}
	t.Cleanup(release) // before the disk is unmounted: what hangs can't be killed
	before := strings.Count(v.log.String(), silent)
	d.Fail(func(op *disk.Op) syscall.Errno {
		if op.Kind == disk.Sync {
			<-hanging
		}
		return 0
	})
	more := func(n int) func() bool {
		return func() bool { return strings.Count(v.log.String(), silent) >= before+n }
	}
	stuck := v.raw(request("/callbacks/nxcloud/events", "", created("a")))
	v.eventually("the silence", more(2))
	told := v.heard("WATCHDOG=1")
	v.eventually("more of it", more(6))
	assert.Equal(t, told, v.heard("WATCHDOG=1"))
	var asking sync.WaitGroup
	asking.Go(func() { assert.Contains(t, ask("/healthz"), "503 the store doesn't answer: ") })
	asking.Go(func() { assert.Contains(t, ask("/readyz"), "503 events can't be stored: the store doesn't answer: ") })
	asking.Wait()

	release()
	assert.Equal(t, 200, v.answered(stuck))
	v.eventually("the watchdog to be told again", func() bool { return v.heard("WATCHDOG=1") > told+1 })
	v.eventually("it to be ready", func() bool { return ask("/readyz") == "200 ok\n" })
	require.Zero(t, v.terminate())
}

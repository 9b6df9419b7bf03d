package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// superviser is what a service manager is to the daemon: it holds the socket and passes it on, and is told how things are.
type superviser struct {
	*site
	socket *os.File
	told   *net.UnixConn
	mu     sync.Mutex
	said   []string
}

func supervise(t *testing.T, s *site) *superviser {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	v := &superviser{site: s}
	v.socket, err = l.(*net.TCPListener).File()
	require.NoError(t, err)
	s.addr = l.Addr().String()
	require.NoError(t, l.Close()) // ours is the copy
	v.told, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(s.dir, "notify"), Net: "unixgram"})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := v.told.Read(b)
			if err != nil {
				return
			}
			v.mu.Lock()
			v.said = append(v.said, string(b[:n]))
			v.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		assert.NoError(t, v.told.Close())
		<-done
		assert.NoError(t, v.socket.Close())
	})
	return v
}

// start starts the daemon as systemd does, and waits until it says that it is ready.
func (v *superviser) start() {
	v.t.Helper()
	before := v.heard("READY=1")
	// LISTEN_PID must be the daemon's own: a shell that becomes the daemon knows it.
	v.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$0" "$@"`, os.Args[0], "serve", "--config", v.config)
	v.cmd.Env = append(os.Environ(), "BE_WRAPUP=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=events", "NOTIFY_SOCKET="+filepath.Join(v.dir, "notify"),
		"WATCHDOG_USEC=200000", "GORACE=atexit_sleep_ms=0")
	v.cmd.ExtraFiles = []*os.File{v.socket}
	if v.log == nil {
		v.log = &logs{}
	}
	v.cmd.Stderr = v.log
	require.NoError(v.t, v.cmd.Start())
	v.eventually("the daemon to say that it is ready", func() bool { return v.heard("READY=1") > before })
}

// heard counts what the daemon said.
func (v *superviser) heard(what string) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.said {
		if strings.Contains(s, what) {
			n++
		}
	}
	return n
}

// The daemon is stopped and started again and again under load, with a socket that somebody else holds: nobody is refused,
// and each event is answered 200 and delivered. Some dialers keep their connections open, others don't.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	v := supervise(t, newSite(t, config(crm.url())))
	v.start()
	assert.NotContains(t, v.log.String(), v.addr+": address already in use")
	var dialers sync.WaitGroup
	var posted, failed atomic.Int64
	end := make(chan struct{})
	for d := range 8 {
		transport := &http.Transport{DisableKeepAlives: d%2 == 0}
		client := &http.Client{Transport: transport, Timeout: patience}
		dialers.Go(func() {
			defer transport.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				for _, body := range unanswered(fmt.Sprintf("d%d-%d", d, n)) {
					resp, err := client.Post(v.url(), "application/json", bytes.NewReader([]byte(body)))
					if !assert.NoError(t, err) {
						failed.Add(1)
						continue
					}
					if !assert.Equal(t, 200, resp.StatusCode) {
						failed.Add(1)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				posted.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	const restarts = 8
	for range restarts {
		time.Sleep(300 * time.Millisecond)
		require.Zero(t, v.terminate(), v.log)
		v.start()
	}
	close(end)
	dialers.Wait()
	assert.Zero(t, failed.Load())
	v.eventually("all calls", func() bool { return int64(len(crm.keys())) == posted.Load() })
	t.Logf("%d calls over %d restarts", posted.Load(), restarts)
	assert.Greater(t, posted.Load(), int64(100))
	assert.Equal(t, restarts, v.heard("STOPPING=1"))
	assert.Positive(t, v.heard("WATCHDOG=1"))
}

// What is told at a reload: since when, and when it is over.
func TestNotifiesReload(t *testing.T) {
	v := supervise(t, newSite(t, config("http://127.0.0.1:1/")))
	v.start()
	assert.Equal(t, 1, v.heard("STATUS=1 source(s), 1 destination(s)"))
	assert.Contains(t, v.succeeds("status"), "http://"+v.addr+"/callbacks/nxcloud/events\n", "the dialer is to post to the socket's address, whatever listen says")
	require.NoError(t, v.cmd.Process.Signal(syscall.SIGHUP))
	v.eventually("the reload", func() bool { return v.heard("READY=1") == 2 })
	assert.Equal(t, 1, v.heard("RELOADING=1\nMONOTONIC_USEC="))
	v.eventually("the watchdog to be told", func() bool { return v.heard("WATCHDOG=1") > 2 })
	require.Zero(t, v.terminate())
}

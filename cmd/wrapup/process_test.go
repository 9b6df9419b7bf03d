package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// These tests run the real program as a process of its own: the test binary, which is wrapup when it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("BE_WRAPUP") != "" {
		if fault := os.Getenv("CHECK_ENDS_BY"); fault != "" && slices.Contains(os.Args, "--store") {
			endBy(fault)
		}
		main()
		os.Exit(0)
	}
	if os.Getenv("BE_FINDER") != "" {
		if err := beFinder(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// endBy ends a process as a check of a store may end.
func endBy(fault string) {
	switch fault {
	case "panic":
		panic("a made-up panic")
	case "segv":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "term":
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}
	select {} // "hang", and until the signal comes
}

// patience is how long a test waits for something that takes milliseconds, before it fails.
const patience = 30 * time.Second

// wrapup runs a command to its end.
func wrapup(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	// With the race detector each process would sleep for a second before it exits.
	cmd.Env = append(os.Environ(), "BE_WRAPUP=1", "GORACE=atexit_sleep_ms=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exited *exec.ExitError
	if !errors.As(err, &exited) {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// site is a place where wrapup runs: its configuration and its data.
type site struct {
	t      *testing.T
	dir    string
	config string
	addr   string
	cmd    *exec.Cmd
	log    *logs
	// damaged says that the test damages the store.
	damaged bool
}

// newSite writes a configuration; its listen address, data_dir and admin.socket are set already.
func newSite(t *testing.T, config string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	if len(s.dir) > 80 { // a unix socket's path is short
		short, err := os.MkdirTemp("", "wrapup")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(short)) })
		s.dir = short
	}
	s.config = filepath.Join(s.dir, "wrapup.yaml")
	s.write("wrapup.yaml", fmt.Sprintf("listen: 127.0.0.1:0\ndata_dir: %[1]s/data\nadmin: {socket: %[1]s/admin.sock}\n", s.dir)+config)
	t.Cleanup(s.kill)
	return s
}

func (s *site) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(s.t, os.WriteFile(path, []byte(content), 0o600))
}

// start runs the daemon and waits until it is ready.
func (s *site) start() {
	s.t.Helper()
	s.startAt(`"msg":"ready"`, `"listen":"`)
}

// startAt is start for any format of the log: what a line has that says that the daemon is ready, and what stands before
// its address there.
func (s *site) startAt(ready, listen string) {
	s.t.Helper()
	s.cmd = exec.Command(os.Args[0], "serve", "--config", s.config, "--log-level", "debug")
	s.cmd.Env = append(os.Environ(), "BE_WRAPUP=1")
	s.log = &logs{}
	s.cmd.Stderr = s.log
	require.NoError(s.t, s.cmd.Start())
	s.eventually("the daemon to be ready", func() bool {
		for line := range strings.Lines(s.log.String()) {
			if _, after, ok := strings.Cut(line, listen); ok && strings.Contains(line, ready) {
				s.addr = after[:strings.IndexAny(after, "\" ")]
				return true
			}
		}
		return false
	})
	if !s.damaged { // whatever else was done to it, a kill -9 too
		require.NotContains(s.t, s.log.String(), "the store is damaged")
	}
}

// kill ends the daemon as kill -9 does.
func (s *site) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// terminate ends the daemon as systemd does, and gives what it exits with.
func (s *site) terminate() int {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	_ = s.cmd.Wait()
	code := s.cmd.ProcessState.ExitCode()
	s.cmd = nil
	if code == 0 && !s.damaged {
		// Whatever was done with it, a store that was stopped cleanly is whole.
		out, code := s.run("check", "--store")
		require.Equal(s.t, 0, code, out)
	}
	return code
}

func (s *site) url() string { return "http://" + s.addr + "/callbacks/nxcloud/events" }

// post posts a body as the dialer does.
func (s *site) post(body string) (status int, answer string) {
	s.t.Helper()
	resp, err := http.Post(s.url(), "application/json", strings.NewReader(body))
	require.NoError(s.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, string(content)
}

func (s *site) accepted(bodies ...string) {
	s.t.Helper()
	for _, b := range bodies {
		status, answer := s.post(b)
		require.Equal(s.t, 200, status, answer)
	}
}

// run runs a command against the site.
func (s *site) run(args ...string) (stdout string, code int) {
	s.t.Helper()
	out, errs, code := wrapup(s.t, append(args, "--config", s.config)...)
	return out + errs, code
}

// eventually waits for something that the daemon does on its own time.
func (s *site) eventually(what string, is func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !is() {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s; the log says:\n%s", what, s.log)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// logs is a daemon's log.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// sink is a CRM on loopback that keeps what it gets. Its address outlives its being down.
type sink struct {
	t    *testing.T
	addr string
	srv  *httptest.Server
	mu   sync.Mutex
	got  []sunk
	// answer says what to answer to the n-th request (from 1); nil is 200.
	answer func(n int, w http.ResponseWriter)
	// check, if set, refuses requests, which are not kept then.
	check func(w http.ResponseWriter, r *http.Request) bool
}

type sunk struct{ method, path, key, body string }

func newSink(t *testing.T) *sink {
	s := &sink{t: t}
	s.up()
	t.Cleanup(func() { s.down() })
	return s
}

func (s *sink) up() {
	if s.addr == "" {
		s.addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", s.addr)
	require.NoError(s.t, err)
	s.addr = l.Addr().String()
	s.srv = &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
	s.srv.Start()
}

func (s *sink) down() {
	if s.srv != nil {
		s.srv.CloseClientConnections()
		s.srv.Close()
		s.srv = nil
	}
}

func (s *sink) url() string { return "http://" + s.addr + "/calls" }

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || s.check != nil && !s.check(w, r) {
		return
	}
	s.mu.Lock()
	s.got = append(s.got, sunk{r.Method, r.URL.Path, r.Header.Get("Idempotency-Key"), string(body)})
	n, answer := len(s.got), s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(n, w)
	}
}

func (s *sink) requests() []sunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sunk{}, s.got...)
}

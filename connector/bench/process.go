package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program under test, that listens at an address.
type process struct {
	cmd  *exec.Cmd
	addr string
	said *tail
}

// startProcess starts the command and waits until something listens at the address.
func startProcess(ctx context.Context, cmd *exec.Cmd, addr string) (*process, error) {
	p := &process{cmd: cmd, addr: addr, said: &tail{}}
	cmd.Stdout, cmd.Stderr = p.said, p.said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { // ends with the process, which stop ends
		_ = cmd.Wait()
		close(ended)
	}()
	for began := time.Now(); ; {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return p, conn.Close()
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("%s ended: %s", cmd, p.said)
		case <-ctx.Done():
			_ = cmd.Process.Kill()
			<-ended
			return nil, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
		if time.Since(began) > patience {
			_ = cmd.Process.Kill()
			<-ended
			return nil, fmt.Errorf("%s doesn't listen at %s: %s", cmd, addr, p.said)
		}
	}
}

// stop ends the process as systemd does, and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	for began := time.Now(); p.cmd.Process.Signal(syscall.Signal(0)) == nil; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			_ = p.cmd.Process.Kill()
			return
		}
	}
}

// resident is how much memory the process has, in bytes; 0 where that can't be told.
func (p *process) resident() float64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return 0
	}
	return pages * float64(os.Getpagesize())
}

// own is how much of that is the process's own: without the pages of the store's file, which the system takes back when it
// needs them. Where that can't be told it is all of it.
func (p *process) own() float64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return p.resident()
	}
	_, rest, found := strings.Cut(string(text), "\nRssAnon:")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return p.resident()
	}
	kib, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return p.resident()
	}
	return kib * 1024
}

// freeAddress gives an address on loopback that nobody listens at.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// tail keeps the end of what a process says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}

const patience = 60 * time.Second

var errLate = errors.New("it took too long")

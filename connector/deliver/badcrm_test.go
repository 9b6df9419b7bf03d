package deliver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// badCRM is a CRM that misbehaves as it is told, at the other end of pipes: real HTTP in virtual time. It is told by lines
//
//	a call's words -> what it does
//
// A request is dealt with by the first line all of whose words are in it (its method, its address, its headers
// Idempotency-Key and Token, its body); "*" is in each. Lines with the same words are a queue: each does its work once, the
// last one for all that follow; one that ends with "(3 times)" stands for three. What it does:
//
//	200 [Retry-After: 5 | X-Other: x] {"id":7}   answers: status, headers, body (all but the status may be left out)
//	after 5s 200                                 reads the request, and answers later
//	half 200 {"id":7}                            half of the body, then a reset
//	drip 1s 200 {"id":7}                         the body byte by byte
//	bomb 200                                     a body of 8 KiB that unpacks to 8 MiB
//	info 103 200                                 an interim answer before the final one
//	close 200                                    closes the connection after the answer, without a word about it
//	reset                                        reads the request, and resets the connection
//	reset before the body                        reads the request's header alone, in which its words have to be
//	silent                                       reads the request, and never answers
//	garbage                                      answers something that isn't HTTP
//	endless                                      a header without end
//
// and connections are dealt with by lines
//
//	connect -> fine | refused | unknown | timeout | reset
type badCRM struct {
	t     *testing.T
	note  func(format string, a ...any) // into the transcript
	mu    sync.Mutex
	rules []*rule
	ends  []net.Conn
	conns sync.WaitGroup
}

type rule struct {
	words []string
	does  []string
}

func newBadCRM(t *testing.T, script string, note func(string, ...any)) *badCRM {
	c := &badCRM{t: t, note: note}
	for line := range strings.Lines(script) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		match, does, ok := strings.Cut(line, "->")
		require.True(t, ok, "no -> in %q", line)
		words := strings.Fields(match)
		does, n := times(strings.TrimSpace(does))
		i := slices.IndexFunc(c.rules, func(r *rule) bool { return slices.Equal(r.words, words) })
		if i < 0 {
			i = len(c.rules)
			c.rules = append(c.rules, &rule{words: words})
		}
		c.rules[i].does = append(c.rules[i].does, slices.Repeat([]string{does}, n)...)
	}
	return c
}

// times takes "(3 times)" off the end of a line.
func times(line string) (does string, n int) {
	i := strings.LastIndex(line, " (")
	if i < 0 {
		return line, 1
	}
	if _, err := fmt.Sscanf(line[i:], " (%d times)", &n); err != nil {
		return line, 1
	}
	return line[:i], n
}

// next says what to do about a request, or about a connection.
func (c *badCRM) next(what string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rule(what); r != nil {
		does := r.does[0]
		if len(r.does) > 1 {
			r.does = r.does[1:]
		}
		return does
	}
	if what == "connect" {
		return "fine"
	}
	return "404"
}

// peek says what next would.
func (c *badCRM) peek(what string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rule(what); r != nil {
		return r.does[0]
	}
	return ""
}

// rule gives the one that a request or a connection is dealt with by; mu is held.
func (c *badCRM) rule(what string) *rule {
	for _, r := range c.rules {
		all := true
		for _, w := range r.words {
			if w != "*" || what == "connect" {
				all = all && strings.Contains(what, w)
			}
		}
		if all {
			return r
		}
	}
	return nil
}

// dial connects, in place of the network.
func (c *badCRM) dial(ctx context.Context, network, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: network, Err: err} }
	does := c.next("connect")
	if does != "fine" {
		c.note("(connection)  <- %s", does)
	}
	switch does {
	case "refused":
		return fail(syscall.ECONNREFUSED)
	case "unknown":
		host, _, _ := net.SplitHostPort(address)
		return fail(&net.DNSError{Err: "no such host", Name: host, IsNotFound: true})
	case "timeout":
		select {
		case <-time.After(10 * time.Second): // as the dialer's own
		case <-ctx.Done():
		}
		return fail(os.ErrDeadlineExceeded)
	}
	near, far := net.Pipe()
	w := &wire{Conn: near}
	c.mu.Lock()
	c.ends = append(c.ends, far)
	c.mu.Unlock()
	c.conns.Go(func() {
		defer far.Close()
		if does == "reset" {
			w.reset.Store(true)
			return
		}
		r := bufio.NewReader(far)
		for c.serve(r, far, w) {
		}
	})
	return w, nil
}

// close ends what is under way.
func (c *badCRM) close() {
	c.mu.Lock()
	for _, conn := range c.ends {
		conn.Close()
	}
	c.mu.Unlock()
	c.conns.Wait()
}

// wire is the client's end of a connection; what breaks it may be a reset.
type wire struct {
	net.Conn
	reset atomic.Bool
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	return n, w.as("read", err)
}

// Write hands over a request's header before its body, so that the other end can be gone between the two.
func (w *wire) Write(p []byte) (n int, err error) {
	const end = "\r\n\r\n"
	if i := bytes.Index(p, []byte(end)); i >= 0 {
		if n, err = w.Conn.Write(p[:i+len(end)]); err != nil || n == len(p) {
			return n, w.as("write", err)
		}
	}
	rest, err := w.Conn.Write(p[n:])
	return n + rest, w.as("write", err)
}

func (w *wire) as(op string, err error) error {
	if w.reset.Load() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)) {
		return &net.OpError{Op: op, Net: "tcp", Err: syscall.ECONNRESET}
	}
	return err
}

// serve deals with one request. It is false if the connection is over.
func (c *badCRM) serve(r *bufio.Reader, conn net.Conn, w *wire) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	head := strings.Join(strings.Fields(strings.Join([]string{req.Method, req.RequestURI, req.Header.Get("Idempotency-Key"), req.Header.Get("Token")}, " ")), " ")
	const headless = "reset before the body"
	if c.peek(head) == headless {
		c.note("%s  <- %s", head, c.next(head))
		w.reset.Store(true)
		return false
	}
	body, _ := io.ReadAll(req.Body)
	if len(body) > 200 {
		body = nil // the plain record: its key says enough
	}
	what := strings.Join(strings.Fields(head+" "+string(body)), " ")
	does := c.next(what)
	c.note("%s  <- %s", what, does)
	for {
		verb, rest, _ := strings.Cut(does, " ")
		switch verb {
		case "after":
			wait, more, _ := strings.Cut(rest, " ")
			time.Sleep(c.duration(wait))
			does = more
			continue
		case "reset":
			w.reset.Store(true)
			return false
		case "silent":
			_, _ = r.ReadByte() // until the other side has had enough
			return false
		case "garbage":
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.7\r\n")
			return false
		case "endless":
			for _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n"); err == nil; {
				_, err = io.WriteString(conn, "X-More: "+strings.Repeat("x", 1000)+"\r\n")
			}
			return false
		case "info":
			code, more, _ := strings.Cut(rest, " ")
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s Interim\r\n\r\n", code)
			does = more
			continue
		}
		return c.answer(conn, w, does)
	}
}

func (c *badCRM) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	require.NoError(c.t, err)
	return d
}

// answer writes an answer, or as much of it as it is told.
func (c *badCRM) answer(conn net.Conn, w *wire, does string) bool {
	verb, rest, _ := strings.Cut(does, " ")
	var pace time.Duration
	switch verb {
	case "drip":
		wait, more, _ := strings.Cut(rest, " ")
		pace, does = c.duration(wait), more
	case "half", "bomb", "close":
		does = rest
	default:
		verb = ""
	}
	code, rest, _ := strings.Cut(does, " ")
	status, err := strconv.Atoi(code)
	require.NoError(c.t, err, does)
	body := strings.TrimSpace(rest)
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	if strings.HasPrefix(body, "[") {
		headers, more, _ := strings.Cut(body[1:], "]")
		for h := range strings.SplitSeq(headers, " | ") {
			head.WriteString(h + "\r\n")
		}
		body = strings.TrimSpace(more)
	}
	if verb == "bomb" {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(make([]byte, 8<<20))
		_ = z.Close()
		body = b.String()
		head.WriteString("Content-Encoding: gzip\r\n")
	}
	if status != http.StatusNoContent && status >= 200 {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(body))
	}
	content := body
	if verb == "half" {
		content = body[:len(body)/2]
	}
	if _, err := io.WriteString(conn, head.String()+"\r\n"); err != nil {
		return false
	}
	for len(content) > 0 && err == nil {
		n := len(content)
		if pace > 0 {
			n = 1
			time.Sleep(pace)
		}
		_, err = io.WriteString(conn, content[:n])
		content = content[n:]
	}
	w.reset.Store(verb == "half")
	return err == nil && verb != "half" && verb != "close"
}

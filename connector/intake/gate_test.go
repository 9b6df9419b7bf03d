package intake_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/intake"
)

// gated is a receiver behind a gate, on loopback.
type gated struct {
	*setup
	t    *testing.T
	addr string
}

func newGated(t *testing.T, most int) *gated {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gated{t: t, addr: l.Addr().String()}
	var gate *intake.Gate
	g.setup = newSetup(t, func(o *intake.Options) {
		o.Sources[0] = source("predictive", path, token, intake.InPath)
		o.Logger = slog.New(slog.NewJSONHandler(&bytes.Buffer{}, nil))
		gate = intake.NewGate(l, most, time.Now, o.Logger)
		o.Gate = gate
	})
	server := &http.Server{Handler: g.Receiver, ConnContext: gate.ConnContext, ReadHeaderTimeout: time.Minute}
	done := make(chan error)
	go func() { done <- server.Serve(gate) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return g
}

// dial opens a connection and says something on it.
func (g *gated) dial(said string) net.Conn {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.addr)
	require.NoError(g.t, err)
	g.t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, said)
	require.NoError(g.t, err)
	return conn
}

// status gives the status of the answer that comes, 0 if the connection is closed instead.
func (g *gated) status(conn net.Conn) int {
	g.t.Helper()
	require.NoError(g.t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		var network net.Error
		require.False(g.t, errors.As(err, &network) && network.Timeout(), "neither an answer nor an end")
		return 0
	}
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(g.t, err)
	require.NoError(g.t, resp.Body.Close())
	return resp.StatusCode
}

func post(token string) string {
	return fmt.Sprintf("POST %s/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, token, len(ring), ring)
}

func (g *gated) refusedFor(reason string) int64 {
	n := int64(0)
	for _, r := range g.Status().Refused {
		if strings.Contains(r.Reason, reason) {
			n += r.Count
		}
	}
	return n
}

// waitOpen waits until so many connections are open: accepting and closing are other goroutines' work.
func (g *gated) waitOpen(open, strangers int) connector.IntakeStatus {
	g.t.Helper()
	var s connector.IntakeStatus
	require.Eventually(g.t, func() bool {
		s = g.Status()
		return s.Connections == open && s.Strangers == strangers
	}, 20*time.Second, time.Millisecond, "%d open, %d strangers", open, strangers)
	return s
}

// Strangers who hold connections send each other away; the dialer gets in, stays in, and is never sent away.
func TestStrangersMakeRoom(t *testing.T) {
	const most = 32
	g := newGated(t, most)
	dialer := g.dial(post(token))
	require.Equal(t, 200, g.status(dialer))
	var slow []net.Conn
	for i := range 2 * most {
		slow = append(slow, g.dial("POST / HTTP/1.1\r\nX-Slow: "))
		g.waitOpen(min(i+2, most), min(i+1, most-1))
	}
	require.Eventually(t, func() bool { return g.refusedFor("to make room") == most+1 }, 20*time.Second, time.Millisecond)
	assert.Zero(t, g.status(slow[0]), "the first one had to leave first")
	another := g.dial(post(token))
	assert.Equal(t, 200, g.status(another), "a new connection of the dialer gets in")
	_, err := io.WriteString(dialer, post(token))
	require.NoError(t, err)
	assert.Equal(t, 200, g.status(dialer), "and the old one is still there")
	g.waitOpen(most, most-2)
}

// Those who were let in never take all of the room: a part stays for whoever comes next, who is told when there is too much.
func TestRoomForTheNext(t *testing.T) {
	const most = 32 // two of them stay for strangers
	g := newGated(t, most)
	for range most - 2 {
		require.Equal(t, 200, g.status(g.dial(post(token))))
	}
	g.waitOpen(most-2, 0)
	for range 3 {
		conn := g.dial(post(token))
		assert.Equal(t, 503, g.status(conn))
		g.waitOpen(most-2, 0)
	}
	assert.EqualValues(t, 3, g.refusedFor("too many connections"))
	assert.EqualValues(t, 3, g.Status().Feeds[0].Lost)
	assert.EqualValues(t, most-2, g.Status().Feeds[0].Posts-g.Status().Feeds[0].Lost)
}

// Whoever is refused, or says nothing that can be read, is gone at once, and counted.
func TestStrangersDoNotStay(t *testing.T) {
	g := newGated(t, 32)
	for said, status := range map[string]int{
		post("m1sspelt"): 401,
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n": 404,
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                              404,
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n":           400,
	} {
		assert.Equal(t, status, g.status(g.dial(said)), "%.40q", said)
		g.waitOpen(0, 0)
	}
	assert.EqualValues(t, 1, g.refusedFor("no HTTP request"))
	assert.EqualValues(t, 1, g.refusedFor("wrong token"))
	assert.EqualValues(t, 2, g.refusedFor("no such path"))
}

package intake

import (
	"container/list"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Gate bounds the connections that a listener holds open, and who of them goes first when there are too many.
//
// A connection is a stranger until a post on it has been let in. When a new one comes and there is no room, the stranger
// that has been here the longest is sent away: whoever holds connections open, by sending headers slowly or nothing at
// all, sends away himself. The dialer needs only as long as its headers take. Those who were let in are never sent away;
// they may take all of the room but a part that stays for strangers, since the next of them comes as one.
type Gate struct {
	net.Listener
	most int
	now  func() time.Time
	log  *foldedLog

	closing sync.Once
	closed  error

	mu        sync.Mutex
	open      int
	known     int
	strangers *list.List // of *gateConn, the one that came first in front
	refused   func(from netip.Addr, reason string)
}

// whyCrowded and whySilent are reasons for the count.
const (
	whyCrowded = "sent away to make room: no post was let in on the connection"
	whySilent  = "no HTTP request that could be read"
)

// NewGate bounds the listener's connections to so many, at least two.
func NewGate(l net.Listener, most int, now func() time.Time, log *slog.Logger) *Gate {
	return &Gate{Listener: l, most: max(most, 2), now: now, log: newFoldedLog(log, slog.LevelWarn), strangers: list.New()}
}

// forStrangers is how many connections stay for strangers.
func (g *Gate) forStrangers() int { return max(1, g.most/16) }

// Accept waits for the next connection. Where there is no room for it, a stranger makes room.
func (g *Gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &gateConn{Conn: conn, gate: g}
	if gone := g.enter(c); gone != nil {
		g.sendAway(gone)
	}
	return c, nil
}

// lastWord is how long strangers have to say what they want once the gate is closed.
const lastWord = time.Second

// Close lets nobody in any more. Strangers that don't say soon what they want are not waited for.
func (g *Gate) Close() error {
	g.closing.Do(func() { g.closed = g.Listener.Close() }) // a server closes it again
	g.mu.Lock()
	defer g.mu.Unlock()
	for e := g.strangers.Front(); e != nil; e = e.Next() {
		c := e.Value.(*gateConn) //nolint:forcetypeassert // nothing else is in the list
		_ = c.SetReadDeadline(time.Now().Add(lastWord))
	}
	return g.closed
}

// Connections counts those that are open.
func (g *Gate) Connections() int {
	open, _ := g.numbers()
	return open
}

// enter takes a connection in, and gives the one that has to leave for it, if any. There is always a stranger then, because
// those who are known never have all of the room.
func (g *Gate) enter(c *gateConn) (gone *gateConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= g.most {
		if front := g.strangers.Front(); front != nil {
			gone = g.leave(front.Value.(*gateConn)) //nolint:forcetypeassert // nothing else is in the list
		}
	}
	g.open++
	c.place = g.strangers.PushBack(c)
	return gone
}

// leave takes a connection out, once. g.mu is held.
func (g *Gate) leave(c *gateConn) *gateConn {
	if c.left {
		return c
	}
	c.left = true
	g.open--
	if c.place != nil {
		g.strangers.Remove(c.place)
		c.place = nil
	} else {
		g.known--
	}
	return c
}

func (g *Gate) sendAway(c *gateConn) {
	from := peerOf(c.RemoteAddr().String())
	g.count(from, whyCrowded)
	g.log.log(g.now(), "a connection was closed to make room", slog.String("remote", c.RemoteAddr().String()),
		slog.Int("most", g.most))
	_ = c.Conn.Close() // whoever reads from it is told
}

func (g *Gate) count(from netip.Addr, reason string) {
	g.mu.Lock()
	refused := g.refused
	g.mu.Unlock()
	if refused != nil {
		refused(from, reason)
	}
}

// admit notes that a post was let in on the connection. It says no if those who were let in have all the room there is
// for them.
func (g *Gate) admit(c *gateConn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case c.place == nil: // it was before, or it is gone already
		return true
	case g.known >= g.most-g.forStrangers():
		return false
	}
	g.strangers.Remove(c.place)
	c.place = nil
	g.known++
	return true
}

// numbers gives how many connections are open, and how many of them are strangers.
func (g *Gate) numbers() (open, strangers int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.strangers.Len()
}

// gateConn is a connection that came in by a Gate.
type gateConn struct {
	net.Conn
	gate  *Gate
	place *list.Element // among the strangers; nil if it is none
	left  bool

	mu    sync.Mutex
	spoke bool // bytes have come
	asked bool // a request of it has been read
}

// Read reads, and notes that something came.
func (c *gateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.mu.Lock()
		c.spoke = true
		c.mu.Unlock()
	}
	return n, err
}

// Close closes the connection and makes room.
func (c *gateConn) Close() error {
	c.gate.mu.Lock()
	first := !c.left
	c.gate.leave(c)
	c.gate.mu.Unlock()
	c.mu.Lock()
	silent := c.spoke && !c.asked
	c.mu.Unlock()
	if first && silent {
		c.gate.count(peerOf(c.RemoteAddr().String()), whySilent)
	}
	return c.Conn.Close()
}

// CloseWrite lets a server end an answer without cutting it off.
func (c *gateConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

type gateKey struct{}

// ConnContext is for the http.Server that serves the gate's connections: by it a Receiver knows on which of them a post came.
func (g *Gate) ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	if c, ok := conn.(*gateConn); ok {
		return context.WithValue(ctx, gateKey{}, c)
	}
	return ctx
}

// connOf gives the connection that a request came on, nil if it came by no gate.
func connOf(req *http.Request) *gateConn {
	c, _ := req.Context().Value(gateKey{}).(*gateConn)
	return c
}

func (c *gateConn) hasAsked() {
	c.mu.Lock()
	c.asked = true
	c.mu.Unlock()
}

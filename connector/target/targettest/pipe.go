package targettest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// pipe serves HTTP at the other end of pipes in memory, so that time can be virtual.
type pipe struct {
	server *http.Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	done   sync.WaitGroup
}

func serve(h http.Handler) *pipe {
	p := &pipe{conns: make(chan net.Conn), closed: make(chan struct{})}
	p.server = &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)} //nolint:gosec // no network is there
	p.done.Go(func() { _ = p.server.Serve(p) })                               // it ends with http.ErrServerClosed
	return p
}

// Accept, Close and Addr make it a net.Listener.
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// Dial connects to the fake, whatever the address: it is a target.Options.Dial.
func (f *Fake) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case f.pipe.conns <- far:
		return near, nil
	case <-f.pipe.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the fake, and the connections to it.
func (f *Fake) Close() {
	_ = f.pipe.server.Close() // of connections in memory
	f.pipe.done.Wait()
}

package bench

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// sink is a CRM that takes everything at once.
type sink struct {
	server *http.Server
	url    string
	done   chan struct{}

	mu   sync.Mutex
	n    int
	wait int           // how many are waited for
	full chan struct{} // closed when they are there
	last time.Time
	// at has the arrival of each call by its uuid, if it is kept.
	at map[string]time.Time
}

func newSink(ctx context.Context) (*sink, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{url: "http://" + l.Addr().String() + "/calls", done: make(chan struct{})}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // until stop
	}()
	return s, nil
}

func (s *sink) stop() {
	_ = s.server.Close()
	<-s.done
}

func (s *sink) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.last = now
	if s.at != nil {
		id, _, _ := strings.Cut(r.Header.Get("Idempotency-Key"), ":")
		if _, twice := s.at[id]; !twice {
			s.at[id] = now
		}
	}
	if s.full != nil && s.n >= s.wait {
		close(s.full)
		s.full = nil
	}
}

// begin counts anew; with keep it notes when each call arrives.
func (s *sink) begin(keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n, s.at = 0, nil
	if keep {
		s.at = map[string]time.Time{}
	}
}

// await waits until n requests have come since begin, and gives when the last of them did.
func (s *sink) await(ctx context.Context, n int, patience time.Duration) (last time.Time, err error) {
	s.mu.Lock()
	full := make(chan struct{})
	if s.n >= n {
		close(full)
	} else {
		s.wait, s.full = n, full
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errLate)
	defer cancel()
	select {
	case <-full:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = nil
	return s.last, err
}

// arrivals gives when each call arrived since begin.
func (s *sink) arrivals() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

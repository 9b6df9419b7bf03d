package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is what a load came to.
type Load struct {
	// Rate of requests that were answered 200, a second.
	Rate float64
	// P50 and P99 of the time to the answer.
	P50, P99 time.Duration
}

// newClient gives a client that holds as many connections as are used at a time.
func newClient(conns int) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns, DisableCompression: true,
			DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		},
	}
}

// post posts a body and reads the answer, so that the connection is used again.
func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", url, resp.Status, bytes.TrimSpace(text))
	}
	return nil
}

// load posts bodies over so many connections for so long; each connection posts one after the other. The first failure
// ends it.
func load(ctx context.Context, url string, conns int, long time.Duration, body func() []byte) (Load, error) {
	client := newClient(conns)
	defer client.CloseIdleConnections()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	took := make([][]time.Duration, conns)
	began := time.Now()
	var workers sync.WaitGroup
	for i := range conns {
		workers.Go(func() {
			for ctx.Err() == nil && time.Since(began) < long {
				b := body()
				at := time.Now()
				if err := post(ctx, client, url, b); err != nil {
					fail(err)
					return
				}
				took[i] = append(took[i], time.Since(at))
			}
		})
	}
	workers.Wait()
	lasted := time.Since(began)
	if err := context.Cause(ctx); err != nil {
		return Load{}, err
	}
	return loadOf(slices.Concat(took...), lasted), nil
}

func loadOf(took []time.Duration, lasted time.Duration) Load {
	slices.Sort(took)
	l := Load{Rate: float64(len(took)) / lasted.Seconds()}
	if n := len(took); n > 0 {
		l.P50, l.P99 = took[n/2], took[min(n-1, n*99/100)]
	}
	return l
}

// calls posts whole calls for so long, each connection the calls of its own agent, each event once the one before it was
// answered. It gives how many were begun and sent whole, and calls ended before each call's last event.
func (t *traffic) calls(ctx context.Context, url string, conns int, long time.Duration) (sent int, err error) {
	client := newClient(conns)
	defer client.CloseIdleConnections()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	began := time.Now()
	var total atomic.Int64
	var workers sync.WaitGroup
	shift := t.next.Load() // so that each load has agents of its own
	for i := range conns {
		workers.Go(func() {
			a := agent{name: fmt.Sprintf("%012d", shift*1000+uint64(i))} //nolint:gosec // not negative
			for ctx.Err() == nil && time.Since(began) < long {
				_, bodies := t.call(&a)
				for _, body := range bodies {
					if err := post(ctx, client, url, body); err != nil {
						fail(err)
						return
					}
				}
				total.Add(1)
			}
		})
	}
	workers.Wait()
	return int(total.Load()), context.Cause(ctx)
}

// offered posts so many whole calls a second for so long, each in one go by an agent who has nothing else to do, and
// gives when the last event of each was sent, by uuid.
func (t *traffic) offered(ctx context.Context, url string, rate int, long time.Duration) (ended map[string]time.Time, accept Load, err error) {
	const conns = 128
	client := newClient(conns)
	defer client.CloseIdleConnections()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var (
		mu      sync.Mutex
		took    []time.Duration
		workers sync.WaitGroup
		began   = time.Now()
		shift   = t.next.Load()
	)
	ended = map[string]time.Time{}
	for n := 0; ; n++ {
		at := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
		if at.Sub(began) >= long {
			break
		}
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		workers.Go(func() {
			a := agent{name: fmt.Sprintf("%012d", shift*1000+uint64(n))} //nolint:gosec // not negative
			uuid, bodies := t.call(&a)
			for i, body := range bodies {
				sent := time.Now()
				if i == len(bodies)-1 {
					mu.Lock()
					ended[uuid] = sent
					mu.Unlock()
				}
				if err := post(ctx, client, url, body); err != nil {
					fail(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(sent))
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return ended, loadOf(took, time.Since(began)), context.Cause(ctx)
}

// some posts as many events as there are tokens, each of another call that isn't finished.
func (t *traffic) some(ctx context.Context, url string, conns int, tokens <-chan struct{}) error {
	client := newClient(conns)
	defer client.CloseIdleConnections()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var workers sync.WaitGroup
	for range conns {
		workers.Go(func() {
			for range tokens {
				if ctx.Err() != nil {
					return
				}
				if err := post(ctx, client, url, t.started()); err != nil {
					fail(err)
					return
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

package simulate_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/simulate"
)

// receiver takes posts and remembers them.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	most   int // requests at a time
	now    int
	// answer gives the status of the n-th request (from 1); nil is 200.
	answer func(n int, body string) int
}

func receive(t *testing.T, answer func(n int, body string) int) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		assert.NoError(t, err)
		r.mu.Lock()
		r.bodies = append(r.bodies, string(body))
		r.now++
		r.most = max(r.most, r.now)
		n := len(r.bodies)
		r.mu.Unlock()
		status := http.StatusOK
		if r.answer != nil {
			status = r.answer(n, string(body))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "an answer")
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	}))
	t.Cleanup(r.Close)
	return r
}

// posts makes a plan of one post for each letter, all due at once.
func posts(letters string) *simulate.Plan {
	p := &simulate.Plan{}
	for _, l := range letters {
		p.Posts = append(p.Posts, simulate.Post{Body: []byte(string(l))})
	}
	return p
}

func TestSend(t *testing.T) {
	r := receive(t, func(int, string) int {
		time.Sleep(5 * time.Millisecond)
		return 200
	})
	plan := posts("abcdefghijklmnopqrstuvwxyz")
	plan.Posts[25].At = 200 * time.Millisecond
	var told []int
	report, err := simulate.Send(t.Context(), r.Client(), r.URL, plan, simulate.SendOptions{
		Workers:  4,
		Progress: func(done, total int) { told = append(told, done); assert.Equal(t, 26, total) },
	})
	require.NoError(t, err)
	assert.Len(t, r.bodies, 26)
	assert.Equal(t, "z", r.bodies[25])
	assert.Equal(t, 4, r.most)
	assert.Len(t, told, 26)
	assert.Equal(t, 26, told[25])
	assert.Equal(t, map[int]int{200: 26}, report.Statuses)
	assert.Equal(t, 26, report.Posted)
	assert.Zero(t, report.Lost)
	assert.Empty(t, report.Problem)
	assert.GreaterOrEqual(t, report.Took, 200*time.Millisecond)
	assert.GreaterOrEqual(t, report.P50, 5*time.Millisecond)
	assert.GreaterOrEqual(t, report.P99, report.P50)
}

func TestLost(t *testing.T) {
	r := receive(t, func(_ int, body string) int {
		if body == "b" {
			return http.StatusServiceUnavailable
		}
		return 200
	})
	report, err := simulate.Send(t.Context(), r.Client(), r.URL, posts("abc"), simulate.SendOptions{})
	require.NoError(t, err)
	assert.Equal(t, 1, report.Lost)
	assert.Equal(t, 3, report.Tries)
	assert.Equal(t, map[int]int{200: 2, 503: 1}, report.Statuses)
	assert.Equal(t, "503 Service Unavailable: an answer", report.Problem)

	r.Close()
	report, err = simulate.Send(t.Context(), http.DefaultClient, r.URL, posts("abc"), simulate.SendOptions{})
	require.NoError(t, err)
	assert.Equal(t, 3, report.Lost)
	assert.Equal(t, 3, report.Failed)
	assert.Contains(t, report.Problem, "refused")
}

func TestInsist(t *testing.T) {
	var refused atomic.Int64
	r := receive(t, func(n int, _ string) int {
		if n%3 != 0 {
			refused.Add(1)
			return 500
		}
		return 200
	})
	report, err := simulate.Send(t.Context(), r.Client(), r.URL, posts("abcdefgh"), simulate.SendOptions{Insist: true, Workers: 3})
	require.NoError(t, err)
	assert.Zero(t, report.Lost)
	assert.Equal(t, map[int]int{200: 8, 500: int(refused.Load())}, report.Statuses)
	assert.Equal(t, len(r.bodies), report.Tries)
}

// A post is not sent before those that it waits for have been answered, however long they take.
func TestAfter(t *testing.T) {
	var answered atomic.Int64
	r := receive(t, func(_ int, body string) int {
		switch body {
		case "z":
			assert.EqualValues(t, 2, answered.Load())
		case "a", "b":
			time.Sleep(50 * time.Millisecond)
			answered.Add(1)
		}
		return 200
	})
	plan := posts("abcz")
	plan.Posts[3].After = []int{0, 1}
	for _, workers := range []int{1, 2, 8} {
		answered.Store(0)
		_, err := simulate.Send(t.Context(), r.Client(), r.URL, plan, simulate.SendOptions{Workers: workers})
		require.NoError(t, err)
	}
}

func TestSendIsInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r := receive(t, func(_ int, body string) int {
		if body == "b" {
			stop()
			return 500
		}
		return 200
	})
	plan := posts("abcd")
	plan.Posts[2].At, plan.Posts[3].After = time.Hour, []int{2}
	report, err := simulate.Send(ctx, r.Client(), r.URL, plan, simulate.SendOptions{Insist: true, Workers: 1})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, report.Posted)
}

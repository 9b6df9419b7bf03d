package simulate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// SendOptions say how a plan is sent.
type SendOptions struct {
	// Workers is how many requests may be under way; 0 is 32.
	Workers int
	// Insist repeats a request until it is answered with 200. A real dialer doesn't; a test that kills the receiver wants
	// to know what becomes of events that were accepted.
	Insist bool
	// Progress, if set, is told how many posts have been dealt with. Calls don't overlap.
	Progress func(done, total int)
}

// Report is what became of the posts.
type Report struct {
	// Posted counts the posts that were dealt with, Lost those of them that were not answered with 200.
	Posted int `json:"posted"`
	Lost   int `json:"lost"`
	// Tries counts the requests, Statuses their answers; Failed counts those without an answer.
	Tries    int         `json:"tries"`
	Statuses map[int]int `json:"statuses"`
	Failed   int         `json:"failed"`
	// Problem is the first that there was with a request, in words.
	Problem string        `json:"problem,omitempty"`
	Took    time.Duration `json:"took"`
	// P50 and P99 of how long an answer took.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
}

// How long an insisting sender waits before it tries again.
const (
	pauseFirst = 5 * time.Millisecond
	pauseMax   = 100 * time.Millisecond
)

// Send posts each request of the plan at its time, or as soon as a worker is free. It gives an error only if ctx ends
// before the plan does.
func Send(ctx context.Context, client *http.Client, url string, plan *Plan, o SendOptions) (Report, error) {
	if o.Workers == 0 {
		o.Workers = 32
	}
	s := sender{
		client: client, url: url, plan: plan, options: o, began: time.Now(),
		report: Report{Statuses: map[int]int{}}, answered: map[int]chan struct{}{},
	}
	for i := range plan.Posts {
		for _, n := range plan.Posts[i].After {
			if s.answered[n] == nil {
				s.answered[n] = make(chan struct{})
			}
		}
	}
	var workers sync.WaitGroup
	for range min(o.Workers, len(plan.Posts)) {
		workers.Go(func() { s.work(ctx) })
	}
	workers.Wait()
	s.report.Took = time.Since(s.began)
	slices.Sort(s.took)
	if n := len(s.took); n > 0 {
		s.report.P50, s.report.P99 = s.took[n/2], s.took[min(n-1, n*99/100)]
	}
	if s.report.Posted < len(plan.Posts) {
		return s.report, context.Cause(ctx)
	}
	return s.report, nil
}

type sender struct {
	client  *http.Client
	url     string
	plan    *Plan
	options SendOptions
	began   time.Time
	// answered has a channel for each post that another one waits for. It is closed when the post has been dealt with.
	answered map[int]chan struct{}

	mu     sync.Mutex
	next   int
	report Report
	took   []time.Duration
}

// work deals with one post after the other. Posts are taken in their order, so what a post waits for has been taken
// before it: workers can't wait for each other in a circle.
func (s *sender) work(ctx context.Context) {
	for {
		s.mu.Lock()
		i := s.next
		s.next++
		s.mu.Unlock()
		if i >= len(s.plan.Posts) || !s.turn(ctx, &s.plan.Posts[i]) {
			return
		}
		ok := s.deliver(ctx, s.plan.Posts[i].Body)
		if ctx.Err() != nil && !ok {
			return
		}
		if c := s.answered[i]; c != nil {
			close(c)
		}
		s.mu.Lock()
		s.report.Posted++
		if !ok {
			s.report.Lost++
		}
		if s.options.Progress != nil {
			s.options.Progress(s.report.Posted, len(s.plan.Posts))
		}
		s.mu.Unlock()
	}
}

// turn waits until it is the post's turn. It is false if ctx ends before.
func (s *sender) turn(ctx context.Context, p *Post) bool {
	if !pause(ctx, time.Until(s.began.Add(p.At))) {
		return false
	}
	for _, n := range p.After {
		select {
		case <-s.answered[n]:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// deliver posts the body, and insists on it if it is to. It says whether it was answered with 200.
func (s *sender) deliver(ctx context.Context, body []byte) bool {
	wait := pauseFirst
	for {
		began := time.Now()
		status, err := s.try(ctx, body)
		s.note(status, err, time.Since(began))
		if status == http.StatusOK || !s.options.Insist {
			return status == http.StatusOK
		}
		if !pause(ctx, wait) {
			return false
		}
		wait = min(2*wait, pauseMax)
	}
}

// try posts the body once.
func (s *sender) try(ctx context.Context, body []byte) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status + ": " + string(bytes.TrimSpace(answer[:min(len(answer), 300)])))
	}
	return resp.StatusCode, err
}

func (s *sender) note(status int, err error, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Tries++
	if status == 0 {
		s.report.Failed++
	} else {
		s.report.Statuses[status]++
		s.took = append(s.took, took)
	}
	if err != nil && s.report.Problem == "" {
		s.report.Problem = err.Error()
	}
}

// pause waits. It is false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

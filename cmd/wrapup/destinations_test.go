package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clocked is a CRM that notes when each call came, and answers at once.
type clocked struct {
	mu   sync.Mutex
	came map[string]chan time.Time
}

func newClocked(t *testing.T) (*clocked, string) {
	c := &clocked{came: map[string]chan time.Time{}}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	return c, srv.URL
}

func (c *clocked) of(id string) chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.came[id] == nil {
		c.came[id] = make(chan time.Time, 1)
	}
	return c.came[id]
}

func (c *clocked) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	at := time.Now()
	_, _ = io.Copy(io.Discard, r.Body) // so that the connection is used again
	select {
	case c.of(strings.TrimSuffix(r.Header.Get("Idempotency-Key"), ":1")) <- at:
	default: // a repeat
	}
}

// whole gives the events of a call that is finished as soon as its last one is there: the hang-up.
func whole(id string) []string {
	at := time.Now().Add(-time.Hour).UnixMicro()
	event := `{"type":%d,"state":%d,"callid":"104906","uuid":"%s","agentid":"a%[3]s","sipid":"x%[3]s","username":"u%[3]s","callphone":"812345613","time":"%d","info":"x"}`
	var all []string
	for i, e := range [][2]int{{1, 2}, {2, 1}, {2, 3}, {1, 3}, {1, 4}, {2, 4}} {
		uuid := id
		all = append(all, fmt.Sprintf(event, e[0], e[1], uuid, at+int64(i)*1e6))
	}
	all[0] = strings.Replace(all[0], `"uuid":"`+id+`",`, "", 1)
	return all
}

// latency is how long it takes from the moment in which the dialer posts the hang-up to the request at the healthy CRM.
func (s *site) latency(crm *clocked, id string) time.Duration {
	events := whole(id)
	for _, e := range events[:len(events)-1] {
		s.postQuietly(e)
	}
	began := time.Now()
	s.postQuietly(events[len(events)-1])
	select {
	case at := <-crm.of(id):
		return at.Sub(began)
	case <-time.After(patience):
		assert.Fail(s.t, "a call didn't reach the healthy destination", id)
		return patience
	}
}

// postQuietly is accepted for goroutines other than the test's.
func (s *site) postQuietly(body string) {
	resp, err := http.Post(s.url(), "application/json", strings.NewReader(body))
	if !assert.NoError(s.t, err) {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	assert.Equal(s.t, 200, resp.StatusCode)
	assert.NoError(s.t, resp.Body.Close())
}

// A destination that takes half a minute for each answer, and one that refuses connections, delay a third one by nothing:
// its p99 from hang-up to delivery stays within 1.2 times of what it is without them.
//
// Both are measured in the same minute, in turns of a few calls, so that whatever else the machine does hits both; and at
// most so many times, for a p99 of some hundred calls is the fourth worst of them, which one hiccup of a disk can double. Were
// anything shared, all measurements would be off by far more than that.
func TestOneDestinationDelaysNoOther(t *testing.T) {
	const measurements, rounds, atATime, within = 6, 40, 8, 1.2

	end := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(30 * time.Second):
		case <-r.Context().Done():
		case <-end:
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(end) })
	crm, url := newClocked(t)
	const settings = "sources: [{kind: nxcloud-events}]\nqueues: {default: {region: ID}}\ndestinations:\n"
	healthy := fmt.Sprintf("  - {name: healthy, mapping: record, url: %q}\n", url)
	alone := newSite(t, settings+healthy)
	among := newSite(t, settings+fmt.Sprintf("  - {name: slow, mapping: record, timeout: 1m, url: %q}\n", slow.URL)+
		"  - {name: refusing, mapping: record, url: \"http://127.0.0.1:1/\"}\n"+healthy)
	alone.start()
	among.start()

	n := 0
	turn := func(s *site, calls int) (took []time.Duration) {
		var mu sync.Mutex
		var calling sync.WaitGroup
		for range calls {
			n++
			id := fmt.Sprintf("call-%d", n)
			calling.Go(func() {
				d := s.latency(crm, id)
				mu.Lock()
				defer mu.Unlock()
				took = append(took, d)
			})
		}
		calling.Wait()
		return took
	}
	turn(alone, 2*atATime)
	turn(among, 2*atATime) // the slow one has its hands full now, the refusing one is paused
	among.eventually("the one to be paused and the other to be busy", func() bool {
		out, _ := among.run("destinations", "-o", "json")
		var list []struct {
			Destination, State string
			Sending            int
		}
		require.NoError(t, json.Unmarshal([]byte(out), &list), out)
		return list[0].Sending == 4 && list[1].State == "paused"
	})

	var told bytes.Buffer
	for range measurements {
		var without, with []time.Duration
		for round := range rounds {
			if round%2 == 0 {
				without = append(without, turn(alone, atATime)...)
			}
			with = append(with, turn(among, atATime)...)
			if round%2 == 1 {
				without = append(without, turn(alone, atATime)...)
			}
		}
		p, q := p99(without), p99(with)
		fmt.Fprintf(&told, "p99 of %d calls: %s alone, %s among the others, %.2f times\n", len(with), p, q, float64(q)/float64(p))
		if float64(q) <= within*float64(p) {
			t.Log(told.String())
			return
		}
	}
	assert.Fail(t, "the others delay the healthy destination", told.String())
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

package intake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"wrapup/connector"
	"wrapup/connector/intake"
	"wrapup/connector/nxcloud"
	"wrapup/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	path  = "/callbacks/nxcloud/events"
	call  = "5c6f5869-752d-46fd-8ac0-797f83222279"
	ring  = `{"type":2,"state":1,"callid":"104906","uuid":"` + call + `","time":"1558677782655356","callphone":"812345613"}`
	ended = `{"type":2,"state":4,"callid":"104906","uuid":"` + call + `","time":"1558678152815399","callphone":"812345613"}`
	join  = `{"type":1,"state":3,"callid":"104906","uuid":"` + call + `","time":"1558677793395365","username":"6122312312"}`
)

// clock is when everything arrives.
func clock() time.Time { return time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC) }

// fakeStore keeps items in memory.
type fakeStore struct {
	// before is called ahead of each commit; its error is the commit's.
	before func(ctx context.Context, tx outbox.Tx) error

	mu     sync.Mutex
	groups map[string]map[string][]byte
	counts map[string]int64
}

func (s *fakeStore) Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error) {
	if s.before != nil {
		if err := s.before(ctx, tx); err != nil {
			return outbox.Result{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups, s.counts = map[string]map[string][]byte{}, map[string]int64{}
	}
	if s.groups[tx.Group] == nil {
		s.groups[tx.Group] = map[string][]byte{}
	}
	var result outbox.Result
	for _, item := range tx.Add {
		_, there := s.groups[tx.Group][item.ID]
		if !there {
			s.groups[tx.Group][item.ID] = item.Body
		}
		result.New = append(result.New, !there)
	}
	for _, id := range tx.Drop {
		delete(s.groups[tx.Group], id)
	}
	if len(tx.Add) == 0 || slices.Contains(result.New, true) {
		for _, c := range tx.Count {
			s.counts[c.Day.String()+" "+c.Name] += c.N
		}
	}
	return result, nil
}

// items gives what a group holds, in any order.
func (s *fakeStore) items(group string) (list []outbox.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, body := range s.groups[group] {
		list = append(list, outbox.Item{ID: id, Body: body})
	}
	return list
}

// has says whether the item is in the group.
func (s *fakeStore) has(group, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.groups[group][id]
	return there
}

// setup is a receiver and what can be seen of it.
type setup struct {
	*intake.Receiver
	store    *fakeStore
	log      *bytes.Buffer
	observed []string // group and item of each, in order
}

func newSetup(t *testing.T, change func(*intake.Options)) *setup {
	t.Helper()
	s := &setup{store: &fakeStore{}, log: &bytes.Buffer{}}
	o := intake.Options{
		Sources: []intake.Source{{Name: "predictive", Path: path, Parse: nxcloud.ParseEvents}},
		Store:   s.store,
		Observe: func(group string, a connector.Arrival) {
			assert.True(t, s.store.has(group, a.IDIn(group)), "observed before it was stored")
			assert.Equal(t, connector.TimeOf(clock()), a.At)
			s.observed = append(s.observed, group+" "+a.ID())
		},
		Now:    clock,
		Logger: slog.New(slog.NewJSONHandler(s.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	s.Receiver = intake.New(o)
	return s
}

// reply is an answer of the receiver.
type reply struct {
	Status   int
	Header   http.Header
	Error    string
	Reasons  []string
	Stored   int
	Repeated int
}

func (s *setup) post(t *testing.T, body string) reply {
	t.Helper()
	return s.do(t, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
}

func (s *setup) do(t *testing.T, req *http.Request) reply {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return replyOf(t, w.Result())
}

func replyOf(t *testing.T, response *http.Response) reply {
	t.Helper()
	assert.Equal(t, "application/json", response.Header.Get("Content-Type"))
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	r := reply{Status: response.StatusCode, Header: response.Header}
	require.NoError(t, json.Unmarshal(body, &r), string(body))
	return r
}

// logLines gives the log's lines.
func (s *setup) logLines(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(s.log.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		lines = append(lines, m)
	}
	return lines
}

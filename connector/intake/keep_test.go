package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/intake"
	"wrapup/outbox"
)

const (
	ringID  = "2/1@1558677782655356"
	endedID = "2/4@1558678152815399"
	joinID  = "1/3@1558677793395365"

	agentGroup = "agent/user:6122312312"
)

func TestStoresAndObserves(t *testing.T) {
	s := newSetup(t, nil)
	got := s.post(t, ring+"\n"+join)
	assert.Equal(t, http.StatusOK, got.Status)
	assert.Equal(t, 2, got.Stored)
	assert.Equal(t, []string{"call/" + call + " " + ringID, "call/" + call + " " + joinID, agentGroup + " " + joinID}, s.observed)

	var arrival connector.Arrival
	require.NoError(t, json.Unmarshal(s.store.groups[agentGroup][joinID+"/"+call], &arrival))
	assert.Equal(t, connector.TimeOf(clock()), arrival.At)
	assert.Equal(t, connector.KindJoined, arrival.Kind)
	assert.Equal(t, call, arrival.UUID)
	assert.Empty(t, s.log.String())
}

func TestAnswerInFull(t *testing.T) {
	s := newSetup(t, nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(ring)))
	assert.Equal(t, `{"stored":1,"repeated":0}`+"\n", w.Body.String())
	w = httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{`)))
	assert.Equal(t, `{"error":"not understood","reasons":["event 1: the body ends at byte 1: expected a field's name in quotes"],"stored":0}`+"\n",
		w.Body.String())
}

func TestDocumentedEventsAndTheirRepeats(t *testing.T) {
	body, err := os.ReadFile("../nxcloud/testdata/documented-events.ndjson")
	require.NoError(t, err)
	s := newSetup(t, nil)
	got := s.post(t, string(body))
	assert.Equal(t, reply{Status: 200, Header: got.Header, Stored: 6}, got)
	assert.Len(t, s.observed, 8, "1/3 and 1/4 are in two groups")
	got = s.post(t, string(body))
	assert.Equal(t, reply{Status: 200, Header: got.Header, Repeated: 6}, got)
	assert.Len(t, s.observed, 8, "repeats aren't observed")
}

func TestRepeatWithinABody(t *testing.T) {
	s := newSetup(t, nil)
	got := s.post(t, ring+ring+ring)
	assert.Equal(t, 1, got.Stored)
	assert.Equal(t, 2, got.Repeated)
	assert.Len(t, s.observed, 1)
}

func TestIgnoredKindsAreCountedOnce(t *testing.T) {
	s := newSetup(t, nil)
	odd := strings.Replace(ring, `"state":1`, `"state":2`, 1)
	s.post(t, odd+ring)
	s.post(t, odd)
	assert.Equal(t, map[string]int64{"2026-05-01 " + intake.CounterIgnored + "2/2": 1}, s.store.counts)
}

// The answer is given when everything is durable, not before; all of a body's commits are under way together.
func TestAnswersOnlyAfterTheLastCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, nil)
		durable := make(chan struct{})
		entered := make(chan string, 3)
		s.store.before = func(_ context.Context, tx outbox.Tx) error {
			entered <- tx.Group
			<-durable
			return nil
		}
		w := httptest.NewRecorder()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(ring+join)))
		}()
		for commits := 3; commits > 0; commits-- {
			synctest.Wait()
			select {
			case <-answered:
				t.Fatalf("answered with %d commits to go", commits)
			default:
			}
			assert.Len(t, entered, 3, "the commits don't wait for each other")
			assert.Empty(t, s.observed)
			assert.Empty(t, w.Body.String())
			durable <- struct{}{}
		}
		<-answered
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Len(t, s.observed, 3)
	})
}

func TestFailedCommit(t *testing.T) {
	for _, tt := range []struct {
		err  error
		text string
	}{
		{errors.New("sync: input/output error"), "could not be stored"},
		{fmt.Errorf("commit: %w", outbox.ErrBroken), "could not be stored"},
		{fmt.Errorf("commit: %w", outbox.ErrFull), "disk full"},
	} {
		s := newSetup(t, nil)
		s.store.before = func(context.Context, outbox.Tx) error { return tt.err }
		got := s.post(t, ring)
		assert.Equal(t, http.StatusServiceUnavailable, got.Status)
		assert.Equal(t, "5", got.Header.Get("Retry-After"))
		assert.Equal(t, tt.text, got.Error)
		assert.Empty(t, s.observed)
		lines := s.logLines(t)
		require.Len(t, lines, 1)
		assert.Equal(t, "ERROR", lines[0]["level"])
		assert.Equal(t, "an event may be lost: it could not be stored", lines[0]["msg"])
		assert.Equal(t, tt.err.Error(), lines[0]["error"])
		assert.Equal(t, call, lines[0]["call"])
		assert.NotContains(t, s.log.String(), "812345613")

		s.store.before = nil
		assert.Equal(t, 1, s.post(t, ring).Stored, "the next one is accepted")
	}
}

// What is durable is observed, though another commit of the body, or of the same event, failed.
func TestPartlyFailedCommit(t *testing.T) {
	s := newSetup(t, nil)
	s.store.before = func(_ context.Context, tx outbox.Tx) error {
		if tx.Group == agentGroup {
			return errors.New("no")
		}
		return nil
	}
	got := s.post(t, ring+join+`{"type":3}`)
	assert.Equal(t, http.StatusServiceUnavailable, got.Status)
	assert.Equal(t, 1, got.Stored, "an event is stored when it is in all its groups")
	assert.Len(t, got.Reasons, 4, "what is wrong with the others is told all the same")
	assert.Equal(t, []string{"call/" + call + " " + ringID, "call/" + call + " " + joinID}, s.observed)

	s.store.before = nil
	got = s.post(t, join)
	assert.Equal(t, http.StatusOK, got.Status)
	assert.Equal(t, 1, got.Stored)
	assert.Equal(t, agentGroup+" "+joinID, s.observed[2])
	assert.Len(t, s.observed, 3)
}

func TestGoodAndBadEventsInOneBody(t *testing.T) {
	s := newSetup(t, nil)
	got := s.post(t, ring+"\n"+`{"type":2,"state":9,"callid":1,"uuid":"u","time":"abc"}`+"\n"+ended)
	assert.Equal(t, http.StatusBadRequest, got.Status)
	assert.Equal(t, 2, got.Stored)
	require.Len(t, got.Reasons, 2)
	assert.Contains(t, got.Reasons[0], "event 2: state: 9: expected")
	assert.Contains(t, got.Reasons[1], `event 2: time: "abc": expected`)
	assert.Equal(t, []string{"call/" + call + " " + ringID, "call/" + call + " " + endedID}, s.observed)
	lines := s.logLines(t)
	require.Len(t, lines, 1)
	assert.Equal(t, "post refused", lines[0]["msg"])
	assert.Equal(t, "predictive", lines[0]["source"])
	assert.Equal(t, "192.0.2.1:1234", lines[0]["remote"])
	assert.Contains(t, lines[0]["reasons"], "state: 9")
}

func TestManyReasonsAreCut(t *testing.T) {
	s := newSetup(t, nil)
	got := s.post(t, strings.Repeat("null ", 100))
	require.Len(t, got.Reasons, 21)
	assert.Equal(t, "and 80 more", got.Reasons[20])
	assert.Contains(t, s.log.String(), "and 97 more")
}

// A client that leaves once its body is read takes nothing with it.
func TestClientLeavesDuringTheCommit(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	s := newSetup(t, nil)
	s.store.before = func(ctx context.Context, _ outbox.Tx) error {
		leave()
		return ctx.Err()
	}
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(ring)).WithContext(ctx)
	assert.Equal(t, http.StatusOK, s.do(t, req).Status)
	assert.Len(t, s.observed, 1)
}

// An event that a faulty parser gave takes no other with it.
func TestEventThatCannotBeEncoded(t *testing.T) {
	s := newSetup(t, func(o *intake.Options) {
		o.Sources[0].Parse = func([]byte) ([]connector.Event, []error) {
			return []connector.Event{
				{Kind: connector.KindStarted, Code: "x", UUID: "a", Extra: map[string]json.RawMessage{"x": json.RawMessage("{")}},
				{Kind: connector.KindStarted, Code: "x", UUID: "b"},
			}, nil
		}
	})
	got := s.post(t, "")
	assert.Equal(t, http.StatusServiceUnavailable, got.Status)
	assert.Equal(t, 1, got.Stored)
	assert.Equal(t, []string{"call/b x@0"}, s.observed)
}

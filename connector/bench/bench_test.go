package bench

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/connector/nxcloud"
)

// What is posted as a whole call is one: nothing is missing of it, so that it is finished with its last event.
func TestCallsAreWhole(t *testing.T) {
	tr := newTraffic(time.Now())
	a := agent{name: "000000000007"}
	seen := map[string]bool{}
	timeline := correlate.Timeline{}
	for range 3 {
		uuid, bodies := tr.call(&a)
		assert.False(t, seen[uuid])
		seen[uuid] = true
		require.Len(t, bodies, eventsOfCall)
		var events []connector.Event
		for _, body := range bodies {
			got, wrong := nxcloud.ParseEvents(body)
			require.Empty(t, wrong, string(body))
			require.Len(t, got, 1)
			if got[0].AboutAgent() {
				timeline[got[0].Agent()] = append(timeline[got[0].Agent()], got[0])
			}
			if got[0].AboutCall() {
				events = append(events, got[0])
			}
		}
		attempts := correlate.Fold(events, correlate.Frozen{}, timeline, &correlate.Settings{Settle: time.Minute, MaxAge: time.Hour, RingTimeout: time.Minute})
		require.Len(t, attempts, 1)
		assert.Zero(t, attempts[0].Wait)
		r := attempts[0].Record
		assert.Equal(t, connector.OutcomeConnected, r.Outcome)
		assert.Empty(t, r.Flags)
		require.NotNil(t, r.Agent)
		assert.NotZero(t, r.Agent.IdleSeconds)
	}
}

func TestReport(t *testing.T) {
	var r Report
	for _, v := range []float64{10, 30, 20} {
		r.add("limit", "/s", v*2, "")
		r.add("figure", "/s", v, "limit")
	}
	m := r.Get("figure")
	assert.InDelta(t, 20, m.Median(), 0)
	assert.InDelta(t, 0.5, m.Ratio(), 0)
	assert.InDelta(t, 1, m.Spread(), 0)
	assert.Nil(t, r.Get("nothing"))
	r.add("figure", "/s", 40, "limit")
	assert.InDelta(t, 25, r.Get("figure").Median(), 0)
}

// What is wrong with the bare client is told by it, not by its exit code.
func TestBareClientFails(t *testing.T) {
	s, err := newSink(t.Context())
	require.NoError(t, err)
	defer s.stop()
	r := &run{sink: s, traffic: newTraffic(time.Now()), report: &Report{}}
	r.BareSend = func(ctx context.Context, _ string, _ time.Duration) *exec.Cmd {
		return exec.CommandContext(ctx, "sh", "-c", "echo the sink is away >&2; exit 1")
	}
	require.ErrorContains(t, r.client(t.Context()), "the sink is away")
}

package correlate

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/nxcloud"
)

// documented gives the six events of the dialer's own documentation, in its order.
func documented(t testing.TB) []connector.Event {
	body, err := os.ReadFile("testdata/documented-events.ndjson")
	require.NoError(t, err)
	events, problems := nxcloud.ParseEvents(body)
	require.Empty(t, problems)
	require.Len(t, events, 6)
	return events
}

// Each of the 720 orders of the documented events, with each of them repeated in turn, gives the one record, to the byte.
func TestDocumentedInEveryOrder(t *testing.T) {
	golden, err := os.ReadFile("testdata/documented-record.json")
	require.NoError(t, err)
	var want bytes.Buffer
	require.NoError(t, json.Compact(&want, golden))
	s := DefaultSettings()
	s.DefaultQueue.Region = "ID"
	orders := 0
	permute(documented(t), 0, func(events []connector.Event) {
		repeated := append(events[:len(events):len(events)], events[orders%len(events)])
		orders++
		call, timeline := divide(repeated, "5c6f5869-752d-46fd-8ac0-797f83222279")
		attempts := Fold(call, Frozen{}, timeline, &s)
		require.Len(t, attempts, 1)
		attempts[0].Record.Revision = 1
		got, err := json.Marshal(&attempts[0].Record)
		require.NoError(t, err)
		require.Equal(t, want.String(), string(got))
		require.Zero(t, attempts[0].Wait, "everything is known: finished at once")
	})
	assert.Equal(t, 720, orders)
}

func permute(events []connector.Event, from int, f func([]connector.Event)) {
	if from == len(events) {
		f(events)
		return
	}
	for i := from; i < len(events); i++ {
		events[from], events[i] = events[i], events[from]
		permute(events, from+1, f)
		events[from], events[i] = events[i], events[from]
	}
}

func BenchmarkFold(b *testing.B) {
	s := DefaultSettings()
	s.DefaultQueue.Region = "ID"
	call, timeline := divide(documented(b), "5c6f5869-752d-46fd-8ac0-797f83222279")
	b.ReportAllocs()
	for b.Loop() {
		Fold(call, Frozen{}, timeline, &s)
	}
}

package admin

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/bench"
	"wrapup/connector/correlate"
	"wrapup/outbox/bolt"
)

// callsVariable names the variable that says how many calls the large store has: 1000000 takes minutes.
const callsVariable = "TEST_CALLS"

// archive is a store of delivered calls over 30 days.
type archive struct {
	Source
	bench.Archive
	path string
}

func archived(t *testing.T, n int) *archive {
	t.Helper()
	a := &archive{Archive: bench.Archive{Calls: n, Begin: t0, Destination: "crm"}, path: filepath.Join(t.TempDir(), "wrapup.db")}
	store, err := bolt.Open(a.path, bolt.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	require.NoError(t, a.Fill(t.Context(), store))
	settings := correlate.DefaultSettings()
	settings.DefaultQueue.Region = "ID"
	a.Source = Source{Store: store, Live: nobody{}, Now: func() time.Time { return t0 }, Destinations: func() []string { return []string{"crm"} },
		Quarantine: nothing{}, Intake: nothing{}, Correlation: settings}
	return a
}

// took gives the median time of why for calls all over the store.
func (a *archive) took(t *testing.T, of func(i int) string) time.Duration {
	t.Helper()
	const looks = 41
	var times []time.Duration
	for k := range looks {
		i := (k*a.Archive.Calls/looks + k) % a.Archive.Calls
		began := time.Now()
		story, err := a.Why(t.Context(), WhyQuery{Of: of(i)})
		times = append(times, time.Since(began))
		require.NoError(t, err)
		require.Equal(t, a.UUID(i), story.UUID, of(i))
		require.Len(t, story.Calls, 1)
	}
	slices.Sort(times)
	if slowest := times[looks-1]; a.Archive.Calls >= 100_000 {
		t.Logf("the slowest: %s", slowest)
		require.Less(t, slowest, 200*time.Millisecond)
	}
	return times[looks/2]
}

// TestWhyInALargeStore: how long an answer takes doesn't grow with the number of calls, whatever they are named by.
func TestWhyInALargeStore(t *testing.T) {
	many := 12_000
	if text := os.Getenv(callsVariable); text != "" {
		var err error
		many, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	few, large := archived(t, many/20), archived(t, many)
	info, err := os.Stat(large.path)
	require.NoError(t, err)
	t.Logf("%d calls: %d bytes each", many, info.Size()/int64(many))
	for name, of := range map[string]func(*archive) func(int) string{
		"uuid":   func(a *archive) func(int) string { return a.UUID },
		"prefix": func(a *archive) func(int) string { return func(i int) string { return a.UUID(i)[:30] } },
		"phone":  func(a *archive) func(int) string { return func(i int) string { return "+62 " + a.Phone(i) } },
		"id":     func(a *archive) func(int) string { return a.ID },
	} {
		small, big := few.took(t, of(few)), large.took(t, of(large))
		t.Logf("by %s: %s with %d calls, %s with %d", name, small, few.Archive.Calls, big, large.Archive.Calls)
		assert.Less(t, big, 8*small+2*time.Millisecond, name) // a scan would take twenty times as long
	}
}

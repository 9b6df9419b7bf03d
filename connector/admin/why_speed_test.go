package admin

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// callsVariable names the variable that says how many calls the large store has: 1000000 takes minutes.
const callsVariable = "WRAPUP_WHY_CALLS"

// archive is a store of n delivered calls over 30 days.
type archive struct {
	Source
	n    int
	path string
}

func archived(t *testing.T, n int) *archive {
	t.Helper()
	a := &archive{n: n, path: filepath.Join(t.TempDir(), "wrapup.db")}
	store, err := bolt.Open(a.path, bolt.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	settings := correlate.DefaultSettings()
	settings.DefaultQueue.Region = "ID"
	a.Source = Source{Store: store, Live: nobody{}, Now: func() time.Time { return t0 }, Destinations: func() []string { return []string{"crm"} },
		Quarantine: nothing{}, Intake: nothing{}, Correlation: settings}
	const writers = 1024
	var all sync.WaitGroup
	next := make(chan int, writers)
	for range writers {
		all.Go(func() {
			for i := range next {
				_, err := store.Commit(t.Context(), a.tx(t, i))
				assert.NoError(t, err)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return a
}

func (a *archive) uuid(i int) string {
	return fmt.Sprintf("%08x-752d-46fd-8ac0-797f%08x", uint32(i)*2654435761, i)
}
func (a *archive) phone(i int) string { return strconv.Itoa(81_000_0000_0 + i*7919%1_000_000_000) }
func (a *archive) entry(i int) string { return strconv.Itoa(50_000_000 + i) }

// tx is the i-th call as the daemon stores it: six events, a record, one delivery of two requests.
func (a *archive) tx(t *testing.T, i int) outbox.Tx {
	started := connector.TimeOf(t0.Add(time.Duration(i*30/a.n)*24*time.Hour + time.Duration(i)*time.Millisecond))
	events := make([]connector.Arrival, 0, 6)
	for j, kind := range []connector.Kind{connector.KindStarted, connector.KindAnswered, connector.KindJoined, connector.KindLeft, connector.KindEnded} {
		at := started + connector.Time(j*7_000_000+i%1000)
		events = append(events, connector.Arrival{At: at + 200_000, Event: connector.Event{Source: "nxcloud-events", Kind: kind, Code: "2/" + strconv.Itoa(j),
			UUID: a.uuid(i), Time: at, Queue: "104906", Phone: a.phone(i), Username: "6122312312", SIPID: "1049002", AgentID: a.uuid(i % 50), Info: "通话"}})
	}
	plain := make([]connector.Event, len(events))
	for j := range events {
		plain[j] = events[j].Event
	}
	record := correlate.Fold(plain, correlate.Frozen{}, nil, &a.Correlation)[0].Record
	record.Revision = 1
	call := &connector.Call{Revisions: []connector.Revision{{Record: record, At: started}}, Events: events, FinishedAt: started}
	body, err := json.Marshal(call)
	assert.NoError(t, err)
	attempt := connector.Attempt{At: started, Revision: 1, Step: "log", Method: "POST", URL: "https://crm.example.com/calls", Status: 201, Verdict: "done"}
	d := &connector.Delivery{State: connector.DeliveryDone, Wanted: 1, Done: 1, Attempts: []connector.Attempt{attempt, attempt},
		Progress: json.RawMessage(fmt.Sprintf(`{"saved":{"contact":"%d","log":"%s"}}`, 70_000_000+i%100_000, a.entry(i)))}
	row, err := d.Encode()
	assert.NoError(t, err)
	day := outbox.DayOf(started.Time())
	return outbox.Tx{
		Group: connector.CallGroup(a.uuid(i)), Entry: &outbox.EntryPut{ID: a.uuid(i), Day: day, Body: body},
		Put: []outbox.RowPut{{Name: "crm", Body: row}}, Label: labelsOf(outbox.Ref{}, append(call.Labels(), d.SavedLabels()...)),
	}
}

// took gives the median time of why for calls all over the store.
func (a *archive) took(t *testing.T, of func(i int) string) time.Duration {
	t.Helper()
	const looks = 41
	var times []time.Duration
	for k := range looks {
		i := (k*a.n/looks + k) % a.n
		began := time.Now()
		story, err := a.Why(t.Context(), WhyQuery{Of: of(i)})
		times = append(times, time.Since(began))
		require.NoError(t, err)
		require.Equal(t, a.uuid(i), story.UUID, of(i))
		require.Len(t, story.Calls, 1)
	}
	slices.Sort(times)
	if slowest := times[looks-1]; a.n >= 100_000 {
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
		"uuid":   func(a *archive) func(int) string { return a.uuid },
		"prefix": func(a *archive) func(int) string { return func(i int) string { return a.uuid(i)[:30] } },
		"phone":  func(a *archive) func(int) string { return func(i int) string { return "+62 " + a.phone(i) } },
		"id":     func(a *archive) func(int) string { return a.entry },
	} {
		small, big := few.took(t, of(few)), large.took(t, of(large))
		t.Logf("by %s: %s with %d calls, %s with %d", name, small, few.n, big, large.n)
		assert.Less(t, big, 8*small+2*time.Millisecond, name) // a scan would take twenty times as long
	}
}

package salvage_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/salvage"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// commits keeps a copy of a store's file as it is after each commit: what a kill -9 leaves, at any moment.
type commits struct {
	path   string
	mu     sync.Mutex
	images [][]byte
}

func (c *commits) after(commit func() error) error {
	if err := commit(); err != nil {
		return err
	}
	image, err := os.ReadFile(c.path)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.images = append(c.images, image)
	return err
}

// Whatever a person has done to deliveries, and wherever a kill cuts it off, the next start finds a store that is fine: it
// doesn't set a good file aside.
func TestAKillWhileDeliveriesAreChangedIsNoDamage(t *testing.T) {
	c := &commits{path: filepath.Join(t.TempDir(), "wrapup.db")}
	store, err := bolt.Open(c.path, bolt.Options{Commit: c.after})
	require.NoError(t, err)
	for i := range 4 {
		bury(t, store, fmt.Sprintf("5c6f5869-752d-46fd-8ac0-%012d", i))
	}
	s := admin.Source{Store: store, Destinations: func() []string { return []string{"crm"} }, Now: func() time.Time { return now }}
	page, err := s.Deliveries(t.Context(), admin.ListQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Deliveries, 4)
	for i, change := range []func(admin.Order) ([]admin.Changed, error){
		func(o admin.Order) ([]admin.Changed, error) { return s.Drop(t.Context(), o) },
		func(o admin.Order) ([]admin.Changed, error) { return s.Retry(t.Context(), o) },
	} {
		order := admin.Order{Reason: "a test"}
		for _, d := range page.Deliveries[2*i : 2*i+2] {
			order.Deliveries = append(order.Deliveries, admin.Target{Destination: d.Destination, Task: d.Task})
		}
		changed, err := change(order)
		require.NoError(t, err)
		for _, one := range changed {
			require.True(t, one.Done, one.Note)
		}
	}
	require.NoError(t, store.Close())

	states := map[string]bool{}
	for n, image := range c.images {
		path := filepath.Join(t.TempDir(), "wrapup.db")
		require.NoError(t, os.WriteFile(path, image, 0o600))
		report, err := bolt.Check(path, bolt.CheckOptions{Meaning: salvage.Meaning{}})
		require.NoError(t, err)
		require.False(t, report.Clean)
		require.Empty(t, report.Damage, "killed after commit %d of %d", n+1, len(c.images))
		states[fmt.Sprintf("%d due, %d buried", report.Due, report.Buried)] = true
	}
	require.Greater(t, len(states), 4, "what was done took several commits: %v", slices.Sorted(maps.Keys(states)))
}

// bury stores a finished call whose delivery is dead.
func bury(t *testing.T, store outbox.Store, uuid string) {
	t.Helper()
	call, err := json.Marshal(&connector.Call{FinishedAt: connector.TimeOf(now), Revisions: []connector.Revision{{
		Record: connector.Record{CallID: uuid, UUID: uuid, Revision: 1, Queue: "104906"},
	}}})
	require.NoError(t, err)
	e := &outbox.Entry{Group: connector.CallGroup(uuid), ID: uuid, Body: call}
	row := func(state connector.DeliveryState) []byte {
		body, err := (&connector.Delivery{State: state, Wanted: 1}).Encode()
		require.NoError(t, err)
		e.Rows = []outbox.Row{{Name: "crm", Body: body}}
		return body
	}
	day := outbox.DayOf(now)
	tx := outbox.Tx{Group: e.Group, Entry: &outbox.EntryPut{ID: uuid, Day: day, Body: call},
		Put: []outbox.RowPut{{Name: "crm", Body: row(connector.DeliveryWaiting)}}, Enqueue: []outbox.NewTask{{Queue: "crm", Due: now}}}
	for name, n := range (salvage.Meaning{}).Counts(e) {
		tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: name, N: n})
	}
	res, err := store.Commit(t.Context(), tx)
	require.NoError(t, err)
	tasks, _, err := store.Claim(t.Context(), "crm", now, 1, outbox.OldestFirst)
	require.NoError(t, err)
	require.Len(t, tasks, 1)
	tx = outbox.Tx{Group: e.Group, Put: []outbox.RowPut{{Ref: res.Ref, Name: "crm", Prev: 1, Body: row(connector.DeliveryDead)}}}
	waiting, dead := connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}, connector.Delivery{State: connector.DeliveryDead, Wanted: 1}
	for _, m := range connector.CountMove("crm", waiting.Standing(), dead.Standing()) {
		tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: m.Name, N: m.N})
	}
	require.NoError(t, store.Settle(t.Context(), tasks[0], outbox.Bury(now), tx))
}

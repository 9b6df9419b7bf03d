package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// handClock is set by hand.
type handClock struct {
	wall time.Time
	mono time.Duration
}

func (c *handClock) Wall() time.Time     { return c.wall }
func (c *handClock) Mono() time.Duration { return c.mono }
func (c *handClock) pass(d time.Duration) {
	c.wall, c.mono = c.wall.Add(d), c.mono+d
}

// finished stores a call of that day with one delivery, as finish and deliver do.
func finished(t *testing.T, s outbox.Store, uuid string, day outbox.Day, d connector.Delivery) outbox.Ref {
	t.Helper()
	d.Wanted = 1
	d.Attempts = []connector.Attempt{{Request: "what was sent", Answer: "what came back", Verdict: "retry", Error: "no"}}
	row, err := d.Encode()
	require.NoError(t, err)
	tx := outbox.Tx{
		Group: connector.CallGroup(uuid), Entry: &outbox.EntryPut{ID: uuid, Day: day, Body: []byte(`{"revisions":[{"record":{"call_id":"` + uuid + `"}}]}`)},
		Put: []outbox.RowPut{{Name: "crm", Body: row}}, Count: []outbox.Delta{{Day: day, Name: connector.CountCalls, N: 1}},
	}
	for _, c := range connector.CountMove("crm", connector.Standing{}, d.Standing()) {
		tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: c.Name, N: c.N})
	}
	if d.State == connector.DeliveryWaiting || d.State == connector.DeliveryDead {
		tx.Enqueue = []outbox.NewTask{{Queue: "crm", Due: day.Time()}}
	}
	res, err := s.Commit(t.Context(), tx)
	require.NoError(t, err)
	if d.State == connector.DeliveryDead {
		tasks, _, err := s.Claim(t.Context(), "crm", day.Time(), 1, outbox.NewestFirst)
		require.NoError(t, err)
		require.Equal(t, res.Ref, tasks[0].Ref)
		require.NoError(t, s.Settle(t.Context(), tasks[0], outbox.Bury(day.Time()), outbox.Tx{}))
	}
	return res.Ref
}

func TestRetention(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), storeFile), bolt.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	clock := &handClock{wall: time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)}
	today := outbox.DayOf(clock.wall)
	log := &logs{}
	r := newRetention(store, clock, &configs.Retention{Calls: configs.Duration(90 * 24 * time.Hour), Answers: configs.Duration(14 * 24 * time.Hour)},
		slog.New(slog.NewTextHandler(log, nil)))
	done, dead := connector.Delivery{State: connector.DeliveryDone, Done: 1}, connector.Delivery{State: connector.DeliveryDead}
	finished(t, store, "ancient", today-91, done)
	finished(t, store, "waits", today-92, connector.Delivery{State: connector.DeliveryWaiting})
	old, undecided, fresh := finished(t, store, "old", today-15, done), finished(t, store, "undecided", today-15, dead), finished(t, store, "fresh", today-14, done)

	answer := func(ref outbox.Ref) string {
		e, err := store.Entry(t.Context(), ref)
		require.NoError(t, err)
		d, err := connector.DecodeDelivery(e.Row("crm").Body)
		require.NoError(t, err)
		require.Equal(t, "no", d.Attempts[0].Error)
		return d.Attempts[0].Request + d.Attempts[0].Answer
	}
	days := func() []outbox.Day {
		days, err := store.Days(t.Context())
		require.NoError(t, err)
		return days
	}
	all := days()

	// A clock that is a year ahead drops nothing at its first look, nor when it is set right.
	clock.wall = clock.wall.AddDate(1, 0, 0)
	require.NoError(t, r.look(t.Context()))
	clock.wall = clock.wall.AddDate(-1, 0, 0)
	require.NoError(t, r.look(t.Context()))
	require.Equal(t, all, days())
	require.NotEmpty(t, answer(old))

	clock.pass(retainEvery)
	require.NoError(t, r.look(t.Context()))
	assert.Equal(t, []outbox.Day{today - 92, today - 15, today - 14}, days(), "a day of which a delivery waits is kept")
	assert.Contains(t, log.String(), "deliveries of them wait")
	assert.Empty(t, answer(old))
	assert.NotEmpty(t, answer(undecided))
	assert.NotEmpty(t, answer(fresh))

	s := admin.Source{Store: store, Live: stopped{store}, Now: clock.Wall, Destinations: func() []string { return []string{"crm"} },
		QueueName: func(string) string { return "" }}
	for _, day := range days() {
		a, err := s.Audit(t.Context(), day.String())
		require.NoError(t, err)
		assert.Empty(t, a.Gaps, day)
		assert.EqualValues(t, a.Calls, a.Kept)
	}
	story, err := s.Story(t.Context(), "ancient")
	require.NoError(t, err)
	assert.Empty(t, story.Calls)
	story, err = s.Story(t.Context(), "old")
	require.NoError(t, err)
	assert.Len(t, story.Calls, 1)
}

// Of what isn't found it is said that it may have been dropped, once anything was.
func TestWhyOfWhatWasDropped(t *testing.T) {
	t.Parallel()
	s := newSite(t, config("http://127.0.0.1:1/"))
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, "data"), 0o700))
	today := outbox.DayOf(time.Now())
	change := func(f func(*bolt.Store)) {
		store, err := bolt.Open(filepath.Join(s.dir, "data", storeFile), bolt.Options{})
		require.NoError(t, err)
		f(store)
		require.NoError(t, store.Close())
	}
	change(func(store *bolt.Store) {
		finished(t, store, "ancient", today-91, connector.Delivery{State: connector.DeliveryDone, Done: 1})
		finished(t, store, "fresh", today-2, connector.Delivery{State: connector.DeliveryDone, Done: 1})
	})
	assert.Equal(t, "No event of a call nobody has come.\n", s.fails("why", "nobody"))
	change(func(store *bolt.Store) {
		e, err := store.Expire(t.Context(), today-90, 100)
		require.NoError(t, err)
		require.Len(t, e.Days, 1)
	})
	want := "Nothing is known of ancient: no event of it came since " + (today - 90).String() + "; calls that were finished before were dropped for their age (retention.calls)."
	assert.Equal(t, want+"\n", s.fails("why", "ancient"))
	assert.Contains(t, s.succeeds("why", "fresh"), "The call is finished")
	s.start()
	out := s.fails("why", "ancient")
	assert.True(t, strings.HasPrefix(out, want+" Nothing was heard of the dialer since"), out)
	var story struct{ Heard admin.Heard }
	require.NoError(t, json.Unmarshal([]byte(s.fails("why", "+62 812 999", "-o", "json")), &story))
	assert.Equal(t, (today - 90).String(), story.Heard.KeptSince)
}

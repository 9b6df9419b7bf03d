package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// stored gives all bodies that the store of a stopped daemon has, and how many calls have the label.
func (s *site) stored(label string) (all string, labeled int) {
	s.t.Helper()
	store, err := bolt.Open(filepath.Join(s.dir, "data", storeFile), bolt.Options{ReadOnly: true})
	require.NoError(s.t, err)
	var b strings.Builder
	require.NoError(s.t, store.Open(s.t.Context(), func(group string, items []outbox.Item) error {
		for _, item := range items {
			b.WriteString(group + " " + item.ID + " " + string(item.Body) + "\n")
		}
		return nil
	}))
	days, err := store.Days(s.t.Context())
	require.NoError(s.t, err)
	for _, day := range days {
		entries, err := store.Walk(s.t.Context(), day, 0, 10000)
		require.NoError(s.t, err)
		for _, e := range entries {
			b.WriteString(e.Group + " " + string(e.Body) + "\n")
			for _, row := range e.Rows {
				b.WriteString(string(row.Body) + "\n")
			}
		}
	}
	refs, _, err := store.Labeled(s.t.Context(), label, 100)
	require.NoError(s.t, err)
	require.NoError(s.t, store.Close())
	return b.String(), len(refs)
}

func (s *site) erased(args ...string) (e admin.Erasure) {
	s.t.Helper()
	out := s.succeeds(append([]string{"erase", "--phone", "0811-0000-010", "-o", "json"}, args...)...)
	require.NoError(s.t, json.Unmarshal([]byte(out), &e), out)
	return e
}

// TestErased: after an erasure nothing that is stored has the number, nothing of it comes back, and everything adds up.
func TestErased(t *testing.T) {
	t.Parallel()
	s := whySite(t)
	const number = "8110000010"
	joined := `{"type":1,"state":3,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x","username":"6122312312","sipid":"1","agentid":"a"}`
	left := `{"type":1,"state":4,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x","username":"6122312312","sipid":"1","agentid":"a"}`
	for _, uuid := range []string{"plain", "retried", "refused", "unsure"} {
		s.accepted(dialled(uuid, number, joined, left)...)
	}
	s.accepted(dialled("other", "8110000077")...)
	for uuid, state := range map[string]string{"plain": "delivered (", "retried": "not delivered yet after 1", "refused": "dead (", "unsure": "parked (",
		"other": "delivered ("} {
		s.firstLine("desk: "+state, uuid)
	}
	s.accepted(dialled("open", number)[0])
	status, _ := s.post(`{"type":2,"state":1,"uuid":"strange","callphone":"+62` + number + `","time":"yesterday"}`)
	require.Equal(t, 400, status)
	before := s.audited(true)

	found := s.erased("--dry-run")
	assert.Len(t, found.Calls, 4)
	assert.Equal(t, []string{"open"}, found.Open)
	assert.Len(t, found.Quarantined, 1)
	assert.Contains(t, found.Numbers, "+62"+number)
	assert.Equal(t, before, s.audited(true), "a dry run changes nothing")
	assert.Contains(t, s.fails("erase", "--phone", number), "Erase it? Nobody can be asked here: --yes is the answer; nothing was changed")
	assert.Contains(t, s.succeeds("erase", "--phone", "8110099999", "--yes"), "0 calls")
	out := s.succeeds("erase", "--phone", number, "--yes")
	assert.Contains(t, out, "Erased of +62"+number)
	assert.Regexp(t, `desk +call plain +done +contact contact-1, entry entry-\d+`, out)
	assert.Regexp(t, `desk +call unsure +parked +contact contact-1`, out)
	assert.Contains(t, out, "Backups still have it")
	check := func() {
		day := s.audited(true)
		for _, d := range day.Destinations {
			assert.EqualValues(t, 6, d.Finished, d.Destination)
			assert.EqualValues(t, 5, d.Counted[connector.DeliveryErased], d.Destination)
		}
		for _, uuid := range []string{"plain", "retried", "refused", "unsure", "open"} {
			s.firstLine("The call was erased by a person at ", uuid)
		}
		s.firstLine("Of 5 calls with this number, the newest", "+62"+number)
		s.firstLine("desk: delivered", "other")
		assert.Len(t, s.listed(), 1, "only other waits, for slow")
		again := s.erased("--dry-run")
		assert.Empty(t, again.Calls)
		assert.Equal(t, 5, again.Already)
	}
	check()
	var status2 []admin.DestinationStatus
	require.NoError(t, json.Unmarshal([]byte(s.succeeds("destinations", "-o", "json")), &status2))
	for _, d := range status2 {
		assert.Zero(t, d.Dead+d.Parked+d.Unreadable, d.Destination)
		assert.Equal(t, map[string]int{"desk": 0, "hook": 0, "slow": 1}[d.Destination], d.Waiting, d.Destination)
	}

	// Stragglers, of the finished and of the open, are swallowed.
	s.accepted(dialled("plain", number, joined)[1], dialled("open", number)[1], dialled("open", number, joined)[1])
	s.eventually("the stragglers to be swallowed", func() bool { return len(s.calls("--open")) == 0 })
	check()
	require.Zero(t, s.terminate())
	all, labeled := s.stored(connector.PhoneLabel(number))
	assert.NotContains(t, all, number)
	assert.Zero(t, labeled)
	assert.Contains(t, all, "8110000077")
	s.start()
	check()
}

// A uuid that was used again has a finished call and one that is open: both are erased, and so is what a straggler brings.
func TestErasedWhileOpenAgain(t *testing.T) {
	t.Parallel()
	s := whySite(t)
	const number = "8110000010"
	s.accepted(redialled("again", number, 30*time.Minute)...)
	s.firstLine("desk: delivered", "again")
	s.accepted(redialled("again", number, 10*time.Second)[0])
	s.accepted(redialled("other", "8110000077", 30*time.Minute)...)
	s.firstLine("desk: delivered", "other")
	s.accepted(redialled("other", number, 10*time.Second)[0]) // only the newer one has the number

	out, errs, code := wrapup(t, "erase", "--phone", number, "-o", "json", "--config", s.config)
	assert.Equal(t, 1, code)
	assert.Empty(t, out)
	assert.Contains(t, errs, "To erase of +62"+number+" or "+number+": 1 call (1 delivery of them waits), 2 open calls")
	assert.Contains(t, errs, "Erase it? Nobody can be asked here")
	found := s.erased("--dry-run")
	assert.Equal(t, []string{"again"}, found.Calls)
	assert.ElementsMatch(t, []string{"again", "other"}, found.Open)
	done := s.erased("--yes")
	assert.Equal(t, []string{"again"}, done.Calls)
	assert.ElementsMatch(t, []string{"again", "other"}, done.Open)
	assert.Zero(t, done.Already)
	s.eventually("nothing to be open", func() bool { return len(s.calls("--open")) == 0 })
	s.firstLine("Of 2 calls under this uuid, the newest: The call was erased by a person at ", "again")
	s.firstLine("Attempt 1 of 2 under the uuid again: The call was erased by a person at ", "again", "--attempt", "1")
	s.firstLine("Attempt 1 of 2 under the uuid other: The call is finished", "other", "--attempt", "1")
	s.accepted(redialled("again", number, 10*time.Second)[1], redialled("other", number, 10*time.Second)[1]) // what still comes is swallowed
	s.eventually("nothing to be open", func() bool { return len(s.calls("--open")) == 0 })
	s.audited(true)
	require.Zero(t, s.terminate())
	all, labeled := s.stored(connector.PhoneLabel(number))
	assert.NotContains(t, all, number)
	assert.Zero(t, labeled)
	assert.Contains(t, all, "8110000077")
}

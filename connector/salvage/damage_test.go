package salvage_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/salvage"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// world is what a store held before it was damaged.
type world struct {
	items   map[string]string            // group and ID: body
	entries map[string]map[uint64]string // call: version: body
	rows    map[string]map[uint64]string // call and destination: version: body
	states  map[string]connector.DeliveryState
	erased  map[string]bool     // calls
	labels  map[string][]string // call: labels
	gone    int                 // calls of goneDay
	image   []byte
}

var (
	erasureDay = outbox.DayOf(now)
	goneDay    = outbox.DayOf(now.AddDate(0, 0, -40)) // it was dropped, and is not yet deleted
)

// makeWorld fills a store with all that a daemon keeps: finished calls of three days in every state, some of them erased, a
// day that is being deleted, open calls, agents' timelines, a pause, a token, and posts in quarantine. Pages are given up and used again as in a daemon.
func makeWorld(t *testing.T, path string, calls int, clean bool) *world {
	t.Helper()
	w := &world{items: map[string]string{}, entries: map[string]map[uint64]string{}, rows: map[string]map[uint64]string{}, states: map[string]connector.DeliveryState{}, erased: map[string]bool{}, labels: map[string][]string{}}
	s, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	commit := func(tx outbox.Tx) outbox.Ref {
		res, err := s.Commit(t.Context(), tx)
		require.NoError(t, err)
		return res.Ref
	}
	add := func(group, id string, body any) {
		b, err := json.Marshal(body)
		require.NoError(t, err)
		commit(outbox.Tx{Group: group, Add: []outbox.Item{{ID: id, Body: b}}})
		w.items[group+" "+id] = string(b)
	}
	random := rand.New(rand.NewPCG(1, 2))
	states := []connector.DeliveryState{connector.DeliveryDone, connector.DeliveryDone, connector.DeliveryDone, connector.DeliveryWaiting,
		connector.DeliveryDead, connector.DeliveryParked, connector.DeliverySkipped, connector.DeliveryDropped}
	for i := range calls {
		id := fmt.Sprintf("5c6f5869-752d-46fd-8ac0-%012d", i)
		finished := now.AddDate(0, 0, -2+3*i/calls)
		gone := i%50 == 7
		if gone {
			finished = now.AddDate(0, 0, -40)
		}
		call := connector.Call{FinishedAt: connector.TimeOf(finished), Revisions: []connector.Revision{{At: connector.TimeOf(finished),
			Record: connector.Record{CallID: id, Revision: 1, Phone: connector.Text(fmt.Sprintf("0170%07d", i)), Queue: connector.Text(strconv.Itoa(i % 3)), Outcome: connector.OutcomeConnected}}},
			Events: []connector.Arrival{{Event: connector.Event{UUID: id, Username: strconv.FormatUint(random.Uint64(), 36) + strconv.FormatUint(random.Uint64(), 36)}}}}
		body, err := json.Marshal(&call)
		require.NoError(t, err)
		group := connector.CallGroup(id)
		day := outbox.DayOf(finished)
		tx := outbox.Tx{Group: group, Entry: &outbox.EntryPut{ID: id, Day: day, Body: body}}
		for _, label := range call.Labels() {
			tx.Label = append(tx.Label, outbox.Label{Name: label})
		}
		for _, name := range []string{"crm", "hook"} {
			d := connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}
			row, err := d.Encode()
			require.NoError(t, err)
			tx.Put = append(tx.Put, outbox.RowPut{Name: name, Body: row})
			tx.Enqueue = append(tx.Enqueue, outbox.NewTask{Queue: name, Due: finished})
			w.rows[id+" "+name] = map[uint64]string{1: string(row)}
			e := &outbox.Entry{Group: group, ID: id, Body: body, Rows: []outbox.Row{{Name: name, Body: row}}}
			for count, n := range (salvage.Meaning{}).Counts(e) {
				if strings.HasPrefix(count, "delivery/") || strings.HasPrefix(count, "update/") || name == "crm" {
					tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: count, N: n})
				}
			}
		}
		ref := commit(tx)
		w.entries[id] = map[uint64]string{1: string(body)}
		for _, name := range []string{"crm", "hook"} {
			d := connector.Delivery{State: states[(i+len(name))%len(states)], Wanted: 1}
			if gone && d.State == connector.DeliveryWaiting {
				d.State = connector.DeliveryDone
			}
			w.states[id+" "+name] = d.State
			if d.State == connector.DeliveryWaiting {
				continue
			}
			if d.State == connector.DeliveryDone {
				d.Done = 1
			}
			if d.State == connector.DeliveryParked {
				d.Unsure = map[string]connector.Doubt{"create": {}}
			}
			row, err := d.Encode()
			require.NoError(t, err)
			order := outbox.NewestFirst
			if gone {
				order = outbox.OldestFirst
			}
			claimed, _, err := s.Claim(t.Context(), name, now.AddDate(1, 0, 0), 1, order)
			require.NoError(t, err)
			for _, task := range claimed {
				require.Equal(t, ref, task.Ref)
				outcome := outbox.Done()
				if d.State == connector.DeliveryDead || d.State == connector.DeliveryParked {
					outcome = outbox.Bury(finished)
				}
				tx := outbox.Tx{Put: []outbox.RowPut{{Ref: ref, Name: name, Prev: 1, Body: row}}}
				for _, c := range connector.CountMove(name, connector.Standing{State: connector.DeliveryWaiting}, d.Standing()) {
					tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: c.Name, N: c.N})
				}
				require.NoError(t, s.Settle(t.Context(), task, outcome, tx))
			}
			w.rows[id+" "+name][2] = string(row)
		}
		w.labels[id] = call.Labels()
		switch {
		case gone:
			w.gone++
		case i%9 == 0:
			w.erase(t, commit, ref, id, &call)
		}
	}
	commit(outbox.Tx{Group: connector.ErasureGroup, Entry: &outbox.EntryPut{ID: erasureDay.String(), Day: erasureDay, Body: []byte("a key")}})
	w.entries[erasureDay.String()] = map[uint64]string{1: "a key"}
	dropped, err := s.Expire(t.Context(), goneDay+1, 5)
	require.NoError(t, err)
	require.Equal(t, []outbox.Day{goneDay}, dropped.Days)
	for i := range calls / 4 {
		add(connector.CallGroup(fmt.Sprintf("open-%d", i)), "2/1@1", connector.Arrival{At: connector.TimeOf(now), Event: connector.Event{UUID: fmt.Sprintf("open-%d", i)}})
		add(connector.AgentGroup(fmt.Sprintf("agent-%d", i%20)), fmt.Sprintf("1/2@%d", i), connector.Arrival{At: connector.TimeOf(now)})
	}
	add(connector.DestinationGroup("crm"), "held", map[string]string{"reason": "a test"})
	add(connector.DestinationGroup("crm"), "token.7", map[string]string{"access": "a secret"})
	for i := range 5 {
		add(connector.QuarantineGroup, fmt.Sprintf("post-%d", i), connector.Quarantined{ID: fmt.Sprintf("post-%d", i), Body: []byte(strings.Repeat("?", 3000))})
	}
	if !clean {
		w.image, err = os.ReadFile(path) // as kill -9 leaves it
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	if clean {
		w.image, err = os.ReadFile(path)
		require.NoError(t, err)
	}
	return w
}

// erase erases a call, whose tasks stay as a crash leaves them.
func (w *world) erase(t *testing.T, commit func(tx outbox.Tx) outbox.Ref, ref outbox.Ref, id string, call *connector.Call) {
	t.Helper()
	tx := outbox.Tx{Group: connector.CallGroup(id)}
	for _, label := range w.labels[id] {
		tx.Unlabel = append(tx.Unlabel, outbox.Label{Ref: ref, Name: label})
	}
	call.Erase(connector.TimeOf(now), []string{"a hash"})
	w.erased[id], w.labels[id] = true, call.Labels()
	for _, label := range w.labels[id] {
		tx.Label = append(tx.Label, outbox.Label{Ref: ref, Name: label})
	}
	body, err := json.Marshal(call)
	require.NoError(t, err)
	w.entries[id][2] = string(body)
	tx.Entry = &outbox.EntryPut{ID: id, Day: ref.Day, Ref: ref, Prev: 1, Body: body}
	for _, name := range []string{"crm", "hook"} {
		rows := w.rows[id+" "+name]
		version := uint64(len(rows))
		d, err := connector.DecodeDelivery([]byte(rows[version]))
		require.NoError(t, err)
		was := d.Standing()
		d.Erase(connector.TimeOf(now))
		row, err := d.Encode()
		require.NoError(t, err)
		rows[version+1] = string(row)
		tx.Put = append(tx.Put, outbox.RowPut{Ref: ref, Name: name, Prev: version, Body: row})
		for _, c := range connector.CountMove(name, was, d.Standing()) {
			tx.Count = append(tx.Count, outbox.Delta{Day: ref.Day, Name: c.Name, N: c.N})
		}
	}
	commit(tx)
}

// outcomes of a start with a damaged file.
const (
	unnoticed = "unnoticed" // a byte that nothing depends on
	salvaged  = "salvaged"
	refused   = "refused"

	afterSalvage = ", after the salvage"
)

// starts does with a file what serve does, and compares what is served then with the world.
func (w *world) starts(t *testing.T, path, what string) (string, *bolt.Salvaged) {
	t.Helper()
	report, err := bolt.Check(path, bolt.CheckOptions{Meaning: salvage.Meaning{}})
	if err != nil {
		require.True(t, errors.Is(err, bolt.ErrForeign) || errors.Is(err, bolt.ErrNewer), "%s: %v", what, err)
		return refused, nil
	}
	require.Empty(t, report.Gaps, what)
	outcome := unnoticed
	var saved *bolt.Salvaged
	if len(report.Damage) > 0 {
		outcome = salvaged
		saved, err = bolt.Salvage(path, report.Damage, salvage.Meaning{}, now)
		require.NoError(t, err, what)
		require.NotNil(t, saved)
		require.NotEmpty(t, saved.Damage, what)
		report, err = bolt.Check(path, bolt.CheckOptions{Meaning: salvage.Meaning{}})
		require.NoError(t, err, what)
		require.Empty(t, append(report.Damage, report.Gaps...), what+afterSalvage)
	}
	var log bytes.Buffer
	s, err := bolt.Open(path, bolt.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err, what)
	defer func() { require.NoError(t, s.Close()) }()
	if saved != nil {
		what += afterSalvage
	}
	w.compare(t, s, what, saved)
	return outcome, saved
}

func (w *world) compare(t *testing.T, s *bolt.Store, what string, saved *bolt.Salvaged) {
	t.Helper()
	whole := saved == nil
	items := map[string]string{}
	require.NoError(t, s.Open(t.Context(), func(group string, of []outbox.Item) error {
		for _, it := range of {
			if it.ID != connector.DoubtItem {
				items[group+" "+it.ID] = string(it.Body)
			}
		}
		return nil
	}), what)
	for key, body := range items {
		if w.items[key] != body {
			t.Fatalf("%s: the item %s is wrong: %s", what, key, body)
		}
	}
	if whole {
		require.Len(t, items, len(w.items), what)
	}
	due, buried := map[string]int{}, map[string]int{}
	for _, name := range []string{"crm", "hook"} {
		for _, b := range []bool{false, true} {
			tasks, err := s.Tasks(t.Context(), name, b, outbox.Key{}, 1<<20)
			require.NoError(t, err, what)
			for _, task := range tasks {
				e, err := s.Entry(t.Context(), task.Ref)
				if task.Ref.Day == goneDay && whole {
					require.True(t, b, what)
					continue
				}
				require.NoError(t, err, what)
				if b {
					buried[e.ID+" "+name]++
				} else {
					due[e.ID+" "+name]++
				}
			}
		}
	}
	days, err := s.Days(t.Context())
	require.NoError(t, err, what)
	calls := 0
	for _, day := range days {
		entries, err := s.Walk(t.Context(), day, 0, 1<<20)
		require.NoError(t, err, what)
		for _, e := range entries {
			calls++
			if w.entries[e.ID][e.Version] != string(e.Body) && (!w.erased[e.ID] || bytes.Contains(e.Body, []byte("0170"))) {
				t.Fatalf("%s: the call %s is wrong: %s", what, e.ID, e.Body)
			}
			if w.erased[e.ID] && bytes.Contains(e.Body, []byte("0170")) {
				require.NotNil(t, saved, what)
				require.NotZero(t, saved.Old, "%s: what was erased is back", what)
			} else if calls%8 == 0 {
				w.found(t, s, what, &e)
			}
			for _, row := range e.Rows {
				w.compareRow(t, what, e.ID+" "+row.Name, row, due, buried)
			}
			if whole && e.Group != connector.ErasureGroup {
				require.Len(t, e.Rows, 2, what)
			}
			again, err := s.Entries(t.Context(), e.Group)
			require.NoError(t, err, what)
			require.Len(t, again, 1, what)
		}
		audit, err := admin.Source{Store: s}.Audit(t.Context(), day.String())
		require.NoError(t, err, what)
		require.Empty(t, audit.Gaps, what)
	}
	if whole {
		require.Equal(t, len(w.entries)-w.gone, calls, what)
	}
	// Nothing gets a number twice.
	_, err = s.Commit(t.Context(), outbox.Tx{Group: "new", Add: []outbox.Item{{ID: "new"}}})
	require.NoError(t, err, what)
}

// found makes sure that the entry is found by its labels, or is one that is looked through anyway.
func (w *world) found(t *testing.T, s *bolt.Store, what string, e *outbox.Entry) {
	t.Helper()
	for _, label := range w.labels[e.ID] {
		if label == "xa hash" && w.entries[e.ID][e.Version] != string(e.Body) {
			continue // of an erased call that was found unerased, only what its deliveries say is known
		}
		refs, unlabeled, err := s.Labeled(t.Context(), label, 1<<20)
		require.NoError(t, err, what)
		there := false
		for _, ref := range refs {
			there = there || ref == e.Ref
		}
		for _, last := range unlabeled {
			there = there || last.Day == e.Ref.Day && last.Seq >= e.Ref.Seq
		}
		if !there {
			t.Fatalf("%s: the call %s isn't found by its label %q", what, e.ID, label)
		}
	}
}

func (w *world) compareRow(t *testing.T, what, key string, row outbox.Row, due, buried map[string]int) {
	t.Helper()
	d, err := connector.DecodeDelivery(row.Body)
	require.NoError(t, err, what)
	was := w.states[key]
	switch d.State {
	case connector.DeliveryWaiting:
		if was != connector.DeliveryWaiting || due[key] != 1 || buried[key] != 0 {
			t.Fatalf("%s: %s waits with %d tasks; it was %s", what, key, due[key], was)
		}
	case connector.DeliveryDead, connector.DeliveryParked:
		if due[key] != 0 || buried[key] != 1 {
			t.Fatalf("%s: %s is %s, with %d due and %d buried tasks", what, key, d.State, due[key], buried[key])
		}
	case connector.DeliveryErased:
		call, _, _ := strings.Cut(key, " ")
		if !w.erased[call] {
			t.Fatalf("%s: %s is erased; it was %s", what, key, was)
		}
		if strings.HasSuffix(what, afterSalvage) && due[key]+buried[key] != 0 {
			t.Fatalf("%s: %s is erased, and has a task", what, key)
		}
		return
	default:
		if d.State != was || due[key]+buried[key] != 0 {
			t.Fatalf("%s: %s is %s with a task; it was %s", what, key, d.State, was)
		}
	}
	if body, known := w.rows[key][row.Version]; (!known || body != string(row.Body)) && !strings.HasPrefix(d.Reason, "maybe delivered") {
		t.Fatalf("%s: the delivery %s is wrong: %s", what, key, row.Body)
	}
}

// memory gives a folder on a file system in memory, if there is one: nothing here depends on a disk, and each start syncs.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "wrapup-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// flips is how many positions are tried: TEST_FLIPS, or 200.
func flips(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("TEST_FLIPS"))
	if err != nil {
		return 200
	}
	return n
}

func TestFlippedBytes(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprintf("stopped cleanly: %t", clean), func(t *testing.T) {
			t.Parallel()
			dir := memory(t)
			w := makeWorld(t, filepath.Join(dir, "world.db"), 600, clean)
			random := rand.New(rand.NewPCG(7, 7))
			outcomes, parked, lost, again := map[string]int{}, 0, 0, 0
			n := flips(t) / 2
			for i := range n {
				at := len(w.image) * i / n
				at += random.IntN(max(1, len(w.image)/n))
				bit := byte(1 << random.IntN(8))
				image := bytes.Clone(w.image)
				image[at] ^= bit
				outcome, saved := w.run(t, dir, image, fmt.Sprintf("byte %d of page %d, bit %d", at, at/4096, bit))
				outcomes[outcome]++
				if saved != nil {
					parked, again, lost = parked+saved.Parked, again+saved.Again, lost+len(w.entries)-w.gone-saved.Entries
				}
			}
			t.Logf("%d flips in %d KiB: %v; %d calls lost, %d deliveries parked, %d tasks made anew", n, len(w.image)>>10, outcomes, lost, parked, again)
			require.NotZero(t, outcomes[salvaged])
		})
	}
}

// run starts with an image.
func (w *world) run(t *testing.T, dir string, image []byte, what string) (string, *bolt.Salvaged) {
	t.Helper()
	path := filepath.Join(dir, "wrapup.db")
	require.NoError(t, os.WriteFile(path, image, 0o600))
	outcome, saved := w.starts(t, path, what)
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	for _, f := range files {
		if saved != nil && f == saved.SetAside {
			kept, err := os.ReadFile(f)
			require.NoError(t, err)
			require.Equal(t, image, kept, "the damaged file is kept as it was")
		}
		require.NoError(t, os.Remove(f))
	}
	return outcome, saved
}

// Larger damage: a part that is missing, pages that are zero, that were swapped, or that are half written.
func TestDamagedPages(t *testing.T) {
	const size = 4096
	for _, clean := range []bool{true, false} {
		dir := memory(t)
		w := makeWorld(t, filepath.Join(dir, "world.db"), 300, clean)
		outcomes := map[string]int{}
		pages := len(w.image) / size
		note := func(image []byte, what string, args ...any) {
			outcome, _ := w.run(t, dir, image, fmt.Sprintf(what, args...))
			outcomes[outcome]++
		}
		random := rand.New(rand.NewPCG(3, 3))
		for range 10 {
			i, j := random.IntN(pages), random.IntN(pages)
			note(w.image[:i*size+random.IntN(size)+1], "cut in page %d", i)

			image := bytes.Clone(w.image)
			clear(image[i*size : (i+1)*size])
			note(image, "page %d zero", i)

			image = bytes.Clone(w.image)
			copy(image[i*size:(i+1)*size], w.image[j*size:(j+1)*size])
			copy(image[j*size:(j+1)*size], w.image[i*size:(i+1)*size])
			note(image, "pages %d and %d swapped", i, j)

			image = bytes.Clone(w.image)
			clear(image[i*size+size/2 : (i+1)*size])
			note(image, "page %d torn", i)

			image = bytes.Clone(w.image)
			for k := range 8 { // several at once
				at := random.IntN(pages)
				if k%2 == 0 {
					at = i
				}
				image[at*size+random.IntN(size)] ^= 0xff
			}
			note(image, "bytes of many pages, of page %d", i)
		}
		t.Logf("stopped cleanly: %t, %d pages: %s", clean, pages, fmt.Sprint(maps.Collect(maps.All(outcomes))))
		require.NotZero(t, outcomes[salvaged])
	}
}

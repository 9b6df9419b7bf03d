package bolt

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"wrapup/outbox"
)

// gate holds commits up, so that what is queued meanwhile shares the next one.
type gate struct {
	mu      sync.Mutex
	commits int
	entered chan struct{} // a commit has arrived
	leave   chan error    // lets it go on, or fail
}

func newGate() *gate { return &gate{entered: make(chan struct{}), leave: make(chan error)} }

func (g *gate) commit(commit func() error) error {
	g.mu.Lock()
	g.commits++
	first := g.commits == 1 // the creation of the file
	g.mu.Unlock()
	if first {
		return commit()
	}
	g.entered <- struct{}{}
	if err := <-g.leave; err != nil {
		return err
	}
	return commit()
}

// together commits the Txs in one transaction, which ends with the error given, and gives their results.
func together(t *testing.T, s *Store, g *gate, end error, txs []outbox.Tx) ([]outbox.Result, []error) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() { add(t, s, "first", "first") })
	<-g.entered
	results, errs := make([]outbox.Result, len(txs)), make([]error, len(txs))
	for i, tx := range txs {
		queued := s.line.waiting()
		wg.Go(func() { results[i], errs[i] = s.Commit(t.Context(), tx) })
		for s.line.waiting() == queued { // one after the other, so that their order is known
			runtime.Gosched()
		}
	}
	g.leave <- nil
	<-g.entered
	g.leave <- end
	wg.Wait()
	return results, errs
}

func batchOf(ref outbox.Ref) []outbox.Tx {
	row := func(prev uint64, body string) outbox.Tx {
		return outbox.Tx{
			Group: "g", Add: []outbox.Item{{ID: body}},
			Put: []outbox.RowPut{{Ref: ref, Name: "r", Prev: prev, Body: []byte(body)}},
		}
	}
	return []outbox.Tx{
		row(0, "one"),
		row(0, "conflict"),
		row(1, "two"),
		row(1, "two"),
		{Group: "g", Entry: &outbox.EntryPut{ID: "f", Body: []byte("f")}},
		{Group: "g", Entry: &outbox.EntryPut{ID: "f", Body: []byte("f")}},
		{Group: "g", Entry: &outbox.EntryPut{ID: "f", Body: []byte("conflict")}},
		{Group: "g", Drop: []string{"one"}},
		{Group: "g", Add: []outbox.Item{{ID: "one"}, {ID: "two"}}},
	}
}

func openItems(t *testing.T, s *Store) []string {
	t.Helper()
	var found []string
	require.NoError(t, s.Open(t.Context(), func(group string, items []outbox.Item) error {
		for _, it := range items {
			found = append(found, group+"/"+it.ID)
		}
		return nil
	}))
	return found
}

func newGated(t *testing.T) (*Store, *gate, outbox.Ref) {
	t.Helper()
	g := newGate()
	s := openAt(t, newPath(t), Options{Commit: g.commit})
	var ref outbox.Ref
	var wg sync.WaitGroup
	wg.Go(func() {
		res, err := s.Commit(t.Context(), outbox.Tx{Group: "g", Entry: &outbox.EntryPut{ID: "e"}})
		assert.NoError(t, err)
		ref = res.Ref
	})
	<-g.entered
	g.leave <- nil
	wg.Wait()
	return s, g, ref
}

func TestRequestsOfOneCommitSeeEachOther(t *testing.T) {
	s, g, ref := newGated(t)
	results, errs := together(t, s, g, nil, batchOf(ref))
	for i, err := range errs {
		if slices.Contains([]int{1, 6}, i) {
			assert.ErrorIs(t, err, outbox.ErrConflict, i)
		} else {
			assert.NoError(t, err, i)
		}
	}
	assert.Equal(t, []bool{true}, results[0].New)
	assert.Equal(t, []bool{true}, results[2].New)
	assert.Equal(t, []bool{false}, results[3].New)
	assert.NotZero(t, results[4].Ref)
	assert.Equal(t, results[4].Ref, results[5].Ref)
	assert.Equal(t, []bool{true, false}, results[8].New)
	assert.Equal(t, 4, g.commits, "the file's, the entry's, the first one's, and one for all the others")
	assert.Equal(t, []string{"first/first", "g/two", "g/one"}, openItems(t, s))
	e, err := s.Entry(t.Context(), ref)
	require.NoError(t, err)
	assert.Equal(t, []outbox.Row{{Name: "r", Version: 2, Body: []byte("two")}}, e.Rows)
}

func TestFailedCommitFailsAllOfItsRequests(t *testing.T) {
	s, g, ref := newGated(t)
	_, errs := together(t, s, g, syscall.ENOSPC, batchOf(ref))
	for i, err := range errs {
		assert.ErrorIs(t, err, outbox.ErrFull, i) // conflicts and repeats were with neighbours that are not there now
		assert.NotErrorIs(t, err, outbox.ErrConflict, i)
	}
	assert.Equal(t, []string{"first/first"}, openItems(t, s))

	s, g, ref = newGated(t)
	_, errs = together(t, s, g, syscall.EIO, batchOf(ref))
	for i, err := range errs {
		assert.ErrorIs(t, err, outbox.ErrBroken, i)
	}
}

func TestCancelledWhileQueuedHasAnOutcome(t *testing.T) {
	g := newGate()
	s := openAt(t, newPath(t), Options{Commit: g.commit})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := s.Commit(ctx, outbox.Tx{Group: "g", Add: []outbox.Item{{ID: "a"}}})
		assert.NoError(t, err)
	})
	<-g.entered
	cancel()
	g.leave <- nil
	wg.Wait()
	require.Equal(t, []string{"g/a"}, openItems(t, s))
}

func TestRepeatsNeedNoCommit(t *testing.T) {
	commits := 0
	s := openAt(t, newPath(t), Options{Commit: func(commit func() error) error { commits++; return commit() }})
	add(t, s, "g", "a")
	before := commits
	for range 3 {
		require.Equal(t, []bool{false}, add(t, s, "g", "a"))
	}
	require.Equal(t, before, commits)
}

// With a hash that is always the same, each look-up meets every item: none may be taken for another.
func TestEqualHashesLoseNothing(t *testing.T) {
	path := newPath(t)
	opts := Options{hash: func(string, string) uint64 { return 7 }}
	s := openAt(t, path, opts)
	for _, g := range []string{"g", "h"} {
		for _, id := range []string{"a", "b", "c"} {
			require.Equal(t, []bool{true}, add(t, s, g, id))
			require.Equal(t, []bool{false}, add(t, s, g, id))
		}
	}
	for _, drop := range []string{"g b", "g a", "h c"} {
		_, err := s.Commit(t.Context(), outbox.Tx{Group: drop[:1], Drop: []string{drop[2:]}})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		s = openAt(t, path, opts)
	}
	require.Equal(t, []string{"g/c", "h/a", "h/b"}, openItems(t, s))
	_, err := s.Commit(t.Context(), outbox.Tx{Group: "g", Add: []outbox.Item{{ID: "a"}, {ID: "c"}}, Drop: []string{"x"}})
	require.NoError(t, err)
	require.Equal(t, []bool{false}, add(t, s, "g", "c"))
	require.Equal(t, []bool{true}, add(t, s, "h", "c"))
	require.Equal(t, []string{"g/c", "g/a", "h/a", "h/b", "h/c"}, openItems(t, s))
}

// The key of a task is what a repeated Settle is recognised by: no number may come back, whatever was deleted.
func TestSequenceNeverRepeats(t *testing.T) {
	path := newPath(t)
	seen := map[outbox.Key]bool{}
	for i := range 10 {
		s := openAt(t, path, Options{})
		_, err := s.Commit(t.Context(), outbox.Tx{Enqueue: []outbox.NewTask{{Queue: "q", Due: t0, Ref: outbox.Ref{Seq: 1}}}})
		require.NoError(t, err)
		tasks, _, err := s.Claim(t.Context(), "q", t0, 1, outbox.OldestFirst)
		require.NoError(t, err)
		require.Len(t, tasks, 1)
		require.False(t, seen[tasks[0].Key], "round %d", i)
		seen[tasks[0].Key] = true
		require.NoError(t, s.Settle(t.Context(), tasks[0], outbox.Done(), outbox.Tx{}))
		require.NoError(t, s.Close())
	}
}

func TestSpansAgreeWithASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const keys = 24
		// A few keys at both ends and around the carry between the halves.
		key := func(i int) outbox.Key {
			switch {
			case i < 8:
				return keyOf(0, uint64(i))
			case i < 16:
				return keyOf(1, uint64(i-12))
			}
			return keyOf(^uint64(0), ^uint64(0)-uint64(keys-1-i))
		}
		order := make([]outbox.Key, keys)
		for i := range order {
			order[i] = key(i)
		}
		slices.SortFunc(order, func(a, b outbox.Key) int { return slices.Compare(a[:], b[:]) })
		var s spans
		set := map[outbox.Key]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			i := rapid.IntRange(0, keys-1).Draw(t, "from")
			if rapid.Bool().Draw(t, "cut") {
				s.cut(order[i])
				delete(set, order[i])
			} else {
				j := rapid.IntRange(i, keys-1).Draw(t, "to")
				s.add(span{order[i], order[j]})
				for _, k := range order[i : j+1] {
					set[k] = true
				}
			}
			for _, k := range order {
				x, in := s.at(k)
				require.Equal(t, set[k], in)
				if in {
					require.False(t, less(k, x.from) || less(x.to, k))
				}
			}
			for i := 1; i < len(s); i++ {
				next, ok := after(s[i-1].to)
				require.True(t, ok && less(next, s[i].from), "spans are ordered and apart")
			}
		}
	})
}

// Claiming from a long queue of which much is claimed must not look at what is claimed: there is one span to step over.
func TestClaimedTasksAreOneSpan(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	var tx outbox.Tx
	for i := range 1000 {
		tx.Enqueue = append(tx.Enqueue, outbox.NewTask{Queue: "q", Due: t0, Ref: outbox.Ref{Seq: uint64(i + 1)}})
	}
	_, err := s.Commit(t.Context(), tx)
	require.NoError(t, err)
	for i := range 500 {
		order := outbox.Order(i % 2)
		tasks, _, err := s.Claim(t.Context(), "q", t0, 2, order)
		require.NoError(t, err)
		require.Len(t, tasks, 2)
		require.NoError(t, s.Settle(t.Context(), tasks[0], outbox.Done(), outbox.Tx{}))
		require.LessOrEqual(t, len(s.queue("q").taken), 2)
	}
	require.Len(t, s.queue("q").claimed, 500)
}

// A task may be claimed after it came into the file and before memory was told of it.
func TestTaskClaimedBeforeItIsPublishedIsNotHandedOutAgain(t *testing.T) {
	var s *Store
	var early []outbox.Task
	claim := func() []outbox.Task {
		tasks, _, err := s.Claim(t.Context(), "q", t0, 9, outbox.OldestFirst)
		assert.NoError(t, err)
		return tasks
	}
	s = openAt(t, newPath(t), Options{Commit: func(commit func() error) error {
		err := commit()
		if s != nil {
			early = claim()
		}
		return err
	}})
	_, err := s.Commit(t.Context(), outbox.Tx{Enqueue: []outbox.NewTask{{Queue: "q", Due: t0, Ref: outbox.Ref{Seq: 1}}}})
	require.NoError(t, err)
	require.Len(t, early, 1)
	require.Empty(t, claim())
	s.Release(early[0])
	require.Equal(t, early, claim())
}

// A caller that has been let in may queue its request, however late.
func TestCloseWaitsForThoseLetIn(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	require.NoError(t, s.enter(t.Context()))
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for {
		s.mu.Lock()
		begun := s.closed
		s.mu.Unlock()
		if begun {
			break
		}
		runtime.Gosched()
	}
	select {
	case <-closed:
		t.Fatal("Close did not wait")
	default:
	}
	r := &request{}
	s.settle(r)
	require.NoError(t, r.err)
	s.underway.Done()
	require.NoError(t, <-closed)
}

package outboxtest

import (
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// claimed gives a claimed task about a new entry "e", due at t0 in the queue "q".
func (r *rig) claimed() outbox.Task {
	r.Helper()
	r.enqueue("q", r.entry("e"), t0)
	return r.claimOne("q", t0)
}

// attempt is a Tx that a worker would settle with: it replaces a row and counts.
func attempt(ref outbox.Ref, prev uint64) outbox.Tx {
	return outbox.Tx{
		Put:   []outbox.RowPut{row(ref, "crm", prev, "attempt")},
		Count: []outbox.Delta{{Day: day0, Name: "attempts", N: 1}},
	}
}

func (r *rig) count(name string) int64 {
	r.Helper()
	counts, err := r.Counts(r.ctx, day0)
	require.NoError(r, err)
	return counts[name]
}

func (r *rig) buried(queue string) []outbox.Task {
	r.Helper()
	tasks, err := r.Tasks(r.ctx, queue, true, outbox.Key{}, 100)
	require.NoError(r, err)
	return tasks
}

var settleTests = []test{
	{"done", func(r *rig) {
		task := r.claimed()
		require.NoError(r, r.Settle(r.ctx, task, outbox.Done(), attempt(task.Ref, 0)))
		r.both(func() {
			require.Equal(r, outbox.Depth{}, r.depth("q"))
			require.Empty(r, r.claim("q", at(1e6), 9, outbox.OldestFirst))
			require.EqualValues(r, 1, r.count("attempts"))
			e, err := r.Entry(r.ctx, task.Ref)
			require.NoError(r, err)
			require.EqualValues(r, 1, e.Row("crm").Version)
		})
	}},
	{"retry", func(r *rig) {
		task := r.claimed()
		require.NoError(r, r.Settle(r.ctx, task, outbox.RetryAt(at(30)), attempt(task.Ref, 0)))
		r.both(func() {
			tasks, next, err := r.Claim(r.ctx, "q", at(29), 9, outbox.OldestFirst)
			require.NoError(r, err)
			require.Empty(r, tasks)
			require.Equal(r, at(30), next)
			again := r.claimOne("q", at(30))
			require.Equal(r, task.Ref, again.Ref)
			require.Equal(r, at(30), again.Due)
			require.NotEqual(r, task.Key, again.Key)
		})
	}},
	{"a retry at the same time is a task like a new one", func(r *rig) {
		task := r.claimed()
		require.NoError(r, r.Settle(r.ctx, task, outbox.RetryAt(task.Due), outbox.Tx{}))
		again := r.claimOne("q", t0)
		require.NotEqual(r, task.Key, again.Key)
	}},
	{"bury and revive", func(r *rig) {
		task := r.claimed()
		require.NoError(r, r.Settle(r.ctx, task, outbox.Bury(at(5)), attempt(task.Ref, 0)))
		r.both(func() {
			require.Empty(r, r.claim("q", at(1e6), 9, outbox.OldestFirst))
			require.Equal(r, outbox.Depth{Buried: 1}, r.depth("q"))
		})
		buried := r.buried("q")
		require.Len(r, buried, 1)
		require.True(r, buried[0].Buried)
		require.Equal(r, at(5), buried[0].Due)
		require.Equal(r, task.Ref, buried[0].Ref)
		require.NoError(r, r.Revive(r.ctx, buried[0], at(9), attempt(task.Ref, 1)))
		r.both(func() {
			require.Empty(r, r.buried("q"))
			require.Empty(r, r.claim("q", at(8), 9, outbox.OldestFirst))
			again := r.claimOne("q", at(9))
			require.Equal(r, task.Ref, again.Ref)
			require.False(r, again.Buried)
			require.EqualValues(r, 2, r.count("attempts"))
		})
	}},
	{"buried tasks are listed by the time they were buried", func(r *rig) {
		refs := r.five()
		for i, task := range r.claim("q", at(9), 9, outbox.OldestFirst) {
			require.NoError(r, r.Settle(r.ctx, task, outbox.Bury(at(100-i)), outbox.Tx{}))
		}
		r.both(func() {
			buried := r.buried("q")
			require.Len(r, buried, 5)
			require.Equal(r, refs[4], buried[0].Ref)
			rest, err := r.Tasks(r.ctx, "q", true, buried[2].Key, 1)
			require.NoError(r, err)
			require.Equal(r, buried[3:4], rest)
		})
	}},
	{"if the Tx conflicts, the claim goes on", func(r *rig) {
		task := r.claimed()
		r.mustCommit(outbox.Tx{Put: []outbox.RowPut{row(task.Ref, "crm", 0, "somebody else")}})
		before := dump(r.T, r.Store)
		for _, outcome := range []outbox.Outcome{outbox.Done(), outbox.RetryAt(at(1)), outbox.Bury(at(1))} {
			require.ErrorIs(r, r.Settle(r.ctx, task, outcome, attempt(task.Ref, 0)), outbox.ErrConflict)
			require.Equal(r, before, dump(r.T, r.Store))
			require.Equal(r, 1, r.depth("q").Claimed)
			require.Empty(r, r.claim("q", at(1e6), 9, outbox.OldestFirst))
		}
		require.NoError(r, r.Settle(r.ctx, task, outbox.Done(), attempt(task.Ref, 1)))
		require.Equal(r, outbox.Depth{}, r.depth("q"))
	}},
	{"a conflicting revival changes nothing", func(r *rig) {
		task := r.claimed()
		require.NoError(r, r.Settle(r.ctx, task, outbox.Bury(at(5)), attempt(task.Ref, 0)))
		before := dump(r.T, r.Store)
		require.ErrorIs(r, r.Revive(r.ctx, r.buried("q")[0], at(9), attempt(task.Ref, 7)), outbox.ErrConflict)
		require.Equal(r, before, dump(r.T, r.Store))
	}},
	{"a repeated Settle takes effect once", func(r *rig) {
		for i, outcome := range []outbox.Outcome{outbox.Done(), outbox.RetryAt(at(30)), outbox.Bury(at(30))} {
			ref := r.entry(string(rune('a' + i)))
			r.enqueue("q", ref, t0)
			task := r.claimOne("q", t0)
			bare := outbox.Tx{
				Count:   []outbox.Delta{{Day: day0, Name: "bare", N: 1}},
				Enqueue: []outbox.NewTask{{Queue: "p", Due: t0, Ref: ref}},
			}
			if i > 0 {
				bare = attempt(ref, 0)
			}
			require.NoError(r, r.Settle(r.ctx, task, outcome, bare))
			before := dump(r.T, r.Store)
			r.both(func() {
				require.NoError(r, r.Settle(r.ctx, task, outcome, bare))
				require.Equal(r, before, dump(r.T, r.Store))
			})
			// It was settled before, so this can't be a repeat.
			require.ErrorIs(r, r.Settle(r.ctx, task, outcome, attempt(ref, 5)), outbox.ErrConflict)
			fresh := outbox.Tx{Put: []outbox.RowPut{row(ref, "new", 0, "x")}}
			require.ErrorIs(r, r.Settle(r.ctx, task, outcome, fresh), outbox.ErrConflict)
			require.Equal(r, before, dump(r.T, r.Store))
		}
	}},
	{"a repeated Revive takes effect once", func(r *rig) {
		task := r.claimed()
		require.NoError(r, r.Settle(r.ctx, task, outbox.Bury(at(5)), outbox.Tx{}))
		buried := r.buried("q")[0]
		tx := outbox.Tx{Count: []outbox.Delta{{Day: day0, Name: "n", N: 1}}}
		require.NoError(r, r.Revive(r.ctx, buried, at(9), tx))
		before := dump(r.T, r.Store)
		r.both(func() {
			require.NoError(r, r.Revive(r.ctx, buried, at(9), tx))
			require.Equal(r, before, dump(r.T, r.Store))
		})
	}},
	{"a Settle may do all that a Commit does", func(r *rig) {
		r.mustCommit(outbox.Tx{Group: "h", Add: items("a")})
		task := r.claimed()
		tx := outbox.Tx{
			Group: "h", Add: items("b"), Drop: []string{"a"},
			Entry:   put(0, outbox.Ref{}, "made by settle"),
			Put:     []outbox.RowPut{row(outbox.Ref{}, "r", 0, "1"), row(task.Ref, "crm", 0, "1")},
			Enqueue: []outbox.NewTask{{Queue: "p", Due: at(3)}},
			Count:   []outbox.Delta{{Day: day0, Name: "n", N: 1}},
		}
		require.NoError(r, r.Settle(r.ctx, task, outbox.RetryAt(at(4)), tx))
		before := dump(r.T, r.Store)
		r.both(func() {
			require.Equal(r, map[string][]outbox.Item{"h": items("b")}, openGroups(r, r))
			made, err := r.Entries(r.ctx, "h")
			require.NoError(r, err)
			require.Len(r, made, 1)
			require.Equal(r, made[0].Ref, r.claimOne("p", at(3)).Ref)
			require.Equal(r, task.Ref, r.claimOne("q", at(4)).Ref)
			require.NoError(r, r.Settle(r.ctx, task, outbox.RetryAt(at(4)), tx))
			require.Equal(r, before, dump(r.T, r.Store))
		})
	}},
	{"a settled task is not in the way of the next", func(r *rig) {
		ref := r.entry("e")
		for i := range 20 {
			r.enqueue("q", ref, at(i%3))
			task := r.claimOne("q", at(3))
			if i%2 == 0 {
				r.Release(task)
				require.Equal(r, task, r.claimOne("q", at(3)))
			}
			require.NoError(r, r.Settle(r.ctx, task, outbox.Done(), outbox.Tx{}))
			r.Release(task)
			require.Equal(r, outbox.Depth{}, r.depth("q"))
		}
	}},
}

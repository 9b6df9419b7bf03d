// Package outboxtest is what every outbox.Store must pass: the contract, comment by comment, the same under injected
// faults, and random operations compared with a model.
package outboxtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// OpenFunc opens the store that is kept in the directory, and creates it the first time. Each durable commit of the store
// must go through faults.Commit.
type OpenFunc func(t *testing.T, dir string, faults *Faults) outbox.Store

// Run runs the suite. No store is left open.
func Run(t *testing.T, open OpenFunc) {
	for _, part := range []struct {
		name  string
		tests []test
	}{
		{"groups", groupTests},
		{"history", historyTests},
		{"tasks", taskTests},
		{"settle", settleTests},
		{"hasten", hastenTests},
		{"expire", expireTests},
		{"labels", labelTests},
		{"store", storeTests},
	} {
		t.Run(part.name, func(t *testing.T) {
			for _, tt := range part.tests {
				t.Run(tt.name, func(t *testing.T) { tt.run(newRig(t, open)) })
			}
		})
	}
	t.Run("faults", func(t *testing.T) { runFaults(t, open) })
	t.Run("model", func(t *testing.T) { runModel(t, open) })
}

type test struct {
	name string
	run  func(r *rig)
}

// rig is a store under test.
type rig struct {
	*testing.T
	outbox.Store
	ctx    context.Context //nolint:containedctx // it is the test's
	faults *Faults
	open   OpenFunc
	dir    string
}

func newRig(t *testing.T, open OpenFunc) *rig {
	t.Helper()
	r := &rig{T: t, ctx: t.Context(), faults: &Faults{}, open: open, dir: t.TempDir()}
	r.Store = open(t, r.dir, r.faults)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// reopen closes the store and opens it again, as after a crash or a fault.
func (r *rig) reopen() {
	r.Helper()
	require.NoError(r, r.Close())
	r.Store = r.open(r.T, r.dir, r.faults)
}

// both runs the check now and after a reopen: what is stored must not depend on what is in memory.
func (r *rig) both(check func()) {
	r.Helper()
	check()
	r.reopen()
	check()
}

func (r *rig) mustCommit(tx outbox.Tx) outbox.Result {
	r.Helper()
	res, err := r.Commit(r.ctx, tx)
	require.NoError(r, err)
	return res
}

func (r *rig) conflicts(tx outbox.Tx) {
	r.Helper()
	before := dump(r.T, r.Store)
	res, err := r.Commit(r.ctx, tx)
	require.ErrorIs(r, err, outbox.ErrConflict)
	require.Equal(r, outbox.Result{}, res)
	require.Equal(r, before, dump(r.T, r.Store), "a conflict must change nothing")
}

// claim claims and fails the test on an error; next is not looked at.
func (r *rig) claim(queue string, now time.Time, limit int, order outbox.Order) []outbox.Task {
	r.Helper()
	tasks, _, err := r.Claim(r.ctx, queue, now, limit, order)
	require.NoError(r, err)
	return tasks
}

// claimOne claims the only task that is due.
func (r *rig) claimOne(queue string, now time.Time) outbox.Task {
	r.Helper()
	tasks := r.claim(queue, now, 10, outbox.OldestFirst)
	require.Len(r, tasks, 1)
	return tasks[0]
}

func (r *rig) depth(queue string) outbox.Depth {
	r.Helper()
	d, err := r.Depth(r.ctx, queue)
	require.NoError(r, err)
	return d
}

// entry creates an entry "id" of the group "g" on day0, and gives its ref.
func (r *rig) entry(id string) outbox.Ref {
	r.Helper()
	return r.mustCommit(outbox.Tx{Group: "g", Entry: &outbox.EntryPut{ID: id, Day: day0, Body: []byte("body of " + id)}}).Ref
}

// enqueue adds a task about the entry, due at at.
func (r *rig) enqueue(queue string, ref outbox.Ref, at time.Time) {
	r.Helper()
	r.mustCommit(outbox.Tx{Enqueue: []outbox.NewTask{{Queue: queue, Due: at, Ref: ref}}})
}

var (
	t0   = time.Date(2026, 3, 28, 9, 0, 0, 0, time.UTC)
	day0 = outbox.DayOf(t0)
)

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

func items(ids ...string) []outbox.Item {
	var list []outbox.Item
	for _, id := range ids {
		list = append(list, outbox.Item{ID: id, Body: []byte("body of " + id)})
	}
	return list
}

func ids(list []outbox.Item) []string {
	var names []string
	for _, it := range list {
		names = append(names, it.ID)
	}
	return names
}

func openGroups(t require.TestingT, s outbox.Store) map[string][]outbox.Item {
	groups := map[string][]outbox.Item{}
	err := s.Open(context.Background(), func(group string, list []outbox.Item) error {
		if groups[group] != nil {
			return fmt.Errorf("the group %s came twice", group)
		}
		groups[group] = list
		return nil
	})
	require.NoError(t, err)
	return groups
}

// The groups, queues and days that a dump looks at. Stores can't list all of them.
var (
	dumpGroups = []string{"g", "h", "i"}
	dumpDays   = []outbox.Day{day0, day0 + 1, day0 + 2}
	dumpLabels = []string{"k", "l"}
)

// dump writes all that a store holds, in a form that doesn't depend on the numbers in its refs and keys, nor on claims.
func dump(t require.TestingT, s outbox.Store) string {
	ctx := context.Background()
	var b strings.Builder
	open := openGroups(t, s)
	for _, g := range dumpGroups {
		for _, it := range open[g] {
			fmt.Fprintf(&b, "open %s: %s %q\n", g, it.ID, it.Body)
		}
	}
	names := map[outbox.Ref]string{}
	var kept []outbox.Entry
	for _, g := range dumpGroups {
		entries, err := s.Entries(ctx, g)
		require.NoError(t, err)
		for _, e := range entries {
			names[e.Ref] = g + "/" + e.ID
			fmt.Fprintf(&b, "entry %s/%s of %s: version %d %q\n", g, e.ID, e.Ref.Day, e.Version, e.Body)
			for _, row := range e.Rows {
				fmt.Fprintf(&b, "  row %s: version %d %q\n", row.Name, row.Version, row.Body)
			}
			alone, err := s.Entry(ctx, e.Ref)
			require.NoError(t, err)
			require.Equal(t, e, alone)
			kept = append(kept, e)
		}
	}
	require.ElementsMatch(t, kept, walkAll(t, s))
	for _, label := range dumpLabels {
		refs, unlabeled, err := s.Labeled(ctx, label, 1000)
		require.NoError(t, err)
		require.Empty(t, unlabeled)
		var of []string
		for _, ref := range refs {
			of = append(of, names[ref])
		}
		if slices.Sort(of); len(of) > 0 {
			fmt.Fprintf(&b, "label %s: %q\n", label, of)
		}
	}
	queues, err := s.Queues(ctx)
	require.NoError(t, err)
	for _, q := range queues {
		d, err := s.Depth(ctx, q)
		require.NoError(t, err)
		fmt.Fprintf(&b, "queue %s: %d waiting, %d buried\n", q, d.Waiting, d.Buried)
		for _, buried := range []bool{false, true} {
			tasks, err := s.Tasks(ctx, q, buried, outbox.Key{}, 1000)
			require.NoError(t, err)
			if buried {
				require.Len(t, tasks, d.Buried)
			} else {
				require.Len(t, tasks, d.Waiting)
			}
			for _, task := range tasks {
				require.Equal(t, q, task.Queue)
				require.Equal(t, buried, task.Buried)
				fmt.Fprintf(&b, "  task at %s about %q, buried: %t\n", task.Due.Format(time.RFC3339Nano), names[task.Ref], buried)
			}
		}
	}
	for _, d := range dumpDays {
		counts, err := s.Counts(ctx, d)
		require.NoError(t, err)
		for _, name := range sorted(counts) {
			if n := counts[name]; n != 0 {
				fmt.Fprintf(&b, "count of %s: %s %d\n", d, name, n)
			}
		}
	}
	return b.String()
}

// walkAll gives all entries of the groups that a dump looks at, found by day.
func walkAll(t require.TestingT, s outbox.Store) []outbox.Entry {
	const page = 2
	var all []outbox.Entry
	days, err := s.Days(context.Background())
	require.NoError(t, err)
	for i, d := range days {
		require.True(t, i == 0 || days[i-1] < d, "days in order, each once")
		for last, more := uint64(0), true; more; {
			list, err := s.Walk(context.Background(), d, last, page)
			require.NoError(t, err)
			require.LessOrEqual(t, len(list), page)
			for _, e := range list {
				require.Equal(t, d, e.Ref.Day)
				require.Greater(t, e.Ref.Seq, last)
				last = e.Ref.Seq
				if slices.Contains(dumpGroups, e.Group) {
					all = append(all, e)
				}
			}
			more = len(list) == page
		}
	}
	return all
}

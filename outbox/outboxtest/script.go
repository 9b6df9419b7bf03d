package outboxtest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// script is the life of a few calls. Each step makes one change; it may be repeated after a fault, with what it found out
// before it: a worker that has no answer knows its task still.
type script struct {
	refs map[string]outbox.Ref // of the entries, by group
}

// step gives a change to the store. What it looks up it looks up once; the change may be made several times.
type step func(s *script, r *rig) (change func() error)

func commits(tx func(s *script) outbox.Tx, entry string) step {
	return func(s *script, r *rig) func() error {
		tx := tx(s)
		return func() error {
			res, err := r.Commit(r.ctx, tx)
			if err == nil && entry != "" {
				s.refs[entry] = res.Ref
			}
			return err
		}
	}
}

func settles(queue string, now int, outcome outbox.Outcome, tx func(s *script, task outbox.Task) outbox.Tx) step {
	return func(s *script, r *rig) func() error {
		task := r.claim(queue, at(now), 1, outbox.OldestFirst)[0]
		tx := tx(s, task)
		return func() error { return r.Settle(r.ctx, task, outcome, tx) }
	}
}

func count(name string) []outbox.Delta { return []outbox.Delta{{Day: day0, Name: name, N: 1}} }

var scriptSteps = []step{
	commits(func(*script) outbox.Tx {
		return outbox.Tx{Group: "g", Add: items("a"), Count: count("events")}
	}, ""),
	commits(func(*script) outbox.Tx {
		return outbox.Tx{Group: "g", Add: items("b", "c"), Count: count("events")}
	}, ""),
	commits(func(*script) outbox.Tx {
		return outbox.Tx{Group: "h", Add: items("a"), Count: count("events")}
	}, ""),
	// The first call is finished.
	commits(func(*script) outbox.Tx {
		return outbox.Tx{
			Group: "g", Drop: []string{"a", "b", "c"},
			Entry:   &outbox.EntryPut{ID: "e", Day: day0, Body: []byte("record")},
			Put:     []outbox.RowPut{row(outbox.Ref{}, "crm", 0, "wanted"), row(outbox.Ref{}, "hook", 0, "wanted")},
			Enqueue: []outbox.NewTask{{Queue: "crm", Due: at(1)}, {Queue: "hook", Due: at(1)}},
			Count:   count("finished"),
		}
	}, "g"),
	// A delivery fails and is tried again, another succeeds.
	settles("crm", 1, outbox.RetryAt(at(20)), func(_ *script, task outbox.Task) outbox.Tx {
		return outbox.Tx{Put: []outbox.RowPut{row(task.Ref, "crm", 1, "503")}, Count: count("retries")}
	}),
	settles("hook", 1, outbox.Done(), func(_ *script, task outbox.Task) outbox.Tx {
		return outbox.Tx{Put: []outbox.RowPut{row(task.Ref, "hook", 1, "200")}, Count: count("delivered")}
	}),
	// A straggler changes the record; then a settle that only its task can be recognised by.
	commits(func(s *script) outbox.Tx {
		return outbox.Tx{
			Group:   "g",
			Entry:   &outbox.EntryPut{ID: "e", Ref: s.refs["g"], Prev: 1, Body: []byte("record, revised")},
			Enqueue: []outbox.NewTask{{Queue: "hook", Due: at(5), Ref: s.refs["g"]}},
			Count:   count("revisions"),
		}
	}, "g"),
	settles("hook", 5, outbox.RetryAt(at(6)), func(*script, outbox.Task) outbox.Tx {
		return outbox.Tx{Count: count("held")}
	}),
	settles("crm", 20, outbox.Bury(at(21)), func(_ *script, task outbox.Task) outbox.Tx {
		return outbox.Tx{Put: []outbox.RowPut{row(task.Ref, "crm", 2, "422")}, Count: count("dead")}
	}),
	// The second call is finished on another day, by the settle of its own task.
	commits(func(s *script) outbox.Tx {
		return outbox.Tx{
			Group: "h", Add: items("b"), Drop: []string{"a"},
			Enqueue: []outbox.NewTask{{Queue: "look", Due: at(30), Ref: s.refs["g"]}},
		}
	}, ""),
	settles("look", 30, outbox.Done(), func(*script, outbox.Task) outbox.Tx {
		return outbox.Tx{
			Group: "h", Drop: []string{"b"},
			Entry:   &outbox.EntryPut{ID: "e", Day: day0 + 1, Body: []byte("second record")},
			Enqueue: []outbox.NewTask{{Queue: "crm", Due: at(31)}},
			Count:   []outbox.Delta{{Day: day0 + 1, Name: "finished", N: 1}},
		}
	}),
	// A person revives the dead one.
	func(_ *script, r *rig) func() error {
		buried := r.buried("crm")[0]
		return func() error {
			return r.Revive(r.ctx, buried, at(40), outbox.Tx{
				Put: []outbox.RowPut{row(buried.Ref, "crm", 3, "again")}, Count: count("revived"),
			})
		}
	},
	settles("crm", 40, outbox.Done(), func(_ *script, task outbox.Task) outbox.Tx {
		return outbox.Tx{Put: []outbox.RowPut{row(task.Ref, "crm", 0, "200")}, Count: count("delivered")}
	}),
	commits(func(*script) outbox.Tx { return outbox.Tx{Group: "i", Add: items("z"), Count: count("events")} }, ""),
}

// play runs the script. If a step fails, the store is opened anew and the step's change made again.
func play(r *rig) (repeated int) {
	r.Helper()
	s := &script{refs: map[string]outbox.Ref{}}
	for i, st := range scriptSteps {
		change := st(s, r)
		err := change()
		if err != nil {
			repeated++
			require.ErrorIs(r, err, outbox.ErrBroken, "step %d", i)
			r.reopen()
			require.NoError(r, change(), "step %d, repeated", i)
		}
		// A repeat is always harmless, also when it was not needed.
		before := dump(r.T, r.Store)
		require.NoError(r, change(), "step %d, repeated for nothing", i)
		require.Equal(r, before, dump(r.T, r.Store), "step %d, repeated for nothing", i)
	}
	return repeated
}

// runFaults plays the script once for each of its commits, and makes that one fail. Each time the end must be the same.
func runFaults(t *testing.T, open OpenFunc) {
	clean := newRig(t, open)
	start := clean.faults.Commits()
	require.Zero(t, play(clean))
	commits := clean.faults.Commits() - start
	require.GreaterOrEqual(t, commits, len(scriptSteps))
	clean.reopen()
	want := dump(t, clean.Store)
	require.Contains(t, want, `entry g/e of 2026-03-28: version 2 "record, revised"`)
	require.Contains(t, want, "count of 2026-03-28: delivered 2\n")

	for _, fault := range []Fault{Lost, Unreported} {
		for n := 1; n <= commits; n++ {
			t.Run(fmt.Sprintf("commit %d %s", n, fault), func(t *testing.T) {
				r := newRig(t, open)
				r.faults.FailNext(n, fault, ErrInjected)
				require.Equal(t, 1, play(r))
				r.reopen()
				require.Equal(t, want, dump(t, r.Store))
			})
		}
	}
}

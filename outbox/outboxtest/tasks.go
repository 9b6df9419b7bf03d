package outboxtest

import (
	"bytes"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// about gives the refs of the tasks.
func about(tasks []outbox.Task) []outbox.Ref {
	var refs []outbox.Ref
	for _, t := range tasks {
		refs = append(refs, t.Ref)
	}
	return refs
}

// five creates five entries with tasks due at second 1 to 5, enqueued out of order.
func (r *rig) five() []outbox.Ref {
	r.Helper()
	refs := make([]outbox.Ref, 5)
	for _, i := range []int{3, 0, 4, 2, 1} {
		refs[i] = r.entry(string(rune('a' + i))) //nolint:gosec // a letter
		r.enqueue("q", refs[i], at(i+1))
	}
	return refs
}

// token says whether the queue's channel held a token, and takes it.
func (r *rig) token(queue string) bool {
	select {
	case _, open := <-r.Ready(queue):
		require.True(r, open, "it is never closed")
		return true
	default:
		return false
	}
}

var taskTests = []test{
	{"a task tells what it is about", func(r *rig) {
		due := t0.Add(1234567 * time.Microsecond)
		ref := r.mustCommit(outbox.Tx{
			Group: "g", Entry: put(0, outbox.Ref{}, "one"), Enqueue: []outbox.NewTask{{Queue: "q", Due: due.Add(300), Ref: outbox.Ref{}}},
		}).Ref
		r.both(func() {
			task := r.claimOne("q", due.Add(time.Microsecond))
			assert.Equal(r, "q", task.Queue)
			assert.Equal(r, ref, task.Ref)
			assert.False(r, task.Buried)
			assert.Equal(r, due, task.Due)
		})
	}},
	{"oldest first", func(r *rig) {
		refs := r.five()
		require.Equal(r, refs[:2], about(r.claim("q", at(4), 2, outbox.OldestFirst)))
		require.Equal(r, refs[2:4], about(r.claim("q", at(4), 9, outbox.OldestFirst)))
		require.Empty(r, r.claim("q", at(4), 9, outbox.OldestFirst))
		require.Equal(r, refs[4:], about(r.claim("q", at(5), 9, outbox.OldestFirst)))
		require.Empty(r, r.claim("q", at(100), 9, outbox.NewestFirst))
	}},
	{"newest first", func(r *rig) {
		refs := r.five()
		require.Equal(r, []outbox.Ref{refs[3], refs[2]}, about(r.claim("q", at(4), 2, outbox.NewestFirst)))
		require.Equal(r, []outbox.Ref{refs[4], refs[1]}, about(r.claim("q", at(5), 2, outbox.NewestFirst)))
		require.Equal(r, []outbox.Ref{refs[0]}, about(r.claim("q", at(5), 2, outbox.NewestFirst)))
		require.Empty(r, r.claim("q", at(100), 9, outbox.OldestFirst))
	}},
	{"tasks of the same time come in the order they were enqueued", func(r *rig) {
		var refs []outbox.Ref
		for _, id := range []string{"c", "a", "b"} {
			ref := r.entry(id)
			refs = append(refs, ref)
			r.enqueue("q", ref, t0)
		}
		r.both(func() { require.Equal(r, refs, about(r.claim("q", t0, 9, outbox.OldestFirst))) })
	}},
	{"next is when the earliest task that is not due will be", func(r *rig) {
		next := func(queue string, now time.Time, limit int) time.Time {
			_, next, err := r.Claim(r.ctx, queue, now, limit, outbox.OldestFirst)
			require.NoError(r, err)
			return next
		}
		require.True(r, next("q", t0, 1).IsZero())
		r.five()
		require.Equal(r, at(1), next("q", t0, 1))
		require.Equal(r, at(3), next("q", at(2), 1), "whether or not there are more that are due")
		require.Equal(r, at(4), next("q", at(3).Add(999*time.Millisecond), 0))
		require.True(r, next("q", at(5), 1).IsZero())
		require.True(r, next("another", t0, 1).IsZero())
	}},
	{"no limit, no task", func(r *rig) {
		refs := r.five()
		require.Empty(r, r.claim("q", at(9), 0, outbox.OldestFirst))
		require.Empty(r, r.claim("q", at(9), -1, outbox.NewestFirst))
		require.Equal(r, refs, about(r.claim("q", at(9), 9, outbox.OldestFirst)))
	}},
	{"a released task comes back as it was, in its place", func(r *rig) {
		refs := r.five()
		tasks := r.claim("q", at(9), 9, outbox.OldestFirst)
		r.Release(tasks[3])
		r.Release(tasks[1])
		r.Release(tasks[1])
		r.Release(outbox.Task{Queue: "never there"})
		require.Equal(r, []outbox.Task{tasks[1]}, r.claim("q", at(9), 1, outbox.OldestFirst))
		require.Equal(r, []outbox.Ref{refs[3]}, about(r.claim("q", at(9), 9, outbox.NewestFirst)))
		require.Empty(r, r.claim("q", at(9), 9, outbox.OldestFirst))
	}},
	{"claims end with the process", func(r *rig) {
		refs := r.five()
		first := r.claim("q", at(2), 9, outbox.OldestFirst)
		r.reopen()
		require.Equal(r, 0, r.depth("q").Claimed)
		again := r.claim("q", at(9), 9, outbox.OldestFirst)
		require.Equal(r, refs, about(again))
		require.Equal(r, first, again[:2])
	}},
	{"a new task among claimed ones is found", func(r *rig) {
		r.five()
		r.claim("q", at(9), 9, outbox.OldestFirst)
		for i, order := range []outbox.Order{outbox.OldestFirst, outbox.NewestFirst, outbox.OldestFirst} {
			ref := r.entry(string(rune('p' + i)))
			r.enqueue("q", ref, at(i+2))
			require.Equal(r, []outbox.Ref{ref}, about(r.claim("q", at(9), 9, order)))
		}
		ref := r.entry("z")
		r.enqueue("q", ref, at(-100))
		require.Equal(r, []outbox.Ref{ref}, about(r.claim("q", at(9), 9, outbox.NewestFirst)))
	}},
	{"queues are apart", func(r *rig) {
		a, b := r.entry("a"), r.entry("b")
		r.enqueue("one", a, t0)
		r.enqueue("two", b, t0)
		r.both(func() {
			queues, err := r.Queues(r.ctx)
			require.NoError(r, err)
			require.ElementsMatch(r, []string{"one", "two"}, queues)
			require.Equal(r, []outbox.Ref{b}, about(r.claim("two", t0, 9, outbox.OldestFirst)))
			require.Equal(r, []outbox.Ref{a}, about(r.claim("one", t0, 9, outbox.OldestFirst)))
			require.Empty(r, r.claim("three", t0, 9, outbox.OldestFirst))
		})
	}},
	{"times far away", func(r *rig) {
		past, epoch, future := r.entry("past"), r.entry("epoch"), r.entry("future")
		r.enqueue("q", future, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
		r.enqueue("q", epoch, time.Unix(0, 0))
		r.enqueue("q", past, time.Time{})
		r.both(func() {
			tasks, next, err := r.Claim(r.ctx, "q", t0, 9, outbox.OldestFirst)
			require.NoError(r, err)
			require.Equal(r, []outbox.Ref{past, epoch}, about(tasks))
			require.Equal(r, 9999, next.Year())
			require.True(r, tasks[0].Due.IsZero())
		})
	}},
	{"Tasks lists in pages, claimed or not", func(r *rig) {
		refs := r.five()
		r.claim("q", at(2), 9, outbox.OldestFirst)
		var seen []outbox.Ref
		var after outbox.Key
		for page := range 3 {
			tasks, err := r.Tasks(r.ctx, "q", false, after, 2)
			require.NoError(r, err)
			require.Len(r, tasks, []int{2, 2, 1}[page])
			seen = append(seen, about(tasks)...)
			for _, task := range tasks {
				require.Negative(r, bytes.Compare(after[:], task.Key[:]), "keys are in the order of their tasks")
				after = task.Key
			}
			require.Equal(r, at(2*page+1), tasks[0].Due)
		}
		require.Equal(r, refs, seen)
		for _, none := range []struct {
			queue  string
			buried bool
			limit  int
		}{{"q", false, 0}, {"q", true, 9}, {"never there", false, 9}} {
			tasks, err := r.Tasks(r.ctx, none.queue, none.buried, outbox.Key{}, none.limit)
			require.NoError(r, err)
			require.Empty(r, tasks)
		}
		rest, err := r.Tasks(r.ctx, "q", false, after, 9)
		require.NoError(r, err)
		require.Empty(r, rest)
	}},
	{"Depth", func(r *rig) {
		require.Equal(r, outbox.Depth{}, r.depth("q"))
		r.five()
		require.Equal(r, outbox.Depth{Waiting: 5, Oldest: at(1)}, r.depth("q"))
		tasks := r.claim("q", at(9), 3, outbox.OldestFirst)
		require.Equal(r, outbox.Depth{Waiting: 5, Oldest: at(1), Claimed: 3}, r.depth("q"))
		require.NoError(r, r.Settle(r.ctx, tasks[0], outbox.Done(), outbox.Tx{}))
		require.NoError(r, r.Settle(r.ctx, tasks[1], outbox.Bury(at(50)), outbox.Tx{}))
		require.Equal(r, outbox.Depth{Waiting: 3, Oldest: at(3), Claimed: 1, Buried: 1}, r.depth("q"))
		require.NoError(r, r.Settle(r.ctx, tasks[2], outbox.RetryAt(at(60)), outbox.Tx{}))
		r.both(func() { require.Equal(r, outbox.Depth{Waiting: 3, Oldest: at(4), Buried: 1}, r.depth("q")) })
	}},
	{"Queues names those that hold tasks, due or buried", func(r *rig) {
		r.enqueue("q", r.entry("a"), t0)
		task := r.claimOne("q", t0)
		require.NoError(r, r.Settle(r.ctx, task, outbox.Bury(t0), outbox.Tx{}))
		check := func(want ...string) {
			r.both(func() {
				queues, err := r.Queues(r.ctx)
				require.NoError(r, err)
				require.ElementsMatch(r, want, queues)
			})
		}
		check("q")
		buried, err := r.Tasks(r.ctx, "q", true, outbox.Key{}, 9)
		require.NoError(r, err)
		require.NoError(r, r.Revive(r.ctx, buried[0], t0, outbox.Tx{}))
		require.NoError(r, r.Settle(r.ctx, r.claimOne("q", t0), outbox.RetryAt(at(1)), outbox.Tx{}))
		check("q")
		require.NoError(r, r.Settle(r.ctx, r.claimOne("q", at(1)), outbox.Done(), outbox.Tx{}))
		check()
	}},
	{"Ready gets a token when a task has become part of the queue", func(r *rig) {
		require.Equal(r, r.Ready("q"), r.Ready("q"), "one channel for a queue")
		require.False(r, r.token("q"))
		r.enqueue("q", r.entry("a"), t0)
		require.True(r, r.token("q"))
		require.False(r, r.token("another"))
		task := r.claimOne("q", t0)
		require.NoError(r, r.Settle(r.ctx, task, outbox.RetryAt(t0), outbox.Tx{}))
		require.True(r, r.token("q"), "after a retry")
		task = r.claimOne("q", t0)
		require.NoError(r, r.Settle(r.ctx, task, outbox.Bury(t0), outbox.Tx{}))
		require.False(r, r.token("q"), "a buried task has left")
		buried, err := r.Tasks(r.ctx, "q", true, outbox.Key{}, 9)
		require.NoError(r, err)
		require.NoError(r, r.Revive(r.ctx, buried[0], t0, outbox.Tx{}))
		require.True(r, r.token("q"), "after Revive")
		require.NoError(r, r.Settle(r.ctx, r.claimOne("q", t0), outbox.Done(), outbox.Tx{
			Enqueue: []outbox.NewTask{{Queue: "another", Due: at(1000), Ref: task.Ref}},
		}))
		require.True(r, r.token("another"), "due or not")
	}},
	{"no task is handed out twice, whoever asks", func(r *rig) {
		const tasks, workers = 200, 8
		ref := r.entry("e")
		var mu sync.Mutex
		var wg sync.WaitGroup
		seen := map[outbox.Key]int{}
		done := make(chan struct{})
		for w := range workers {
			wg.Go(func() {
				order := outbox.Order(w % 2)
				for last := false; ; {
					got, _, err := r.Claim(r.ctx, "q", at(1000), 3, order)
					if !assert.NoError(r, err) {
						return
					}
					for i, task := range got {
						mu.Lock()
						seen[task.Key]++
						mu.Unlock()
						if i == 2 {
							assert.NoError(r, r.Settle(r.ctx, task, outbox.Done(), outbox.Tx{}))
						}
					}
					if len(got) > 0 {
						continue
					}
					if last {
						return
					}
					select {
					case <-r.Ready("q"):
					case <-done:
						last = true // one more look: what came before done is there
					}
				}
			})
		}
		var enqueuers sync.WaitGroup
		for w := range 4 {
			enqueuers.Go(func() {
				for i := range tasks / 4 {
					_, err := r.Commit(r.ctx, outbox.Tx{Enqueue: []outbox.NewTask{{Queue: "q", Due: at((i * 7) % 13 * (w + 1)), Ref: ref}}})
					assert.NoError(r, err)
				}
			})
		}
		enqueuers.Wait()
		close(done)
		wg.Wait()
		require.Len(r, seen, tasks)
		for _, n := range seen {
			require.Equal(r, 1, n)
		}
	}},
}

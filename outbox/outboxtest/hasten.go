package outboxtest

import (
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

func (r *rig) hasten(queue string, beyond, due time.Time) int {
	r.Helper()
	n, err := r.Hasten(r.ctx, queue, beyond, due)
	require.NoError(r, err)
	return n
}

var hastenTests = []test{
	{"what is due too late becomes due, in its order, behind what was due before", func(r *rig) {
		refs := r.five()
		require.Equal(r, 3, r.hasten("q", at(2), at(2)))
		r.both(func() {
			require.Equal(r, outbox.Depth{Waiting: 5, Oldest: at(1)}, r.depth("q"))
			tasks, next, err := r.Claim(r.ctx, "q", at(2), 9, outbox.OldestFirst)
			require.NoError(r, err)
			require.Equal(r, refs, about(tasks))
			require.True(r, next.IsZero())
			for _, task := range tasks[1:] {
				assert.Equal(r, at(2), task.Due)
			}
		})
	}},
	{"once", func(r *rig) {
		r.five()
		require.Equal(r, 2, r.hasten("q", at(3), t0))
		require.Zero(r, r.hasten("q", at(3), t0))
		require.Zero(r, r.hasten("another", at(3), t0))
		_, err := r.Hasten(r.ctx, "q", t0, t0.Add(time.Microsecond))
		require.ErrorIs(r, err, outbox.ErrInvalid, "it would find them again and again")
	}},
	{"those claimed, those of other queues and those buried stay as they are", func(r *rig) {
		refs := r.five()
		r.enqueue("p", refs[0], at(9))
		buried := r.claimOne("q", at(1))
		require.NoError(r, r.Settle(r.ctx, buried, outbox.Bury(at(9)), outbox.Tx{}))
		claimed := r.claim("q", at(5), 1, outbox.NewestFirst)
		before := dump(r.T, r.Store)
		require.Zero(r, r.hasten("q", at(4), t0))
		require.Equal(r, before, dump(r.T, r.Store))
		require.NoError(r, r.Settle(r.ctx, claimed[0], outbox.Done(), outbox.Tx{}))
	}},
	{"a claim of before finds what was hastened", func(r *rig) {
		refs := r.five()
		require.Len(r, r.claim("q", at(3), 9, outbox.NewestFirst), 3)
		r.token("q")
		require.Equal(r, 2, r.hasten("q", at(3), at(1)))
		require.True(r, r.token("q"), "whoever waits for tasks is told")
		require.Equal(r, refs[3:], about(r.claim("q", at(3), 9, outbox.OldestFirst)))
	}},
	{"more than fit into one commit", func(r *rig) {
		const many = 2500
		var want []outbox.Ref
		tx := outbox.Tx{}
		ref := r.entry("e")
		for i := range many {
			tx.Enqueue = append(tx.Enqueue, outbox.NewTask{Queue: "q", Due: at(1000 + i), Ref: ref})
		}
		r.mustCommit(tx)
		last := r.entry("last")
		r.enqueue("q", last, at(9999))
		for range many {
			want = append(want, ref)
		}
		require.Equal(r, many+1, r.hasten("q", at(999), at(0)))
		require.Equal(r, append(want, last), about(r.claim("q", at(0), 2*many, outbox.OldestFirst)))
	}},
	{"what a fault left is hastened by a repeat", func(r *rig) {
		refs := r.five()
		r.faults.FailNext(1, Lost, ErrInjected)
		_, err := r.Hasten(r.ctx, "q", t0, t0)
		require.ErrorIs(r, err, outbox.ErrBroken)
		r.reopen()
		require.Equal(r, 5, r.hasten("q", t0, t0))
		require.Equal(r, refs, about(r.claim("q", t0, 9, outbox.OldestFirst)))
	}},
	{"the last that was buried", func(r *rig) {
		none := func() {
			_, ok, err := r.LastBuried(r.ctx, "q")
			require.NoError(r, err)
			require.False(r, ok)
		}
		none()
		r.five()
		none()
		for i, when := range []int{20, 40, 30} {
			require.NoError(r, r.Settle(r.ctx, r.claimOne("q", at(i+1)), outbox.Bury(at(when)), outbox.Tx{}))
		}
		r.both(func() {
			last, ok, err := r.LastBuried(r.ctx, "q")
			require.NoError(r, err)
			require.True(r, ok)
			require.Equal(r, r.buried("q")[2], last)
			require.Equal(r, at(40), last.Due)
		})
	}},
}

package outboxtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

var expireTests = []test{
	{"days are dropped with all they held, and others stay", func(r *rig) {
		for d := range outbox.Day(3) {
			for i := range 7 {
				ref := r.mustCommit(outbox.Tx{
					Group: "g", Entry: &outbox.EntryPut{ID: fmt.Sprintf("%d-%d", d, i), Day: day0 + d, Body: []byte("entry")},
					Put:   []outbox.RowPut{{Name: "r", Body: []byte("row")}},
					Count: []outbox.Delta{{Day: day0 + d, Name: "n", N: 1}},
				}).Ref
				r.enqueue("q", ref, at(i))
			}
		}
		for _, task := range r.claim("q", at(100), 99, outbox.OldestFirst) {
			outcome := outbox.Bury(at(1))
			if task.Ref.Day == day0+1 {
				outcome = outbox.Done()
			}
			require.NoError(r, r.Settle(r.ctx, task, outcome, outbox.Tx{}))
		}
		_, ever, err := r.Dropped(r.ctx)
		require.NoError(r, err)
		require.False(r, ever)
		kept := r.expire(day0+2, 3)
		require.Empty(r, kept)
		r.both(func() {
			newest, ever, err := r.Dropped(r.ctx)
			require.NoError(r, err)
			require.True(r, ever)
			require.Equal(r, day0+1, newest)
			days, err := r.Days(r.ctx)
			require.NoError(r, err)
			require.Equal(r, []outbox.Day{day0 + 2}, days)
			entries, err := r.Entries(r.ctx, "g")
			require.NoError(r, err)
			require.Len(r, entries, 7)
			counts, err := r.Counts(r.ctx, day0)
			require.NoError(r, err)
			require.Empty(r, counts)
			require.Equal(r, 7, r.depth("q").Buried)
			dump(r.T, r.Store) // what is listed and what is counted agree
		})
	}},
	{"a day of which a task waits is kept whole, until it is done", func(r *rig) {
		ref := r.entry("waits")
		other := r.entry("dead")
		r.enqueue("q", ref, at(0))
		r.enqueue("q", other, at(1))
		tasks := r.claim("q", at(1), 2, outbox.OldestFirst)
		require.NoError(r, r.Settle(r.ctx, tasks[1], outbox.Bury(at(2)), outbox.Tx{}))
		before := dump(r.T, r.Store)
		require.Equal(r, []outbox.Day{day0}, r.expire(day0+9, 100)) // it is handed out: that is waiting, too
		_, ever, err := r.Dropped(r.ctx)
		require.NoError(r, err)
		require.False(r, ever)
		require.Equal(r, before, dump(r.T, r.Store))
		require.NoError(r, r.Settle(r.ctx, tasks[0], outbox.RetryAt(at(1000)), outbox.Tx{}))
		require.Equal(r, []outbox.Day{day0}, r.expire(day0+9, 100))
		require.NoError(r, r.Settle(r.ctx, r.claimOne("q", at(1000)), outbox.Done(), outbox.Tx{}))
		require.Empty(r, r.expire(day0+9, 100))
		r.both(func() { require.Empty(r, dump(r.T, r.Store)) })
	}},
	{"the newest day that was dropped is known, also when an older one goes later", func(r *rig) {
		for d := range outbox.Day(6) {
			ref := r.mustCommit(outbox.Tx{Group: "g", Entry: &outbox.EntryPut{ID: fmt.Sprint(d), Day: day0 + d, Body: []byte("entry")}}).Ref
			if d == 1 {
				r.enqueue("q", ref, at(0))
			}
		}
		dropped := func(want outbox.Day) {
			r.both(func() {
				newest, ever, err := r.Dropped(r.ctx)
				require.NoError(r, err)
				require.True(r, ever)
				require.Equal(r, want, newest)
			})
		}
		require.Empty(r, r.expire(day0+1, 10))
		dropped(day0)
		require.Equal(r, []outbox.Day{day0 + 1}, r.expire(day0+4, 10))
		dropped(day0 + 3)
		require.NoError(r, r.Settle(r.ctx, r.claimOne("q", at(1)), outbox.Done(), outbox.Tx{}))
		require.Empty(r, r.expire(day0+4, 10))
		dropped(day0 + 3)
	}},
	{"whatever is left of a day that was dropped is deleted after a crash", func(r *rig) {
		for i := range 20 {
			ref := r.entry(fmt.Sprint(i))
			r.enqueue("q", ref, at(i))
		}
		for _, task := range r.claim("q", at(100), 99, outbox.OldestFirst) {
			require.NoError(r, r.Settle(r.ctx, task, outbox.Bury(at(1)), outbox.Tx{}))
		}
		for steps := 0; ; steps++ {
			e, err := r.Expire(r.ctx, day0+1, 3)
			require.NoError(r, err)
			entries, err := r.Entries(r.ctx, "g")
			require.NoError(r, err)
			require.Empty(r, entries, "a day is gone at once")
			if !e.More {
				require.Greater(r, steps, 10)
				break
			}
			r.reopen()
		}
		r.both(func() { require.Empty(r, dump(r.T, r.Store)) })
	}},
	{"a call that is not to be dropped changes nothing", func(r *rig) {
		r.entry("e")
		before := dump(r.T, r.Store)
		require.Empty(r, r.expire(day0, 10))
		require.Equal(r, before, dump(r.T, r.Store))
		_, err := r.Expire(r.ctx, day0+1, 0)
		require.ErrorIs(r, err, outbox.ErrInvalid)
	}},
}

// expire drops days until there is nothing left to do, and gives those that were kept.
func (r *rig) expire(before outbox.Day, limit int) (kept []outbox.Day) {
	r.Helper()
	for range 1000 {
		e, err := r.Expire(r.ctx, before, limit)
		require.NoError(r, err)
		require.LessOrEqual(r, e.Buried, limit)
		kept = append(kept, e.Kept...)
		if !e.More {
			return kept
		}
	}
	require.Fail(r, "it never ends")
	return nil
}

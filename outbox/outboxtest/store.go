package outboxtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

var storeTests = []test{
	{"an empty store holds nothing", func(r *rig) {
		r.both(func() { require.Empty(r, dump(r.T, r.Store)) })
	}},
	{"a Tx that can never be applied is refused and changes nothing", func(r *rig) {
		ref := r.entry("e")
		before := dump(r.T, r.Store)
		for name, tx := range map[string]outbox.Tx{
			"items without a group":       {Add: items("a")},
			"an item without an ID":       {Group: "g", Add: []outbox.Item{{Body: []byte("x")}}},
			"an item added and dropped":   {Group: "g", Add: items("a"), Drop: []string{"a"}},
			"an entry without a group":    {Entry: put(0, outbox.Ref{}, "x")},
			"an entry without an ID":      {Group: "g", Entry: &outbox.EntryPut{Day: day0}},
			"a replacement without a ref": {Group: "g", Entry: put(1, outbox.Ref{}, "x")},
			"a creation with a ref":       {Group: "g", Entry: put(0, ref, "x")},
			"an entry of another group":   {Group: "h", Entry: put(1, ref, "x")},
			"a row of no entry":           {Put: []outbox.RowPut{row(outbox.Ref{}, "r", 0, "x")}},
			"a row without a name":        {Put: []outbox.RowPut{row(ref, "", 0, "x")}},
			"a row put twice":             {Put: []outbox.RowPut{row(ref, "r", 0, "x"), row(ref, "r", 1, "y")}},
			"a task of no entry":          {Enqueue: []outbox.NewTask{{Queue: "q", Due: t0}}},
			"a task without a queue":      {Enqueue: []outbox.NewTask{{Due: t0, Ref: ref}}},
			"a label of no entry":         {Label: []outbox.Label{{Name: "l"}}},
			"a label without a name":      {Unlabel: []outbox.Label{{Ref: ref}}},
			"a label that is too long":    {Label: []outbox.Label{{Ref: ref, Name: strings.Repeat("x", 1<<16)}}},
			"a counter without a name":    {Count: []outbox.Delta{{Day: day0, N: 1}}},
			"a name that is far too long": {Group: strings.Repeat("x", 1<<20), Add: items("a")},
		} {
			_, err := r.Commit(r.ctx, tx)
			assert.ErrorIs(r, err, outbox.ErrInvalid, name)
		}
		require.Equal(r, before, dump(r.T, r.Store))
	}},
	{"a cancelled context", func(r *rig) {
		task := r.claimed()
		before := dump(r.T, r.Store)
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		_, err := r.Commit(ctx, outbox.Tx{Group: "g", Add: items("a")})
		require.ErrorIs(r, err, context.Canceled)
		require.ErrorIs(r, r.Settle(ctx, task, outbox.Done(), outbox.Tx{}), context.Canceled)
		require.Equal(r, before, dump(r.T, r.Store))
		require.NoError(r, r.Settle(r.ctx, task, outbox.Done(), outbox.Tx{}))
	}},
	{"a closed store refuses everything", func(r *rig) {
		task := r.claimed()
		require.NoError(r, r.Close())
		require.NoError(r, r.Close())
		r.refusesAll(task, outbox.ErrClosed)
	}},
	{"a broken store refuses everything", func(r *rig) {
		task := r.claimed()
		r.faults.FailNext(1, Lost, ErrInjected)
		_, err := r.Commit(r.ctx, outbox.Tx{Group: "g", Add: items("a")})
		require.ErrorIs(r, err, outbox.ErrBroken)
		require.ErrorIs(r, err, ErrInjected)
		r.refusesAll(task, outbox.ErrBroken)
		r.reopen()
		require.Empty(r, openGroups(r, r))
		require.Equal(r, task, r.claimOne("q", t0))
	}},
	{"many at once", func(r *rig) {
		const workers, each = 16, 12
		ref := r.entry("shared")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for w := range workers {
			wg.Go(func() {
				group := fmt.Sprintf("w%d", w%4) // four workers each add the same items
				for i := range each {
					res, err := r.Commit(r.ctx, outbox.Tx{
						Group: group, Add: items(fmt.Sprint(i)), Count: []outbox.Delta{{Day: day0, Name: "items", N: 1}},
						Enqueue: []outbox.NewTask{{Queue: "q", Due: at(i), Ref: ref}},
					})
					if !assert.NoError(r, err) || !assert.Len(r, res.New, 1) {
						return
					}
					// All want the same next version of a row: one gets it.
					_, err = r.Commit(r.ctx, outbox.Tx{
						Put:   []outbox.RowPut{row(ref, "row", uint64(i), fmt.Sprintf("%d of %d", i, w))},
						Count: []outbox.Delta{{Day: day0, Name: "rows", N: 1}},
					})
					mu.Lock()
					if err == nil {
						won++
					} else {
						assert.ErrorIs(r, err, outbox.ErrConflict)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		r.both(func() {
			open := openGroups(r, r)
			require.Len(r, open, 4)
			for _, list := range open {
				require.ElementsMatch(r, items("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"), list)
			}
			e, err := r.Entry(r.ctx, ref)
			require.NoError(r, err)
			require.EqualValues(r, 4*each, r.count("items"))
			require.Equal(r, 4*each, r.depth("q").Waiting)
			require.EqualValues(r, won, r.count("rows"))
			require.EqualValues(r, won, e.Row("row").Version)
		})
		require.Positive(r, won)
	}},
	{"Close waits for what is under way", func(r *rig) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		stored := map[string]bool{}
		started := make(chan struct{}, 8)
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					id := fmt.Sprintf("%d-%d", w, i)
					_, err := r.Commit(context.WithoutCancel(r.ctx), outbox.Tx{Group: "g", Add: items(id)})
					if errors.Is(err, outbox.ErrClosed) {
						return
					}
					if !assert.NoError(r, err) {
						return
					}
					mu.Lock()
					stored[id] = true
					mu.Unlock()
					if i == 0 {
						started <- struct{}{}
					}
				}
			})
		}
		for range 8 {
			<-started
		}
		require.NoError(r, r.Close())
		wg.Wait()
		r.reopen()
		found := openGroups(r, r)["g"]
		require.Len(r, found, len(stored))
		for _, it := range found {
			require.True(r, stored[it.ID])
		}
	}},
}

func (r *rig) refusesAll(task outbox.Task, want error) {
	r.Helper()
	_, err := r.Commit(r.ctx, outbox.Tx{Group: "g", Add: items("a")})
	assert.ErrorIs(r, err, want)
	_, _, err = r.Claim(r.ctx, "q", t0, 1, outbox.OldestFirst)
	assert.ErrorIs(r, err, want)
	assert.ErrorIs(r, r.Settle(r.ctx, task, outbox.Done(), outbox.Tx{}), want)
	buried := task
	buried.Buried = true
	assert.ErrorIs(r, r.Revive(r.ctx, buried, t0, outbox.Tx{}), want)
	r.Release(task)
	_, err = r.Tasks(r.ctx, "q", false, outbox.Key{}, 1)
	assert.ErrorIs(r, err, want)
	_, _, err = r.LastBuried(r.ctx, "q")
	assert.ErrorIs(r, err, want)
	_, err = r.Hasten(r.ctx, "q", t0.Add(-1), t0.Add(-1))
	assert.ErrorIs(r, err, want)
	_, err = r.Expire(r.ctx, day0, 1)
	assert.ErrorIs(r, err, want)
	_, err = r.Depth(r.ctx, "q")
	assert.ErrorIs(r, err, want)
	_, err = r.Queues(r.ctx)
	assert.ErrorIs(r, err, want)
	assert.ErrorIs(r, r.Open(r.ctx, func(string, []outbox.Item) error { return nil }), want)
	_, err = r.Entries(r.ctx, "g")
	assert.ErrorIs(r, err, want)
	_, err = r.Entry(r.ctx, task.Ref)
	assert.ErrorIs(r, err, want)
	_, err = r.Counts(r.ctx, day0)
	assert.ErrorIs(r, err, want)
	_, err = r.Days(r.ctx)
	assert.ErrorIs(r, err, want)
	_, err = r.Walk(r.ctx, day0, 0, 1)
	assert.ErrorIs(r, err, want)
}

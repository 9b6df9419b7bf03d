package outboxtest

import (
	"fmt"
	"math"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// put is an EntryPut of the group's entry "e".
func put(prev uint64, ref outbox.Ref, body string) *outbox.EntryPut {
	return &outbox.EntryPut{ID: "e", Ref: ref, Day: day0, Prev: prev, Body: []byte(body)}
}

func row(ref outbox.Ref, name string, prev uint64, body string) outbox.RowPut {
	return outbox.RowPut{Ref: ref, Name: name, Prev: prev, Body: []byte(body)}
}

var historyTests = []test{
	{"an entry is created, found and replaced", func(r *rig) {
		res := r.mustCommit(outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "one")})
		require.Equal(r, day0, res.Ref.Day)
		require.NotZero(r, res.Ref.Seq)
		want := outbox.Entry{Ref: res.Ref, Group: "g", ID: "e", Version: 1, Body: []byte("one")}
		check := func() {
			e, err := r.Entry(r.ctx, res.Ref)
			require.NoError(r, err)
			require.Equal(r, want, e)
			list, err := r.Entries(r.ctx, "g")
			require.NoError(r, err)
			require.Equal(r, []outbox.Entry{want}, list)
		}
		r.both(check)
		again := r.mustCommit(outbox.Tx{Group: "g", Entry: put(1, res.Ref, "two")})
		require.Equal(r, res.Ref, again.Ref)
		want.Version, want.Body = 2, []byte("two")
		r.both(check)
	}},
	{"a repeat of a creation is recognised, on another day too", func(r *rig) {
		first := r.mustCommit(outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "one")})
		r.mustCommit(outbox.Tx{Group: "h", Entry: &outbox.EntryPut{ID: "later", Day: day0 + 2, Body: []byte("x")}})
		r.both(func() {
			before := dump(r.T, r.Store)
			for _, d := range []outbox.Day{day0, day0 + 1, day0 + 2} {
				e := put(0, outbox.Ref{}, "one")
				e.Day = d
				res := r.mustCommit(outbox.Tx{Group: "g", Entry: e})
				require.Equal(r, first.Ref, res.Ref)
			}
			require.Equal(r, before, dump(r.T, r.Store))
		})
	}},
	{"a second entry of a name is never created", func(r *rig) {
		r.mustCommit(outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "one")})
		other := put(0, outbox.Ref{}, "other")
		r.both(func() { r.conflicts(outbox.Tx{Group: "g", Entry: other}) })
		other.Day++
		r.conflicts(outbox.Tx{Group: "g", Entry: other})
		r.mustCommit(outbox.Tx{Group: "h", Entry: other})
	}},
	{"versions of an entry", func(r *rig) {
		ref := r.mustCommit(outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "one")}).Ref
		r.mustCommit(outbox.Tx{Group: "g", Entry: put(1, ref, "two")})
		r.both(func() {
			before := dump(r.T, r.Store)
			r.mustCommit(outbox.Tx{Group: "g", Entry: put(1, ref, "two")})
			require.Equal(r, before, dump(r.T, r.Store), "a repeat")
			r.conflicts(outbox.Tx{Group: "g", Entry: put(1, ref, "other")})
			r.conflicts(outbox.Tx{Group: "g", Entry: put(3, ref, "two")})
			r.conflicts(outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "one")})
			r.conflicts(outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "two")})
			r.conflicts(outbox.Tx{Group: "g", Entry: put(1, outbox.Ref{Day: ref.Day, Seq: ref.Seq + 1000}, "two")})
			r.conflicts(outbox.Tx{Group: "g", Entry: put(1, outbox.Ref{Day: ref.Day + 9, Seq: ref.Seq}, "two")})
		})
		r.mustCommit(outbox.Tx{Group: "g", Entry: put(2, ref, "two")}) // the body may stay the same
		e, err := r.Entry(r.ctx, ref)
		require.NoError(r, err)
		require.EqualValues(r, 3, e.Version)
	}},
	{"versions of a row", func(r *rig) {
		ref := r.mustCommit(outbox.Tx{
			Group: "g", Entry: put(0, outbox.Ref{}, "one"),
			Put: []outbox.RowPut{row(outbox.Ref{}, "b", 0, "b1"), row(outbox.Ref{}, "a", 0, "a1")},
		}).Ref
		r.mustCommit(outbox.Tx{Put: []outbox.RowPut{row(ref, "a", 1, "a2"), row(ref, "c", 0, "c1")}})
		r.both(func() {
			before := dump(r.T, r.Store)
			r.mustCommit(outbox.Tx{Put: []outbox.RowPut{row(ref, "a", 1, "a2"), row(ref, "c", 0, "c1")}})
			require.Equal(r, before, dump(r.T, r.Store), "a repeat")
			r.conflicts(outbox.Tx{Put: []outbox.RowPut{row(ref, "a", 1, "other")}})
			r.conflicts(outbox.Tx{Put: []outbox.RowPut{row(ref, "a", 0, "a1")}})
			r.conflicts(outbox.Tx{Put: []outbox.RowPut{row(ref, "a", 3, "a4")}})
			r.conflicts(outbox.Tx{Put: []outbox.RowPut{row(ref, "never there", 1, "x")}})
			r.conflicts(outbox.Tx{Put: []outbox.RowPut{row(outbox.Ref{Day: day0, Seq: ref.Seq + 1000}, "a", 0, "x")}})
			e, err := r.Entry(r.ctx, ref)
			require.NoError(r, err)
			require.Equal(r, []outbox.Row{
				{Name: "a", Version: 2, Body: []byte("a2")},
				{Name: "b", Version: 1, Body: []byte("b1")},
				{Name: "c", Version: 1, Body: []byte("c1")},
			}, e.Rows)
		})
	}},
	{"rows stay when their entry is replaced, and can be put with it", func(r *rig) {
		ref := r.mustCommit(outbox.Tx{
			Group: "g", Entry: put(0, outbox.Ref{}, "one"), Put: []outbox.RowPut{row(outbox.Ref{}, "a", 0, "a1")},
		}).Ref
		tx := outbox.Tx{Group: "g", Entry: put(1, ref, "two"), Put: []outbox.RowPut{row(outbox.Ref{}, "b", 0, "b1")}}
		r.mustCommit(tx)
		r.both(func() {
			r.mustCommit(tx)
			e, err := r.Entry(r.ctx, ref)
			require.NoError(r, err)
			require.Equal(r, []byte("two"), e.Body)
			require.Equal(r, []byte("a1"), e.Row("a").Body)
			require.Equal(r, []byte("b1"), e.Row("b").Body)
			require.Equal(r, outbox.Row{Name: "z"}, e.Row("z"))
		})
	}},
	{"entries of a group, oldest first, each with its own rows", func(r *rig) {
		var want []outbox.Ref
		for i, id := range []string{"z", "a", "m"} {
			res := r.mustCommit(outbox.Tx{
				Group: "g", Entry: &outbox.EntryPut{ID: id, Day: day0 + outbox.Day(i/2), Body: []byte(id)},
				Put: []outbox.RowPut{row(outbox.Ref{}, "of "+id, 0, id)},
			})
			want = append(want, res.Ref)
			r.mustCommit(outbox.Tx{Group: "gg", Entry: &outbox.EntryPut{ID: id, Day: day0, Body: []byte("else")}})
		}
		r.both(func() {
			list, err := r.Entries(r.ctx, "g")
			require.NoError(r, err)
			require.Len(r, list, 3)
			for i, e := range list {
				require.Equal(r, want[i], e.Ref)
				require.Equal(r, []outbox.Row{{Name: "of " + e.ID, Version: 1, Body: []byte(e.ID)}}, e.Rows)
			}
			none, err := r.Entries(r.ctx, "nobody")
			require.NoError(r, err)
			require.Empty(r, none)
		})
	}},
	{"the entries of a day, in pages", func(r *rig) {
		days, err := r.Days(r.ctx)
		require.NoError(r, err)
		require.Empty(r, days)
		var want []outbox.Entry
		for i := range 5 {
			tx := outbox.Tx{
				Group: fmt.Sprintf("group %d", i), Entry: &outbox.EntryPut{ID: "e", Day: day0, Body: []byte("x")},
				Put: []outbox.RowPut{row(outbox.Ref{}, "r", 0, fmt.Sprint(i))},
			}
			e := outbox.Entry{Ref: r.mustCommit(tx).Ref, Group: tx.Group, ID: "e", Version: 1, Body: []byte("x")}
			e.Rows = []outbox.Row{{Name: "r", Version: 1, Body: []byte(fmt.Sprint(i))}}
			want = append(want, e)
		}
		r.mustCommit(outbox.Tx{Group: "g", Entry: &outbox.EntryPut{ID: "e", Day: day0 + 2, Body: []byte("other day")}})
		r.mustCommit(outbox.Tx{Count: []outbox.Delta{{Day: day0 + 1, Name: "n", N: 1}}})
		r.both(func() {
			days, err := r.Days(r.ctx)
			require.NoError(r, err)
			require.Equal(r, []outbox.Day{day0, day0 + 1, day0 + 2}, days)
			for _, page := range []struct {
				after uint64
				limit int
				want  []outbox.Entry
			}{
				{0, 9, want}, {0, 2, want[:2]}, {want[1].Ref.Seq, 2, want[2:4]}, {want[1].Ref.Seq, 3, want[2:]},
				{want[4].Ref.Seq, 9, nil}, {math.MaxUint64, 9, nil}, {0, 0, nil},
			} {
				list, err := r.Walk(r.ctx, day0, page.after, page.limit)
				require.NoError(r, err)
				require.Equal(r, page.want, list)
			}
			none, err := r.Walk(r.ctx, day0+1, 0, 9)
			require.NoError(r, err)
			require.Empty(r, none)
		})
		// A row that changes doesn't move its entry.
		r.mustCommit(outbox.Tx{Put: []outbox.RowPut{row(want[0].Ref, "r", 1, "new")}})
		want[0].Rows[0] = outbox.Row{Name: "r", Version: 2, Body: []byte("new")}
		list, err := r.Walk(r.ctx, day0, 0, 9)
		require.NoError(r, err)
		require.Equal(r, want, list)
	}},
	{"what is not there is not found", func(r *rig) {
		ref := r.entry("e")
		for _, wrong := range []outbox.Ref{{}, {Day: ref.Day, Seq: ref.Seq + 1}, {Day: ref.Day + 1, Seq: ref.Seq}} {
			_, err := r.Entry(r.ctx, wrong)
			assert.ErrorIs(r, err, outbox.ErrNotFound)
		}
	}},
	{"a conflict of one part changes nothing of the others", func(r *rig) {
		ref := r.mustCommit(outbox.Tx{
			Group: "g", Add: items("a"), Entry: put(0, outbox.Ref{}, "one"), Put: []outbox.RowPut{row(outbox.Ref{}, "a", 0, "a1")},
		}).Ref
		all := outbox.Tx{
			Group: "g", Add: items("b"), Drop: []string{"a"},
			Entry:   put(1, ref, "two"),
			Put:     []outbox.RowPut{row(ref, "b", 0, "b1"), row(ref, "a", 1, "a2")},
			Enqueue: []outbox.NewTask{{Queue: "q", Due: t0, Ref: ref}},
			Count:   []outbox.Delta{{Day: day0, Name: "n", N: 1}},
		}
		bad := all
		bad.Put = []outbox.RowPut{row(ref, "b", 0, "b1"), row(ref, "a", 7, "a2")}
		r.conflicts(bad)
		bad = all
		bad.Entry = put(7, ref, "two")
		r.conflicts(bad)
		r.mustCommit(all)
	}},
	{"counters", func(r *rig) {
		r.mustCommit(outbox.Tx{Count: []outbox.Delta{
			{Day: day0, Name: "a", N: 3}, {Day: day0, Name: "a", N: 2}, {Day: day0, Name: "b", N: -4}, {Day: day0 + 1, Name: "a", N: 7},
		}})
		r.mustCommit(outbox.Tx{Count: []outbox.Delta{{Day: day0, Name: "a", N: -1}}})
		r.both(func() {
			for d, want := range map[outbox.Day]map[string]int64{day0: {"a": 4, "b": -4}, day0 + 1: {"a": 7}, day0 + 2: {}} {
				got, err := r.Counts(r.ctx, d)
				require.NoError(r, err)
				require.Equal(r, want, got)
			}
		})
	}},
	{"a repeat counts and enqueues nothing, one that has anything new does", func(r *rig) {
		ref := r.entry("other")
		with := func(tx outbox.Tx) outbox.Tx {
			tx.Group = "g"
			tx.Count = []outbox.Delta{{Day: day0, Name: "n", N: 1}}
			tx.Enqueue = []outbox.NewTask{{Queue: "q", Due: t0, Ref: ref}}
			return tx
		}
		n := 0
		expect := func(tx outbox.Tx, moves bool) {
			r.Helper()
			r.mustCommit(with(tx))
			if moves {
				n++
			}
			counts, err := r.Counts(r.ctx, day0)
			require.NoError(r, err)
			require.EqualValues(r, n, counts["n"])
			require.Equal(r, n, r.depth("q").Waiting)
		}
		expect(outbox.Tx{Add: items("a")}, true)
		expect(outbox.Tx{Add: items("a")}, false)
		expect(outbox.Tx{Add: items("a", "b")}, true)
		expect(outbox.Tx{Entry: put(0, outbox.Ref{}, "one")}, true)
		expect(outbox.Tx{Entry: put(0, outbox.Ref{}, "one")}, false)
		expect(outbox.Tx{Put: []outbox.RowPut{row(ref, "r", 0, "1")}}, true)
		r.reopen()
		expect(outbox.Tx{Put: []outbox.RowPut{row(ref, "r", 0, "1")}}, false)
		expect(outbox.Tx{Put: []outbox.RowPut{row(ref, "r", 0, "1"), row(ref, "s", 0, "1")}}, true)
		expect(outbox.Tx{Add: items("a"), Entry: put(0, outbox.Ref{}, "one"), Put: []outbox.RowPut{row(ref, "s", 0, "1")}}, false)
		expect(outbox.Tx{Add: items("c"), Entry: put(0, outbox.Ref{}, "one"), Put: []outbox.RowPut{row(ref, "s", 0, "1")}}, true)
		expect(outbox.Tx{Drop: []string{"a"}}, true)
		expect(outbox.Tx{}, true)
		expect(outbox.Tx{}, true)
	}},
}

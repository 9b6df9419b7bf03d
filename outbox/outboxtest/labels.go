package outboxtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

func label(ref outbox.Ref, names ...string) []outbox.Label {
	var list []outbox.Label
	for _, name := range names {
		list = append(list, outbox.Label{Ref: ref, Name: name})
	}
	return list
}

// labeled gives the entries that have a label.
func (r *rig) labeled(name string, limit int) []outbox.Ref {
	r.Helper()
	refs, unlabeled, err := r.Labeled(r.ctx, name, limit)
	require.NoError(r, err)
	require.Empty(r, unlabeled)
	return refs
}

var labelTests = []test{
	{"an entry is found by its labels", func(r *rig) {
		tx := outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "one"), Label: label(outbox.Ref{}, "a", "ab")}
		ref := r.mustCommit(tx).Ref
		other := r.entry("other")
		r.mustCommit(outbox.Tx{Put: []outbox.RowPut{row(other, "r", 0, "x")}, Label: label(other, "ab", "\x00")})
		r.both(func() {
			require.Equal(r, []outbox.Ref{ref}, r.labeled("a", 10))
			require.Equal(r, []outbox.Ref{other, ref}, r.labeled("ab", 10), "the newest first")
			require.Equal(r, []outbox.Ref{other}, r.labeled("ab", 1))
			require.Equal(r, []outbox.Ref{other}, r.labeled("\x00", 10))
			require.Empty(r, r.labeled("abc", 10))
			require.Empty(r, r.labeled("ab", 0))
		})
	}},
	{"a repeat gives and takes no label", func(r *rig) {
		tx := outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "one"), Label: label(outbox.Ref{}, "a")}
		ref := r.mustCommit(tx).Ref
		r.mustCommit(outbox.Tx{Unlabel: label(ref, "a")})
		r.mustCommit(tx)
		r.both(func() { require.Empty(r, r.labeled("a", 10)) })
		r.mustCommit(outbox.Tx{Label: label(ref, "a")})
		r.mustCommit(outbox.Tx{Group: "g", Entry: put(0, outbox.Ref{}, "one"), Unlabel: label(outbox.Ref{}, "a")})
		r.both(func() { require.Len(r, r.labeled("a", 10), 1) })
	}},
	{"labels given twice, taken twice, and of no entry", func(r *rig) {
		ref := r.entry("e")
		none := outbox.Ref{Day: ref.Day + 1, Seq: ref.Seq}
		r.mustCommit(outbox.Tx{Label: append(label(ref, "a", "a"), label(none, "a")...)})
		r.both(func() { require.Equal(r, []outbox.Ref{ref}, r.labeled("a", 10)) })
		r.mustCommit(outbox.Tx{Unlabel: append(label(ref, "a", "a", "b"), label(none, "a")...)})
		r.both(func() { require.Empty(r, r.labeled("a", 10)) })
		days, err := r.Days(r.ctx)
		require.NoError(r, err)
		require.Equal(r, []outbox.Day{day0}, days, "a label makes no day")
	}},
	{"a conflict labels nothing", func(r *rig) {
		ref := r.entry("e")
		r.conflicts(outbox.Tx{Put: []outbox.RowPut{row(ref, "r", 7, "x")}, Label: label(ref, "k")})
		require.Empty(r, r.labeled("k", 10))
	}},
	{"labels come with a settle", func(r *rig) {
		task := r.claimed()
		require.NoError(r, r.Settle(r.ctx, task, outbox.Done(), outbox.Tx{
			Put: []outbox.RowPut{row(task.Ref, "r", 0, "x")}, Label: label(task.Ref, "a"),
		}))
		r.both(func() { require.Equal(r, []outbox.Ref{task.Ref}, r.labeled("a", 10)) })
	}},
	{"labels over days, and many", func(r *rig) {
		var want []outbox.Ref
		for i := range 120 {
			e := &outbox.EntryPut{ID: fmt.Sprint(i), Day: day0 + outbox.Day(i/40), Body: []byte("x")}
			tx := outbox.Tx{Group: "g", Entry: e, Label: label(outbox.Ref{}, fmt.Sprint("other", i))}
			if i%3 == 0 {
				tx.Label = append(tx.Label, label(outbox.Ref{}, "third")...)
			}
			ref := r.mustCommit(tx).Ref
			if i%3 == 0 {
				want = append([]outbox.Ref{ref}, want...)
			}
		}
		r.both(func() {
			require.Equal(r, want, r.labeled("third", 1000))
			require.Equal(r, want[:7], r.labeled("third", 7))
			require.Len(r, r.labeled("other77", 1000), 1)
		})
	}},
	{"groups by the beginning of their names", func(r *rig) {
		for i, g := range []string{"call/a", "call/ab", "call/abc", "call/b", "agent/a", "c"} {
			e := &outbox.EntryPut{ID: "e", Day: day0 + outbox.Day(i%2), Body: []byte("x")}
			r.mustCommit(outbox.Tx{Group: g, Entry: e})
		}
		r.mustCommit(outbox.Tx{Group: "call/a", Entry: &outbox.EntryPut{ID: "f", Day: day0 + 2, Body: []byte("x")}})
		r.mustCommit(outbox.Tx{Group: "call/open", Add: items("a")})
		groups := func(prefix string, limit int) []string {
			names, err := r.Groups(r.ctx, prefix, limit)
			require.NoError(r, err)
			return names
		}
		r.both(func() {
			require.ElementsMatch(r, []string{"call/a", "call/ab", "call/abc", "call/b"}, groups("call/", 10))
			require.ElementsMatch(r, []string{"call/ab", "call/abc"}, groups("call/ab", 10))
			require.ElementsMatch(r, []string{"c", "call/a", "call/ab", "call/abc", "call/b"}, groups("c", 10))
			require.Len(r, groups("call/", 3), 3)
			require.Empty(r, groups("call/abcd", 10))
		})
	}},
	{"a walk back gives what a walk gives, the other way round", func(r *rig) {
		for i := range 7 {
			r.entry(fmt.Sprint(i))
		}
		r.both(func() {
			all, err := r.Walk(r.ctx, day0, 0, 100)
			require.NoError(r, err)
			require.Len(r, all, 7)
			var back []outbox.Entry
			for before := uint64(0); ; {
				page, err := r.WalkBack(r.ctx, day0, before, 3)
				require.NoError(r, err)
				require.LessOrEqual(r, len(page), 3)
				for _, e := range page {
					back = append([]outbox.Entry{e}, back...)
					before = e.Ref.Seq
				}
				if len(page) < 3 {
					break
				}
			}
			require.Equal(r, all, back)
			last, err := r.WalkBack(r.ctx, day0, all[6].Ref.Seq+1000, 1)
			require.NoError(r, err)
			require.Equal(r, all[6:], last)
			none, err := r.WalkBack(r.ctx, day0+1, 0, 3)
			require.NoError(r, err)
			require.Empty(r, none)
			none, err = r.WalkBack(r.ctx, day0, all[0].Ref.Seq, 3)
			require.NoError(r, err)
			require.Empty(r, none)
		})
	}},
}

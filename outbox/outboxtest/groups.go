package outboxtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

var groupTests = []test{
	{"items come back in the order they were committed", func(r *rig) {
		r.mustCommit(outbox.Tx{Group: "g", Add: items("b", "a")})
		r.mustCommit(outbox.Tx{Group: "h", Add: items("x")})
		r.mustCommit(outbox.Tx{Group: "g", Add: items("d", "c")})
		r.both(func() {
			require.Equal(r, map[string][]outbox.Item{"g": items("b", "a", "d", "c"), "h": items("x")}, openGroups(r, r))
		})
	}},
	{"an item that is there is kept and reported", func(r *rig) {
		res := r.mustCommit(outbox.Tx{Group: "g", Add: items("a", "b")})
		assert.Equal(r, []bool{true, true}, res.New)
		r.both(func() {
			res := r.mustCommit(outbox.Tx{Group: "g", Add: []outbox.Item{{ID: "b", Body: []byte("another")}}})
			assert.Equal(r, []bool{false}, res.New)
			assert.Equal(r, items("a", "b"), openGroups(r, r)["g"])
		})
		res = r.mustCommit(outbox.Tx{Group: "g", Add: items("a", "c", "b")})
		assert.Equal(r, []bool{false, true, false}, res.New)
		assert.Equal(r, items("a", "b", "c"), openGroups(r, r)["g"])
	}},
	{"an item twice in one Tx is new once", func(r *rig) {
		res := r.mustCommit(outbox.Tx{Group: "g", Add: items("a", "a")})
		assert.Equal(r, []bool{true, false}, res.New)
		assert.Equal(r, []string{"a"}, ids(openGroups(r, r)["g"]))
	}},
	{"the same ID in another group is another item", func(r *rig) {
		r.mustCommit(outbox.Tx{Group: "g", Add: items("a")})
		res := r.mustCommit(outbox.Tx{Group: "h", Add: items("a")})
		assert.Equal(r, []bool{true}, res.New)
		r.mustCommit(outbox.Tx{Group: "h", Drop: []string{"a"}})
		assert.Equal(r, map[string][]outbox.Item{"g": items("a")}, openGroups(r, r))
	}},
	{"names and bodies may be any bytes", func(r *rig) {
		odd := []string{"\x00", "g\x00", "g\x00\x00", "\xff\xfe", "g/h", "ä", strings.Repeat("x", 300)}
		for i, g := range odd {
			r.mustCommit(outbox.Tx{
				Group: g, Add: []outbox.Item{{ID: g, Body: []byte(g)}},
				Entry: &outbox.EntryPut{ID: g, Day: day0, Body: []byte(g)},
				Put:   []outbox.RowPut{{Name: g, Body: []byte(g)}},
				Count: []outbox.Delta{{Day: day0, Name: g, N: int64(i + 1)}},
			})
		}
		r.both(func() {
			open := openGroups(r, r)
			require.Len(r, open, len(odd))
			counts, err := r.Counts(r.ctx, day0)
			require.NoError(r, err)
			for i, g := range odd {
				require.Equal(r, []outbox.Item{{ID: g, Body: []byte(g)}}, open[g])
				entries, err := r.Entries(r.ctx, g)
				require.NoError(r, err)
				require.Len(r, entries, 1, "group %q", g)
				require.Equal(r, g, entries[0].Group)
				require.Equal(r, []outbox.Row{{Name: g, Version: 1, Body: []byte(g)}}, entries[0].Rows)
				require.EqualValues(r, i+1, counts[g])
			}
		})
	}},
	{"bodies of any size", func(r *rig) {
		for _, size := range []int{0, 1, 100, 600, 5000, 300_000} {
			body := []byte(strings.Repeat("0123456789", size/10+1)[:size])
			id := fmt.Sprint(size)
			r.mustCommit(outbox.Tx{
				Group: "g", Add: []outbox.Item{{ID: id, Body: body}},
				Entry: &outbox.EntryPut{ID: id, Day: day0, Body: body},
				Put:   []outbox.RowPut{{Name: "row", Body: body}},
			})
		}
		r.both(func() {
			entries, err := r.Entries(r.ctx, "g")
			require.NoError(r, err)
			open := openGroups(r, r)["g"]
			require.Len(r, entries, 6)
			require.Len(r, open, 6)
			for i, e := range entries {
				size := e.ID
				require.Equal(r, size, fmt.Sprint(len(e.Body)))
				require.Equal(r, size, fmt.Sprint(len(e.Row("row").Body)))
				require.Equal(r, size, fmt.Sprint(len(open[i].Body)))
				require.Equal(r, string(e.Body), string(open[i].Body))
				require.Equal(r, string(e.Body), string(e.Row("row").Body))
			}
		})
	}},
	{"drop", func(r *rig) {
		r.mustCommit(outbox.Tx{Group: "g", Add: items("a", "b", "c")})
		r.mustCommit(outbox.Tx{Group: "g", Drop: []string{"a", "c", "never there", "a"}})
		r.both(func() { require.Equal(r, map[string][]outbox.Item{"g": items("b")}, openGroups(r, r)) })
		res := r.mustCommit(outbox.Tx{Group: "g", Add: items("a"), Drop: []string{"b"}})
		assert.Equal(r, []bool{true}, res.New, "a dropped item is gone, so it is new when it comes again")
		r.both(func() { require.Equal(r, map[string][]outbox.Item{"g": items("a")}, openGroups(r, r)) })
		r.mustCommit(outbox.Tx{Group: "g", Drop: []string{"a"}})
		r.both(func() { require.Empty(r, openGroups(r, r)) })
	}},
	{"many groups", func(r *rig) {
		var want []string
		for i := range 700 { // more than a store reads at once
			g := fmt.Sprintf("g%d", i)
			want = append(want, g)
			r.mustCommit(outbox.Tx{Group: g, Add: items("a", "b")})
		}
		slices.Sort(want)
		r.both(func() {
			open := openGroups(r, r)
			require.Equal(r, want, sorted(open))
			for _, list := range open {
				require.Equal(r, items("a", "b"), list)
			}
		})
	}},
	{"an error from f ends Open", func(r *rig) {
		r.mustCommit(outbox.Tx{Group: "g", Add: items("a")})
		r.mustCommit(outbox.Tx{Group: "h", Add: items("a")})
		calls, enough := 0, errors.New("enough")
		err := r.Open(r.ctx, func(string, []outbox.Item) error { calls++; return enough })
		require.ErrorIs(r, err, enough)
		require.Equal(r, 1, calls)
	}},
}

package bolt

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// A check that lets go of each day once it was seen finds what one finds that keeps all of them: of a whole file, and of one
// with any flipped byte, or with a page of another place.
func TestBriefCheckFindsTheSame(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := openAt(t, path, Options{})
	for i := range 200 {
		day := outbox.DayOf(t0) + outbox.Day(i%4)
		tx := outbox.Tx{Group: fmt.Sprint("g", i), Entry: &outbox.EntryPut{ID: fmt.Sprint(i), Day: day, Body: []byte(fmt.Sprint("body ", i))},
			Put: []outbox.RowPut{{Name: "q", Body: []byte("done")}}, Label: []outbox.Label{{Name: fmt.Sprint("l", i)}},
			Count: []outbox.Delta{{Day: day, Name: "n", N: 1}}}
		if i%3 == 0 {
			tx.Enqueue = []outbox.NewTask{{Queue: "q", Due: t0}}
		}
		_, err := s.Commit(t.Context(), tx)
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	both := func(image []byte, what string) *exam {
		full, errFull := examineAs(newImage(image), nil, false)
		brief, errBrief := examineAs(newImage(image), nil, true)
		require.Equal(t, errFull, errBrief, what)
		if errFull != nil {
			return nil
		}
		for _, r := range []*Report{&full.report, &brief.report} {
			slices.Sort(r.Damage)
		}
		require.Equal(t, full.report, brief.report, what)
		return brief
	}
	x := both(image, "whole")
	require.Empty(t, x.report.Damage)
	require.Equal(t, 200, x.report.Entries)
	require.Equal(t, 200, x.report.Rows)
	for day, d := range x.contents.days {
		require.Empty(t, d.entries, "%s isn't let go", day)
		require.Empty(t, d.rows)
		require.Len(t, d.gone, 50)
	}
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for n := range 1000 {
		damaged := bytes.Clone(image)
		what := fmt.Sprintf("flip %d", n)
		if n%10 == 0 { // a page that is whole, in the place of another
			from, to := random.IntN(len(image)/4096), random.IntN(len(image)/4096)
			copy(damaged[to*4096+8:(to+1)*4096], image[from*4096+8:(from+1)*4096])
			what = fmt.Sprintf("page %d on page %d", from, to)
		} else {
			damaged[random.IntN(len(image))] ^= 1 << random.IntN(8)
		}
		if x := both(damaged, what); x != nil && len(x.report.Damage) > 0 {
			found++
		}
	}
	require.Greater(t, found, 100)
}

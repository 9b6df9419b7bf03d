package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// Each bit of the number of elements of each page that is in use: a wrong one is noticed, and all that is on the page is found.
func TestWrongNumberOfElements(t *testing.T) {
	path := newPath(t)
	fillEntries(t, path)
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	x, err := examine(newImage(image), plain{})
	require.NoError(t, err)
	require.Empty(t, x.report.Damage)
	flips, rows := 0, 0
	for id := range x.tree.reached {
		p, err := newImage(image).page(id)
		if err != nil || p.flags != leafPage && p.flags != branchPage || p.count == 0 {
			continue // the rest of a larger page, a head, or nothing to miss
		}
		for bit := range 16 {
			damaged := bytes.Clone(image)
			at := id*4096 + 10
			binary.NativeEndian.PutUint16(damaged[at:], uint16(p.count)^1<<bit)
			what := fmt.Sprintf("page %d with %d elements in place of %d", id, p.count^1<<bit, p.count)
			x, err := examine(newImage(damaged), plain{})
			require.NoError(t, err, what)
			require.NotEmpty(t, x.report.Damage, what)
			flips++
			if bit > 2 {
				continue
			}
			require.NoError(t, os.WriteFile(path, damaged, 0o600))
			saved, err := Salvage(path, nil, plain{}, t0)
			require.NoError(t, err, what)
			require.Equal(t, 300, saved.Entries, what)
			require.Equal(t, 300, saved.Rows, what)
			require.Zero(t, saved.Parked, what)
			rows += saved.Rows
		}
	}
	require.Greater(t, flips, 100)
	require.Positive(t, rows)
}

// The same within a bucket that is so small that it stands in another one's page.
func TestWrongNumberOfElementsOfASmallBucket(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	for i := range 3 {
		_, err := s.Commit(t.Context(), outbox.Tx{Group: fmt.Sprint("g", i), Entry: &outbox.EntryPut{ID: fmt.Sprint(i), Day: outbox.DayOf(t0), Body: []byte("body")},
			Put: []outbox.RowPut{{Name: "q", Body: []byte("done")}}})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	x, err := examine(newImage(image), plain{})
	require.NoError(t, err)
	require.Len(t, x.contents.days[outbox.DayOf(t0)].rows, 3)
	// The bucket's page begins before its three elements, whose first key is that of the first row.
	row := x.contents.days[outbox.DayOf(t0)].rows[0]
	first := append(bytes.Clone(row.key), row.value...)
	found := 0
	for from := 0; ; { // older versions of it are in the file, too
		at := bytes.Index(image[from:], first)
		if at < 0 {
			break
		}
		from += at + 1
		count := from - 1 - 3*pageElement - pageHeader + 10
		if binary.NativeEndian.Uint16(image[count:]) != 3 {
			continue
		}
		image[count] ^= 1 // two of three
		x, err = examine(newImage(image), plain{})
		require.NoError(t, err)
		require.Len(t, x.contents.days[outbox.DayOf(t0)].rows, 3)
		if len(x.report.Damage) > 0 {
			found++
		}
		image[count] ^= 1
	}
	require.Equal(t, 1, found)
}

package bolt

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// A file that is mostly free becomes small at the next start, and what is in it stays; what an earlier start left is removed.
func TestMostlyFreeFileIsCompacted(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	ref := fill(t, s)
	var ids []string
	for i := range 100 {
		id := fmt.Sprint(i)
		_, err := s.Commit(t.Context(), outbox.Tx{Group: "large", Add: []outbox.Item{{ID: id, Body: bytes.Repeat([]byte("x"), 50_000)}}})
		require.NoError(t, err)
		ids = append(ids, id)
	}
	_, err := s.Commit(t.Context(), outbox.Tx{Group: "large", Drop: ids})
	require.NoError(t, err)
	seq := s.seq
	require.NoError(t, s.Close())
	size := func() int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	before := size()

	require.NoError(t, openAt(t, path, Options{}).Close())
	require.Equal(t, before, size(), "a small file isn't worth it")

	for _, left := range []string{compactSuffix, salvageSuffix} { // as a crash leaves it
		require.NoError(t, os.WriteFile(path+left, []byte("half a file"), 0o600))
	}
	s = openAt(t, path, Options{compactFrom: 1 << 20})
	require.NoFileExists(t, path+compactSuffix)
	require.NoFileExists(t, path+salvageSuffix)
	require.Less(t, size(), before/4)
	require.Equal(t, seq, s.seq)
	e, err := s.Entry(t.Context(), ref)
	require.NoError(t, err)
	require.Len(t, e.Rows, 1)
	require.Equal(t, []bool{false}, add(t, s, "g", "a"))
	require.Equal(t, []bool{true}, add(t, s, "g", "c"))
	_, err = Open(path, Options{})
	require.ErrorIs(t, err, outbox.ErrLocked)
	require.NoError(t, s.Close())
	report, err := Check(path, CheckOptions{})
	require.NoError(t, err)
	require.Empty(t, report.Damage)
}

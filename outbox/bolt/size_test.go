package bolt

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// The history's size is that of the entries, however many groups are open beside them, and nothing is left behind.
func TestHistorySize(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	fill(t, s)
	require.NoError(t, s.Close())
	little, err := HistorySize(path)
	require.NoError(t, err)

	s = openAt(t, path, Options{})
	for i := range 100 {
		_, err := s.Commit(t.Context(), outbox.Tx{Group: "large", Add: []outbox.Item{{ID: fmt.Sprint(i), Body: bytes.Repeat([]byte{byte(i)}, 50_000)}}})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	size, err := HistorySize(path)
	require.NoError(t, err)
	require.InDelta(t, little, size, 3*4096)
	left, err := filepath.Glob(path + ".*")
	require.NoError(t, err)
	require.Empty(t, left)
}

package bolt

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

func TestWalkLeavesOutWhatIsDamaged(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	day := outbox.DayOf(t0)
	var refs []outbox.Ref
	for i := range 4 {
		res, err := s.Commit(t.Context(), outbox.Tx{Group: fmt.Sprint(i), Entry: &outbox.EntryPut{ID: "e", Day: day, Body: []byte("x")}})
		require.NoError(t, err)
		refs = append(refs, res.Ref)
	}
	require.NoError(t, s.Close())
	edit(t, path, func(tx *bbolt.Tx) error {
		b := bucketAt(tx, daysBucket, day.String(), entriesBucket)
		key := seqKey(refs[1].Seq)
		v := bytes.Clone(b.Get(key))
		v[len(v)-1] ^= 1
		return b.Put(key, v)
	})
	s = openAt(t, path, Options{})
	list, err := s.Walk(t.Context(), day, 0, 2)
	require.ErrorIs(t, err, outbox.ErrDamaged)
	require.ErrorContains(t, err, fmt.Sprintf("key %016x", refs[1].Seq))
	require.Len(t, list, 2)
	require.Equal(t, refs[2], list[1].Ref)
	list, err = s.Walk(t.Context(), day, refs[2].Seq, 2)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, s.Close())
}

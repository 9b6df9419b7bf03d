package bolt

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// A day from before there were labels says up to where they are missing, also once something was added to it.
func TestDaysWithoutLabels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open := func() *Store {
		s, err := Open(path, Options{})
		require.NoError(t, err)
		return s
	}
	s := open()
	add := func(id string, label ...outbox.Label) outbox.Ref {
		res, err := s.Commit(t.Context(), outbox.Tx{Group: "g", Entry: &outbox.EntryPut{ID: id, Day: 100, Body: []byte("x")}, Label: label})
		require.NoError(t, err)
		return res.Ref
	}
	add("old")
	last := add("older")
	require.NoError(t, s.Close())
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		return bucketAt(tx, daysBucket, outbox.Day(100).String()).DeleteBucket([]byte(labelsBucket))
	}))
	require.NoError(t, db.Close())

	s = open()
	defer func() { require.NoError(t, s.Close()) }()
	refs, unlabeled, err := s.Labeled(t.Context(), "l", 10)
	require.NoError(t, err)
	require.Empty(t, refs)
	require.Equal(t, []outbox.Ref{last}, unlabeled)
	fresh := add("new", outbox.Label{Name: "l"})
	add("newer")
	refs, unlabeled, err = s.Labeled(t.Context(), "l", 10)
	require.NoError(t, err)
	require.Equal(t, []outbox.Ref{fresh}, refs)
	require.Equal(t, []outbox.Ref{last}, unlabeled)
}

// Labels are found whichever block their entries are in.
func TestLabelsOfManyBlocks(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "store.db"), Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	var want []outbox.Ref
	for i := range 12 {
		s.seq += 1<<labelBlockBits - 3 // the committer is idle
		res, err := s.Commit(t.Context(), outbox.Tx{Group: "g", Label: []outbox.Label{{Name: "l"}, {Name: fmt.Sprint(i)}},
			Entry: &outbox.EntryPut{ID: fmt.Sprint(i), Day: 100, Body: []byte("x")}})
		require.NoError(t, err)
		want = append([]outbox.Ref{res.Ref}, want...)
	}
	refs, _, err := s.Labeled(t.Context(), "l", 100)
	require.NoError(t, err)
	require.Equal(t, want, refs)
}

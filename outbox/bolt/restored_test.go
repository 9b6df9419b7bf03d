package bolt

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// marked gives the path of a store that is a backup.
func marked(t *testing.T, taken time.Time) string {
	t.Helper()
	path := newPath(t)
	s := openAt(t, path, Options{})
	add(t, s, "g", "one")
	require.NoError(t, s.Close())
	require.NoError(t, MarkBackup(path, taken))
	return path
}

// The mark of the backup goes in the commit that notes the restore, which stays noted.
func TestRestoreIsNoted(t *testing.T) {
	taken := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	restored := taken.Add(time.Hour)
	path := marked(t, taken)

	lost := errors.New("a made-up crash")
	var crash bool
	s := openAt(t, path, Options{Commit: func(commit func() error) error {
		if crash {
			return lost
		}
		return commit()
	}})
	require.Equal(t, outbox.Restored{}, s.Restored())
	crash = true
	require.Error(t, s.MarkRestored(t.Context(), restored))
	require.Equal(t, outbox.Restored{}, s.Restored())
	require.NoError(t, s.Close())

	s = openAt(t, path, Options{})
	_, is, err := s.BackupTaken(t.Context())
	require.NoError(t, err)
	require.True(t, is)
	require.Equal(t, outbox.Restored{}, s.Restored())
	require.NoError(t, s.MarkRestored(t.Context(), restored))
	require.Equal(t, outbox.Restored{Taken: taken, At: restored}, s.Restored())
	require.NoError(t, s.MarkRestored(t.Context(), restored.Add(time.Hour)), "it is no backup any more")
	require.NoError(t, s.Close())

	s = openAt(t, path, Options{ReadOnly: true})
	require.Equal(t, outbox.Restored{Taken: taken, At: restored}, s.Restored())
	require.ErrorIs(t, s.MarkRestored(t.Context(), restored), errReadOnly)
	require.NoError(t, s.Close())

	// A second backup, of the store that was restored: what isn't known since the first still isn't.
	require.NoError(t, MarkBackup(path, taken.AddDate(0, 1, 0)))
	s = openAt(t, path, Options{})
	require.NoError(t, s.MarkRestored(t.Context(), taken.AddDate(0, 2, 0)))
	require.Equal(t, outbox.Restored{Taken: taken, At: taken.AddDate(0, 2, 0)}, s.Restored())
	require.NoError(t, s.Close())
}

// By the clock of another machine it may be restored before it was taken: all that is in it is from before, all the same.
func TestRestoredByAClockThatIsBehind(t *testing.T) {
	taken := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s := openAt(t, marked(t, taken), Options{})
	require.NoError(t, s.MarkRestored(t.Context(), taken.Add(-time.Hour)))
	require.Equal(t, outbox.Restored{Taken: taken, At: taken}, s.Restored())
	require.NoError(t, s.Close())
}

// Of a damaged store the note is salvaged, or the store counts as a backup again.
func TestRestoreIsSalvaged(t *testing.T) {
	taken := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	want := outbox.Restored{Taken: taken, At: taken.Add(time.Hour)}
	store := func() string {
		path := marked(t, taken)
		s := openAt(t, path, Options{})
		require.NoError(t, s.MarkRestored(t.Context(), want.At))
		require.NoError(t, s.Close())
		return path
	}
	salvaged := func(path string) *Store {
		_, err := Salvage(path, nil, plain{}, time.Now())
		require.NoError(t, err)
		report, err := Check(path, CheckOptions{})
		require.NoError(t, err)
		require.Empty(t, report.Damage)
		s := openAt(t, path, Options{})
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	t.Run("the page that the newest head leads to", func(t *testing.T) {
		path := store()
		image, err := os.ReadFile(path)
		require.NoError(t, err)
		size := os.Getpagesize()
		root := binary.NativeEndian.Uint64(image[16+16:])
		if binary.NativeEndian.Uint64(image[size+16+48:]) > binary.NativeEndian.Uint64(image[16+48:]) {
			root = binary.NativeEndian.Uint64(image[size+16+16:])
		}
		image[int(root)*size+8] ^= 0xff
		require.NoError(t, os.WriteFile(path, image, 0o600))
		require.Equal(t, want, salvaged(path).Restored())
	})
	t.Run("the note itself", func(t *testing.T) {
		path := store()
		db, err := bbolt.Open(path, 0o600, nil)
		require.NoError(t, err)
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			v := encodeRestored(want)
			v[len(v)-1] ^= 1
			return tx.Bucket([]byte(metaBucket)).Put([]byte(restoredKey), v)
		}))
		require.NoError(t, db.Close())
		s := salvaged(path)
		at, is, err := s.BackupTaken(t.Context())
		require.NoError(t, err)
		require.True(t, is)
		require.True(t, at.IsZero())
	})
}

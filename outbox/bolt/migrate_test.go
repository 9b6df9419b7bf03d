package bolt

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"wrapup/outbox/outboxtest"
)

// made-up steps, from 1 to 3: the first makes a bucket, the second puts something into it.
func madeUpSteps() []migration {
	return []migration{
		func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("later"))
			return err
		},
		func(tx *bbolt.Tx) error { return tx.Bucket([]byte("later")).Put([]byte("key"), []byte("value")) },
	}
}

func schemaOf(t *testing.T, path string) (version uint64) {
	t.Helper()
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		version, err = decodeNumber([]byte(schemaKey), tx.Bucket([]byte(metaBucket)).Get([]byte(schemaKey)))
		return err
	}))
	require.NoError(t, db.Close())
	return version
}

func TestThereIsAStepToEachSchemaVersion(t *testing.T) {
	require.Len(t, migrations(), schemaVersion-1)
	for _, step := range migrations() {
		require.NotNil(t, step)
	}
}

// A file of an older wrapup is brought up step by step; a crash or a failure between leaves a file that the next start
// goes on with.
func TestOlderFilesAreMigrated(t *testing.T) {
	steps := madeUpSteps()
	for failing := range 3 { // 0: none
		path := newPath(t)
		s := openAt(t, path, Options{})
		ref := fill(t, s)
		require.NoError(t, s.Close())
		_, err := Open(path, Options{steps: steps, ReadOnly: true})
		require.ErrorContains(t, err, "start the daemon once")

		if failing > 0 {
			faults := &outboxtest.Faults{}
			faults.FailNext(failing, outboxtest.Lost, syscall.EIO)
			_, err := Open(path, Options{steps: steps, Commit: faults.Commit})
			require.ErrorIs(t, err, syscall.EIO)
			require.Equal(t, uint64(failing), schemaOf(t, path))
			broken := []migration{steps[0], func(*bbolt.Tx) error { return errors.New("it can't be done") }}
			_, err = Open(path, Options{steps: broken})
			require.ErrorContains(t, err, "it can't be done")
			require.ErrorContains(t, err, "from schema version 2 to 3")
			require.Equal(t, uint64(2), schemaOf(t, path))
		}
		s = openAt(t, path, Options{steps: steps})
		e, err := s.Entry(t.Context(), ref)
		require.NoError(t, err)
		require.Equal(t, "entry", string(e.Body))
		require.Equal(t, []bool{true}, add(t, s, "g", "z"))
		require.NoError(t, s.Close())
		require.Equal(t, uint64(3), schemaOf(t, path))

		// The older wrapup leaves it alone.
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = Open(path, Options{})
		require.ErrorIs(t, err, ErrNewer)
		_, err = Check(path, CheckOptions{})
		require.ErrorIs(t, err, ErrNewer)
		_, err = Salvage(path, []string{"a reason"}, nil, t0)
		require.ErrorIs(t, err, ErrNewer)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
}

// A new file begins at the newest version: no step is for it.
func TestNewFilesAreNotMigrated(t *testing.T) {
	path := newPath(t)
	steps := madeUpSteps()
	for i := range steps {
		steps[i] = func(*bbolt.Tx) error { return errors.New("not for a new file") }
	}
	require.NoError(t, openAt(t, path, Options{steps: steps}).Close())
	require.Equal(t, uint64(3), schemaOf(t, path))
}

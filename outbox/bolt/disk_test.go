package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"wrapup/outbox"
	"wrapup/outbox/outboxtest"
)

var t0 = time.Date(2026, 3, 28, 9, 0, 0, 0, time.UTC)

func openAt(t *testing.T, path string, opts Options) *Store {
	t.Helper()
	s, err := Open(path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "wrapup.db")
}

// add commits one item.
func add(t *testing.T, s *Store, group, id string) []bool {
	t.Helper()
	res, err := s.Commit(t.Context(), outbox.Tx{Group: group, Add: []outbox.Item{{ID: id, Body: []byte("body of " + id)}}})
	require.NoError(t, err)
	return res.New
}

func TestLockedFileIsRefusedInWords(t *testing.T) {
	path := newPath(t)
	first := openAt(t, path, Options{})
	for _, opts := range []Options{{LockTimeout: time.Millisecond}, {LockTimeout: time.Millisecond, ReadOnly: true}} {
		_, err := Open(path, opts)
		require.ErrorIs(t, err, outbox.ErrLocked)
		require.ErrorContains(t, err, path)
	}
	require.NoError(t, first.Close())
	openAt(t, path, Options{})
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	path := newPath(t)
	openAt(t, path, Options{})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := newPath(t)
	require.NoError(t, openAt(t, path, Options{}).Close())
	edit(t, path, func(tx *bbolt.Tx) error {
		key := []byte(schemaKey)
		return tx.Bucket([]byte(metaBucket)).Put(key, encodeNumber(key, schemaVersion+1))
	})
	_, err := Open(path, Options{})
	require.ErrorContains(t, err, "newer wrapup")
	require.ErrorContains(t, err, path)
}

func TestForeignFilesAreRefused(t *testing.T) {
	path := newPath(t)
	edit(t, path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("somebody's"))
		return err
	})
	_, err := Open(path, Options{})
	require.ErrorContains(t, err, "not one of wrapup")

	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, bytes.Repeat([]byte("no database\n"), 4096), 0o600))
	_, err = Open(text, Options{})
	require.ErrorContains(t, err, text)

	_, err = Open(filepath.Join(t.TempDir(), "no such", "wrapup.db"), Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFailedCreationIsAnErrorAndCanBeRepeated(t *testing.T) {
	path := newPath(t)
	faults := &outboxtest.Faults{}
	faults.FailNext(1, outboxtest.Lost, syscall.EIO)
	_, err := Open(path, Options{Commit: faults.Commit})
	require.ErrorIs(t, err, syscall.EIO)
	add(t, openAt(t, path, Options{Commit: faults.Commit}), "g", "a")
}

func TestReadOnly(t *testing.T) {
	path := newPath(t)
	_, err := Open(path, Options{ReadOnly: true})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, path)

	s := openAt(t, path, Options{})
	ref := fill(t, s)
	require.NoError(t, s.Close())

	s = openAt(t, path, Options{ReadOnly: true})
	openAt(t, path, Options{ReadOnly: true}) // beside it
	_, err = s.Commit(t.Context(), outbox.Tx{Group: "g", Add: []outbox.Item{{ID: "z"}}})
	require.ErrorIs(t, err, errReadOnly)
	_, _, err = s.Claim(t.Context(), "q", t0, 1, outbox.OldestFirst)
	require.ErrorIs(t, err, errReadOnly)
	e, err := s.Entry(t.Context(), ref)
	require.NoError(t, err)
	require.Len(t, e.Rows, 1)
	d, err := s.Depth(t.Context(), "q")
	require.NoError(t, err)
	require.Equal(t, outbox.Depth{Waiting: 1, Oldest: t0, Buried: 1}, d)
}

// fill stores one of everything, and two items.
func fill(t *testing.T, s *Store) outbox.Ref {
	t.Helper()
	ctx := t.Context()
	add(t, s, "g", "a")
	add(t, s, "g", "b")
	res, err := s.Commit(ctx, outbox.Tx{
		Group: "g", Entry: &outbox.EntryPut{ID: "e", Day: outbox.DayOf(t0), Body: []byte("entry")},
		Put:     []outbox.RowPut{{Name: "row", Body: []byte("row")}},
		Enqueue: []outbox.NewTask{{Queue: "q", Due: t0}, {Queue: "q", Due: t0}},
		Count:   []outbox.Delta{{Day: outbox.DayOf(t0), Name: "n", N: 1}},
	})
	require.NoError(t, err)
	tasks, _, err := s.Claim(ctx, "q", t0, 1, outbox.OldestFirst)
	require.NoError(t, err)
	require.Len(t, tasks, 1)
	require.NoError(t, s.Settle(ctx, tasks[0], outbox.Bury(t0), outbox.Tx{}))
	return res.Ref
}

// edit changes a closed file.
func edit(t *testing.T, path string, f func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(f))
	require.NoError(t, db.Close())
}

func TestDamageIsNoticedAndNamed(t *testing.T) {
	day := daysBucket + "/2026-03-28/"
	ctx := context.Background()
	for _, tt := range []struct {
		bucket []string
		named  string
		read   func(s *Store, ref outbox.Ref) error
	}{
		{[]string{openBucket}, "bucket open, key", func(s *Store, _ outbox.Ref) error {
			return s.Open(ctx, func(string, []outbox.Item) error { return nil })
		}},
		{[]string{daysBucket, "2026-03-28", entriesBucket}, "bucket " + day + "entries, key", func(s *Store, ref outbox.Ref) error {
			_, err := s.Entry(ctx, ref)
			return err
		}},
		{[]string{daysBucket, "2026-03-28", rowsBucket}, "bucket " + day + "rows, key", func(s *Store, ref outbox.Ref) error {
			_, err := s.Entry(ctx, ref)
			return err
		}},
		{[]string{daysBucket, "2026-03-28", groupsBucket}, "bucket " + day + "groups, key", func(s *Store, _ outbox.Ref) error {
			_, err := s.Entries(ctx, "g")
			return err
		}},
		{[]string{daysBucket, "2026-03-28", countsBucket}, "bucket " + day + "counts, key 6e", func(s *Store, ref outbox.Ref) error {
			_, err := s.Counts(ctx, ref.Day)
			return err
		}},
		{[]string{queuesBucket, "q", dueBucket}, "bucket queues/q/due, key", func(s *Store, _ outbox.Ref) error {
			_, err := s.Tasks(ctx, "q", false, outbox.Key{}, 9)
			return err
		}},
		{[]string{queuesBucket, "q", buriedBucket}, "bucket queues/q/buried, key", func(s *Store, _ outbox.Ref) error {
			_, err := s.Tasks(ctx, "q", true, outbox.Key{}, 9)
			return err
		}},
		{[]string{metaBucket}, "bucket meta, key", nil},
	} {
		t.Run(tt.named, func(t *testing.T) {
			path := newPath(t)
			s := openAt(t, path, Options{})
			ref := fill(t, s)
			require.NoError(t, s.Close())

			// Each byte of the first value in turn, then an empty value, then the value under another key.
			var key, value []byte
			change := func(k, v []byte) {
				edit(t, path, func(tx *bbolt.Tx) error {
					b := bucketAt(tx, tt.bucket...)
					if key == nil {
						k0, v0 := b.Cursor().First()
						key, value = bytes.Clone(k0), bytes.Clone(v0)
					}
					if k == nil {
						return nil
					}
					return b.Put(k, v)
				})
			}
			change(nil, nil)
			for i := -1; i < len(value); i++ {
				flipped := bytes.Clone(value)
				if i < 0 {
					flipped = nil
				} else {
					flipped[i] ^= 0x10
				}
				change(key, flipped)
				s, err := Open(path, Options{})
				if tt.read != nil {
					require.NoError(t, err)
					err = tt.read(s, ref)
					require.NoError(t, s.Close())
				}
				require.ErrorIs(t, err, outbox.ErrDamaged, "byte %d", i)
				require.ErrorContains(t, err, tt.named)
			}
		})
	}
}

func TestValueAnswersForItsPlace(t *testing.T) {
	v := encodeNumber([]byte("here"), 7)
	n, err := decodeNumber([]byte("here"), v)
	require.NoError(t, err)
	require.EqualValues(t, 7, n)
	_, err = decodeNumber([]byte("there"), v)
	require.Error(t, err)
}

func TestDamagedItemHidesNoOther(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	fill(t, s)
	require.NoError(t, s.Close())
	edit(t, path, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(openBucket))
		k, v := b.Cursor().First()
		v = bytes.Clone(v)
		v[len(v)-1] ^= 1
		return b.Put(bytes.Clone(k), v)
	})
	var log bytes.Buffer
	s = openAt(t, path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.Contains(t, log.String(), "damaged")

	read := func() (found []string) {
		err := s.Open(t.Context(), func(_ string, items []outbox.Item) error {
			for _, it := range items {
				found = append(found, it.ID)
			}
			return nil
		})
		require.ErrorIs(t, err, outbox.ErrDamaged)
		return found
	}
	require.Equal(t, []string{"b"}, read())
	require.Equal(t, []bool{true}, add(t, s, "g", "a"), "the damaged item is stored again when it comes again")
	require.Equal(t, []string{"b", "a"}, read())
}

func TestDamagedTaskIsPassedOver(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	for i := range 3 {
		_, err := s.Commit(t.Context(), outbox.Tx{Enqueue: []outbox.NewTask{
			{Queue: "q", Due: t0, Ref: outbox.Ref{Seq: uint64(i + 1)}},
		}})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	edit(t, path, func(tx *bbolt.Tx) error {
		b := bucketAt(tx, queuesBucket, "q", dueBucket)
		c := b.Cursor()
		c.First()
		k, v := c.Next()
		v = bytes.Clone(v)
		v[len(v)-1] ^= 1
		return b.Put(bytes.Clone(k), v)
	})
	s = openAt(t, path, Options{})
	tasks, _, err := s.Claim(t.Context(), "q", t0, 2, outbox.OldestFirst)
	require.NoError(t, err)
	require.Len(t, tasks, 2)
	require.EqualValues(t, 1, tasks[0].Ref.Seq)
	require.EqualValues(t, 3, tasks[1].Ref.Seq)
	listed, err := s.Tasks(t.Context(), "q", false, outbox.Key{}, 9)
	require.ErrorIs(t, err, outbox.ErrDamaged)
	require.Equal(t, tasks, listed)
}

func TestFullDiskIsRefusedAndTheStoreGoesOn(t *testing.T) {
	for _, full := range []error{syscall.ENOSPC, fmt.Errorf("write: %w", syscall.EDQUOT), syscall.EROFS} {
		faults := &outboxtest.Faults{}
		path := newPath(t)
		s := openAt(t, path, Options{Commit: faults.Commit})
		add(t, s, "g", "a")
		for range 3 {
			faults.FailNext(1, outboxtest.Lost, full)
			_, err := s.Commit(t.Context(), outbox.Tx{
				Group: "g", Add: []outbox.Item{{ID: "b"}}, Drop: []string{"a"},
				Enqueue: []outbox.NewTask{{Queue: "q", Due: t0, Ref: outbox.Ref{Seq: 1}}},
			})
			require.ErrorIs(t, err, outbox.ErrFull)
			require.Equal(t, errors.Is(full, syscall.EROFS), errors.Is(err, outbox.ErrReadOnly))
			require.ErrorIs(t, err, full)
		}
		select {
		case <-s.Broken():
			t.Fatal("a full disk breaks nothing")
		default:
		}
		d, err := s.Depth(t.Context(), "q")
		require.NoError(t, err)
		require.Equal(t, outbox.Depth{}, d)
		assert.Equal(t, []bool{false}, add(t, s, "g", "a"))
		assert.Equal(t, []bool{true}, add(t, s, "g", "b"))
	}
}

func TestAnyOtherFailureBreaks(t *testing.T) {
	for name, tt := range map[string]struct {
		fault outboxtest.Fault
		err   error
	}{
		"EIO":                           {outboxtest.Lost, syscall.EIO},
		"EIO after the commit":          {outboxtest.Unreported, syscall.EIO},
		"no space, but it was written":  {outboxtest.Unreported, syscall.ENOSPC},
		"whatever else is reported too": {outboxtest.Lost, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			faults := &outboxtest.Faults{}
			s := openAt(t, newPath(t), Options{Commit: faults.Commit})
			select {
			case <-s.Broken():
				t.Fatal("not yet")
			default:
			}
			faults.FailNext(1, tt.fault, tt.err)
			_, err := s.Commit(t.Context(), outbox.Tx{Group: "g", Add: []outbox.Item{{ID: "a"}}})
			require.ErrorIs(t, err, outbox.ErrBroken)
			require.ErrorIs(t, err, tt.err)
			require.NotErrorIs(t, err, outbox.ErrFull)
			<-s.Broken()
			_, err = s.Counts(t.Context(), 0)
			require.ErrorIs(t, err, outbox.ErrBroken)
		})
	}
}

// A counter follows from what it counts, and a recount heals it: a damaged one holds up nothing.
func TestDamagedCounterHoldsUpNothing(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	ref := fill(t, s)
	require.NoError(t, s.Close())
	edit(t, path, func(tx *bbolt.Tx) error {
		b := bucketAt(tx, daysBucket, ref.Day.String(), countsBucket)
		k, v := b.Cursor().First()
		return b.Put(bytes.Clone(k), append(bytes.Clone(v), 0))
	})
	s = openAt(t, path, Options{})
	_, err := s.Commit(context.Background(), outbox.Tx{Count: []outbox.Delta{{Day: ref.Day, Name: "n", N: 2}}})
	require.NoError(t, err)
	counts, err := s.Counts(context.Background(), ref.Day)
	require.NoError(t, err)
	require.EqualValues(t, 2, counts["n"])
}

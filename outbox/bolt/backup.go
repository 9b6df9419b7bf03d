package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// backupKey in meta marks a file as a backup, with when it was taken, until whoever opens it has drawn his conclusions.
const backupKey = "backup"

// Backup writes the store as it is at one moment; to is told its size and gives what it is written to. While it is written
// the store goes on, and the file may grow: write fast. What is written becomes a backup by MarkBackup.
func (s *Store) Backup(ctx context.Context, to func(size int64) (io.Writer, error)) error {
	return s.view(ctx, func(tx *bbolt.Tx) error {
		w, err := to(tx.Size())
		if err != nil {
			return err
		}
		if _, err := tx.WriteTo(w); err != nil {
			return fmt.Errorf("copying the store %s: %w", s.path, err)
		}
		return nil
	})
}

// MarkBackup marks a copy that Backup has written, and makes it durable.
func MarkBackup(path string, taken time.Time) (err error) {
	db, err := openFile(path, Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		if meta == nil {
			return fmt.Errorf("%s is no store of wrapup", path)
		}
		key := []byte(backupKey)
		return meta.Put(key, encodeNumber(key, uint64(taken.UnixMicro())))
	})
	if err != nil {
		return err
	}
	// bbolt's copy begins with the newest head on page 0 whatever its number, and the one before on page 1. The commit above
	// and this one write both where they belong; or else the check would find every second backup damaged.
	return db.Update(func(*bbolt.Tx) error { return nil })
}

// BackupTaken says when the backup was taken that this store was restored from; false if it wasn't, or MarkRestored was
// called. A mark that can't be read counts: it is then of an unknown time, the zero one.
func (s *Store) BackupTaken(ctx context.Context) (taken time.Time, marked bool, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		if meta == nil {
			return nil
		}
		key := []byte(backupKey)
		v := meta.Get(key)
		if v == nil {
			return nil
		}
		marked = true
		if n, err := decodeNumber(key, v); err == nil {
			taken = time.UnixMicro(int64(n)).UTC() //nolint:gosec // as written
		}
		return nil
	})
	return taken, marked, err
}

// restoredKey in meta says that the store was restored from a backup: when that was taken, and when it was put back. It stays.
const restoredKey = "restored"

// MarkRestored takes the mark of the backup away and notes instead, in the same commit, that the store was restored from it at
// the given time; see Restored.
func (s *Store) MarkRestored(ctx context.Context, at time.Time) error {
	if s.readOnly {
		return errReadOnly
	}
	taken, marked, err := s.BackupTaken(ctx)
	if err != nil || !marked {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.underway.Done()
	was := s.Restored()
	if at.Before(taken) { // the clock is another one: what is in the backup came before it was taken, by the old one
		at = taken
	}
	if at.Before(was.At) {
		at = was.At
	}
	if !was.At.IsZero() && was.Taken.Before(taken) { // what is not known since the first backup isn't known since the second
		taken = was.Taken
	}
	now := outbox.Restored{Taken: taken, At: at}
	err = s.alone(ctx, func(b *batch) error {
		meta := b.tx.Bucket([]byte(metaBucket))
		if meta == nil {
			return fmt.Errorf("%w: the bucket meta is gone", outbox.ErrDamaged)
		}
		if err := b.put(meta, []byte(restoredKey), encodeRestored(now)); err != nil {
			return err
		}
		return b.delete(meta, []byte(backupKey))
	})
	if err == nil {
		s.restored.Store(&now)
	}
	return err
}

// Restored says whether the store was ever restored from a backup, by MarkRestored: of several times the last one, with when
// the first backup was taken. It stays, for a delivery may wait as long as it likes.
func (s *Store) Restored() outbox.Restored {
	if r := s.restored.Load(); r != nil {
		return *r
	}
	return outbox.Restored{}
}

func encodeRestored(r outbox.Restored) []byte {
	v := newValue(16)
	for _, t := range []time.Time{r.Taken, r.At} {
		micros := uint64(0) // not known
		if !t.IsZero() {
			micros = uint64(t.UnixMicro())
		}
		v = binary.BigEndian.AppendUint64(v, micros)
	}
	return seal([]byte(restoredKey), v)
}

// decodeRestored reads the mark. One that can't be read counts: then the store was restored at an unknown time, which is now.
func decodeRestored(v []byte, now time.Time) *outbox.Restored {
	p, err := unseal([]byte(restoredKey), v)
	if err != nil || len(p) != 16 {
		return &outbox.Restored{At: now}
	}
	var at [2]time.Time
	for i := range at {
		if micros := binary.BigEndian.Uint64(p[8*i:]); micros != 0 {
			at[i] = time.UnixMicro(int64(micros)).UTC() //nolint:gosec // as written
		}
	}
	return &outbox.Restored{Taken: at[0], At: at[1]}
}

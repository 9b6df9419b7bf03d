package bolt

import (
	"context"
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

// BackupTaken says when the backup was taken that this store was restored from; false if it wasn't, or ForgetBackup was
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

// ForgetBackup takes the mark away.
func (s *Store) ForgetBackup(ctx context.Context) error {
	if s.readOnly {
		return errReadOnly
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.underway.Done()
	return s.alone(ctx, func(b *batch) error {
		meta := b.tx.Bucket([]byte(metaBucket))
		if meta == nil {
			return fmt.Errorf("%w: the bucket meta is gone", outbox.ErrDamaged)
		}
		return b.delete(meta, []byte(backupKey))
	})
}

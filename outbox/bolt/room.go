package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"go.etcd.io/bbolt"
)

// Usage is what a store takes, in bytes.
type Usage struct {
	// Used is what of the file holds something, Free the pages in it that hold nothing: they are written to before the file
	// grows.
	Used, Free int64
}

// Usage tells how much of the file is in use.
func (s *Store) Usage() (Usage, error) {
	var u Usage
	err := s.view(context.Background(), func(tx *bbolt.Tx) error {
		stats := s.db.Stats()
		u.Free = int64(stats.FreePageN+stats.PendingPageN) * int64(s.db.Info().PageSize)
		u.Used = max(0, tx.Size()-u.Free)
		return nil
	})
	return u, err
}

// Ballast is a file beside the store that takes room and holds nothing. When the disk is full it is taken away, so that
// what is in the store can still be settled: even to delete, a store has to write.
type Ballast struct {
	path string
	size int64

	mu    sync.Mutex
	there bool
}

// NewBallast gives the ballast of that size at that path, as an earlier process left it.
func NewBallast(path string, size int64) *Ballast {
	b := &Ballast{path: path, size: size}
	info, err := os.Stat(path)
	b.there = err == nil && info.Mode().IsRegular() && info.Size() > 0
	return b
}

// Size is how much room it takes while it is there.
func (b *Ballast) Size() int64 { return b.size }

// There says whether it takes its room now.
func (b *Ballast) There() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.there
}

// Make takes the room. Whether there is enough beside it is for the caller to know.
func (b *Ballast) Make() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.there {
		return nil
	}
	err := writeBallast(b.path, b.size)
	if err != nil {
		_ = os.Remove(b.path) // a half of it is of no use
		return fmt.Errorf("making the ballast %s: %w", b.path, err)
	}
	b.there = true
	return nil
}

// Drop gives the room back. It is true if there was any.
func (b *Ballast) Drop() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.there {
		return false
	}
	// Cut off first: on a file system that keeps removed files for somebody who reads them, that is what gives room.
	err := errors.Join(os.Truncate(b.path, 0), os.Remove(b.path))
	b.there = err != nil && !errors.Is(err, fs.ErrNotExist)
	return err == nil
}

// writeBallast makes a file that really takes its room.
func writeBallast(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := allocate(f, size); err != nil {
		return err
	}
	return f.Sync()
}

// readOnlyFlag is ST_RDONLY of statfs.
const readOnlyFlag = 1

// Disk tells what room a file system has.
type Disk struct {
	// Size of all of it, and what of it wrapup may still write, in bytes.
	Size, Left int64
	// ReadOnly says that nothing can be written to it, however much is left.
	ReadOnly bool
}

// DiskOf tells of the file system that a folder is on.
func DiskOf(dir string) (Disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Clean(dir), &s); err != nil {
		return Disk{}, fmt.Errorf("how full the disk of %s is: %w", dir, err)
	}
	block := int64(s.Bsize)                                                                                             //nolint:unconvert // it is smaller on some systems
	return Disk{Size: int64(s.Blocks) * block, Left: int64(s.Bavail) * block, ReadOnly: s.Flags&readOnlyFlag != 0}, nil //nolint:gosec // no disk has 2^63 bytes
}

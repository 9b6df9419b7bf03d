package bolt

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// dropCache makes what is read of the file come from the disk. When a sync has failed, Linux takes what was to be written
// for written: it is in the cache and not on the disk, and a later sync finds nothing to do. A start must not believe that.
// What is only not written yet, because a process was killed, is written first.
func dropCache(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Sync()
	if err == nil {
		err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	return errors.Join(err, f.Close())
}

// warm reads a file from its beginning to its end, as fast as the disk gives it, so that it is in the cache. A file of which
// nobody wrote down what is free is gone through by bbolt, in the order of its trees and without reading ahead: that takes ten
// times as long. Of a file that has no room in the memory the first part would be gone again before it is needed.
func warm(path string) error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	stat, err := f.Stat()
	if err != nil || uint64(stat.Size()) > uint64(info.Totalram)*uint64(info.Unit)/2 { //nolint:gosec,unconvert // the types differ from system to system
		return err
	}
	b := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Read(b)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

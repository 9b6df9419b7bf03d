package bolt

import (
	"errors"
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

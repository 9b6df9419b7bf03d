package bolt

import (
	"errors"
	"os"
	"syscall"
)

// allocate makes the file take its room, so that nobody else can have it.
func allocate(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return fillUp(f, size)
	}
	return err
}

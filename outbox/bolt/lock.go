package bolt

import (
	"errors"
	"os"
	"syscall"
	"time"

	"wrapup/outbox"
)

// lockPause is how long it takes to ask again for a lock, as in bbolt.
const lockPause = 50 * time.Millisecond

// InUse says whether somebody has the store open that the file of that path is.
func InUse(path string) bool {
	f, err := lockFile(path, lockPause, true)
	if err == nil {
		_ = f.Close() // nobody had it
	}
	return errors.Is(err, outbox.ErrLocked)
}

// flock locks a file as bbolt does, for as long as it is open. It is false if another process had it all the time.
func flock(f *os.File, alone bool, timeout time.Duration) (bool, error) {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	for deadline := time.Now().Add(timeout); ; time.Sleep(lockPause) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err == nil, err
		}
		if time.Now().Add(lockPause).After(deadline) {
			return false, nil
		}
	}
}

package bolt

import (
	"errors"
	"os"

	"go.etcd.io/bbolt"
)

// HistorySize says how large the store's file would be with nothing in it but its history: without pages that are free, and
// without open groups, which go by themselves. It is told from a copy beside the file, which nobody may have open.
func HistorySize(path string) (size int64, err error) {
	copies := []string{path + ".copy", path + ".history"}
	defer func() {
		for _, c := range copies {
			if gone := os.Remove(c); !errors.Is(gone, os.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}()
	from := path
	for _, to := range copies { // the second is without what was taken out of the first
		if err := copyTo(from, to); err != nil {
			return 0, err
		}
		from = to
	}
	db, err := bbolt.Open(from, fileMode, &bbolt.Options{Timeout: defaultLockTimeout, ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.View(func(tx *bbolt.Tx) error {
		size = tx.Size() // the file is larger: bbolt makes it grow by doubling
		return nil
	})
	return size, err
}

// copyTo makes a copy without open groups, whose pages are free in it.
func copyTo(path, copied string) (err error) {
	from, err := bbolt.Open(path, fileMode, &bbolt.Options{Timeout: defaultLockTimeout, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := compactInto(copied, from); err != nil {
		return err
	}
	to, err := bbolt.Open(copied, fileMode, &bbolt.Options{Timeout: defaultLockTimeout})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return to.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(openBucket)) == nil {
			return nil
		}
		return tx.DeleteBucket([]byte(openBucket))
	})
}

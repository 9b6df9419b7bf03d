package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// createFile makes a file that has nothing in it but can be opened. It gets its name when it is on disk: a power cut while
// it is written leaves a part of it under another name, which the next start throws away, and no file that can't be opened.
func createFile(path string, opts *bbolt.Options) (err error) {
	making := path + ".new"
	if err := os.Remove(making); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(making, fileMode, opts) // it is written and synced here
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// Another process may have had the same in mind, and been quicker.
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, os.Remove(making))
	}
	return os.Rename(making, path)
}

// syncName makes the file's name as durable as what will be in it.
func syncName(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("syncing the folder of %s: %w", path, err)
	}
	return nil
}

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeFolder makes a folder in which a store will be created, with those above it, and makes their names durable: what is
// synced in a folder that has no durable name itself is lost with it. A name that is there may be one that a killed process
// has made, so all of them are synced, as long as there is no store.
func makeFolder(dir, store string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, store)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		switch err := syncFolder(parent); {
		case errors.Is(err, fs.ErrPermission):
			return nil // wrapup may not look into it, and has made nothing there or above
		case err != nil:
			return err
		case parent == filepath.Dir(parent):
			return nil
		}
	}
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

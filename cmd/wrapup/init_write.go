package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// daemonGroup is the group that the packages make for the daemon.
const daemonGroup = "wrapup"

// owner is who may read what init writes: root and the daemon's group, or whoever ran it.
type owner struct {
	group     int // -1 leaves the files to who ran it
	file, dir fs.FileMode
}

// ownerHere finds the daemon's group. Only root can give files to it.
func ownerHere() owner {
	g, err := user.LookupGroup(daemonGroup)
	if err != nil || os.Geteuid() != 0 {
		return owner{-1, 0o600, 0o700}
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return owner{-1, 0o600, 0o700}
	}
	return owner{id, 0o640, 0o750}
}

// write writes the files, each whole or not at all, and gives their names. The configuration comes last: if anything
// fails before, there is none that could be started, and another try keeps the secrets that are there.
func (p *plan) write() (written []string, err error) {
	o := ownerHere()
	for _, dir := range []string{p.dir, p.mappings()} {
		if err := o.mkdir(dir); err != nil {
			return nil, err
		}
	}
	for _, f := range p.files {
		if err := o.write(f); err != nil {
			return nil, err
		}
		written = append(written, f.name)
	}
	return written, nil
}

// mkdir makes a folder, and leaves one that is there as it is.
func (o owner) mkdir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, o.dir); err != nil {
		return err
	}
	return o.give(dir)
}

func (o owner) give(name string) error {
	if o.group < 0 {
		return nil
	}
	return os.Chown(name, 0, o.group)
}

// write makes the file beside its place and moves it there, readable by nobody else from the first byte on.
func (o owner) write(f planned) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(f.name), "."+filepath.Base(f.name)+"-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		_ = tmp.Close()
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err := tmp.Write(f.content); err != nil {
		return err
	}
	if err := errors.Join(o.give(tmp.Name()), tmp.Chmod(o.file), tmp.Sync()); err != nil {
		return err
	}
	if f.replace {
		return os.Rename(tmp.Name(), f.name)
	}
	// A link, unlike a rename, never replaces what has come there meanwhile.
	if err := os.Link(tmp.Name(), f.name); err != nil {
		return fmt.Errorf("%s: %w", f.name, errors.Unwrap(err))
	}
	return os.Remove(tmp.Name())
}

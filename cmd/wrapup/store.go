package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"wrapup/configs"
	"wrapup/connector/finish"
	"wrapup/connector/salvage"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

const storeFile = "wrapup.db"

// A start checks the store's file. What is said of the bodies is checked too where that takes at most a second or so
// (deepCheck: on one core of a small machine it takes 63 ms for each MiB; pages, checksums and references take 3 ms). A large file that was stopped cleanly is not checked at all: that would take as long as reading it from the
// disk, in which no event is taken. A value of it that is damaged is found out when it is read, and a damaged page ends the
// process at worst: the next start finds that it was not stopped cleanly, and checks it.
const (
	deepCheck  = 16 << 20
	cleanCheck = 256 << 20
)

// How long a check may take: a disk gives at least checkRate bytes a second.
const (
	checkTime = time.Minute
	checkRate = 20 << 20
)

// errCheckKilled says that somebody else ended the check: the system does, when it needs memory. Events can't wait for that.
var errCheckKilled = errors.New("the check of the store was killed")

// checker says what is wrong with a store's file. An error says that it can't be told.
type checker func(ctx context.Context, path string, quick bool) (*bolt.Report, error)

// openStore opens the store in the data folder, which is created if it isn't there, and watches its room. A damaged store is
// salvaged first.
func openStore(ctx context.Context, c *configs.Config, clock finish.Clock, log *slog.Logger, check checker, committed func(int, time.Duration)) (*bolt.Store, *room, error) {
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return nil, nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := makeFolder(dir, storeFile); err != nil {
		return nil, nil, fmt.Errorf("data_dir: %w", err)
	}
	space, err := newRoom(dir, c.Store.MaxSize, clock.Mono, log)
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, storeFile)
	if check != nil {
		err = makeWhole(ctx, path, log, check, space.makeRoom)
	}
	var store *bolt.Store
	if err == nil {
		store, err = bolt.Open(path, bolt.Options{Logger: log, MakeRoom: space.makeRoom, Observe: committed})
	}
	switch {
	case errors.Is(err, outbox.ErrLocked):
		return nil, nil, fmt.Errorf("another wrapup is running on the data in %s: stop it first, or give this one a data_dir of its own", dir)
	case errors.Is(err, syscall.EROFS):
		return nil, nil, fmt.Errorf("the disk of %s is read-only, so no event could be stored: mount it for writing (%w)", dir, err)
	case err != nil:
		return nil, nil, err
	}
	space.usage = store.Usage
	if files, bytes, err := bolt.SetAside(path); err == nil && files > 0 {
		log.Warn("damaged files that were set aside lie beside the store, and only a person may delete them", "files", files, "size", megabytes(bytes), "like", path+".damaged-*")
	}
	return store, space, nil
}

// makeWhole checks the file, and salvages it if it is damaged.
func makeWhole(ctx context.Context, path string, log *slog.Logger, check checker, makeRoom func() bool) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil // a new one
	}
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if clean, err := bolt.StoppedCleanly(path); err == nil && clean && info.Size() > cleanCheck {
		return nil
	}
	limit := checkTime + time.Duration(info.Size()/checkRate)*time.Second
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	report, err := check(within, path, info.Size() > deepCheck)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && within.Err() != nil:
		log.Error("the check of the store took too long; the store is opened without it", "path", path, "limit", limit)
		return nil
	case errors.Is(err, errCheckKilled):
		log.Error("the check of the store was killed (is there too little memory?); the store is opened without it", "path", path)
		return nil
	case err != nil:
		return err
	case len(report.Damage) == 0:
		if len(report.Gaps) > 0 {
			log.Error("the store's file is whole, but what is in it doesn't add up: see wrapup audit", "path", path, "gaps", report.Gaps)
		}
		return nil
	}
	damage := report.Damage
	log.Error("the store is damaged; what is readable is salvaged", "path", path, "damage", damage)
	saved, err := bolt.Salvage(path, damage, salvage.Meaning{}, time.Now())
	if diskFull(err) && makeRoom() {
		saved, err = bolt.Salvage(path, damage, salvage.Meaning{}, time.Now())
	}
	if diskFull(err) {
		return fmt.Errorf("the store %s is damaged, and there is no room to salvage it: %s. The damaged file is as it was, and no event can be taken "+
			"until there is room and wrapup is started again (%w)", path, roomToSalvage(path, info.Size()), err)
	}
	if err != nil {
		return err
	}
	log.Error("the store was damaged and has been salvaged: look through what was lost and what is parked", "path", path,
		"set_aside", saved.SetAside, "groups", saved.Groups, "items", saved.Items, "entries", saved.Entries, "rows", saved.Rows,
		"due", saved.Due, "buried", saved.Buried, "found", saved.Found, "parked", saved.Parked, "again", saved.Again, "lost", saved.Lost,
		"lost_more", saved.LostMore)
	return nil
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// roomToSalvage says how much room a store of that size needs beside it: a new file with what is used of it.
func roomToSalvage(path string, size int64) string {
	need := "a new file beside it takes up to " + megabytes(size)
	if d, err := bolt.DiskOf(filepath.Dir(path)); err == nil {
		need += ", and the disk has " + megabytes(d.Left) + " left"
	}
	return need + ": free as much, or move data_dir to a larger disk"
}

// checkInChild has a process of its own check the file: a damaged page can end a process, from within bbolt.
func checkInChild(ctx context.Context, path string, quick bool) (*bolt.Report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("checking the store: %w", err)
	}
	args := []string{"check", "--store", "--output", "json", path}
	if quick {
		args = append(args, "--quick")
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // this very program
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exited *exec.ExitError
	if err != nil && (ctx.Err() != nil || !errors.As(err, &exited)) {
		return nil, fmt.Errorf("checking the store: %w", err)
	}
	var report bolt.Report
	if json.Unmarshal(out.Bytes(), &report) == nil && (err == nil) == (len(report.Damage)+len(report.Gaps) == 0) {
		return &report, nil
	}
	said := strings.TrimPrefix(strings.TrimSpace(errs.String()), "wrapup: ")
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case cmd.ProcessState.ExitCode() == exitUntold:
		return nil, outbox.ErrLocked
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return nil, errCheckKilled
	case status.Signaled() && !fromWithin(status.Signal()):
		// Whoever stops wrapup may stop all of its processes. That says nothing of the file.
		return nil, fmt.Errorf("the check of the store was stopped (%s)", status.Signal())
	case status.Signaled() || cmd.ProcessState.ExitCode() == exitUsage: // a panic exits with it, too
		first, _, _ := strings.Cut(said, "\n")
		if first == "" {
			first = status.Signal().String()
		}
		return &bolt.Report{Damage: []string{"the check of the file was ended by what is in it: " + first}}, nil
	}
	return nil, errors.New(said)
}

// fromWithin says that a process gets the signal for what it does itself.
func fromWithin(s syscall.Signal) bool {
	switch s {
	case syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGABRT, syscall.SIGILL, syscall.SIGFPE, syscall.SIGTRAP:
		return true
	}
	return false
}

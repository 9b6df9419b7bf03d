package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/outbox/bolt"
)

// self is what the daemon knows of itself.
func (d *daemon) self(ctx context.Context) (*admin.Self, error) {
	s := &admin.Self{Running: true, Version: version, Started: d.started, Listen: d.address, Unready: d.unready(ctx), OpenCalls: d.parts.engine.Open()}
	for _, f := range d.parts.receiver.Status().Feeds {
		s.LastEvent = max(s.LastEvent, f.Last)
	}
	if room, err := d.parts.room.state(); err == nil { // a store that is broken says so itself
		s.RoomLow = room.low()
	}
	return s, measureDisk(s, d.parts.store)
}

// selfOf is what a store tells that no daemon has open.
func selfOf(store *bolt.Store) func(context.Context) (*admin.Self, error) {
	return func(ctx context.Context) (*admin.Self, error) {
		s := &admin.Self{}
		err := stopped{store}.each(ctx, func(uuid, _ string, arrivals []connector.Arrival) {
			if uuid != "" {
				s.OpenCalls++
			}
			for i := range arrivals {
				s.LastEvent = max(s.LastEvent, arrivals[i].At)
			}
		})
		if err != nil {
			return nil, err
		}
		return s, measureDisk(s, store)
	}
}

func measureDisk(s *admin.Self, store *bolt.Store) error {
	s.Store = store.Path()
	var err error
	if s.StoreBytes, err = fileSize(store); err != nil {
		return err
	}
	if s.DamagedFiles, s.DamagedBytes, err = bolt.SetAside(s.Store); err != nil {
		return fmt.Errorf("which damaged files were set aside can't be told: %w", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(s.Store), &fs); err != nil {
		return fmt.Errorf("the room on the disk can't be told: %w", err)
	}
	s.FreeBytes = int64(fs.Bavail) * fs.Bsize //nolint:gosec // no disk is so large
	return nil
}

func fileSize(store *bolt.Store) (int64, error) {
	info, err := os.Stat(store.Path())
	if err != nil {
		return 0, fmt.Errorf("the store's size can't be told: %w", err)
	}
	return info.Size(), nil
}

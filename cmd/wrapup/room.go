package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"wrapup/configs"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

const (
	ballastFile = "ballast"
	// On a large disk the ballast has maxBallast, and events are refused when less than maxReserve is left; on a small one
	// each has its share of the disk.
	maxBallast   = 64 << 20
	ballastShare = 16
	maxReserve   = 256 << 20
	reserveShare = 10
	// measureEvery is how often the room is measured while events come, ballastEvery how often the ballast is looked after.
	measureEvery = 20 * time.Millisecond
	ballastEvery = time.Second
)

// room watches how much room there is for new events. They are refused well before there is none: what is known of calls
// by then must still be finished, delivered and deleted, and each of that writes.
type room struct {
	log     *slog.Logger
	max     int64 // of the file's used part; 0 is none
	reserve int64
	ballast *bolt.Ballast
	disk    func() (bolt.Disk, error)
	usage   func() (bolt.Usage, error)
	mono    func() time.Duration
	// writable tries whether something can be written beside the store; barred says that the last event couldn't be.
	writable func() bool
	barred   atomic.Bool

	mu       sync.Mutex
	measured time.Duration // when; 0 for never
	why      string        // there is no room, "" if there is
}

// newRoom makes the watch of a data folder. Its usage is set once the store is open.
func newRoom(dir string, maxSize configs.Size, mono func() time.Duration, log *slog.Logger) (*room, error) {
	disk := func() (bolt.Disk, error) { return bolt.DiskOf(dir) }
	d, err := disk()
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	return &room{
		log: log, max: int64(maxSize), disk: disk, mono: mono, reserve: min(maxReserve, d.Size/reserveShare),
		writable: func() bool { return writable(dir) },
		ballast:  bolt.NewBallast(filepath.Join(dir, ballastFile), min(maxBallast, d.Size/ballastShare)),
	}, nil
}

// writable tries to make a file.
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

// makeRoom gives up the ballast, when a commit found the disk full.
func (r *room) makeRoom() bool {
	if !r.ballast.Drop() {
		return false
	}
	r.log.Warn("the disk is full: the ballast is given up, so that deliveries go on", "freed", configs.Size(r.ballast.Size()).String())
	return true
}

// check says why there is no room for new events, "" if there is some.
func (r *room) check() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.mono()
	if r.measured != 0 && now-r.measured < measureEvery {
		return r.why
	}
	r.measured = now
	usage, err := r.usage()
	if err != nil {
		return r.why // the store says so itself
	}
	disk, err := r.disk()
	if err != nil {
		r.log.Error("how full the disk is can't be told", "error", err)
		return r.why
	}
	why := r.lacking(usage, disk)
	switch {
	case why != "" && r.why == "":
		r.log.Error("events are refused, and may be lost, until there is room", "reason", why)
	case why == "" && r.why != "":
		r.log.Info("there is room again: events are taken")
	}
	r.why = why
	return why
}

const readOnlyDisk = "the disk is read-only: it has to be mounted for writing"

// lacking judges the room. Once events are refused it takes a little more room to take them again, so that the state
// doesn't change with each event.
func (r *room) lacking(u bolt.Usage, d bolt.Disk) string {
	most, least := r.max, r.reserve
	if r.why != "" {
		most, least = most-most/50, least+least/4
	}
	left := d.Left + u.Free
	if !r.ballast.There() {
		left -= r.ballast.Size()
	}
	switch {
	case d.ReadOnly:
		return readOnlyDisk
	case most > 0 && u.Used >= most:
		return fmt.Sprintf("%s of the store are in use, and store.max_size is %s", megabytes(u.Used), configs.Size(r.max))
	case left < least:
		return fmt.Sprintf("the disk has %s left, of which %s are for what is to be delivered", megabytes(max(left, 0)), megabytes(r.reserve))
	}
	return ""
}

// roomState is how much room there is.
type roomState struct {
	used, free, max int64 // of the store: in use, free in its file, and at most in use; max 0 is no bound
	left, reserve   int64 // of the disk: still to be written, and kept for deliveries
	refusing        bool  // events are refused
}

// refusing says why events are refused, or the last one was; "" if they are taken.
func (r *room) refusing() string {
	why := r.check()
	if why == "" && r.barred.Load() {
		why = readOnlyDisk
	}
	return why
}

// state measures the room.
func (r *room) state() (roomState, error) {
	refusing := r.refusing() != ""
	u, err := r.usage()
	if err != nil {
		return roomState{}, err
	}
	d, err := r.disk()
	if err != nil {
		return roomState{}, err
	}
	return roomState{used: u.Used, free: u.Free, max: r.max, left: d.Left + u.Free, reserve: r.reserve, refusing: refusing}, nil
}

// low says that the room will soon be used up, "" if there is enough.
func (s roomState) low() string {
	switch {
	case s.max > 0 && s.used > s.max/10*9:
		return fmt.Sprintf("%s of the store are in use, and store.max_size is %s", megabytes(s.used), configs.Size(s.max))
	case s.left < 2*s.reserve:
		return fmt.Sprintf("the disk has %s left, and events are refused below %s", megabytes(s.left), megabytes(s.reserve))
	}
	return ""
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// run looks after the ballast until ctx ends: it is made when there is room for it beside the reserve.
func (r *room) run(ctx context.Context) error {
	t := time.NewTicker(ballastEvery)
	defer t.Stop()
	for failed := false; ; {
		if d, err := r.disk(); err == nil && !d.ReadOnly && !r.ballast.There() && d.Left >= r.ballast.Size()+r.reserve {
			err := r.ballast.Make()
			if err != nil && !failed {
				r.log.Warn("the ballast can't be made; it is tried again", "error", err)
			}
			failed = err != nil
		}
		if r.barred.Load() && r.writable() {
			r.barred.Store(false)
			r.log.Info("the disk can be written again: events are taken")
		}
		r.check() // so that the log tells it when there is room again, though no event comes
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// admitted is the store as those have it who take what is new: nothing is added when there is no room.
type admitted struct {
	outbox.Store
	room *room
}

// Commit refuses what adds something while there is no room, with an error that is outbox.ErrFull.
func (a admitted) Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error) {
	if len(tx.Add) > 0 {
		if why := a.room.check(); why == readOnlyDisk {
			return outbox.Result{}, fmt.Errorf("%w: it has to be mounted for writing", outbox.ErrReadOnly)
		} else if why != "" {
			return outbox.Result{}, fmt.Errorf("%w: %s", outbox.ErrFull, why)
		}
	}
	result, err := a.Store.Commit(ctx, tx)
	if errors.Is(err, outbox.ErrReadOnly) {
		a.room.barred.Store(true)
	}
	return result, err
}

package main

import (
	"context"
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// notify tells systemd something. Where no systemd listens it does nothing.
func (d *daemon) notify(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		d.log.Warn("systemd can't be told", "state", state, "error", err)
	}
}

// notifyReady says that all works, and in a line what.
func (d *daemon) notifyReady() {
	d.notify(fmt.Sprintf("%s\nSTATUS=%d source(s), %d destination(s), configuration of %s", systemd.SdNotifyReady,
		len(d.config.Sources), len(d.config.Destinations), time.Now().UTC().Format(time.RFC3339)))
}

// notifyReloading says that the configuration is being read; systemd waits for notifyReady.
func (d *daemon) notifyReloading() {
	d.notify(fmt.Sprintf("%s\n%s", systemd.SdNotifyReloading, systemd.SdNotifyMonotonicUsec()))
}

// healthGroup is a group that never holds anything.
const healthGroup = "health/check"

// healthy asks the store to commit something, which changes nothing: an answer shows that whoever commits is not stuck. Nothing is
// written for it, so a disk that hangs shows once there is something to write: an event, say. A full disk is an answer, too: a
// restart would not mend it.
func healthy(ctx context.Context, store *bolt.Store) error {
	answer := make(chan error, 1)
	go func() { // it ends when the store answers, or the process ends because it doesn't
		_, err := store.Commit(context.WithoutCancel(ctx), outbox.Tx{Group: healthGroup, Drop: []string{"nothing"}})
		answer <- err
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the store doesn't answer: %w", context.Cause(ctx))
	}
}

// watchdog tells systemd at half of its interval that the daemon lives, as long as the store answers. If it stops doing so,
// systemd ends the process and starts another.
func (d *daemon) watchdog(ctx context.Context) error {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil || interval <= 0 {
		return err // or nobody watches
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if err := d.checkHealth(ctx, interval/4); err != nil && ctx.Err() == nil {
			d.log.Error("the watchdog isn't told that all is well", "error", err)
		} else {
			d.notify(systemd.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// checkHealth is healthy, within a time. A store that is full is healthy.
func (d *daemon) checkHealth(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := healthy(ctx, d.parts.store); err != nil && !isFull(err) {
		return err
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"wrapup/connector/deliver"
	"wrapup/outbox/bolt"
)

// backupDone is what a backup came to.
type backupDone struct {
	File  string    `json:"file"`
	Bytes int64     `json:"bytes"`
	Taken time.Time `json:"taken"`
}

func (a *app) backup() *cobra.Command {
	format, force := output("text"), false
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the store to a file, while the daemon runs",
		Long: `Backup writes the store as it is at one moment: all that was accepted before is in it. The daemon goes on meanwhile.
The file appears under its name once it is whole and on disk; one that is there stays, unless --force has it
replaced. It is for its owner alone, for it holds what the store holds: numbers of customers, and tokens.

To restore it, stop the daemon, put the file in the place of data_dir/wrapup.db, and start. Every destination is then paused,
because what was sent since the backup isn't known: look, then resume each with "wrapup destinations resume NAME". A
call of before that may have been sent meanwhile. So its mapping's lookups ask the CRM first; what may be repeated is; and what
can be neither is parked.`,
		Example: "  wrapup backup /backup/wrapup-$(date +%F).db\n  wrapup backup --force /backup/wrapup.db -o json",
		Args:    args(1, "a file to write to"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				var progress io.Writer
				if format == "text" {
					progress = c.ErrOrStderr()
				}
				done, err := writeBackup(ctx, s, args[0], force, time.Now(), progress)
				if err != nil {
					return err
				}
				if format == "json" {
					return printJSON(c.OutOrStdout(), done)
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s, taken at %s\n", printable(done.File), megabytes(done.Bytes), done.Taken.Format(time.RFC3339))
				return err
			})
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace the file if it is there")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

// free says that a backup may get that name. A file that is there may be the only backup, so that replacing it takes force;
// or the store itself: in its place a backup would lose what the daemon accepts from then on.
func free(file string, force bool) error {
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && bolt.InUse(file) {
		return fmt.Errorf("%s is a store in use, which a backup must not replace: give another name", printable(file))
	}
	if _, err := os.Lstat(file); err == nil && !force {
		return fmt.Errorf("%s is there already, and is left as it is: give another name, or --force to replace it", printable(file))
	}
	return nil
}

// writeBackup writes it beside its name and renames it once it is whole and durable.
func writeBackup(ctx context.Context, s asked, file string, force bool, taken time.Time, progress io.Writer) (done backupDone, err error) {
	file, err = filepath.Abs(file)
	if err != nil {
		return done, err
	}
	if err := free(file, force); err != nil {
		return done, err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // 0600
	if err != nil {
		return done, fmt.Errorf("the backup can't be written: %w", err)
	}
	part := f.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	done = backupDone{File: file, Taken: taken.UTC().Truncate(time.Second)}
	err = s.Backup(ctx, func(size int64) (io.Writer, error) {
		done.Bytes = size
		return &told{Writer: f, to: progress, size: size, last: time.Now()}, nil
	})
	if err = errors.Join(err, f.Close()); err != nil {
		return done, err
	}
	if err := bolt.MarkBackup(part, taken); err != nil { // synced with it
		return done, err
	}
	if err := free(file, force); err != nil { // it took a while
		return done, err
	}
	if err := os.Rename(part, file); err != nil {
		return done, err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return done, err
	}
	return done, errors.Join(dir.Sync(), dir.Close())
}

// told tells people how far it is, if it takes long.
type told struct {
	io.Writer
	to         io.Writer // nil is nobody
	size, done int64
	last       time.Time
}

func (t *told) Write(b []byte) (int, error) {
	n, err := t.Writer.Write(b)
	t.done += int64(n)
	if now := time.Now(); t.to != nil && now.Sub(t.last) >= time.Second && t.size > 0 {
		t.last = now
		fmt.Fprintf(t.to, "%s of %s (%d%%)\n", megabytes(t.done), megabytes(t.size), t.done*100/t.size)
	}
	return n, err
}

// holdRestored pauses all destinations, of the configuration and of the backlog, if the store was restored from a backup.
func holdRestored(ctx context.Context, store *bolt.Store, configured []string, now time.Time, log *slog.Logger) error {
	taken, marked, err := store.BackupTaken(ctx)
	if err != nil || !marked {
		return err
	}
	queues, err := store.Queues(ctx)
	if err != nil {
		return err
	}
	held := map[string]bool{}
	for _, name := range append(queues, configured...) {
		if held[name] {
			continue
		}
		held[name] = true
		if err := deliver.HoldRestored(ctx, store, name, taken, now); err != nil {
			return fmt.Errorf("pausing %s, because the store was restored from a backup: %w", name, err)
		}
	}
	log.Warn("the store was restored from a backup: every destination is paused until it is resumed", "taken", taken.Format(time.RFC3339))
	// A crash before this does it again, and nothing was sent yet. After it, the pauses and that mark are there.
	return store.MarkRestored(ctx, now)
}

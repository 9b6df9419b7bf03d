package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"wrapup/connector/admin"
	"wrapup/connector/finish"
)

func (a *app) backfill() *cobra.Command {
	var f callFilters
	format := output("text")
	order := admin.BackfillOrder{}
	dryRun, yes := false, false
	c := &cobra.Command{
		Use:   "backfill --to DESTINATION --since TIME",
		Short: "Send stored calls of a time range to a destination",
		Long: `Backfill sends calls that were finished in a time range to a destination that was not given them, such as one that was
added later. It counts first, then asks.

A call that has a delivery to the destination already, in whatever state (also skipped, dead or dropped), is left alone: no
call gets there twice. So a backfill may be stopped at any time and repeated. The calls are sent as they are now, with the
destination's mapping and conditions, the oldest first, beside the new ones; what a mapping's skip_older_than finds too old
is skipped. The audit counts them under the day on which they were finished.

It has the daemon do it, or does it in the store where none runs: they are sent then once one does.

` + timesHelp,
		Example: `  wrapup backfill --to archive --since 30d --dry-run
  wrapup backfill --to archive --from 2026-05-01 --to-time 2026-06-01
  wrapup backfill --to callbacks --since 2d --outcome abandoned --queue 104906 --yes
  wrapup backfill --to desk2 --since 7d --destination desk --state dead`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if order.To == "" || f.since+f.from+f.until+f.to == "" {
				return usageError{fmt.Errorf("%[1]s needs --to and a time: --since, --from or --to-time (see %[1]s --help)", c.CommandPath())}
			}
			var err error
			if order.Calls, err = f.parse(); err != nil {
				return err
			}
			show := func(b *admin.Backfill, done bool) error {
				if format == "json" {
					return printJSON(c.OutOrStdout(), b)
				}
				return printBackfill(c.OutOrStdout(), order.To, b, done)
			}
			found, err := a.backfillAll(c.Context(), order, a.ask)
			if err != nil {
				return err
			}
			if dryRun || found.Calls == 0 {
				return show(found, false)
			}
			switch {
			case format != "json":
				err = show(found, false)
			case !yes: // whoever is asked has to know
				err = printBackfill(a.err, order.To, found, false)
			}
			if err != nil {
				return err
			}
			if !yes {
				if err := a.agrees(c, "Send them?", "--yes"); err != nil {
					return err
				}
			}
			order.Do = true
			done, err := a.backfillAll(c.Context(), order, a.askToWrite)
			if err != nil && done.Calls == 0 {
				return err
			}
			if err != nil {
				return fmt.Errorf("%w (on their way: %s; repeat it for the others)", err, amount(done.Calls, "call"))
			}
			return show(done, true)
		},
	}
	c.Flags().StringVar(&order.To, "to", "", "the `destination` that gets them")
	f.flagsUntil(c, "to-time")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only count")
	c.Flags().BoolVar(&yes, "yes", false, "don't ask")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

// backfillAll has all parts done and adds them up. Before an error it gives what was done.
func (a *app) backfillAll(ctx context.Context, o admin.BackfillOrder, ask func(context.Context, func(context.Context, asked) error) error) (*admin.Backfill, error) {
	all := &admin.Backfill{}
	progress := isTerminal(a.err)
	err := ask(ctx, func(ctx context.Context, s asked) error {
		for {
			part, err := s.Backfill(ctx, o)
			if err != nil {
				return err
			}
			if part.Calls > 0 && (all.First == 0 || part.First < all.First) {
				all.First = part.First
			}
			all.Last = max(all.Last, part.Last)
			all.Calls, all.Already, all.Erased = all.Calls+part.Calls, all.Already+part.Already, all.Erased+part.Erased
			all.Unreadable, all.Read, all.Paused = all.Unreadable+part.Unreadable, all.Read+part.Read, part.Paused
			if progress {
				fmt.Fprintf(a.err, "\r%d of %s", all.Calls, amount(all.Read, "call"))
			}
			if o.Calls.After = part.Next; part.Next == "" {
				return nil
			}
		}
	})
	if progress {
		fmt.Fprintln(a.err)
	}
	return all, err
}

// askToWrite has the running daemon change something; where none runs it is done in the store.
func (a *app) askToWrite(ctx context.Context, change func(context.Context, asked) error) error {
	o := a.outline()
	err := a.reach(ctx, o, func(ctx context.Context, client *admin.Client) error { return change(ctx, client) })
	var nobody unreached
	if !errors.As(err, &nobody) {
		return err
	}
	if o.Problems.Err() != nil {
		a.report(o)
		return fmt.Errorf("%w: a change in the store needs a configuration that is right", nobody)
	}
	cfg := o.Config
	path := filepath.Join(cfg.DataDir, storeFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return noStore(nobody, path)
	}
	store, space, err := openStore(ctx, cfg, finish.NewSystemClock(), slog.New(slog.DiscardHandler), checkInChild, nil)
	if err != nil {
		return err
	}
	s := source(store, stopped{store}, cfg, nil)
	s.NoRoom = space.check
	return errors.Join(change(ctx, s), store.Close())
}

func printBackfill(w io.Writer, to string, b *admin.Backfill, done bool) error {
	what := "To send to " + printable(to)
	if done {
		what = "On their way to " + printable(to)
	}
	text := fmt.Sprintf("%s: %s", what, amount(b.Calls, "call"))
	if b.Calls > 0 {
		text += fmt.Sprintf(", finished from %s to %s", shortTime(b.First), shortTime(b.Last))
	}
	text += ".\n"
	for _, left := range []struct {
		n   int
		why string
	}{
		{b.Already, "have a delivery to it already"}, {b.Erased, "were erased"}, {b.Unreadable, "can't be read"},
	} {
		if left.n > 0 {
			text += fmt.Sprintf("Left alone: %d that %s.\n", left.n, left.why)
		}
	}
	if b.Paused != "" {
		text += fmt.Sprintf("The destination is paused, and they wait for it: %s\n", printable(b.Paused))
	}
	_, err := io.WriteString(w, text)
	return err
}

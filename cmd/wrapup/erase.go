package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wrapup/connector/admin"
)

func (a *app) erase() *cobra.Command {
	format := output("text")
	order := admin.EraseOrder{}
	dryRun, yes := false, false
	c := &cobra.Command{
		Use:   "erase --phone NUMBER",
		Short: "Erase a phone number from all that is kept",
		Long: `Erase takes a phone number, in any format, out of all that is kept: calls and their events, records, what was sent and
answered, dead letters, agents' timelines and the quarantine. It counts first, then asks. What waits to be delivered is not
delivered any more. The audit counts the deliveries of these calls as erased.

Of each call a tombstone is left: when its events happened, its queue, agents and outcome, and a keyed hash of the number,
by which "wrapup why NUMBER" can say that it was erased. Events that still come of such a call are swallowed. New calls
with the number are calls like any others.

What erase can't do:
  - It asks no CRM. It lists the ids that the mappings have saved: erase them there. What was being sent just then may be
    there, too.
  - Backups still have the number. After one is put back, erase again.
  - The store's file keeps what it has let go of in free pages until they are written over. While that matters, keep the
    file to yourself, on an encrypted disk.
  - The logs of the daemon are journald's, and what is printed here is yours.`,
		Example: `  wrapup erase --phone 0812-345-613 --dry-run
  wrapup erase --phone "+62 812 345613"
  wrapup erase --phone +62812345613 --yes -o json`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if strings.TrimSpace(order.Phone) == "" {
				return usageError{fmt.Errorf("%[1]s needs --phone (see %[1]s --help)", c.CommandPath())}
			}
			if err := phoneFlag(order.Phone); err != nil {
				return err
			}
			return a.operate(c.Context(), func(ctx context.Context, client *admin.Client) error {
				found, err := a.eraseAll(ctx, client, order)
				if err != nil {
					return err
				}
				show := func(e *admin.Erasure, done bool) error {
					if format == "json" {
						return printJSON(c.OutOrStdout(), e)
					}
					return printErasure(c.OutOrStdout(), e, done)
				}
				if dryRun || nothingTo(found) {
					return show(found, false)
				}
				switch { // before anything is done: the ids are gone afterwards
				case format != "json":
					err = show(found, false)
				case !yes: // whoever is asked has to know
					err = printErasure(a.err, found, false)
				}
				if err != nil {
					return err
				}
				if !yes {
					if err := a.agrees(c, "Erase it?", "--yes"); err != nil {
						return err
					}
				}
				order.Do = true
				done, err := a.eraseAll(ctx, client, order)
				if err != nil {
					return fmt.Errorf("%w (it is erased in part: do it again)", err)
				}
				return show(done, true)
			})
		},
	}
	c.Flags().StringVar(&order.Phone, "phone", "", "the `number`, in any format")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only count")
	c.Flags().BoolVar(&yes, "yes", false, "don't ask")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func nothingTo(e *admin.Erasure) bool {
	return len(e.Calls)+len(e.Open)+len(e.Quarantined)+e.Timelines+e.Already == 0
}

// eraseAll has all parts done and adds them up.
func (a *app) eraseAll(ctx context.Context, client *admin.Client, o admin.EraseOrder) (*admin.Erasure, error) {
	all := &admin.Erasure{Calls: []string{}, Open: []string{}, Quarantined: []string{}, Left: []admin.LeftBehind{}}
	for {
		part, err := client.Erase(ctx, o)
		if err != nil {
			return all, err
		}
		all.Numbers = part.Numbers
		all.Calls, all.Open = append(all.Calls, part.Calls...), append(all.Open, part.Open...)
		all.Quarantined, all.Left = append(all.Quarantined, part.Quarantined...), append(all.Left, part.Left...)
		all.Timelines, all.Already, all.Waiting, all.Read = all.Timelines+part.Timelines, all.Already+part.Already, all.Waiting+part.Waiting, all.Read+part.Read
		all.Unreadable += part.Unreadable
		if isTerminal(a.err) {
			fmt.Fprintf(a.err, "\r%s read", amount(all.Read, "call"))
		}
		if o.After = part.Next; o.After == "" {
			break
		}
	}
	if isTerminal(a.err) {
		fmt.Fprintln(a.err)
	}
	if o.Do { // open calls were made tombstones before the history was read, and are found there
		all.Already = max(0, all.Already-len(all.Open))
	}
	return all, nil
}

func printErasure(w io.Writer, e *admin.Erasure, done bool) error {
	var b strings.Builder
	verb := "To erase"
	if done {
		verb = "Erased"
	}
	wait := "wait"
	if e.Waiting == 1 {
		wait = "waits"
	}
	fmt.Fprintf(&b, "%s of %s: %s (%s of them %s), %s, %s in quarantine, %s in agents' timelines.\n",
		verb, strings.Join(e.Numbers, " or "), amount(len(e.Calls), "call"), amount(e.Waiting, "delivery"), wait,
		amount(len(e.Open), "open call"), amount(len(e.Quarantined), "post"), amount(e.Timelines, "place"))
	if e.Already > 0 {
		fmt.Fprintf(&b, "Erased before: %s with it.\n", amount(e.Already, "call"))
	}
	if e.Unreadable > 0 {
		fmt.Fprintf(&b, "Unreadable: %s, of which nobody knows whether they have it.\n", amount(e.Unreadable, "call"))
	}
	if len(e.Left) > 0 {
		b.WriteString("wrapup can't erase what the destinations have. Erase it there:\n")
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, l := range e.Left {
			var ids []string
			for _, name := range slices.Sorted(maps.Keys(l.Saved)) {
				ids = append(ids, name+" "+l.Saved[name])
			}
			fmt.Fprintf(t, "  %s\tcall %s\t%s\t%s\n", printable(l.Destination), printable(l.CallID), printable(string(l.State)), printable(strings.Join(ids, ", ")))
		}
		_ = t.Flush() // into memory
	}
	if done {
		b.WriteString("Backups still have it, and the store's file until its free pages are written over (see wrapup erase --help).\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/outbox"
)

func (a *app) audit() *cobra.Command {
	format := output("text")
	days := 0
	c := &cobra.Command{
		Use:   "audit",
		Short: "Prove that every finished call is accounted for",
		Long: `Audit checks the sum: for each destination and day of finish (UTC), the calls that were finished are those that are
delivered, waiting, dead, parked, skipped or dropped. It takes that from the counters, and counts again what is kept of each
call. Updates, the later revisions of a call that was changed after its finish, have a sum of their own. It also looks whether
each delivery that is not over stands in its queue. It exits with 1 if there is any gap. A day on which deliveries never stand
still long enough to be counted again is said to be so, and is no gap.`,
		Example: "  wrapup audit\n  wrapup audit --days 2 -o json",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if days < 0 {
				return usageError{fmt.Errorf("--days %d: expected at least 1", days)}
			}
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				names, err := s.Days(ctx)
				if err != nil {
					return err
				}
				audits := []*admin.DayAudit{}
				gaps := 0
				for _, name := range names {
					if days > 0 && name < outbox.DayOf(time.Now().Add(-time.Duration(days-1)*24*time.Hour)).String() {
						continue
					}
					audit, err := s.Audit(ctx, name)
					if err != nil {
						return err
					}
					audits = append(audits, audit)
					gaps += len(audit.Gaps)
				}
				if format == "json" {
					err = printJSON(c.OutOrStdout(), audits)
				} else {
					err = printAudits(c.OutOrStdout(), audits)
				}
				if err == nil && gaps > 0 {
					return errReported
				}
				return err
			})
		},
	}
	c.Flags().IntVar(&days, "days", days, "only so many `days`, today included; 0 is all that are kept")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func printAudits(w io.Writer, audits []*admin.DayAudit) error {
	var calls int64
	var gaps, moving []string
	for _, a := range audits {
		calls += a.Calls
		for _, gap := range a.Gaps {
			gaps = append(gaps, a.Day+" "+gap)
		}
		if a.Moving {
			moving = append(moving, a.Day)
		}
	}
	err := printSums(w, "FINISHED", audits, func(d *admin.DestinationAudit) (*admin.Sum, bool) { return &d.Sum, calls > 0 })
	if err == nil {
		err = printSums(w, "UPDATES", audits, func(d *admin.DestinationAudit) (*admin.Sum, bool) {
			return &d.Updates, d.Updates.Finished != 0 || len(d.Updates.Counted)+len(d.Updates.Recounted) > 0
		})
	}
	if err != nil {
		return err
	}
	for _, gap := range gaps {
		fmt.Fprintf(w, "GAP: %s\n", printable(gap))
	}
	for _, day := range moving {
		fmt.Fprintf(w, "%s: deliveries went on all the time, so that it could not be counted again; ask once more.\n", printable(day))
	}
	if len(gaps) > 0 {
		_, err := fmt.Fprintf(w, "%d gap(s) in %d day(s).\n", len(gaps), len(audits))
		return err
	}
	_, err = fmt.Fprintf(w, "The sum holds: %d call(s) in %d day(s), each accounted for.\n", calls, len(audits))
	return err
}

// printSums writes a table of those sums that there are.
func printSums(w io.Writer, what string, audits []*admin.DayAudit, of func(*admin.DestinationAudit) (*admin.Sum, bool)) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "DAY\tDESTINATION\t"+what)
	for _, state := range admin.DeliveryStates() {
		name := strings.ToUpper(string(state))
		if state == connector.DeliveryDone {
			name = "DELIVERED"
		}
		fmt.Fprint(t, "\t"+name)
	}
	fmt.Fprintln(t)
	some := false
	for _, a := range audits {
		for i := range a.Destinations {
			sum, ok := of(&a.Destinations[i])
			if !ok {
				continue
			}
			some = true
			fmt.Fprintf(t, "%s\t%s\t%d", printable(a.Day), printable(a.Destinations[i].Destination), sum.Finished)
			for _, state := range admin.DeliveryStates() {
				fmt.Fprintf(t, "\t%d", sum.Counted[state])
			}
			fmt.Fprintln(t)
		}
	}
	if !some {
		return nil
	}
	return t.Flush()
}

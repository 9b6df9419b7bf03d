package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wrapup/connector/admin"
)

func (a *app) queues() *cobra.Command {
	format := output("text")
	days := 30
	var (
		paging paging
		queue  string
	)
	c := &cobra.Command{
		Use:   "queues",
		Short: "How each queue did: answered, connected, abandoned and its share",
		Long: `Queues sums up the finished calls of the last days, today (in UTC) included, for each queue (access number).

ABANDONED is answered calls that no agent took; its share is of the answered calls. It is a lower bound: answering
machines count as answered, because the dialer's events don't tell them from people. LATE is connected calls whose
customer waited longer for an agent than late_connect_after (2 s): a regulator counts them as abandoned, too. SHORT RING
is unanswered calls that rang for less than 15 s. The US rule: at most 3 % abandoned over 30 days, 15 s of ringing.`,
		Example: "  wrapup queues --days 7\n  wrapup queues --queue 104906 -o json | jq '.[].abandoned_share'",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if days < 1 || days > admin.MaxDays {
				return usageError{fmt.Errorf("--days %d: expected 1 to %d", days, admin.MaxDays)}
			}
			if err := paging.usage(); err != nil {
				return err
			}
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				stats, err := s.Queues(ctx, days)
				if err != nil {
					return err
				}
				all := len(stats)
				stats = slices.DeleteFunc(stats, func(s admin.QueueStats) bool { return queue != "" && string(s.Queue) != queue })
				stats, next, err := pageOf(&paging, stats, func(s admin.QueueStats) string { return string(s.Queue) })
				if err != nil {
					return err
				}
				switch {
				case format == "json":
					err = printJSON(c.OutOrStdout(), stats)
				case len(stats) == 0 && all > 0:
					_, err = fmt.Fprintln(c.OutOrStdout(), "There is no such queue.")
				default:
					err = printQueues(c.OutOrStdout(), stats, days)
				}
				goOn(a.err, next)
				return err
			})
		},
	}
	c.Flags().IntVar(&days, "days", days, "so many `days`, today included")
	c.Flags().StringVar(&queue, "queue", "", "only this `queue` (access number)")
	paging.flags(c)
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func printQueues(w io.Writer, stats []admin.QueueStats, days int) error {
	if len(stats) == 0 {
		_, err := fmt.Fprintf(w, "No call was finished in the last %d day(s).\n", days)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "QUEUE\tNAME\tOFFERED\tANSWERED\tCONNECTED\tABANDONED\tSHARE\tLATE\tSHORT RING")
	for _, s := range stats {
		share := "-"
		if s.AbandonedShare != nil {
			share = fmt.Sprintf("≥ %.1f %%", 100**s.AbandonedShare)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%d\t%d\n", or(s.Queue, "-"), or(s.Name, "-"), s.Offered, s.Answered, s.Connected,
			s.Abandoned, share, s.Late, s.ShortRing)
	}
	return t.Flush()
}

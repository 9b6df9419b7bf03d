package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

func (a *app) deliveries() *cobra.Command {
	c := group("deliveries", "What is waiting, dead, or parked")
	c.AddCommand(a.deliveriesList())
	return c
}

func (a *app) deliveriesList() *cobra.Command {
	var q admin.ListQuery
	var state string
	format := output("text")
	c := &cobra.Command{
		Use:   "list",
		Short: "List the deliveries that are not done",
		Long: `List shows, for each destination, the deliveries that wait to be sent, those that are dead (refused for good)
and those that are parked (maybe delivered), with the reason of each.`,
		Example: `  wrapup deliveries list
  wrapup deliveries list --destination crm --state dead
  wrapup deliveries list -o json | jq -r '.[] | select(.state == "dead") | .uuid'`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			switch q.State = connector.DeliveryState(state); q.State {
			case "", connector.DeliveryWaiting, connector.DeliveryDead, connector.DeliveryParked:
			default:
				return usageError{fmt.Errorf("--state %s: expected waiting, dead or parked", state)}
			}
			if q.Limit < 1 {
				return usageError{fmt.Errorf("--limit %d: expected at least 1", q.Limit)}
			}
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				list, err := s.Deliveries(ctx, q)
				if err != nil {
					return err
				}
				if format == "json" {
					return printJSON(c.OutOrStdout(), list)
				}
				return printDeliveries(c.OutOrStdout(), list, q.Limit)
			})
		},
	}
	c.Flags().StringVar(&q.Destination, "destination", "", "only this `destination`")
	c.Flags().StringVar(&state, "state", "", "only this `state`: waiting, dead or parked")
	c.Flags().IntVar(&q.Limit, "limit", 100, "at most so `many` of a destination's waiting ones, and of its dead and parked ones")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func printDeliveries(w io.Writer, list []admin.ListedDelivery, limit int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "Nothing is waiting, dead or parked.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DESTINATION\tSTATE\tCALL\tOCCURRED\tOUTCOME\tFAILED\tNEXT\tREASON")
	full := map[string]int{}
	for _, d := range list {
		destination := d.Destination
		if d.Unconfigured {
			destination += " (not configured)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", destination, d.State, d.CallID, shortTime(d.OccurredAt), d.Outcome,
			d.Failed, shortTime(d.Next), d.Reason)
		full[d.Destination]++
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range full {
		if n >= limit {
			_, err := fmt.Fprintf(w, "There may be more: the list stops at %d (--limit).\n", limit)
			return err
		}
	}
	return nil
}

// shortTime is a time for a table: UTC, to the second.
func shortTime(t connector.Time) string {
	if !t.Known() {
		return "-"
	}
	return t.Time().Format(time.DateTime)
}

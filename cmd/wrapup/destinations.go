package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wrapup/connector/admin"
)

func (a *app) destinations() *cobra.Command {
	format := output("text")
	var (
		paging      paging
		destination string
	)
	c := &cobra.Command{
		Use:   "destinations",
		Short: "How the destinations are doing; test, pause and resume them",
		Long: `Destinations lists where calls are delivered to: whether deliveries go on, how many wait, on which day (UTC) the oldest of
these calls was finished, when the first of them is or was due, how many were delivered a minute in the last five minutes,
when nothing will wait any more if it goes on like that, how many are dead or parked, how many of the calls that were
finished today (UTC) are delivered, and the latest error.
Where the last minutes don't tell when nothing will wait, it says why.

A destination in trouble is paused, and tried again now and then, until it answers. One that is held waits for a person:
wrapup destinations resume NAME.`,
		Example: "  wrapup destinations\n  wrapup destinations test crm\n  wrapup destinations pause crm --reason \"maintenance until 18:00\"\n  wrapup destinations resume crm",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("%s has no command %q (see %[1]s --help)", c.CommandPath(), args[0])}
			}
			if err := paging.usage(); err != nil {
				return err
			}
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				list, err := s.DestinationStatus(ctx)
				if err != nil {
					return err
				}
				if destination != "" {
					list = slices.DeleteFunc(list, func(d admin.DestinationStatus) bool { return d.Destination != destination })
					if len(list) == 0 {
						return fmt.Errorf("--destination %s: there is none of that name", destination)
					}
				}
				list, next, err := pageOf(&paging, list, func(d admin.DestinationStatus) string { return d.Destination })
				if err != nil {
					return err
				}
				if format == "json" {
					err = printJSON(c.OutOrStdout(), list)
				} else {
					err = printDestinationStatus(c.OutOrStdout(), list)
				}
				goOn(a.err, next)
				return err
			})
		},
	}
	c.Flags().StringVar(&destination, "destination", "", "only this `destination`")
	paging.flags(c)
	c.Flags().VarP(&format, "output", "o", "text or json")
	c.AddCommand(a.destinationsTest(), a.destinationsPause(), a.destinationsResume())
	return c
}

func (a *app) destinationsPause() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "pause NAME --reason TEXT",
		Short: "Send nothing to a destination until it is resumed",
		Long: `Pause holds a destination: what is being sent is completed, and then nothing is sent until somebody resumes it, also
over a restart. Its calls wait, and their retries don't run out.`,
		Example: "  wrapup destinations pause crm --reason \"fields are being moved until 15:00\"",
		Args:    args(1, "the destination's name"),
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usageError{fmt.Errorf("%s needs a reason: --reason TEXT", c.CommandPath())}
			}
			return a.operate(c.Context(), func(ctx context.Context, client *admin.Client) error {
				if err := client.Pause(ctx, args[0], reason); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s is paused until somebody resumes it.\n", args[0])
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, in a `text`")
	return c
}

func (a *app) destinationsResume() *cobra.Command {
	return &cobra.Command{
		Use:     "resume NAME",
		Short:   "End a pause",
		Long:    "Resume ends a pause of a destination, whoever or whatever began it. Its deliveries begin slowly.",
		Example: "  wrapup destinations resume crm",
		Args:    args(1, "the destination's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.operate(c.Context(), func(ctx context.Context, client *admin.Client) error {
				if err := client.Resume(ctx, args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s is resumed.\n", args[0])
				return err
			})
		},
	}
}

func printDestinationStatus(w io.Writer, list []admin.DestinationStatus) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "There are no destinations.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DESTINATION\tSTATE\tWAITING\tOLDEST\tFIRST DUE\tPER MINUTE\tDRAINED\tDEAD\tPARKED\tTODAY\tLAST ERROR")
	for i := range list {
		d := &list[i]
		last := "-"
		if d.LastError != "" {
			last = shortTime(d.LastErrorAt) + " " + printable(d.LastError)
		}
		rate := "-"
		if d.PerMinute != nil {
			rate = strconv.FormatFloat(*d.PerMinute, 'f', 1, 64)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%d\t%d\t%d of %d\t%s\n", printable(d.Destination), printable(string(d.State)), d.Waiting,
			printable(cmp.Or(d.Oldest, "-")), shortTime(d.Due), rate, printable(d.Drain), d.Dead, d.Parked, d.Delivered, d.Finished, last)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range list {
		d := &list[i]
		if d.Reason != "" {
			fmt.Fprintf(w, "%s is %s since %s UTC: %s\n", printable(d.Destination), printable(string(d.State)), shortTime(d.Since), printable(d.Reason))
		}
		if d.Unreadable > 0 {
			fmt.Fprintf(w, "%s: %d were set aside because they couldn't be read (wrapup deliveries list --state unreadable)\n",
				printable(d.Destination), d.Unreadable)
		}
	}
	return nil
}

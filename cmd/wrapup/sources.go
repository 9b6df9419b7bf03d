package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

func (a *app) sources() *cobra.Command {
	format := output("text")
	c := &cobra.Command{
		Use:   "sources",
		Short: "What the dialer has posted since the start, and who was refused",
		Long: `Sources lists the feeds of the dialer: how many posts were let in, how many events were stored or were there already,
how many posts were not understood (wrapup quarantine list), and of how many not everything could be kept. Below it says
who was refused, how often and why. All of it counts from the start of the daemon.`,
		Example: "  wrapup sources\n  wrapup sources -o json | jq .refused",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.askDaemon(c.Context(), func(ctx context.Context, client *admin.Client) error {
				status, err := client.IntakeStatus(ctx)
				if err != nil {
					return err
				}
				if format == "json" {
					return printJSON(c.OutOrStdout(), status)
				}
				return printSources(c.OutOrStdout(), status)
			}, "what it has seen since its start only a running daemon can tell (wrapup serve)")
		},
	}
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func printSources(w io.Writer, s *connector.IntakeStatus) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SOURCE\tPOSTS\tSTORED\tREPEATED\tNOT UNDERSTOOD\tLOST\tLAST")
	for _, f := range s.Feeds {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%s\n", printable(f.Source), f.Posts, f.Stored, f.Repeated, f.NotUnderstood, f.Lost, shortTime(f.Last))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(s.Refused) > 0 {
		fmt.Fprintln(w, "\nRefused")
		t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "TIMES\tSENDER\tSOURCE\tREASON\tFIRST\tLAST")
		for _, r := range s.Refused {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Count, cmp.Or(printable(r.Sender), "(others)"), cmp.Or(printable(r.Source), "-"),
				printable(r.Reason), shortTime(r.First), shortTime(r.Last))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nSince %s UTC. %d of %d connections are open; on %d of them no post was let in yet.\n", shortTime(s.Since),
		s.Connections, s.Most, s.Strangers)
	return err
}

// printCounts prints how often each text was there, most first, and at most so many.
func printCounts(w io.Writer, counts map[string]int, most int) error {
	texts := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b))
	})
	rest := 0
	for i, text := range texts {
		if i >= most {
			rest += counts[text]
			continue
		}
		fmt.Fprintf(w, "  %d  %s\n", counts[text], text)
	}
	if rest > 0 {
		fmt.Fprintf(w, "  %d  with %d others\n", rest, len(texts)-most)
	}
	return nil
}

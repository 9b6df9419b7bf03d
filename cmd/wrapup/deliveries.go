package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
)

func (a *app) deliveries() *cobra.Command {
	c := group("deliveries", "What is waiting, dead, or parked: list, show, retry, drop", `  wrapup deliveries list --destination crm
  wrapup deliveries show 5c6f5869-752d-46fd-8ac0-797f83222279
  wrapup deliveries retry --state dead --reason "answered 422"
  wrapup deliveries drop 5c6f5869-752d-46fd-8ac0-797f83222279 --reason "was entered by hand"`)
	c.AddCommand(a.deliveriesList(), a.deliveriesShow(), a.deliveriesRetry(), a.deliveriesDrop())
	return c
}

// filters are the flags that narrow a list of deliveries.
type filters struct {
	query        admin.ListQuery
	states       []string
	since, until string
}

const timesHelp = `Times are such as 2026-05-01, "2026-05-01 14:30" (UTC), 2026-05-01T14:30:00+07:00, or how long ago: 2h, 3d.
They are about when the call was finished.`

func (f *filters) flags(c *cobra.Command, reason string) {
	c.Flags().StringVar(&f.query.Destination, "destination", "", "only this `destination`")
	c.Flags().StringSliceVar(&f.states, "state", nil, "only this `state`: waiting, dead, parked or unreadable; several with commas")
	c.Flags().StringVar(&f.query.Reason, reason, "", "only where the reason contains this `text`")
	c.Flags().StringVar(&f.query.Queue, "queue", "", "only calls of this `queue` (access number)")
	c.Flags().StringVar(&f.since, "since", "", "only calls finished at this `time` or later")
	c.Flags().StringVar(&f.until, "until", "", "only calls finished before this `time`")
}

// parse gives the query; any says that it narrows anything.
func (f *filters) parse() (q admin.ListQuery, narrow bool, err error) {
	q = f.query
	for _, s := range f.states {
		state := connector.DeliveryState(s)
		switch state {
		case connector.DeliveryWaiting, connector.DeliveryDead, connector.DeliveryParked, admin.StateUnreadable:
			q.States = append(q.States, state)
		default:
			return q, false, usageError{fmt.Errorf("--state %s: expected waiting, dead, parked or unreadable", s)}
		}
	}
	for flag, at := range map[string]struct {
		text string
		into *time.Time
	}{"since": {f.since, &q.Since}, "until": {f.until, &q.Until}} {
		if at.text == "" {
			continue
		}
		if *at.into, err = parseMoment(at.text, time.Now()); err != nil {
			return q, false, usageError{fmt.Errorf("--%s %s: %w", flag, at.text, err)}
		}
	}
	narrow = q.Destination+q.Reason+q.Queue+f.since+f.until != "" || len(q.States) > 0
	return q, narrow, nil
}

// parseMoment reads a time, or how long ago it was.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if ago, err := configs.ParseDuration(text); err == nil {
		return now.Add(-time.Duration(ago)), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("expected a time such as 2026-05-01 or \"2026-05-01 14:30\" (UTC), or how long ago, such as 2h")
}

func (a *app) deliveriesList() *cobra.Command {
	var f filters
	format := output("text")
	limit, after := 100, ""
	c := &cobra.Command{
		Use:   "list",
		Short: "List the deliveries that are not done",
		Long: `List shows the deliveries that are dead (refused for good), parked (maybe delivered) or unreadable (set aside
because what is stored of them couldn't be read), and then those that wait to be sent, with the reason of each. What comes
after the limit is shown with --after, as the last line says.

` + timesHelp,
		Example: `  wrapup deliveries list
  wrapup deliveries list --destination crm --state dead --since 2h
  wrapup deliveries list --limit 0 -o json | jq -r '.[] | select(.state == "dead") | .uuid'`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			q, _, err := f.parse()
			if err != nil {
				return err
			}
			if limit < 0 {
				return usageError{fmt.Errorf("--limit %d: expected at least 0", limit)}
			}
			q.After = after
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				page, err := collect(ctx, s, q, limit)
				if err != nil {
					return err
				}
				if format == "json" {
					err = printJSON(c.OutOrStdout(), page.Deliveries)
				} else {
					err = printDeliveries(c.OutOrStdout(), page.Deliveries)
				}
				if page.Next != "" {
					fmt.Fprintf(a.err, "There may be more: go on with the same command and --after %s\n", page.Next)
				}
				return err
			})
		},
	}
	f.flags(c, "reason")
	c.Flags().IntVar(&limit, "limit", limit, "at most so `many`; 0 is all")
	c.Flags().StringVar(&after, "after", "", "go on from this `place`, which a list ended with")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

// collect gets the pages of a list up to the limit; 0 is all.
func collect(ctx context.Context, s asked, q admin.ListQuery, limit int) (*admin.Page, error) {
	all := &admin.Page{Deliveries: []admin.ListedDelivery{}}
	const most = 1000
	for {
		q.Limit = most
		if limit > 0 {
			q.Limit = min(most, limit-len(all.Deliveries))
		}
		page, err := s.Deliveries(ctx, q)
		if err != nil {
			return nil, err
		}
		all.Deliveries = append(all.Deliveries, page.Deliveries...)
		q.After, all.Next = page.Next, page.Next
		if page.Next == "" || limit > 0 && len(all.Deliveries) >= limit {
			return all, nil
		}
	}
}

func printDeliveries(w io.Writer, list []admin.ListedDelivery) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "Nothing of the kind is waiting, dead or parked.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DESTINATION\tSTATE\tCALL\tOCCURRED\tOUTCOME\tFAILED\tNEXT\tREASON")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", withNote(d.Destination, d.Unconfigured), printable(string(d.State)), printable(d.CallID),
			shortTime(d.OccurredAt), printable(string(d.Outcome)), d.Failed, shortTime(d.Next), printable(d.Reason))
	}
	return t.Flush()
}

func withNote(destination string, unconfigured bool) string {
	if unconfigured {
		return printable(destination) + " (not configured)"
	}
	return printable(destination)
}

func (a *app) deliveriesShow() *cobra.Command {
	format := output("text")
	var destination string
	c := &cobra.Command{
		Use:   "show UUID",
		Short: "Show all that is kept of a call's deliveries: each request, each answer",
		Long: `Show prints what is kept of a call's deliveries: their states and revisions, what the steps have saved, and each
attempt with its request and its answer. Of attempts that succeeded the bodies are not kept.`,
		Example: "  wrapup deliveries show 5c6f5869-752d-46fd-8ac0-797f83222279 --destination crm",
		Args:    args(1, "the call's uuid"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				story, err := s.Story(ctx, args[0])
				if err != nil {
					return err
				}
				inShort := answer(story)
				for i := range story.Calls {
					story.Calls[i].Deliveries = slices.DeleteFunc(story.Calls[i].Deliveries, func(d admin.NamedDelivery) bool {
						return destination != "" && d.Destination != destination
					})
				}
				story.Calls = slices.DeleteFunc(story.Calls, func(c admin.FinishedCall) bool { return len(c.Deliveries) == 0 })
				if format == "json" {
					err = printShownJSON(c.OutOrStdout(), story)
				} else {
					err = printShown(c.OutOrStdout(), story, inShort)
				}
				if err == nil && len(story.Calls) == 0 {
					return errReported
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&destination, "destination", "", "only this `destination`")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

// shownDelivery is a delivery for a script.
type shownDelivery struct {
	CallID string `json:"call_id"`
	admin.NamedDelivery
}

func printShownJSON(w io.Writer, s *admin.Story) error {
	list := []shownDelivery{}
	for _, c := range s.Calls {
		for _, d := range c.Deliveries {
			list = append(list, shownDelivery{CallID: c.CallID, NamedDelivery: d})
		}
	}
	return printJSON(w, list)
}

func printShown(w io.Writer, s *admin.Story, inShort string) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-10s %s\n", name, printable(value))
		}
	}
	for _, c := range s.Calls {
		for _, d := range c.Deliveries {
			fmt.Fprintf(&b, "Call %s to %s\n", printable(c.CallID), withNote(d.Destination, d.Unconfigured))
			line("state", string(d.State))
			line("reason", d.Reason)
			line("revision", fmt.Sprintf("%d is wanted, %d is delivered", d.Wanted, d.Done))
			if d.Failed > 0 {
				line("failed", fmt.Sprintf("%d times since the last success, last at %s UTC", d.Failed, shortTime(d.LastFailed)))
			}
			if d.Next.Known() {
				line("next", shortTime(d.Next)+" UTC")
			}
			for _, on := range slices.Sorted(maps.Keys(d.Held)) {
				line("held", "for "+on+" since "+shortTime(d.Held[on])+" UTC")
			}
			for _, step := range slices.Sorted(maps.Keys(d.Unsure)) {
				line("unsure", "step "+step+" may have been done: its request went out at "+shortTime(d.Unsure[step].Last)+" UTC, and no answer came")
			}
			line("progress", string(d.Progress))
			for i, at := range d.Attempts {
				if d.Dropped > 0 && i == connector.KeptFirst {
					fmt.Fprintf(&b, "\n  … %s …\n", amount(d.Dropped, "more attempt"))
				}
				b.WriteString("\n")
				printAttempt(&b, &at)
			}
			b.WriteString("\n")
		}
	}
	if b.Len() == 0 {
		b.WriteString("There is no such delivery. " + printable(inShort) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printAttempt(b *strings.Builder, at *connector.Attempt) {
	status := "no answer"
	if at.Status != 0 {
		status = fmt.Sprint(at.Status)
	}
	fmt.Fprintf(b, "  Attempt at %s UTC, step %s, revision %d: %s, %s (%s s)\n    %s %s\n",
		shortTime(at.At), printable(at.Step), at.Revision, status, printable(at.Verdict), at.Took, printable(at.Method), printable(at.URL))
	if at.Mapping != "" {
		fmt.Fprintf(b, "    by the mapping %s\n", printable(at.Mapping))
	}
	for _, part := range []struct{ name, text string }{
		{"because", at.Error}, {"warning", at.Warning}, {"request", at.Request}, {"answer", at.Answer},
	} {
		if part.text == "" {
			continue
		}
		fmt.Fprintf(b, "    %s:\n", part.name)
		for text := range strings.Lines(part.text) {
			fmt.Fprintf(b, "      %s\n", printable(strings.TrimRight(text, "\r\n")))
		}
	}
}

// shortTime is a time for a table: UTC, to the second.
func shortTime(t connector.Time) string {
	if !t.Known() {
		return "-"
	}
	return t.Time().Format(time.DateTime)
}

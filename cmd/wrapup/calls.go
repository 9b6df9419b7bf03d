package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/correlate"
)

// callFilters are the flags that narrow a list of calls.
type callFilters struct {
	query                  admin.CallQuery
	outcomes, states       []string
	since, until, from, to string
}

func (f *callFilters) flags(c *cobra.Command) { f.flagsUntil(c, "to") }

// flagsUntil is flags with another name for --to, which may be taken.
func (f *callFilters) flagsUntil(c *cobra.Command, to string) {
	c.Flags().StringVar(&f.query.Phone, "phone", "", "only calls with this `number`, in any format")
	c.Flags().StringVar(&f.query.Agent, "agent", "", "only calls with this `agent`: username, sip id or login session")
	c.Flags().StringVar(&f.query.Queue, "queue", "", "only calls of this `queue` (access number)")
	c.Flags().StringSliceVar(&f.outcomes, "outcome", nil, "only calls with this `outcome`; several with commas")
	c.Flags().StringVar(&f.query.Destination, "destination", "", "only calls with a delivery to this `destination`")
	c.Flags().StringSliceVar(&f.states, "state", nil, "only calls with a delivery in this `state`: waiting, done, dead, parked, skipped, dropped, erased")
	c.Flags().StringVar(&f.since, "since", "", "only calls finished at this `time` or later")
	c.Flags().StringVar(&f.until, "until", "", "only calls finished before this `time`")
	c.Flags().StringVar(&f.from, "from", "", "the same `time` as --since")
	c.Flags().StringVar(&f.to, to, "", "the same `time` as --until")
	_ = c.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions(names(connector.Outcomes()), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(names(admin.DeliveryStates()), cobra.ShellCompDirectiveNoFileComp))
}

// phoneFlag checks a number of which nobody knows yet which country's it is; "" is none.
func phoneFlag(number string) error {
	if _, ok := correlate.ParseNumber(number, &correlate.Settings{}); number != "" && !ok {
		return usageError{fmt.Errorf("--phone %q is no phone number", number)}
	}
	return nil
}

func names[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = string(list[i])
	}
	return out
}

func (f *callFilters) parse() (q admin.CallQuery, err error) {
	q = f.query
	if f.since != "" && f.from != "" || f.until != "" && f.to != "" {
		return q, usageError{errors.New("--since and --from say the same, and so do --until and its other name: give one of them")}
	}
	for _, o := range f.outcomes {
		if !slices.Contains(connector.Outcomes(), connector.Outcome(o)) {
			return q, usageError{fmt.Errorf("--outcome %s: expected one of %v", o, connector.Outcomes())}
		}
		q.Outcomes = append(q.Outcomes, connector.Outcome(o))
	}
	for _, s := range f.states {
		if !slices.Contains(admin.DeliveryStates(), connector.DeliveryState(s)) {
			return q, usageError{fmt.Errorf("--state %s: expected one of %v", s, admin.DeliveryStates())}
		}
		q.States = append(q.States, connector.DeliveryState(s))
	}
	if err := phoneFlag(q.Phone); err != nil {
		return q, err
	}
	for _, at := range []struct {
		flag, text string
		into       *time.Time
	}{{"since", f.since, &q.Since}, {"from", f.from, &q.Since}, {"until", f.until, &q.Until}, {"to", f.to, &q.Until}} {
		if at.text == "" {
			continue
		}
		if *at.into, err = parseMoment(at.text, time.Now()); err != nil {
			return q, usageError{fmt.Errorf("--%s %s: %w", at.flag, at.text, err)}
		}
	}
	return q, nil
}

func (a *app) calls() *cobra.Command {
	var f callFilters
	format := output("text")
	limit := 50
	c := &cobra.Command{
		Use:   "calls",
		Short: "List calls",
		Long: `Calls lists the calls that were finished, the newest first, with where each of their deliveries stands; with --open those
that are not finished yet. What comes after the limit is shown with --after, as the last line says.

` + timesHelp,
		Example: `  wrapup calls
  wrapup calls --phone 0812-345-613
  wrapup calls --agent 6122312312 --outcome connected --since 2h
  wrapup calls --state dead,parked --destination crm --from 2026-05-01 --to 2026-05-08
  wrapup calls --open
  wrapup calls --limit 0 --since 1d -o json | jq -r '.[].call_id'`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := f.parse()
			if err != nil {
				return err
			}
			if limit < 0 {
				return usageError{fmt.Errorf("--limit %d: expected at least 0", limit)}
			}
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				list := []admin.ListedCall{}
				next, err := eachCall(ctx, s, q, limit, func(page *admin.CallPage) error {
					list = append(list, page.Calls...)
					return nil
				})
				if err != nil {
					return err
				}
				if format == "json" {
					err = printJSON(c.OutOrStdout(), list)
				} else {
					err = printCalls(c.OutOrStdout(), list)
				}
				goOn(a.err, next)
				return err
			})
		},
	}
	f.flags(c)
	c.Flags().BoolVar(&f.query.Open, "open", false, "the calls that are not finished yet")
	c.Flags().IntVar(&limit, "limit", limit, "at most so `many`; 0 is all")
	c.Flags().StringVar(&f.query.After, "after", "", "go on from this `place`, which a list ended with")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

// eachCall gets the pages of a list of calls up to the limit; 0 is all. It gives where the list goes on.
func eachCall(ctx context.Context, s asked, q admin.CallQuery, limit int, f func(*admin.CallPage) error) (next string, err error) {
	const most = 500
	for got := 0; ; {
		q.Limit = most
		if limit > 0 {
			q.Limit = min(most, limit-got)
		}
		page, err := s.Calls(ctx, q)
		if err != nil {
			return "", err
		}
		if err := f(page); err != nil {
			return "", err
		}
		got += len(page.Calls)
		q.After = page.Next
		if page.Next == "" || limit > 0 && got >= limit {
			return page.Next, nil
		}
	}
}

func printCalls(w io.Writer, list []admin.ListedCall) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "There is no such call.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OCCURRED\tCALL\tPHONE\tQUEUE\tAGENT\tOUTCOME\tTALK\tDELIVERIES")
	for i := range list {
		line := &list[i].CallLine
		talk := "-"
		if line.Talk.Known {
			talk = line.Talk.String() + " s"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", shortTime(line.OccurredAt), printable(line.CallID), printable(dash(line.Phone)),
			printable(dash(line.Queue)), printable(dash(line.Agent)), printable(string(line.Outcome)), talk, standings(line))
	}
	return t.Flush()
}

func dash(t connector.Text) string {
	if t == "" {
		return "-"
	}
	return string(t)
}

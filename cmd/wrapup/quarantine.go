package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

func (a *app) quarantine() *cobra.Command {
	c := group("quarantine", "What was posted and not understood: list, show, retry, drop", `  wrapup quarantine list
  wrapup quarantine show 1f0c22aa93d1
  wrapup quarantine retry --all --dry-run
  wrapup quarantine drop 1f0c22aa93d1 --reason "a test"`)
	c.Long = `Quarantine holds what was posted by somebody who may post and could not be understood: a dialer doesn't ask twice, so
this is all there is of it. Should the dialer's format change, nothing is lost: a wrapup that understands it reads it
again with "retry". The same bytes are kept once, with a count. There is room for 64 MiB; what comes when it is full is
lost, and the log says so.`
	c.AddCommand(a.quarantineList(), a.quarantineShow(), a.quarantineRetry(), a.quarantineDrop())
	return c
}

// quarantineFilters are the flags that narrow a list of what is in quarantine.
type quarantineFilters struct{ source, reason, since, until string }

const quarantineTimes = `Times are such as 2026-05-01, "2026-05-01 14:30" (UTC), 2026-05-01T14:30:00+07:00, or how long ago: 2h, 3d.
They are about when it came last.`

func (f *quarantineFilters) flags(c *cobra.Command, reason string) {
	c.Flags().StringVar(&f.source, "source", "", "only what was posted to this `source`")
	c.Flags().StringVar(&f.reason, reason, "", "only where a reason contains this `text`")
	c.Flags().StringVar(&f.since, "since", "", "only what came at this `time` or later")
	c.Flags().StringVar(&f.until, "until", "", "only what came before this `time`")
}

func (f *quarantineFilters) parse() (q connector.QuarantineQuery, narrow bool, err error) {
	q = connector.QuarantineQuery{Source: f.source, Reason: f.reason}
	for flag, at := range map[string]struct {
		text string
		into *connector.Time
	}{"since": {f.since, &q.Since}, "until": {f.until, &q.Until}} {
		if at.text == "" {
			continue
		}
		t, err := parseMoment(at.text, time.Now())
		if err != nil {
			return q, false, usageError{fmt.Errorf("--%s %s: %w", flag, at.text, err)}
		}
		*at.into = connector.TimeOf(t)
	}
	return q, f.source+f.reason+f.since+f.until != "", nil
}

// allQuarantined gets all pages of what a query means.
func allQuarantined(ctx context.Context, s asked, q connector.QuarantineQuery) (*connector.QuarantinePage, error) {
	var all *connector.QuarantinePage
	for {
		page, err := s.Quarantined(ctx, q)
		if err != nil {
			return nil, err
		}
		if all != nil {
			page.Quarantined = append(all.Quarantined, page.Quarantined...)
		}
		if all = page; page.Next == "" {
			return all, nil
		}
		q.After = page.Next
	}
}

func (a *app) quarantineList() *cobra.Command {
	var (
		f      quarantineFilters
		paging paging
	)
	format := output("text")
	c := &cobra.Command{
		Use:     "list",
		Short:   "List what was not understood",
		Long:    "List shows what is in quarantine, oldest first, with what was wrong with it.\n\n" + quarantineTimes,
		Example: "  wrapup quarantine list\n  wrapup quarantine list --source predictive --reason state --since 2h",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			q, _, err := f.parse()
			if err == nil {
				err = paging.usage()
			}
			if err != nil {
				return err
			}
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				page, err := allQuarantined(ctx, s, q)
				if err != nil {
					return err
				}
				page.Quarantined, page.Next, err = pageOf(&paging, page.Quarantined, func(k connector.Quarantined) string { return k.ID })
				if err != nil {
					return err
				}
				if format == "json" {
					err = printJSON(c.OutOrStdout(), page)
				} else {
					err = printQuarantine(c.OutOrStdout(), page)
				}
				goOn(a.err, page.Next)
				return err
			})
		},
	}
	f.flags(c, "reason")
	paging.flags(c)
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func printQuarantine(w io.Writer, page *connector.QuarantinePage) error {
	if len(page.Quarantined) == 0 {
		fmt.Fprintln(w, "Nothing of the kind is in quarantine.")
	} else {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tSOURCE\tTIMES\tFIRST\tLAST\tBYTES\tSENDER\tREASON")
		for _, one := range page.Quarantined {
			reason := ""
			if len(one.Reasons) > 0 {
				reason = one.Reasons[0]
			}
			if more := len(one.Reasons) - 1; more > 0 {
				reason += fmt.Sprintf(" (and %d more)", more)
			}
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%d\t%s\t%s\n", printable(one.ID), printable(one.Source), one.Count, shortTime(one.First),
				shortTime(one.Last), one.Size, printable(one.Sender), printable(reason))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	const mib = 1 << 20
	fmt.Fprintf(w, "%d kept, %.1f of %.0f MiB.\n", page.Kept, float64(page.Bytes)/mib, float64(page.Room)/mib)
	if page.Refused > 0 {
		fmt.Fprintf(w, "It is or was full: not kept since the daemon was started: %s, the last one at %s UTC.\n",
			amount(page.Refused, "post"), shortTime(page.LastRefused))
	}
	return nil
}

// shownQuarantined is one for a script: its body as a text, or in base64 if it is none.
type shownQuarantined struct {
	connector.Quarantined
	Body   string `json:"body"`
	Base64 []byte `json:"body_base64,omitempty"`
}

func (a *app) quarantineShow() *cobra.Command {
	format := output("text")
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show one with its body, and what was wrong with it",
		Long: `Show prints one of them whole, with all that was said to be wrong with it. The body may hold phone numbers. What can't
be printed in it is written as \x1b or \u202e.`,
		Example: "  wrapup quarantine show 1f0c22aa93d1\n  wrapup quarantine show 1f0c22aa93d1 -o json | jq -r .body",
		Args:    args(1, "the ID, as a list gives it"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				one, err := s.QuarantinedBody(ctx, args[0])
				if err != nil {
					return err
				}
				if format == "json" {
					shown := shownQuarantined{Quarantined: *one, Body: string(one.Body)}
					if !utf8.Valid(one.Body) {
						shown.Body, shown.Base64 = "", one.Body
					}
					return printJSON(c.OutOrStdout(), shown)
				}
				return printQuarantined(c.OutOrStdout(), one)
			})
		},
	}
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func printQuarantined(w io.Writer, one *connector.Quarantined) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, posted to %s by %s\n", printable(one.ID), printable(one.Source), printable(one.Sender))
	fmt.Fprintf(&b, "  %d time(s), first at %s UTC, last at %s UTC\n", one.Count, shortTime(one.First), shortTime(one.Last))
	for _, reason := range one.Reasons {
		fmt.Fprintf(&b, "  %s\n", printable(reason))
	}
	fmt.Fprintf(&b, "\n%d bytes:\n", len(one.Body))
	for line := range strings.Lines(string(one.Body)) {
		fmt.Fprintf(&b, "  %s\n", escaped(strings.TrimRight(line, "\n")))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// quarantineChange is a command that changes what is in quarantine, named by ID or by filters.
type quarantineChange struct {
	*app
	filters          quarantineFilters
	verb, done       string
	all, dryRun, yes bool
	send             func(context.Context, *admin.Client, []string) ([]connector.QuarantineChange, error)
}

func (d *quarantineChange) flags(c *cobra.Command) {
	c.Flags().BoolVar(&d.all, "all", false, "everything that is in quarantine")
	c.Flags().BoolVar(&d.dryRun, "dry-run", false, "only show what it is about")
	c.Flags().BoolVar(&d.yes, "yes", false, "don't ask")
}

const quarantineHelp = `Without IDs it is about all that the filters match, or --all. It shows how many there are, and asks; where nobody can be
asked, --yes is the answer. --dry-run only shows them. A change needs the running daemon. It exits with 1 if anything is left.

` + quarantineTimes

func (a *app) quarantineRetry() *cobra.Command {
	d := &quarantineChange{app: a, verb: "retry", done: "understood"}
	c := &cobra.Command{
		Use:   "retry [ID…]",
		Short: "Read them again; what is understood now is as if it had just come",
		Long: `Retry has them read again by the wrapup that runs now. Their events are stored as if they had just come, and their calls
are finished as any others; what comes after late_window changes no record that is there. What is still not understood stays.

` + quarantineHelp,
		Example: "  wrapup quarantine retry 3f9a0c6d1e2b4a58\n  wrapup quarantine retry --source predictive --since 3d --dry-run",
		RunE:    d.run,
	}
	d.filters.flags(c, "reason")
	d.flags(c)
	d.send = func(ctx context.Context, client *admin.Client, ids []string) ([]connector.QuarantineChange, error) {
		return client.RetryQuarantined(ctx, admin.QuarantineOrder{IDs: ids})
	}
	return c
}

func (a *app) quarantineDrop() *cobra.Command {
	d := &quarantineChange{app: a, verb: "drop", done: "dropped"}
	reason := ""
	c := &cobra.Command{
		Use:     "drop [ID…] --reason TEXT",
		Short:   "Throw them away, with a reason for the log",
		Long:    "Drop throws them away for good. The reason is logged.\n\n" + quarantineHelp,
		Example: "  wrapup quarantine drop 3f9a0c6d1e2b4a58 --reason \"a test\"\n  wrapup quarantine drop --with-reason \"the body is empty\" --reason \"the dialer's test button\"",
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usageError{fmt.Errorf("%s needs a reason: --reason TEXT", c.CommandPath())}
			}
			return d.run(c, args)
		},
	}
	d.filters.flags(c, "with-reason")
	d.flags(c)
	c.Flags().StringVar(&reason, "reason", "", "why they are dropped, in a `text`")
	d.send = func(ctx context.Context, client *admin.Client, ids []string) ([]connector.QuarantineChange, error) {
		return client.DropQuarantined(ctx, admin.QuarantineOrder{IDs: ids, Reason: reason})
	}
	return c
}

func (d *quarantineChange) run(c *cobra.Command, ids []string) error {
	q, narrow, err := d.filters.parse()
	if err != nil {
		return err
	}
	if len(ids) == 0 && !narrow && !d.all {
		return usageError{fmt.Errorf("%[1]s takes IDs, at least one filter, or --all (see %[1]s --help)", c.CommandPath())}
	}
	q.IDs = ids
	if d.dryRun {
		return d.ask(c.Context(), func(ctx context.Context, s asked) error {
			_, err := d.collect(ctx, c.OutOrStdout(), s, q)
			return err
		})
	}
	return d.operate(c.Context(), func(ctx context.Context, client *admin.Client) error {
		found, err := d.collect(ctx, c.OutOrStdout(), client, q)
		if err != nil || len(found) == 0 {
			return err
		}
		if len(ids) == 0 && !d.yes {
			if err := d.agrees(c, fmt.Sprintf("%s %s?", d.verb, amount(len(found), "post")), "--yes"); err != nil {
				return err
			}
		}
		return d.change(ctx, c.OutOrStdout(), client, found)
	})
}

// collect finds what is meant and says what it is. An ID that isn't there is an error.
func (d *quarantineChange) collect(ctx context.Context, w io.Writer, s asked, q connector.QuarantineQuery) ([]string, error) {
	page, err := allQuarantined(ctx, s, q)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	reasons := map[string]int{}
	var list []string
	for _, one := range page.Quarantined {
		found[one.ID] = true
		list = append(list, one.ID)
		reasons[printable(one.Source+": "+strings.Join(one.Reasons, "; "))]++
	}
	missing := false
	for _, id := range q.IDs {
		if !found[id] {
			missing = true
			fmt.Fprintf(w, "%s: nothing in quarantine is called so.\n", printable(id))
		}
	}
	if missing {
		return nil, errReported
	}
	fmt.Fprintf(w, "To %s: %d\n", d.verb, len(list))
	return list, printCounts(w, reasons, mostReasons)
}

// change sends the orders, and tells what became of them.
func (d *quarantineChange) change(ctx context.Context, w io.Writer, client *admin.Client, ids []string) error {
	const atOnce = 100
	done, stored, repeated := 0, 0, 0
	notes := map[string]int{}
	for from := 0; from < len(ids); from += atOnce {
		changed, err := d.send(ctx, client, ids[from:min(from+atOnce, len(ids))])
		if err != nil {
			return err
		}
		for _, c := range changed {
			if c.Done {
				done++
			}
			stored += c.Stored
			repeated += c.Repeated
			if c.Note != "" {
				notes[printable(c.Note)]++
			}
		}
	}
	fmt.Fprintf(w, "%d of %d %s.\n", done, len(ids), d.done)
	if stored+repeated > 0 {
		fmt.Fprintf(w, "%d event(s) stored, %d were there already.\n", stored, repeated)
	}
	if err := printCounts(w, notes, mostReasons); err != nil {
		return err
	}
	if done < len(ids) {
		return errReported
	}
	return nil
}

package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

func (a *app) export() *cobra.Command {
	var f callFilters
	format, raw := "csv", false
	c := &cobra.Command{
		Use:   "export",
		Short: "Write calls as CSV or JSON lines",
		Long: `Export writes the calls that were finished, the oldest first, to the standard output: as CSV with a row of names, or as
JSON lines, which are records as the plain webhook gets them. It writes as it reads, however many there are.

What a spreadsheet would take for a formula (a text that begins with =, +, -, @, a tab or a line break) gets a quotation
mark ' in front of it; --raw leaves it as it is. CSV for another program is better read raw.

` + timesHelp,
		Example: `  wrapup export --since 7d > calls.csv
  wrapup export --from 2026-05-01 --to 2026-06-01 --queue 104906 --raw > may.csv
  wrapup export --format jsonl --outcome connected | jq -r .phone_e164`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := f.parse()
			if err != nil {
				return err
			}
			if format != "csv" && format != "jsonl" {
				return usageError{fmt.Errorf("--format %s: expected csv or jsonl", format)}
			}
			q.OldestFirst, q.Records = true, true
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				return a.writeCalls(ctx, s, q, c.OutOrStdout(), format == "jsonl", raw)
			})
		},
	}
	f.flags(c)
	c.Flags().StringVar(&format, "format", format, "`csv` or jsonl")
	c.Flags().BoolVar(&raw, "raw", false, "leave what a spreadsheet takes for a formula as it is")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"csv", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) writeCalls(ctx context.Context, s asked, q admin.CallQuery, out io.Writer, lines, raw bool) error {
	b := bufio.NewWriter(out)
	w := csv.NewWriter(b)
	progress, read, written := isTerminal(a.err), 0, 0
	if !lines {
		_ = w.Write(csvNames) // an error comes with the flush
	}
	_, err := eachCall(ctx, s, q, 0, func(page *admin.CallPage) error {
		for i := range page.Calls {
			if err := writeCall(b, w, &page.Calls[i], lines, raw); err != nil {
				return err
			}
		}
		w.Flush()
		read, written = read+page.Read, written+len(page.Calls)
		if progress {
			fmt.Fprintf(a.err, "\r%d of %s written", written, amount(read, "call"))
		}
		return cmp.Or(w.Error(), b.Flush())
	})
	if progress {
		fmt.Fprintln(a.err)
	}
	return err
}

func writeCall(b *bufio.Writer, w *csv.Writer, c *admin.ListedCall, lines, raw bool) error {
	if lines {
		body, err := json.Marshal(c.Record)
		if err != nil {
			return err
		}
		_, err = b.Write(append(body, '\n'))
		return err
	}
	row := csvRow(c)
	if !raw {
		for i := range row {
			row[i] = noFormula(row[i])
		}
	}
	return w.Write(row)
}

var csvNames = []string{"call_id", "uuid", "attempt", "revision", "queue", "queue_name", "phone", "phone_e164", "outcome", "occurred_at",
	"started_at", "answered_at", "bridged_at", "ended_at", "ring_seconds", "wait_seconds", "talk_seconds", "duration_seconds",
	"agent_username", "agent_sip_id", "agents", "flags", "deliveries"}

func csvRow(c *admin.ListedCall) []string {
	r := c.Record
	moment := func(t connector.Time) string {
		if !t.Known() {
			return ""
		}
		return t.String()
	}
	span := func(s connector.Span) string {
		if !s.Known {
			return ""
		}
		return s.String()
	}
	var agent connector.Segment
	if r.Agent != nil {
		agent = *r.Agent
	}
	deliveries := make([]string, len(c.Deliveries))
	for i, d := range c.Deliveries {
		deliveries[i] = d.Destination + ": " + string(d.State)
	}
	return []string{r.CallID, r.UUID, fmt.Sprint(r.Attempt), fmt.Sprint(r.Revision), string(r.Queue), string(r.QueueName), string(r.Phone),
		string(r.PhoneE164), string(r.Outcome), moment(r.OccurredAt), moment(r.StartedAt), moment(r.AnsweredAt), moment(r.BridgedAt),
		moment(r.EndedAt), span(r.RingSeconds), span(r.WaitSeconds), span(r.TalkSeconds), span(r.DurationSeconds), string(agent.Username),
		string(agent.SIPID), fmt.Sprint(len(r.Agents)), strings.Join(names(r.Flags), " "), strings.Join(deliveries, "; ")}
}

// noFormula keeps a spreadsheet from calculating what a dialer sent.
func noFormula(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

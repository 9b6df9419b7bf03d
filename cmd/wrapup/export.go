package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

func (a *app) export() *cobra.Command {
	var f callFilters
	format, raw := exportFormat("csv"), false
	c := &cobra.Command{
		Use:   "export",
		Short: "Write calls as CSV or JSON",
		Long: `Export writes the calls that were finished, the oldest first, to the standard output: as CSV with a row of names, or as
records as the plain webhook gets them: JSON lines (-o jsonl), or one JSON array (-o json). It writes as it reads, however many
there are.

What a spreadsheet would take for a formula (a text that begins with =, +, -, @, a tab or a line break) gets a quotation
mark ' in front of it; --raw leaves it as it is. CSV for another program is better read raw.

` + timesHelp,
		Example: `  wrapup export --since 7d > calls.csv
  wrapup export --from 2026-05-01 --to 2026-06-01 --queue 104906 --raw > may.csv
  wrapup export -o jsonl --outcome connected | jq -r .phone_e164`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := f.parse()
			if err != nil {
				return err
			}
			q.OldestFirst, q.Records = true, true
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				return a.writeCalls(ctx, s, q, c.OutOrStdout(), format, raw)
			})
		},
	}
	f.flags(c)
	c.Flags().VarP(&format, "output", "o", "`csv`, jsonl or json")
	c.Flags().Var(&format, "format", "the same as --output")
	c.Flags().BoolVar(&raw, "raw", false, "leave what a spreadsheet takes for a formula as it is")
	for _, flag := range []string{"output", "format"} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(exportFormats(), cobra.ShellCompDirectiveNoFileComp))
	}
	return c
}

// exportFormat is the flag of export that says how calls are written.
type exportFormat string

func exportFormats() []string { return []string{"csv", "jsonl", "json"} }

// String implements pflag.Value.
func (f *exportFormat) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *exportFormat) Type() string { return "format" }

// Set implements pflag.Value.
func (f *exportFormat) Set(v string) error {
	if !slices.Contains(exportFormats(), v) {
		return fmt.Errorf("%q is none of csv, jsonl and json", v)
	}
	*f = exportFormat(v)
	return nil
}

func (a *app) writeCalls(ctx context.Context, s asked, q admin.CallQuery, out io.Writer, format exportFormat, raw bool) error {
	b := bufio.NewWriter(out)
	w := &callWriter{out: b, csv: csv.NewWriter(b), format: format, raw: raw}
	w.begin()
	progress, read := isTerminal(a.err), 0
	_, err := eachCall(ctx, s, q, 0, func(page *admin.CallPage) error {
		for i := range page.Calls {
			if err := w.write(&page.Calls[i]); err != nil {
				return err
			}
		}
		read += page.Read
		if progress {
			fmt.Fprintf(a.err, "\r%d of %s written", w.n, amount(read, "call"))
		}
		return w.flush()
	})
	if progress {
		fmt.Fprintln(a.err)
	}
	if err != nil {
		return err // what broke off has no end: half of an array is none
	}
	return w.end()
}

// callWriter writes calls in a format.
type callWriter struct {
	out    *bufio.Writer
	csv    *csv.Writer // writes to out
	format exportFormat
	raw    bool
	n      int
}

// Errors of begin come with the flush.
func (w *callWriter) begin() {
	switch w.format {
	case "csv":
		_ = w.csv.Write(csvNames)
	case "json":
		_, _ = w.out.WriteString("[")
	}
}

func (w *callWriter) write(c *admin.ListedCall) error {
	w.n++
	if w.format == "csv" {
		row := csvRow(c)
		for i := range row {
			if !w.raw {
				row[i] = noFormula(row[i])
			}
		}
		return w.csv.Write(row)
	}
	body, err := json.Marshal(c.Record)
	if err != nil {
		return err
	}
	body = escapedJSON(body)
	switch {
	case w.format == "jsonl":
		body = append(body, '\n')
	case w.n > 1:
		body = append([]byte(",\n"), body...)
	}
	_, err = w.out.Write(body)
	return err
}

func (w *callWriter) flush() error {
	w.csv.Flush()
	return cmp.Or(w.csv.Error(), w.out.Flush())
}

func (w *callWriter) end() error {
	if w.format == "json" {
		_, _ = w.out.WriteString("]\n")
	}
	return w.flush()
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

// noFormula keeps a spreadsheet from calculating what a dialer sent. In some languages they take the wide forms of the signs, too.
func noFormula(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + s
	}
	return s
}

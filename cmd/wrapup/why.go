package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

func (a *app) why() *cobra.Command {
	format := output("text")
	c := &cobra.Command{
		Use:   "why UUID",
		Short: "Explain what became of a call",
		Long: `Why tells all that is known of a call: the events as they came, the record that was made of them, and for each
destination what was sent, what came back and what happens next. It asks the running daemon, or reads its store where
none runs; it never asks a CRM. The first line is the answer. It exits with 1 if nothing is known of the call.`,
		Example: "  wrapup why 5c6f5869-752d-46fd-8ac0-797f83222279",
		Args:    args(1, "the call's uuid"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				story, err := s.Story(ctx, args[0])
				if err != nil {
					return err
				}
				if format == "json" {
					err = printJSON(c.OutOrStdout(), story)
				} else {
					err = printStory(c.OutOrStdout(), story)
				}
				if err == nil && len(story.Pending)+len(story.Calls) == 0 {
					return errReported
				}
				return err
			})
		},
	}
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

// printStory writes a story for people.
func printStory(w io.Writer, s *admin.Story) error {
	var b strings.Builder
	b.WriteString(printable(answer(s)) + "\n")
	for i := range s.Calls {
		c := &s.Calls[i]
		r := c.Record()
		fmt.Fprintf(&b, "\nCall %s", printable(c.CallID))
		if len(s.Calls) > 1 {
			fmt.Fprintf(&b, " (attempt %d)", r.Attempt)
		}
		b.WriteString("\n")
		printEvents(&b, c.Events)
		if len(c.Late) > 0 {
			b.WriteString("  Too late to change anything:\n")
			printEvents(&b, c.Late)
		}
		for _, revision := range c.Revisions {
			fmt.Fprintf(&b, "  Record, revision %d, made %s\n", revision.Record.Revision, shortTime(revision.At))
			printRecord(&b, &revision.Record)
		}
		for j := range c.Deliveries {
			printDelivery(&b, &c.Deliveries[j])
		}
		if len(c.Deliveries) == 0 {
			b.WriteString("  No destination was configured when the call was finished.\n")
		}
	}
	if len(s.Pending) > 0 {
		b.WriteString("\nIn no record yet\n")
		printEvents(&b, s.Pending)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// answer is the story in a line.
func answer(s *admin.Story) string {
	if len(s.Calls) == 0 {
		if len(s.Pending) == 0 {
			return "No event of a call " + s.UUID + " has come."
		}
		return fmt.Sprintf("The call is still open: %d event(s) have come, and it is not finished yet.", len(s.Pending))
	}
	c := &s.Calls[len(s.Calls)-1]
	parts := []string{}
	for _, d := range c.Deliveries {
		parts = append(parts, d.Destination+": "+stateInWords(&d))
	}
	line := "The call is finished (" + string(c.Record().Outcome) + ")"
	if len(parts) == 0 {
		return line + " and goes nowhere: no destination was configured then."
	}
	return line + ". " + strings.Join(parts, "; ") + "."
}

func stateInWords(d *admin.NamedDelivery) string {
	switch {
	case d.State == connector.DeliveryWaiting && d.Unconfigured:
		return "waiting, and the destination is not configured any more"
	case d.State == connector.DeliveryWaiting && d.Failed > 0:
		return fmt.Sprintf("not delivered yet after %d failed attempt(s), tried again at %s UTC (%s)", d.Failed, shortTime(d.Next), d.Reason)
	case d.State == connector.DeliveryWaiting && d.Reason != "":
		return fmt.Sprintf("not delivered yet, looked at again at %s UTC (%s)", shortTime(d.Next), d.Reason)
	case d.State == connector.DeliveryWaiting:
		return "about to be delivered"
	case d.State == connector.DeliveryDone:
		return "delivered"
	case d.Reason != "":
		return string(d.State) + " (" + d.Reason + ")"
	default:
		return string(d.State)
	}
}

func printEvents(b *strings.Builder, events []connector.Arrival) {
	fmt.Fprintf(b, "  %-5s %-9s %-27s %-19s %s\n", "EVENT", "MEANING", "HAPPENED", "CAME", "")
	for i := range events {
		e := &events[i]
		var who []string
		for _, v := range []struct{ name, value string }{{"queue", e.Queue}, {"phone", e.Phone}, {"agent", e.Username}, {"sip", e.SIPID}} {
			if v.value != "" {
				who = append(who, v.name+" "+v.value)
			}
		}
		fmt.Fprintf(b, "  %-5s %-9s %-27s %-19s %s\n", printable(e.Code), printable(string(e.Kind)), e.Time, shortTime(e.At),
			printable(strings.Join(who, ", ")))
	}
}

func printRecord(b *strings.Builder, r *connector.Record) {
	line := func(name string, value string) {
		if value != "" {
			fmt.Fprintf(b, "    %-10s %s\n", name, printable(value))
		}
	}
	seconds := func(s connector.Span) string {
		if !s.Known {
			return "unknown"
		}
		return s.String() + " s"
	}
	line("outcome", string(r.Outcome))
	phone := string(r.Phone)
	if r.PhoneE164 != "" {
		phone += " (" + string(r.PhoneE164) + ")"
	}
	line("phone", phone)
	line("queue", strings.TrimSpace(string(r.Queue)+" "+string(r.QueueName)))
	line("started", r.StartedAt.String())
	line("ended", r.EndedAt.String())
	line("ring", seconds(r.RingSeconds))
	if r.Outcome == connector.OutcomeConnected {
		line("wait", seconds(r.WaitSeconds))
		line("talk", seconds(r.TalkSeconds))
	}
	for i := range r.Agents {
		a := &r.Agents[i]
		line("agent", fmt.Sprintf("%s (sip %s), talked %s", a.Username, a.SIPID, seconds(a.TalkSeconds)))
	}
	flags := make([]string, len(r.Flags))
	for i, f := range r.Flags {
		flags[i] = string(f)
	}
	line("flags", strings.Join(flags, ", "))
}

func printDelivery(b *strings.Builder, d *admin.NamedDelivery) {
	fmt.Fprintf(b, "  To %s: %s\n", printable(d.Destination), printable(stateInWords(d)))
	for i, at := range d.Attempts {
		if d.Dropped > 0 && i == connector.KeptFirst {
			fmt.Fprintf(b, "    … %d more attempts …\n", d.Dropped)
		}
		status := "no answer"
		if at.Status != 0 {
			status = fmt.Sprint(at.Status)
		}
		fmt.Fprintf(b, "    %s  revision %d  %s  %s %s → %s, %s (%s s)\n", shortTime(at.At), at.Revision, printable(at.Step), printable(at.Method),
			printable(at.URL), status, printable(at.Verdict), at.Took)
		if at.Mapping != "" {
			fmt.Fprintf(b, "      by the mapping %s\n", printable(at.Mapping))
		}
		for _, detail := range []struct{ name, text string }{{"warning", at.Warning}, {"because", at.Error}, {"sent", at.Request}, {"answer", at.Answer}} {
			if detail.text != "" {
				fmt.Fprintf(b, "      %s: %s\n", detail.name, printable(detail.text))
			}
		}
	}
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

func (a *app) why() *cobra.Command {
	format := output("text")
	var q admin.WhyQuery
	c := &cobra.Command{
		Use:   "why UUID | PHONE | CRM-ID",
		Short: "Explain what became of a call",
		Long: `Why tells all that is known of a call: the events as they came, what was made of them and why, and for each destination
what was sent, what came back and what happens next. It asks the running daemon, or reads its store where none runs; it
never asks a CRM. The first line is the answer. It exits with 1 if nothing is known of the call.

A call is named by its uuid or the beginning of it, by the customer's phone number in any format (of several calls the
newest is told and the others are listed), or by an id that the CRM gave: of the log entry, or of the contact that it was
linked to, as far as the mapping saved it. --as says which of them is meant where more than one fits.

The dialer may use a uuid again, for a redial. Then the answer is about the newest of its calls, unless something else was
asked for: by a number or an id that only an earlier one has, or by --attempt. All of them are told below.`,
		Example: `  wrapup why 5c6f5869-752d-46fd-8ac0-797f83222279
  wrapup why 5c6f
  wrapup why 0812-345-613
  wrapup why "+62 812 345613"
  wrapup why 4831920 --as id
  wrapup why 5c6f --attempt 1
  wrapup why 5c6f -o json | jq .calls[].deliveries[].state`,
		Args: args(1, "the call's uuid, a phone number, or an id of the CRM"),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case strings.TrimSpace(args[0]) == "":
				return usageError{errors.New("which call? Give a uuid, a phone number, or an id of the CRM")}
			case q.As != "" && !slices.Contains(namedBy(), q.As):
				return usageError{fmt.Errorf("--as %s: expected one of %v", q.As, namedBy())}
			case c.Flags().Changed("attempt") && q.Attempt < 1:
				return usageError{fmt.Errorf("--attempt %d: they are counted from 1", q.Attempt)}
			}
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				q.Of = args[0]
				story, err := s.Why(ctx, q)
				if err != nil {
					return err
				}
				if format == "json" {
					err = printJSON(c.OutOrStdout(), struct {
						Answer string `json:"answer"`
						*admin.Story
					}{answer(story), story})
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
	c.Flags().StringVar(&q.As, "as", "", "`what` names the call: uuid, phone or id")
	c.Flags().IntVar(&q.Attempt, "attempt", 0, "of several calls under one uuid the `n`-th, from 1")
	_ = c.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(namedBy(), cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = cobra.NoFileCompletions
	return c
}

// namedBy is what a call is named by.
func namedBy() []string { return []string{admin.AsUUID, admin.AsPhone, admin.AsSaved} }

// printStory writes a story for people.
func printStory(w io.Writer, s *admin.Story) error {
	var b strings.Builder
	b.WriteString(printable(answer(s)) + "\n")
	printHeard(&b, s)
	for i := range s.Calls {
		printCall(&b, s, &s.Calls[i])
	}
	if len(s.Pending) > 0 {
		b.WriteString("\nIn no record yet\n")
		printEvents(&b, s.Pending)
	}
	if s.Open != nil {
		fmt.Fprintf(&b, "  So far: %s\n", printable(s.Open.Waits))
		if s.Open.Next.Known() {
			fmt.Fprintf(&b, "  It is looked at again at %s UTC\n", shortTime(s.Open.Next))
		}
		printRecord(&b, &s.Open.Record)
	}
	if len(s.Others) > 0 {
		b.WriteString("\nOther calls that may be meant\n")
		for i := range s.Others {
			line := &s.Others[i]
			fmt.Fprintf(&b, "  %s  %s  %s  %s\n", shortTime(line.OccurredAt), printable(line.CallID), printable(string(line.Outcome)), standings(line))
		}
		if s.More {
			b.WriteString("  … and more: wrapup calls lists them\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printCall(b *strings.Builder, s *admin.Story, c *admin.FinishedCall) {
	r := c.Record()
	fmt.Fprintf(b, "\nCall %s", printable(c.CallID))
	if len(s.Calls) > 1 {
		fmt.Fprintf(b, " (attempt %d)", r.Attempt)
	}
	b.WriteString("\n")
	printEvents(b, c.Events)
	if len(c.Late) > 0 {
		b.WriteString("  Too late to change anything:\n")
		printEvents(b, c.Late)
	}
	for _, text := range remarks(c) {
		fmt.Fprintf(b, "  %s\n", printable(text))
	}
	for i, revision := range c.Revisions {
		fmt.Fprintf(b, "  Record, revision %d, made %s\n", revision.Record.Revision, shortTime(revision.At))
		if i > 0 {
			for _, change := range changes(&c.Revisions[i-1].Record, &revision.Record) {
				fmt.Fprintf(b, "    changed    %s\n", printable(change))
			}
		}
		printRecord(b, &revision.Record)
	}
	for j := range c.Deliveries {
		printDelivery(b, &c.Deliveries[j])
	}
	if len(c.Deliveries) == 0 {
		b.WriteString("  No destination was configured when the call was finished.\n")
	}
}

// answer is the story in a line.
func answer(s *admin.Story) string {
	line := plainAnswer(s)
	if s.Found != nil {
		switch f := s.Found; {
		case f.By == admin.AsPhone && len(s.Others) > 0:
			line = fmt.Sprintf("Of %s calls with this number, the newest (%s): %s", counted(len(s.Others)+1, s.More), s.UUID, line)
		case f.By == admin.AsPhone:
			line = fmt.Sprintf("The call with this number (%s): %s", s.UUID, line)
		case f.By == admin.AsSaved:
			line = fmt.Sprintf("%s is the %s that %s has for the call %s: %s", s.Asked, f.Name, f.Destination, s.UUID, line)
		}
	}
	if s.Heard != nil && len(s.Heard.Quarantined) > 0 && len(s.Calls)+len(s.Pending) > 0 {
		line += " A post that names it was not understood, and is in quarantine (" + s.Heard.Quarantined[0].ID + ")."
	}
	return line
}

func counted(n int, more bool) string {
	if more {
		return fmt.Sprintf("more than %d", n)
	}
	return fmt.Sprint(n)
}

func plainAnswer(s *admin.Story) string {
	if len(s.Calls) == 0 {
		switch {
		case len(s.Pending) > 0:
			return openAnswer(s)
		case len(s.Others) > 0:
			return fmt.Sprintf("Several calls' uuids begin with %s: say more of it.", s.UUID)
		}
		return unknownAnswer(s)
	}
	if s.Open != nil && (s.About == "" || s.About == s.Open.Record.CallID) {
		return ofSeveral(s, s.Open.Record.Attempt, openAnswer(s))
	}
	c := &s.Calls[len(s.Calls)-1]
	for i := range s.Calls {
		if s.Calls[i].CallID == s.About {
			c = &s.Calls[i]
		}
	}
	return ofSeveral(s, c.Record().Attempt, finishedAnswer(c))
}

// ofSeveral says which of several calls under one uuid the line is about.
func ofSeveral(s *admin.Story, attempt int, line string) string {
	var others []string
	for i := range s.Calls {
		if n := s.Calls[i].Record().Attempt; n != attempt {
			others = append(others, fmt.Sprint(n))
		}
	}
	if s.Open != nil && s.Open.Record.Attempt != attempt {
		others = append(others, fmt.Sprint(s.Open.Record.Attempt))
	}
	switch {
	case len(others) == 0:
		return line
	case s.About != "":
		return fmt.Sprintf("Attempt %d of %d under the uuid %s: %s", attempt, len(others)+1, s.UUID, line)
	}
	return fmt.Sprintf("Of %d calls under this uuid, the newest: %s Earlier: wrapup why %s --attempt %s.", len(others)+1, line, s.UUID, strings.Join(others, " or "))
}

func finishedAnswer(c *admin.FinishedCall) string {
	if c.Erased != nil {
		return "The call was erased by a person at " + shortTime(c.Erased.At) + " UTC: only its tombstone is left."
	}
	parts := []string{}
	for i := range c.Deliveries {
		parts = append(parts, c.Deliveries[i].Destination+": "+stateInWords(&c.Deliveries[i]))
	}
	line := "The call is finished (" + string(c.Record().Outcome) + ")"
	if len(parts) == 0 {
		line += " and goes nowhere: no destination was configured then."
	} else {
		line += ". " + strings.Join(parts, "; ") + "."
	}
	if text := mergedInWords(c); text != "" {
		line += " " + text
	}
	return line
}

func openAnswer(s *admin.Story) string {
	line := fmt.Sprintf("The call is still open: %d event(s) have come, and it is not finished yet", len(s.Pending))
	if s.Open == nil {
		return line + "."
	}
	line += ": " + s.Open.Waits
	if s.Open.Next.Known() {
		line += ", at " + shortTime(s.Open.Next) + " UTC"
	}
	return line + "."
}

// unknownAnswer says what may explain that nothing is known.
func unknownAnswer(s *admin.Story) string {
	line := "No event of a call " + s.UUID + " has come."
	if s.Heard == nil {
		return line
	}
	if since := s.Heard.KeptSince; since != "" {
		line = fmt.Sprintf("Nothing is known of %s: no event of it came since %s; calls that were finished before were dropped for their age (retention.calls).", s.UUID, since)
	}
	if n := len(s.Heard.Quarantined); n > 0 {
		q := &s.Heard.Quarantined[0]
		line = fmt.Sprintf("A post that names %s was not understood, and is in quarantine since %s UTC (%s)", s.UUID, shortTime(q.First), q.ID)
		if len(q.Reasons) > 0 {
			line += ": " + q.Reasons[0]
		}
		return line + ". See wrapup quarantine show " + q.ID + "."
	}
	var last connector.Time
	for i := range s.Heard.Feeds {
		last = max(last, s.Heard.Feeds[i].Last)
	}
	switch {
	case last.Known():
		line += " The dialer was heard last at " + shortTime(last) + " UTC."
	case s.Heard.Since.Known():
		line += " Nothing was heard of the dialer since the daemon was started at " + shortTime(s.Heard.Since) + " UTC."
	}
	var refused int64
	for i := range s.Heard.Refused {
		refused += s.Heard.Refused[i].Count
	}
	if refused > 0 {
		most := slices.MaxFunc(s.Heard.Refused, func(a, b connector.RefusedPosts) int { return cmp.Compare(a.Count, b.Count) })
		line += fmt.Sprintf(" %d post(s) were refused, most of them from %s: %s.", refused, cmp.Or(most.Sender, "many"), most.Reason)
	}
	return line
}

// printHeard tells what came of the dialer instead.
func printHeard(b *strings.Builder, s *admin.Story) {
	if s.Heard == nil {
		return
	}
	for i := range s.Heard.Feeds {
		f := &s.Heard.Feeds[i]
		fmt.Fprintf(b, "  source %s: %s, last %s, %d not understood, %d lost\n", printable(f.Source), amount(f.Posts, "post"), shortTime(f.Last), f.NotUnderstood, f.Lost)
	}
	for i := range s.Heard.Refused {
		r := &s.Heard.Refused[i]
		fmt.Fprintf(b, "  refused %d from %s, last %s: %s\n", r.Count, printable(cmp.Or(r.Sender, "many senders")), shortTime(r.Last), printable(r.Reason))
	}
	for i := range s.Heard.Quarantined {
		q := &s.Heard.Quarantined[i]
		fmt.Fprintf(b, "  quarantine %s: of %s, came %s, %s\n", printable(q.ID), printable(q.Source), shortTime(q.First), printable(strings.Join(q.Reasons, "; ")))
	}
}

func stateInWords(d *admin.NamedDelivery) string {
	switch {
	case d.State == connector.DeliveryWaiting && d.Unconfigured:
		return "waiting, and the destination is not configured any more"
	case d.State == connector.DeliveryWaiting && d.Paused != "":
		return "not delivered yet, the destination is paused (" + d.Paused + ")"
	case d.State == connector.DeliveryWaiting && d.Failed > 0:
		return fmt.Sprintf("not delivered yet after %d failed attempt(s), tried again at %s UTC (%s)", d.Failed, shortTime(d.Next), d.Reason)
	case d.State == connector.DeliveryWaiting && d.Reason != "":
		return fmt.Sprintf("not delivered yet, looked at again at %s UTC (%s)", shortTime(d.Next), d.Reason)
	case d.State == connector.DeliveryWaiting && d.Done > 0:
		return fmt.Sprintf("delivered, and revision %d is about to be", d.Wanted)
	case d.State == connector.DeliveryWaiting:
		return "about to be delivered"
	case d.State == connector.DeliveryDone:
		text := "delivered"
		if slices.ContainsFunc(d.Attempts, func(a connector.Attempt) bool { return a.Duplicate }) {
			text += ", as a duplicate: it was there already"
		}
		if saved := savedInWords(d); saved != "" {
			text += " (" + saved + ")"
		}
		return text
	case d.Reason != "":
		return string(d.State) + " (" + d.Reason + ")"
	default:
		return string(d.State)
	}
}

// savedInWords lists what the mapping saved: the ids of the log entry and of what it is linked to.
func savedInWords(d *admin.NamedDelivery) string {
	saved := d.Saved()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(saved)) {
		parts = append(parts, name+" "+saved[name])
	}
	return strings.Join(parts, ", ")
}

func standings(line *admin.CallLine) string {
	if line.Open {
		return "open"
	}
	var parts []string
	for _, d := range line.Deliveries {
		parts = append(parts, d.Destination+": "+string(d.State))
	}
	return printable(strings.Join(parts, ", "))
}

func printEvents(b *strings.Builder, events []connector.Arrival) {
	order := arrivalOrder(events)
	fmt.Fprintf(b, "  %-5s %-9s %-27s %-19s %s\n", "EVENT", "MEANING", "HAPPENED", "CAME", "")
	for i := range events {
		e := &events[i]
		var who []string
		for _, v := range []struct{ name, value string }{{"queue", e.Queue}, {"phone", e.Phone}, {"agent", e.Username}, {"sip", e.SIPID}} {
			if v.value != "" {
				who = append(who, v.name+" "+v.value)
			}
		}
		came := ""
		if order[i] != i+1 {
			came = fmt.Sprintf(" (came as number %d)", order[i])
		}
		fmt.Fprintf(b, "  %-5s %-9s %-27s %-19s %s\n", printable(e.Code), printable(string(e.Kind)), e.Time, shortTime(e.At),
			printable(strings.Join(who, ", ")+came))
	}
}

// arrivalOrder says as which, from 1, each of the events came.
func arrivalOrder(events []connector.Arrival) []int {
	by := make([]int, len(events))
	for i := range by {
		by[i] = i
	}
	slices.SortStableFunc(by, func(a, b int) int { return cmp.Compare(events[a].At, events[b].At) })
	order := make([]int, len(events))
	for n, i := range by {
		order[i] = n + 1
	}
	return order
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
	for _, f := range r.Flags {
		line("flag", string(f)+": "+flagInWords(f))
	}
}

func printDelivery(b *strings.Builder, d *admin.NamedDelivery) {
	fmt.Fprintf(b, "  To %s: %s\n", printable(d.Destination), printable(stateInWords(d)))
	if saved := savedInWords(d); saved != "" && d.State != connector.DeliveryDone {
		fmt.Fprintf(b, "    saved %s\n", printable(saved))
	}
	for i, at := range d.Attempts {
		if d.Dropped > 0 && i == connector.KeptFirst {
			fmt.Fprintf(b, "    … %s …\n", amount(d.Dropped, "more attempt"))
		}
		status := "no answer"
		if at.Status != 0 {
			status = fmt.Sprint(at.Status)
		}
		verdict := at.Verdict
		if at.Duplicate {
			verdict += ", it was there already"
		}
		fmt.Fprintf(b, "    %s  revision %d  %s  %s %s → %s, %s (%s s)\n", shortTime(at.At), at.Revision, printable(at.Step), printable(at.Method),
			printable(at.URL), status, printable(verdict), at.Took)
		if at.Mapping != "" {
			fmt.Fprintf(b, "      by the mapping %s\n", printable(at.Mapping))
		}
		for _, detail := range []struct{ name, text string }{{"warning", at.Warning}, {"because", at.Error}, {"sent", at.Request}, {"answer", at.Answer}} {
			if detail.text != "" {
				fmt.Fprintf(b, "      %s: %s\n", detail.name, printable(detail.text))
			}
		}
	}
	if d.State == connector.DeliveryWaiting {
		next := "as soon as it is its turn"
		switch {
		case d.Paused != "":
			next = "once the destination is back, or resumed"
		case d.Next.Known():
			next = "at " + shortTime(d.Next) + " UTC"
		}
		fmt.Fprintf(b, "    next: revision %d, %s\n", max(d.Sending, d.Wanted), next)
	}
}

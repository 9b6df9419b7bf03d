package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

// eventsAgain is how long events --follow waits before it looks again for a daemon that is gone.
const eventsAgain = 300 * time.Millisecond

func (a *app) events() *cobra.Command {
	var q admin.EventQuery
	format := output("text")
	q.Last = 20
	c := &cobra.Command{
		Use:   "events",
		Short: "Show the dialer's events as they come",
		Long: `Events shows what came last, the oldest first, and with --follow each event as it comes: when it came, by which feed,
what it says, the call, phone, agent and queue, and whether it was new or a repeat. Posts that were refused, quarantined or
lost are shown with the reason; "wrapup sources" and "wrapup quarantine list" have more of them.

The daemon remembers the last 2,000 in memory, since its start; all events of a call are in "wrapup why UUID". Whoever reads
more slowly than they come is told how many he missed; the daemon doesn't wait for him. --follow outlives the daemon: it
says when it is gone, and goes on when it is back. Times are in UTC, by wrapup's clock. Phone numbers are masked, unless
--full is given. With -o json each event is a line.`,
		Example: `  wrapup events
  wrapup events --follow
  wrapup events --follow --queue 104906 --agent 6122312312
  wrapup events --last 500 --phone 0812-345-613 --full
  wrapup events --follow -o json | jq -r 'select(.result != "new")'`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if q.Last < 0 || q.Last > mostEvents {
				return usageError{fmt.Errorf("--last %d: expected 0 to %d", q.Last, mostEvents)}
			}
			if err := phoneFlag(q.Phone); err != nil {
				return err
			}
			return a.watchEvents(c.Context(), q, &eventPrinter{out: c.OutOrStdout(), err: a.err, json: format == "json"})
		},
	}
	c.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with each event as it comes")
	c.Flags().IntVar(&q.Last, "last", q.Last, "so many of those that came before, at most")
	c.Flags().StringVar(&q.UUID, "uuid", "", "only of the call with this `uuid`")
	c.Flags().StringVar(&q.Agent, "agent", "", "only of this `agent`: username, sip id or login session")
	c.Flags().StringVar(&q.Queue, "queue", "", "only of this `queue` (access number)")
	c.Flags().StringVar(&q.Phone, "phone", "", "only with this `number`, in any format")
	c.Flags().BoolVar(&q.Full, "full", false, "whole phone numbers")
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

// mostEvents is the most that --last can ask for.
const mostEvents = 1000

// watchEvents shows events; those that follow are followed from one daemon to the next.
func (a *app) watchEvents(ctx context.Context, q admin.EventQuery, p *eventPrinter) error {
	o := a.outline()
	client, err := a.client(o)
	if err != nil {
		a.report(o)
		return err
	}
	defer client.Close()
	a.warnOf(o)
	gone := false
	for {
		err := client.Events(ctx, q, func(l admin.EventLine) error {
			if gone {
				gone = false
				p.say("The daemon is back.")
			}
			if l.Run != "" && l.Run != q.Run {
				q.Run, q.After = l.Run, 0
			}
			if l.Event != nil {
				q.After = l.Event.Serial
			}
			return p.print(l)
		})
		var refused admin.RefusedError
		var bad admin.BadRequest
		var forbidden admin.ForbiddenError
		switch {
		case ctx.Err() != nil: // a person has seen enough
			return nil
		case errors.As(err, &refused), errors.As(err, &bad), errors.As(err, &forbidden), p.failed != nil:
			return err
		case !q.Follow && errors.Is(err, io.EOF):
			return p.end()
		case !q.Follow && nobodyAnswers(err):
			return fmt.Errorf("no daemon answers at %s, and nobody else knows what came last: see wrapup why and wrapup calls", o.Config.Admin.Socket)
		case !q.Follow:
			return err
		}
		if !gone {
			gone = true
			p.say(fmt.Sprintf("No daemon answers at %s: waiting until one does.", o.Config.Admin.Socket))
		}
		select {
		case <-time.After(eventsAgain):
		case <-ctx.Done():
			return nil
		}
	}
}

// eventPrinter prints lines as they come: events, and beside them what there is to say about them.
type eventPrinter struct {
	out, err io.Writer
	json     bool
	some     bool
	failed   error
}

func (p *eventPrinter) say(text string) { fmt.Fprintln(p.err, text) }

func (p *eventPrinter) end() error {
	if p.some || p.json {
		return nil
	}
	_, err := fmt.Fprintln(p.out, "No such event has come since the daemon was started.")
	return err
}

func (p *eventPrinter) print(l admin.EventLine) error {
	if l.Missed > 0 {
		p.say(fmt.Sprintf("%d are missed here: they came faster than they were read.", l.Missed))
	}
	if l.Event == nil {
		return nil
	}
	if p.json {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if p.failed = e.Encode(l.Event); p.failed == nil {
			_, p.failed = p.out.Write(escapedJSON(b.Bytes()))
		}
		return p.failed
	}
	if !p.some {
		p.some = true
		p.line("CAME", "SOURCE", "RESULT", "EVENT", "CALL", "PHONE", "AGENT", "QUEUE", "")
	}
	r := l.Event
	what := ""
	if r.Kind != "" {
		what = strings.TrimSpace(kindInWords(r.Kind) + " (" + r.Code + ")")
	}
	about := r.Reason
	if r.Sender != "" {
		about = "from " + r.Sender + ": " + about
	}
	if r.More > 0 {
		about += fmt.Sprintf(" (and %d more refused before)", r.More)
	}
	p.line(r.At.Time().Format("15:04:05.000"), r.Source, string(r.Result), what, r.UUID, r.Phone,
		cmp.Or(r.Username, r.SIPID, r.AgentID), r.Queue, about)
	return p.failed
}

// line writes columns that begin at the same place in each line, unless what stands before is too long.
func (p *eventPrinter) line(columns ...string) {
	widths := []int{12, 14, 11, 20, 36, 14, 12, 8, 0}
	var b strings.Builder
	for i, text := range columns {
		if i > 0 {
			b.WriteString("  ")
		}
		if text == "" && i < len(columns)-1 {
			text = "-"
		}
		fmt.Fprintf(&b, "%-*s", widths[i], printable(text))
	}
	_, p.failed = fmt.Fprintln(p.out, strings.TrimRight(b.String(), " "))
}

// kindInWords says what an event means.
func kindInWords(k connector.Kind) string {
	words := map[connector.Kind]string{
		connector.KindStarted: "call created", connector.KindAnswered: "answered", connector.KindEnded: "call ended",
		connector.KindJoined: "agent joined", connector.KindLeft: "agent left", connector.KindReady: "agent ready",
		connector.KindOffline: "agent offline", connector.KindOther: "of no matter",
	}
	return cmp.Or(words[k], string(k))
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/simulate"
)

// simulation is what the command simulate is asked for.
type simulation struct {
	simulate.Options
	send     simulate.SendOptions
	to       string
	anywhere bool
	start    string
	owner    string
	expect   string
	format   output
}

// simulated is the command's summary.
type simulated struct {
	Calls     int                       `json:"calls"`
	Outcomes  map[connector.Outcome]int `json:"outcomes"`
	Unseen    int                       `json:"unseen"`
	Agents    int                       `json:"agents"`
	Events    int                       `json:"events"`
	Repeats   int                       `json:"repeats"`
	Withheld  int                       `json:"withheld"`
	Needs     map[string]float64        `json:"needs_seconds"`
	Posted    int                       `json:"posted"`
	Lost      int                       `json:"lost"`
	Tries     int                       `json:"tries"`
	Failed    int                       `json:"failed"`
	Statuses  map[int]int               `json:"statuses"`
	Seconds   float64                   `json:"seconds"`
	PerSecond float64                   `json:"per_second"`
	P50       float64                   `json:"p50_ms"`
	P99       float64                   `json:"p99_ms"`
	Problem   string                    `json:"problem,omitempty"`
}

func (a *app) simulate() *cobra.Command {
	s := simulation{Options: simulate.Defaults(), format: "text", owner: "last"}
	s.Withheld = map[connector.Kind]float64{}
	s.start = s.Start.Format(time.RFC3339)
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Play a predictive dialer: invented calls, and the records that have to come of them",
		Long: `Simulate invents a call centre's traffic (unanswered and abandoned calls, transfers, agents who go offline, events
that come late, twice or never) and posts it to a wrapup that runs, as the dialer would. It knows which record has to
come of each call, and writes them down with --expect. The same seed gives the same calls; without --to nothing is posted.

--to takes the dialer's callback_url, which wrapup status --show-secrets has with its token. Whatever listens there logs
these calls in its CRM, so anything but this machine is refused without --yes-really.
The records are as expected if correlation.max_age and correlation.ring_timeout are longer than the summary says, and
owner, late_connect_after and the queue's region are set there as they are here. It exits with 1 if an event was lost,
that is, not answered with 200.`,
		Example: `  wrapup simulate --to http://127.0.0.1:8080/callbacks/nxcloud/events/TOKEN --calls 20
  wrapup simulate --to http://127.0.0.1:8080/callbacks/nxcloud/events --calls 5000 --rate 200 --reordered 0.3 \
      --repeated 0.1 --no-hangup 0.05 --expect expected.ndjson
  wrapup simulate --calls 100 --expect - | jq -r .outcome | sort | uniq -c`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return usageError{err}
			}
			return a.runSimulation(c.Context(), &s)
		},
	}
	s.flags(c)
	return c
}

func (s *simulation) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.to, "to", "", "post the events to this `URL`")
	f.BoolVar(&s.anywhere, "yes-really", false, "post also to another machine: the calls end up in its CRM")
	f.IntVar(&s.Calls, "calls", s.Calls, "how many calls")
	f.Float64Var(&s.Rate, "rate", s.Rate, "calls per second of real time")
	f.Float64Var(&s.Speed, "speed", s.Speed, "the dialer's seconds per second of real time")
	f.Uint64Var(&s.Seed, "seed", s.Seed, "seed of all that is random")
	f.IntVar(&s.Agents, "agents", s.Agents, "how many agents; 0 is as many as the load needs")
	f.StringVar(&s.Queue, "queue", s.Queue, "the queue's access number")
	f.StringVar(&s.Region, "region", s.Region, "the queue's region as it is configured there: ID, or none")
	f.StringVar(&s.start, "start", s.start, "when the day begins by the dialer's clock: an RFC 3339 `time`, or now")
	f.StringVar(&s.owner, "owner", s.owner, "correlation.owner as it is configured there: last or first")
	f.DurationVar(&s.LateConnectAfter, "late-connect-after", s.LateConnectAfter, "correlation.late_connect_after as it is configured there")
	for _, share := range []struct {
		name, usage string
		value       *float64
	}{
		{"answered", "`share` of calls that the customer answers", &s.Answered},
		{"abandoned", "`share` of answered calls that end before an agent could join", &s.Abandoned},
		{"transferred", "`share` of agents' parts that end with a transfer", &s.Transferred},
		{"offline", "`share` of agents' parts after which the agent's phone hangs up", &s.Offline},
		{"skewed", "`share` of calls whose agent's stamp is too early", &s.Skewed},
		{"reordered", "`share` of events that come late", &s.Reordered},
		{"repeated", "`share` of events that come twice", &s.Repeated},
		{"no-hangup", "`share` of calls of which no hang-up ever comes", &s.NoHangup},
		{"missing", "`share` of calls of which one event, whichever, never comes", &s.Missing},
	} {
		f.Float64Var(share.value, share.name, *share.value, share.usage)
	}
	f.Var((*shares)(&s.Withheld), "withheld", "`shares` of events that never come, by kind, such as left=0.1,ready=0.2")
	f.DurationVar(&s.MaxDelay, "max-delay", s.MaxDelay, "how late an event comes at most, in real time")
	f.IntVar(&s.send.Workers, "workers", 32, "how many requests may be under way")
	f.BoolVar(&s.send.Insist, "insist", false, "post an event until it is answered with 200, which a real dialer doesn't")
	f.StringVar(&s.expect, "expect", "", "write the expected records to this `file` as JSON lines; - is the standard output")
	f.VarP(&s.format, "output", "o", "text or json")
}

// check completes the options and says what is wrong with the command line.
func (s *simulation) check() error {
	var errs []error
	if s.start == "now" {
		s.Start = time.Now()
	} else if at, err := time.Parse(time.RFC3339, s.start); err == nil {
		s.Start = at
	} else {
		errs = append(errs, fmt.Errorf("start %s: expected a time such as 2026-01-05T02:00:00Z, or now", s.start))
	}
	if s.owner != "last" && s.owner != "first" {
		errs = append(errs, fmt.Errorf("owner %s: expected last or first", s.owner))
	}
	s.OwnerFirst = s.owner == "first"
	if s.send.Workers < 1 {
		errs = append(errs, fmt.Errorf("workers %d: expected at least 1", s.send.Workers))
	}
	if s.to != "" {
		u, err := url.Parse(s.to)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			errs = append(errs, fmt.Errorf("--to %s: expected a URL such as http://127.0.0.1:8080/callbacks/nxcloud/events", s.to))
		case !s.anywhere && !isLoopback(u.Hostname()):
			errs = append(errs, fmt.Errorf("--to %s is not this machine: the invented calls would end up in its CRM (--yes-really, if they are to)", u.Host))
		}
	}
	return errors.Join(append(errs, s.Check())...)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (a *app) runSimulation(ctx context.Context, s *simulation) error {
	plan := simulate.Generate(s.Options)
	summary := a.out
	switch s.expect {
	case "":
	case "-":
		summary = a.err // the records have the standard output to themselves
		if err := writeRecords(a.out, plan.Expected); err != nil {
			return err
		}
	default:
		f, err := os.Create(s.expect)
		if err != nil {
			return err
		}
		if err := errors.Join(writeRecords(f, plan.Expected), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", s.expect, err)
		}
	}
	report, err := simulate.Report{}, error(nil)
	if s.to != "" {
		report, err = a.sendPlan(ctx, s, plan)
	}
	sum := summarize(s, plan, &report)
	if s.format == "json" {
		err = errors.Join(err, printJSON(summary, sum))
	} else {
		err = errors.Join(err, printSimulated(summary, s, sum))
	}
	if err == nil && report.Lost > 0 {
		return errReported
	}
	return err
}

func (a *app) sendPlan(ctx context.Context, s *simulation, plan *simulate.Plan) (simulate.Report, error) {
	transport := &http.Transport{MaxIdleConns: s.send.Workers, MaxIdleConnsPerHost: s.send.Workers}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if isTerminal(a.err) {
		var shown time.Time
		s.send.Progress = func(done, total int) {
			if now := time.Now(); done == total || now.Sub(shown) > 100*time.Millisecond {
				shown = now
				fmt.Fprintf(a.err, "\r%d of %d events posted", done, total)
			}
			if done == total {
				fmt.Fprintln(a.err)
			}
		}
	}
	report, err := simulate.Send(ctx, client, s.to, plan, s.send)
	if err != nil {
		err = fmt.Errorf("stopped after %d of %d events: %w", report.Posted, len(plan.Posts), err)
	}
	return report, err
}

func writeRecords(w io.Writer, records []connector.Record) error {
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	for i := range records {
		if err := e.Encode(&records[i]); err != nil {
			return err
		}
	}
	return b.Flush()
}

func summarize(s *simulation, p *simulate.Plan, r *simulate.Report) *simulated {
	sum := &simulated{
		Calls: s.Calls, Outcomes: p.Outcomes, Unseen: p.Unseen, Agents: p.Agents, Events: p.Events, Repeats: p.Repeats,
		Withheld: p.Withheld, Posted: r.Posted, Lost: r.Lost, Tries: r.Tries, Failed: r.Failed, Statuses: r.Statuses,
		Needs:   map[string]float64{"max_age": p.Needs.MaxAge.Seconds(), "ring_timeout": p.Needs.RingTimeout.Seconds()},
		Seconds: r.Took.Seconds(), P50: float64(r.P50.Microseconds()) / 1e3, P99: float64(r.P99.Microseconds()) / 1e3,
		Problem: r.Problem,
	}
	if r.Took > 0 {
		sum.PerSecond = float64(r.Posted) / r.Took.Seconds()
	}
	return sum
}

func printSimulated(w io.Writer, s *simulation, sum *simulated) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, value any, note string) { fmt.Fprintf(t, "%s\t%v\t\t%s\n", name, value, note) }
	row("calls", sum.Calls, fmt.Sprintf("%d agents, seed %d", sum.Agents, s.Seed))
	for _, o := range connector.Outcomes() {
		if n := sum.Outcomes[o]; n > 0 {
			row(string(o), n, fmt.Sprintf("%.1f %%", 100*float64(n)/float64(sum.Calls)))
		}
	}
	if sum.Unseen > 0 {
		row("unseen", sum.Unseen, "no event of them is sent")
	}
	row("events", sum.Events, "")
	row("repeats", sum.Repeats, "")
	row("withheld", sum.Withheld, "")
	if s.to != "" {
		row("posted", sum.Posted, fmt.Sprintf("%.0f/s in %.1f s", sum.PerSecond, sum.Seconds))
		row("p50", fmt.Sprintf("%.1f ms", sum.P50), "")
		row("p99", fmt.Sprintf("%.1f ms", sum.P99), "")
		if sum.Tries > sum.Posted {
			row("tries", sum.Tries, answersInWords(sum))
		}
		note := ""
		if sum.Lost > 0 {
			note = answersInWords(sum)
		}
		row("lost", sum.Lost, note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if sum.Lost > 0 {
		fmt.Fprintf(w, "The first problem: %s\n", printable(sum.Problem))
		if sum.Statuses[http.StatusUnauthorized]+sum.Statuses[http.StatusNotFound] > 0 {
			fmt.Fprintln(w, "Is it the whole address, with its token? wrapup status --show-secrets has it as the callback_url.")
		}
	}
	_, err := fmt.Fprintf(w, "It takes max_age over %.1f s and ring_timeout over %.1f s for the records to be as expected.\n",
		sum.Needs["max_age"], sum.Needs["ring_timeout"])
	return err
}

func answersInWords(sum *simulated) string {
	var parts []string
	for status, n := range sum.Statuses {
		parts = append(parts, fmt.Sprintf("%d: %d", status, n))
	}
	sort.Strings(parts)
	if sum.Failed > 0 {
		parts = append(parts, fmt.Sprintf("no answer: %d", sum.Failed))
	}
	return strings.Join(parts, ", ")
}

// shares is a flag with shares by kind of event.
type shares map[connector.Kind]float64

// String implements pflag.Value.
func (s *shares) String() string {
	var parts []string
	for kind, share := range *s {
		parts = append(parts, string(kind)+"="+strconv.FormatFloat(share, 'g', -1, 64))
	}
	sort.Strings(parts)
	return strings.Join(parts, ",")
}

// Type implements pflag.Value.
func (s *shares) Type() string { return "shares" }

// Set implements pflag.Value.
func (s *shares) Set(v string) error {
	for part := range strings.SplitSeq(v, ",") {
		kind, number, _ := strings.Cut(part, "=")
		share, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return fmt.Errorf("%q is not a kind and its share, such as left=0.1", part)
		}
		(*s)[connector.Kind(kind)] = share
	}
	return nil
}

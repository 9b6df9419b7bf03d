package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wrapup/connector"
	"wrapup/connector/admin"
)

// changing is a command that changes deliveries, named one by one or by filters.
type changing struct {
	*app
	command *cobra.Command
	filters filters
	uuids   []string

	verb, done string // "retry", "due now"
	dryRun     bool
	yes        bool
	parkedToo  bool // the answer to what there is to ask about parked ones
	// otherwise are the states that filters without --state are about; nil is all.
	otherwise []connector.DeliveryState
	order     admin.Order
	send      func(context.Context, *admin.Client, admin.Order) ([]admin.Changed, error)
}

const changeHelp = `Without UUIDs it is about all deliveries that the filters match. It shows how many there are, and asks; where nobody
can be asked, --yes is the answer. --dry-run only shows them. A change needs the running daemon. What happens to a delivery
meanwhile comes first: then the delivery is left as it is, and said to be. It exits with 1 if any is.

` + timesHelp

func (a *app) deliveriesRetry() *cobra.Command {
	d := &changing{app: a, verb: "retry", done: "due now"}
	c := &cobra.Command{
		Use:   "retry [UUID…]",
		Short: "Send dead or parked deliveries again",
		Long: `Retry makes deliveries due now. Dead and parked ones wait again; their failures are forgotten, and they are rendered
with the mapping as it is now. A parked one may have been delivered, so a retry may log the call twice: that needs
--parked-too, or --yes; where the mapping has a lookup for it, that is asked first. Steps that were done are not done again,
but for those that may be done any number of times (PUT, for example).

` + changeHelp,
		Example: `  wrapup deliveries retry 5c6f5869-752d-46fd-8ac0-797f83222279
  wrapup deliveries retry --destination crm --state dead --reason "answered 400" --since 3d --dry-run
  wrapup deliveries retry --destination crm --state dead --reason "answered 400" --since 3d --yes`,
		RunE: func(_ *cobra.Command, args []string) error { return d.run(args) },
	}
	d.command = c
	d.filters.flags(c, "reason")
	c.Flags().BoolVar(&d.parkedToo, "parked-too", false, "parked ones, too, at the risk of a second log entry")
	d.flags()
	d.send = func(ctx context.Context, client *admin.Client, o admin.Order) ([]admin.Changed, error) {
		o.Parked = d.parkedToo || d.yes
		return client.Retry(ctx, o)
	}
	return c
}

func (a *app) deliveriesDrop() *cobra.Command {
	d := &changing{app: a, verb: "drop", done: "dropped",
		otherwise: []connector.DeliveryState{connector.DeliveryDead, connector.DeliveryParked, admin.StateUnreadable}}
	c := &cobra.Command{
		Use:   "drop [UUID…] --reason TEXT",
		Short: "Give up deliveries for good, with a reason",
		Long: `Drop ends deliveries: they are never sent, and counted as dropped. The reason and the time are kept with each. Filters
are about what is dead, parked or unreadable; what is waiting is dropped by UUID or with --state waiting, unless it is being
sent just then.

` + changeHelp,
		Example: `  wrapup deliveries drop 5c6f5869-752d-46fd-8ac0-797f83222279 --reason "test call"
  wrapup deliveries drop --destination old-crm --state waiting,dead --reason "the old CRM is gone" --dry-run`,
		RunE: func(_ *cobra.Command, args []string) error {
			if strings.TrimSpace(d.order.Reason) == "" {
				return usageError{fmt.Errorf("%s needs a reason: --reason TEXT", d.command.CommandPath())}
			}
			return d.run(args)
		},
	}
	d.command = c
	d.filters.flags(c, "with-reason")
	c.Flags().StringVar(&d.order.Reason, "reason", "", "why they are dropped, in a `text`")
	d.flags()
	d.send = func(ctx context.Context, client *admin.Client, o admin.Order) ([]admin.Changed, error) {
		return client.Drop(ctx, o)
	}
	return c
}

func (d *changing) flags() {
	d.command.Flags().BoolVar(&d.dryRun, "dry-run", false, "only show what it is about")
	d.command.Flags().BoolVar(&d.yes, "yes", false, "don't ask")
}

func (d *changing) run(uuids []string) error {
	q, narrow, err := d.filters.parse()
	if err != nil {
		return err
	}
	if d.uuids = uuids; len(uuids) == 0 && !narrow {
		return usageError{fmt.Errorf("%[1]s takes UUIDs, or at least one filter (see %[1]s --help)", d.command.CommandPath())}
	}
	if len(uuids) == 0 && len(q.States) == 0 {
		q.States = d.otherwise
	}
	ctx := d.command.Context()
	if d.dryRun {
		return d.ask(ctx, func(ctx context.Context, s asked) error {
			_, _, err := d.collect(ctx, s, q)
			return err
		})
	}
	return d.operate(ctx, func(ctx context.Context, client *admin.Client) error {
		list, missing, err := d.collect(ctx, client, q)
		if err == nil && len(list) > 0 {
			if err = d.consent(list); err == nil {
				err = d.change(ctx, client, list)
			}
		}
		if err == nil && missing {
			return errReported
		}
		return err
	})
}

// collect gets the deliveries that are meant and says what they are; missing says that some UUID has none.
func (d *changing) collect(ctx context.Context, s asked, q admin.ListQuery) (list []admin.ListedDelivery, missing bool, err error) {
	const atOnce = 100
	found := map[string]bool{}
	for from := 0; from == 0 || from < len(d.uuids); from += atOnce {
		q.UUIDs = d.uuids[from:min(from+atOnce, len(d.uuids))]
		page, err := collect(ctx, s, q, 0)
		if err != nil {
			return nil, false, err
		}
		for _, line := range page.Deliveries {
			found[line.UUID] = true
			list = append(list, line)
		}
	}
	out := d.command.OutOrStdout()
	for _, uuid := range d.uuids {
		if found[uuid] {
			continue
		}
		missing = true
		story, err := s.Story(ctx, uuid)
		if err != nil {
			return nil, false, err
		}
		fmt.Fprintf(out, "%s: there is nothing to %s. %s\n", printable(uuid), d.verb, printable(answer(story)))
	}
	if len(list) == 0 && len(d.uuids) == 0 {
		_, err := fmt.Fprintf(out, "There is nothing to %s: no delivery matches.\n", d.verb)
		return nil, false, err
	}
	return list, missing, printSummary(out, list, d.verb)
}

// mostReasons is how many different reasons a summary tells.
const mostReasons = 20

// printSummary counts deliveries by destination, state and reason.
func printSummary(w io.Writer, list []admin.ListedDelivery, verb string) error {
	if len(list) == 0 {
		return nil
	}
	type kind struct{ destination, state, reason string }
	counts := map[kind]int{}
	for _, d := range list {
		counts[kind{withNote(d.Destination, d.Unconfigured), string(d.State), d.Reason}]++
	}
	kinds := slices.SortedFunc(maps.Keys(counts), func(a, b kind) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a.destination, b.destination), cmp.Compare(a.state, b.state), cmp.Compare(a.reason, b.reason))
	})
	fmt.Fprintf(w, "To %s: %d\n", verb, len(list))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rest := 0
	for i, k := range kinds {
		if i >= mostReasons {
			rest += counts[k]
			continue
		}
		fmt.Fprintf(t, "  %d\t%s\t%s\t%s\n", counts[k], k.destination, printable(k.state), printable(k.reason))
	}
	if rest > 0 {
		fmt.Fprintf(t, "  %d\twith %d other reasons\n", rest, len(kinds)-mostReasons)
	}
	return t.Flush()
}

// consent makes sure that it is meant: with filters always, and where parked deliveries may be logged twice.
func (d *changing) consent(list []admin.ListedDelivery) error {
	parked := 0
	for _, line := range list {
		if line.State == connector.DeliveryParked && d.verb == "retry" && !d.parkedToo {
			parked++
		}
	}
	if d.yes || len(d.uuids) > 0 && parked == 0 {
		return nil
	}
	question, flags := fmt.Sprintf("%s %s?", d.verb, amount(len(list), "delivery")), "--yes"
	if parked > 0 {
		question = fmt.Sprintf("%d of them may have been delivered, and may be logged twice. ", parked) + question
		if len(d.uuids) > 0 {
			flags = "--parked-too"
		}
	}
	if err := d.agrees(d.command, question, flags); err != nil {
		return err
	}
	d.parkedToo = true
	return nil
}

// agrees asks a person, and gives an error unless the answer is yes. flags is what stands for it where nobody can be asked.
func (a *app) agrees(c *cobra.Command, question, flags string) error {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) || isNull(in) {
		return fmt.Errorf("%s Nobody can be asked here: %s is the answer; nothing was changed", question, flags)
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if reply := strings.ToLower(strings.TrimSpace(line)); reply != "y" && reply != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// isNull says that a file is the null device, which looks like a terminal to isTerminal.
func isNull(f *os.File) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(null, info)
}

// change sends the orders, tells how far it is, and what became of them.
func (d *changing) change(ctx context.Context, client *admin.Client, list []admin.ListedDelivery) error {
	const atOnce = 250
	done := 0
	notes := map[string]int{}
	told := time.Now()
	var err error
	for from := 0; from < len(list) && err == nil; from += atOnce {
		order := d.order
		for _, line := range list[from:min(from+atOnce, len(list))] {
			order.Deliveries = append(order.Deliveries, admin.Target{Destination: line.Destination, Task: line.Task})
		}
		var changed []admin.Changed
		if changed, err = d.send(ctx, client, order); err != nil {
			break
		}
		for _, c := range changed {
			note := c.Note
			if c.Done {
				done++
			} else {
				note = "left as it is: " + c.Note
				if len(list) <= 20 {
					note = c.CallID + " to " + c.Destination + " is " + note
				}
			}
			if note != "" {
				notes[note]++
			}
		}
		if time.Since(told) > time.Second && from+atOnce < len(list) {
			told = time.Now()
			fmt.Fprintf(d.err, "%d of %d …\n", from+atOnce, len(list))
		}
	}
	out := d.command.OutOrStdout()
	fmt.Fprintf(out, "%d of %d %s.\n", done, len(list), d.done)
	for _, note := range slices.Sorted(maps.Keys(notes)) {
		fmt.Fprintf(out, "  %d: %s\n", notes[note], printable(note))
	}
	if err == nil && done < len(list) {
		return errReported
	}
	return err
}

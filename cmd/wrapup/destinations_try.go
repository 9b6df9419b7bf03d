package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/connector/admin"
	"wrapup/connector/deliver"
	"wrapup/connector/finish"
	problem "wrapup/mappings/source"
	"wrapup/outbox"
)

// trying is what a try-out is asked for.
type trying struct {
	*app
	command      *cobra.Command
	record, call string
	create, yes  bool
}

func (a *app) destinationsTest() *cobra.Command {
	t := &trying{app: a}
	format := output("text")
	c := &cobra.Command{
		Use:   "test NAME",
		Short: "Try a destination out: do its credentials and its lookups work?",
		Long: `Test sends to a destination what a call would meet first there: the login or the token, and the lookups of its mapping,
up to the first request that would create or change anything. It shows each request, its answer, and what the answer means.
Secrets are shown by their names, in « ». Nothing is created, and nothing is stored.

With --create it goes on to the end, and really writes one entry to the CRM, by default for the call in the dialer's
documentation. It asks first (--yes is the answer), and says what was created, with the CRM's ids. A call that wrapup
has delivered, or will deliver, can't be taken for that: it would be there twice.

Where a daemon runs it makes the test itself, with its own login and tokens and within the destination's rate; its deliveries
go on, or stay paused, as if there had been no test. Where none runs the test is made here, with the store locked meanwhile,
since a token that is renewed has to be kept: run it as the user that the daemon runs as.

It exits with 0 if all that was sent works, with 1 if anything doesn't, and with 3 if what was asked for could not be tried:
the mapping doesn't want this call, it has no lookup before the first request that creates something, or the destination's rate
left no time.`,
		Example: `  wrapup destinations test crm
  wrapup destinations test crm --call 5c6f5869-752d-46fd-8ac0-797f83222279
  wrapup destinations test crm --create --yes -o json | jq .saved`,
		Args: args(1, "the destination's name"),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case t.record != "" && t.call != "":
				return usageError{errors.New("test takes either --record or --call")}
			case t.create && t.call != "":
				return usageError{errors.New("--create doesn't go with --call: the call could be logged twice (wrapup deliveries retry sends one again)")}
			case t.yes && !t.create:
				return usageError{errors.New("--yes is the answer to what --create asks")}
			}
			got, err := t.run(c.Context(), args[0])
			if err != nil {
				return err
			}
			if format == "json" {
				err = printJSON(c.OutOrStdout(), got)
			} else {
				err = printTrial(c.OutOrStdout(), got)
			}
			switch {
			case err != nil:
				return err
			case got.Result == trialFails:
				return errReported
			case got.Result == trialUntested:
				return errUntested
			}
			return nil
		},
	}
	t.command = c
	f := c.Flags()
	f.StringVar(&t.record, "record", "", "the call: a `file` with a record or with what why -o json prints; - is standard input")
	f.StringVar(&t.call, "call", "", "the call with this `uuid`, as the daemon or its store knows it")
	f.BoolVar(&t.create, "create", false, "write one entry to the CRM")
	f.BoolVar(&t.yes, "yes", false, "don't ask")
	f.VarP(&format, "output", "o", "text or json")
	return c
}

// run has the running daemon make the test, or makes it where none runs.
func (t *trying) run(ctx context.Context, destination string) (*trial, error) {
	revisions, what, err := t.recordToPreview(ctx, previewing{record: t.record, call: t.call})
	if err != nil {
		return nil, err
	}
	record := revisions[len(revisions)-1]
	if t.create && !t.yes {
		question := fmt.Sprintf("This writes an entry for call %s to %s, which wrapup will not remove. ", printable(record.CallID), destination)
		if t.record != "" {
			question += "If wrapup delivers this call, too, it may be there twice. "
		}
		question += "Write it?"
		if err := t.agrees(t.command, question, "--yes"); err != nil {
			return nil, err
		}
	}
	order := admin.TestOrder{Destination: destination, Record: record, What: what, Create: t.create}
	got := new(trial)
	err = t.reach(ctx, t.outline(), func(ctx context.Context, client *admin.Client) error { return client.TestDestination(ctx, order, got) })
	var nobody unreached
	if errors.As(err, &nobody) {
		return t.alone(ctx, order)
	}
	return got, err
}

// alone makes the test where no daemon runs: with a lane of its own that delivers nothing.
func (t *trying) alone(ctx context.Context, o admin.TestOrder) (got *trial, err error) {
	cfg, err := t.load()
	if err != nil {
		return nil, err
	}
	one := *cfg
	one.Destinations = nil
	for _, d := range cfg.Destinations {
		if d.Name == o.Destination {
			one.Destinations = []configs.Destination{d}
		}
	}
	if len(one.Destinations) == 0 {
		known := destinationNames(cfg)
		return nil, fmt.Errorf("unknown destination %q%s: there are %s", o.Destination, problem.Suggest(o.Destination, known), strings.Join(known, ", "))
	}
	if err := ownStore(one.DataDir); err != nil {
		return nil, err
	}
	d := &daemon{config: &one, log: slog.New(slog.DiscardHandler)}
	store, _, err := openStore(ctx, &one, finish.NewSystemClock(), d.log, nil, nil)
	switch {
	case errors.Is(err, outbox.ErrLocked):
		return nil, fmt.Errorf("a daemon runs on the data in %s, but none answers at %s: is admin.socket the one it uses?", one.DataDir, one.Admin.Socket)
	case err != nil:
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	lanes, err := newLanes(&one, store, d.log, nil)
	if err != nil {
		return nil, err
	}
	defer lanes[0].connection.close()
	if err := restore(ctx, store, lanes, lanes); err != nil {
		return nil, err
	}
	return try(ctx, &one.Destinations[0], lanes[0], o, d.log), nil
}

// ownStore keeps root from leaving files behind in a folder of somebody else's, which a daemon of that user can't open then.
func ownStore(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil //nolint:nilerr // it will be created, or the store says why it can't be opened
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && owner.Uid != 0 {
		return fmt.Errorf("data_dir: %s belongs to the user with the number %d, and no daemon runs: run this as that user (sudo -u '#%[2]d' …), "+
			"or start the daemon first", dir, owner.Uid)
	}
	return nil
}

// printTrial writes a try-out for people.
func printTrial(w io.Writer, t *trial) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Destination %s, mapping %s", t.Destination, t.Mapping)
	if t.Version != "" {
		fmt.Fprintf(&b, ", version %s", printable(t.Version))
	}
	fmt.Fprintf(&b, " (%s)\nCall %s, revision %d, %s (%s)\n", t.From, printable(t.Call), t.Revision, t.Outcome, t.Record)
	for _, note := range t.Notes {
		fmt.Fprintf(&b, "Note: %s.\n", note)
	}
	for i := range t.Steps {
		fmt.Fprintf(&b, "\n%d. ", i+1)
		t.Steps[i].print(&b)
	}
	fmt.Fprintf(&b, "\n%s: %s\n", t.Ended, printable(t.Reason))
	for _, step := range t.Created {
		fmt.Fprintf(&b, "Created: step %s was done.\n", step)
	}
	for _, step := range t.Maybe {
		fmt.Fprintf(&b, "MAYBE created: step %s was sent, and its answer is not known. Look into the CRM.\n", step)
	}
	if t.Saved != nil && t.Create {
		fmt.Fprintf(&b, "Saved: %s\n", printable(string(t.Saved)))
	}
	b.WriteString(t.verdict() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// verdict is the last line.
func (t *trial) verdict() string {
	switch {
	case t.Result == trialFails:
		return "It does not work: see above."
	case t.Ended == deliver.EndedCut:
		return "It was not tried to the end: see above."
	case t.Result == trialWorks && t.Create:
		return "It works. The entry stays in the CRM until somebody removes it there."
	case t.Result == trialWorks:
		return "It works, as far as it was tried. Nothing was created."
	case t.Create:
		return "Nothing was created for this call: another one may tell more (--record)."
	case t.Ended == deliver.EndedUnsent:
		return "Nothing could be tried without creating something: --create does."
	}
	return "Nothing could be tried with this call: another one may tell more (--record, --call)."
}

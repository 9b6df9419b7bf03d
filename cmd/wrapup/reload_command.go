package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"wrapup/connector"
)

func (a *app) reload() *cobra.Command {
	format := output("text")
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the running daemon read its configuration again",
		Long: `Reload has the running daemon read its configuration again: the file, the mappings, tables, secrets and certificates. If
anything is wrong with them, all of it is refused, with what check would say, and the one before stays in use; the command
then exits with 1. SIGHUP does the same; then the log says what came of it.

What is being delivered is completed as it began. A destination that is in trouble is tried at once. The settings listen,
data_dir, admin, store, log.format, retention.calls and retention.answers, and whether there is TLS, take effect at the next
start only; the answer names them.

A destination that calls wait for can't just disappear: "was: OLD" at the one that it is now takes what waits along, and
"retired: [OLD]" says that it is gone for good. What waits is then kept, and shown as not configured, until
wrapup deliveries drop.`,
		Example: "  wrapup check && wrapup reload",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := a.askReload(c.Context())
			if err != nil {
				return err
			}
			if format == "json" {
				err = printJSON(c.OutOrStdout(), r)
			} else {
				err = a.printReload(c.OutOrStdout(), r)
			}
			if err == nil && !r.OK {
				return errReported
			}
			return err
		},
	}
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

// askReload has the daemon reload. However wrong the file is, the daemon has to say so: its log, its metrics and its status then
// tell of a reload that was refused.
func (a *app) askReload(ctx context.Context) (r *connector.Reload, err error) {
	o := a.outline()
	client, err := a.client(o)
	if err == nil {
		defer client.Close()
		if r, err = client.Reload(ctx); !nobodyAnswers(err) {
			return r, err
		}
		err = unreached{"no daemon answers at " + o.Config.Admin.Socket}
	}
	a.report(o)
	return nil, fmt.Errorf("%w: the configuration is read at its start (wrapup serve)", err)
}

func (a *app) printReload(w io.Writer, r *connector.Reload) error {
	for _, p := range append(r.Warnings, r.Problems...) {
		for line := range strings.Lines(p) {
			fmt.Fprintln(a.err, printable(strings.TrimRight(line, "\n")))
		}
	}
	if !r.OK {
		_, err := fmt.Fprintln(a.err, "The configuration was not reloaded; the one before stays in use.")
		return err
	}
	for _, path := range r.Restart {
		fmt.Fprintf(w, "%s takes effect at the next start only\n", printable(path))
	}
	if len(r.Changed) == 0 {
		_, err := fmt.Fprintln(w, "The configuration was reloaded: nothing else has changed.")
		return err
	}
	for _, path := range r.Changed {
		fmt.Fprintf(w, "changed: %s\n", printable(path))
	}
	_, err := fmt.Fprintln(w, "The configuration was reloaded.")
	return err
}

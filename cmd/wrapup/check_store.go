package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/connector/salvage"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// checkStore checks the file of a store, that of the configuration if none is given.
func (a *app) checkStore(c *cobra.Command, args []string, quick bool, format output) error {
	var path string
	if len(args) == 1 {
		path = args[0]
	} else {
		o := a.outline()
		if !o.Known(configs.DataDir) {
			a.report(o)
			return errReported
		}
		a.warnOf(o)
		path = filepath.Join(o.Config.DataDir, storeFile)
	}
	opts := bolt.CheckOptions{Meaning: salvage.Meaning{}}
	if quick {
		opts.Meaning = nil
	}
	report, err := bolt.Check(path, opts)
	if errors.Is(err, outbox.ErrLocked) {
		fmt.Fprintf(a.err, "wrapup: a daemon runs on the store %s, which can be checked only while none does: stop it first\n", path)
		return errUntested
	}
	if err != nil {
		return err
	}
	if format == "json" {
		err = printJSON(c.OutOrStdout(), report)
	} else {
		printReport(c.OutOrStdout(), path, report)
	}
	if err == nil && len(report.Damage)+len(report.Gaps) > 0 {
		err = errReported
	}
	return err
}

func printReport(w io.Writer, path string, r *bolt.Report) {
	if len(r.Damage) == 0 && len(r.Gaps) > 0 {
		fmt.Fprintf(w, "The file of %s is whole, but what is in it doesn't add up; wrapup audit says what that means:\n", path)
		for _, text := range r.Gaps {
			fmt.Fprintf(w, "  %s\n", printable(text))
		}
		return
	}
	if len(r.Damage) == 0 {
		stopped := "stopped cleanly"
		if !r.Clean {
			stopped = "not stopped cleanly"
		}
		fmt.Fprintf(w, "%s is fine: %d open item(s); %d finished call(s) of %d day(s), with %d deliveries; %d waiting, %d buried; %s\n",
			path, r.Items, r.Entries, r.Days, r.Rows, r.Due, r.Buried, stopped)
		return
	}
	fmt.Fprintf(w, "%s is damaged:\n", path)
	for _, text := range r.Damage {
		fmt.Fprintf(w, "  %s\n", printable(text))
	}
	if r.More > 0 {
		fmt.Fprintf(w, "  and %d more\n", r.More)
	}
	fmt.Fprintln(w, "The next start of the daemon sets the file aside and salvages what is readable.")
}

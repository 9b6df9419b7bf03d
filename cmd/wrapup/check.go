package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/mappings"
)

// Agents who were not seen for so long need not be in any table.
const agentsSeen = 7 * 24 * time.Hour

// askingTime is how long check asks the daemon for its agents: it has its answer without them.
const askingTime = 5 * time.Second

func (a *app) check() *cobra.Command {
	var store, quick bool
	format := output("text")
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and every mapping, and print all that is wrong",
		Long: `Check reads the configuration, its secrets and every mapping, as serve would, and prints all that is
wrong with them at once, each with file, line and column. It exits with 1 if anything is, and changes nothing.

It warns of what is doubtful: a destination that can log a call twice after a lost answer, a mapping of your own that
stands before a newer preset and, where a daemon or its store can be asked, agents of the last 7 days whom the tables
of a mapping don't know.

With --store it checks the file of the store instead, the given one or that of the configuration: every page, every
value's checksum, and what the values say of each other. It exits with 1 if anything is wrong, and with 3 if a daemon
has the store open: stop it first. It changes nothing; serve salvages a damaged store at its start.`,
		Example: `  wrapup check --config ./wrapup.yaml && sudo systemctl restart wrapup
  wrapup check --store
  wrapup check --store /backup/wrapup.db -o json`,
		Args: func(c *cobra.Command, got []string) error {
			if store && len(got) == 1 {
				return nil
			}
			return args(0, "no arguments, or one file with --store")(c, got)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if store {
				return a.checkStore(c, args, quick, format)
			}
			if quick || c.Flags().Changed("output") {
				return usageError{errors.New("--quick and --output go with --store")}
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			a.warnOfAgents(c.Context(), cfg)
			fmt.Fprintf(c.OutOrStdout(), "%s is fine: %d source(s), %d destination(s)\n", a.config, len(cfg.Sources), len(cfg.Destinations))
			printDestinations(c.OutOrStdout(), cfg)
			return nil
		},
	}
	c.Flags().BoolVar(&store, "store", false, "check the file of the store")
	c.Flags().BoolVar(&quick, "quick", false, "with --store: pages, checksums and references only")
	c.Flags().VarP(&format, "output", "o", "`format` with --store: text or json")
	return c
}

// printDestinations says what becomes of a call at each destination if an answer is lost.
func printDestinations(w io.Writer, cfg *configs.Config) {
	for i := range cfg.Destinations {
		d := &cfg.Destinations[i]
		promise := "no lost answer logs a call twice"
		if doubles := d.Compiled.Doubles(); len(doubles) > 0 {
			promise = "a lost answer parks the call as maybe delivered (step " + strings.Join(doubles, ", ") + ")"
			if d.Ambiguous == "retry" {
				promise = "a lost answer can log a call twice (step " + strings.Join(doubles, ", ") + ")"
			}
		}
		fmt.Fprintf(w, "  %s (mapping %s): %s\n", d.Name, d.Mapping, promise)
	}
}

// warnOfAgents names the agents whom a table doesn't know. It is silent where nobody can tell which agents there are.
func (a *app) warnOfAgents(ctx context.Context, cfg *configs.Config) {
	if !slices.ContainsFunc(cfg.Destinations, func(d configs.Destination) bool { return len(d.Compiled.AgentTables()) > 0 }) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askingTime)
	defer cancel()
	var agents []connector.AgentNow
	if a.ask(ctx, func(ctx context.Context, s asked) (err error) {
		agents, err = s.Agents(ctx)
		return err
	}) != nil {
		return
	}
	for _, warning := range unknownAgents(cfg, agents, time.Now()) {
		fmt.Fprintln(a.err, warning)
	}
}

// unknownAgents gives a warning for each table that misses an agent who was seen lately.
func unknownAgents(cfg *configs.Config, agents []connector.AgentNow, now time.Time) (warnings []string) {
	for i := range cfg.Destinations {
		d := &cfg.Destinations[i]
		for _, table := range d.Compiled.AgentTables() {
			var unknown []string
			for _, agent := range agents {
				lately := now.Sub(agent.Since.Time()) <= agentsSeen
				if name := string(agent.Username); lately && name != "" && !table.Has(name) && !slices.Contains(unknown, name) {
					unknown = append(unknown, name)
				}
			}
			if len(unknown) > 0 {
				slices.Sort(unknown)
				warnings = append(warnings, agentWarning(cfg, d, table, unknown))
			}
		}
	}
	return warnings
}

func agentWarning(cfg *configs.Config, d *configs.Destination, table mappings.AgentTable, unknown []string) string {
	file := d.MappingFile
	if table.File != "" {
		file = cfg.TablePath(table.File)
	}
	become := map[string]string{"": "take its default", "null": "go out without it", "dead": "are refused"}[table.Missing]
	return printable(fmt.Sprintf("%s: warning: table %s of the destination %q doesn't know these agents of the last 7 days, whose calls %s: %s",
		file, table.Name, d.Name, become, strings.Join(unknown, ", ")))
}

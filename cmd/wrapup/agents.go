package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wrapup/connector"
)

func (a *app) agents() *cobra.Command {
	format := output("text")
	c := &cobra.Command{
		Use:   "agents",
		Short: "What each agent does now, and since when",
		Long: `Agents lists the agents that the dialer has told of, and what they do by their newest event: ready for a call, on a
call, in wrap-up, or offline. Since is by the dialer's clock, in UTC.`,
		Example: "  wrapup agents\n  wrapup agents -o json | jq -r '.[] | select(.state == \"ready\") | .username'",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				agents, err := s.Agents(ctx)
				if err != nil {
					return err
				}
				if format == "json" {
					return printJSON(c.OutOrStdout(), agents)
				}
				return printAgents(c.OutOrStdout(), agents)
			})
		},
	}
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func printAgents(w io.Writer, agents []connector.AgentNow) error {
	if len(agents) == 0 {
		_, err := fmt.Fprintln(w, "The dialer has told of no agent yet.")
		return err
	}
	words := map[connector.AgentState]string{
		connector.AgentReady: "ready", connector.AgentOnCall: "on a call", connector.AgentWrapUp: "in wrap-up", connector.AgentOffline: "offline",
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AGENT\tSIP\tSTATE\tSINCE\tCALL")
	for _, a := range agents {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", or(a.Username, a.AgentID), or(a.SIPID, "-"), words[a.State], shortTime(a.Since), or(a.UUID, "-"))
	}
	return t.Flush()
}

// or gives the text, or another if it is empty, as it can be printed.
func or(t, otherwise connector.Text) string {
	if t == "" {
		t = otherwise
	}
	return printable(string(t))
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wrapup/connector"
)

func (a *app) agents() *cobra.Command {
	format := output("text")
	var (
		paging paging
		agent  string
		states []string
	)
	c := &cobra.Command{
		Use:   "agents",
		Short: "What each agent does now, and since when",
		Long: `Agents lists the agents that the dialer has told of, and what they do by their newest event: ready for a call, on a
call, in wrap-up, or offline. Since is by the dialer's clock, in UTC.`,
		Example: "  wrapup agents\n  wrapup agents --state ready,wrap_up --limit 20\n  wrapup agents --state ready -o json | jq -r '.[].username'",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, state := range states {
				if !slices.Contains(agentStates(), state) {
					return usageError{fmt.Errorf("--state %s: expected one of %s", state, strings.Join(agentStates(), ", "))}
				}
			}
			if err := paging.usage(); err != nil {
				return err
			}
			return a.ask(c.Context(), func(ctx context.Context, s asked) error {
				agents, err := s.Agents(ctx)
				if err != nil {
					return err
				}
				all := len(agents)
				agents = slices.DeleteFunc(agents, func(a connector.AgentNow) bool {
					return agent != "" && agent != string(a.Username) && agent != string(a.SIPID) && agent != string(a.AgentID) ||
						len(states) > 0 && !slices.Contains(states, string(a.State))
				})
				agents, next, err := pageOf(&paging, agents, func(a connector.AgentNow) string {
					return string(cmp.Or(a.Username, a.SIPID, a.AgentID))
				})
				if err != nil {
					return err
				}
				switch {
				case format == "json":
					err = printJSON(c.OutOrStdout(), agents)
				case len(agents) == 0 && all > 0:
					_, err = fmt.Fprintln(c.OutOrStdout(), "There is no such agent.")
				default:
					err = printAgents(c.OutOrStdout(), agents)
				}
				goOn(a.err, next)
				return err
			})
		},
	}
	c.Flags().StringVar(&agent, "agent", "", "only this `agent`: username, sip id or login session")
	c.Flags().StringSliceVar(&states, "state", nil, "only those who are in this `state`: "+strings.Join(agentStates(), ", "))
	paging.flags(c)
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func agentStates() []string {
	return names([]connector.AgentState{connector.AgentReady, connector.AgentOnCall, connector.AgentWrapUp, connector.AgentOffline})
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

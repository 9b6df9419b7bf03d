package main

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wrapup/connector"
	"wrapup/mappings"
)

// completionTime is how long a shell waits for what only the daemon, or its store, can tell.
const completionTime = 2 * time.Second

// completer gives what a word can become.
type completer = cobra.CompletionFunc

// complete has all commands below c complete their arguments and the values of their flags. What a flag takes is what stands
// between ` and ` in its usage; a command that says more by itself is left as it is.
func (a *app) complete(c *cobra.Command) {
	arguments := map[string]completer{
		"wrapup destinations test":   onlyFirst(a.completeDestinations),
		"wrapup destinations pause":  onlyFirst(a.completeDestinations),
		"wrapup destinations resume": onlyFirst(a.completeDestinations),
		"wrapup mappings show":       onlyFirst(a.completeMappings),
		"wrapup mappings list":       a.completeMappings,
		"wrapup mappings init":       onlyFirst(fixed(mappings.Presets()...)),
		"wrapup backup":              files,
	}
	if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
		c.ValidArgsFunction = cobra.NoFileCompletions
		if f := arguments[c.CommandPath()]; f != nil {
			c.ValidArgsFunction = f
		}
	}
	each := func(f *pflag.Flag) {
		if f.Value.Type() != "bool" {
			// One that is registered already stays, and says so by an error.
			_ = c.RegisterFlagCompletionFunc(f.Name, a.completerOf(c, f))
		}
	}
	c.LocalFlags().VisitAll(each)
	for _, below := range c.Commands() {
		a.complete(below)
	}
}

func (a *app) completerOf(c *cobra.Command, f *pflag.Flag) completer {
	what, _ := pflag.UnquoteUsage(f)
	switch {
	case f.Name == "output":
		return fixed("text", "json")
	case f.Name == "mapping":
		return a.completeMappingOrFile
	case f.Name == "state" && strings.HasPrefix(c.CommandPath(), "wrapup deliveries"):
		return fixed("waiting", "dead", "parked", "unreadable")
	case f.Name == "state" && c.Name() == "agents":
		return fixed(agentStates()...)
	}
	switch what {
	case "file":
		return files
	case "folder":
		return folders
	case "destination":
		return a.completeDestinations
	case "queue":
		return a.completeQueues
	case "source":
		return a.completeSources
	case "agent":
		return a.completeAgents
	case "level":
		return fixed("debug", "info", "warn", "error")
	}
	return cobra.NoFileCompletions
}

func fixed(words ...string) completer {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// onlyFirst completes the first argument alone.
func onlyFirst(f completer) completer {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args, begun)
	}
}

func (a *app) completeDestinations(*cobra.Command, []string, string) (list []string, _ cobra.ShellCompDirective) {
	c := a.outline().Config
	for i := range c.Destinations {
		list = append(list, c.Destinations[i].Name+"\t"+c.Destinations[i].Mapping)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeQueues(*cobra.Command, []string, string) (list []string, _ cobra.ShellCompDirective) {
	c := a.outline().Config
	for _, id := range slices.Sorted(maps.Keys(c.Queues)) {
		if id != "default" {
			list = append(list, id+"\t"+c.Queue(id).Name)
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeSources(*cobra.Command, []string, string) (list []string, _ cobra.ShellCompDirective) {
	for _, s := range a.outline().Config.Sources {
		list = append(list, cmp.Or(s.Name, s.Kind))
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completeAgents knows those whom the dialer has told of, if there is somebody to ask.
func (a *app) completeAgents(c *cobra.Command, _ []string, _ string) (list []string, _ cobra.ShellCompDirective) {
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	quiet := *a
	quiet.err = io.Discard
	var agents []connector.AgentNow
	_ = quiet.ask(ctx, func(ctx context.Context, s asked) (err error) { // nobody to ask is nothing to say
		agents, err = s.Agents(ctx)
		return err
	})
	for _, agent := range agents {
		if agent.Username != "" {
			list = append(list, printable(string(agent.Username)))
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeMappings(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	if l, err := a.library(""); err == nil {
		return l.names(), cobra.ShellCompDirectiveNoFileComp
	}
	return append(mappings.Presets(), builtIn), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeMappingOrFile(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if strings.ContainsAny(begun, `/.\`) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeMappings(c, args, begun)
}

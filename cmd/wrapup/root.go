package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"wrapup/configs"
)

const defaultConfig = "/etc/wrapup/wrapup.yaml"

// surroundings are what the process gets from outside.
type surroundings struct {
	environ  []string
	out, err io.Writer
}

func system() surroundings {
	return surroundings{environ: os.Environ(), out: os.Stdout, err: os.Stderr}
}

// app is what all subcommands share.
type app struct {
	surroundings
	config string
	flags  map[string]string // settings given as flags, by key path
}

func newRoot(s surroundings) *cobra.Command {
	a := &app{surroundings: s, flags: map[string]string{}}
	root := &cobra.Command{
		Use:   "wrapup",
		Short: "Logs a call centre's calls in its CRM. Once. Always.",
		Long: `wrapup listens to a predictive dialer, puts each call together, and logs it in the CRM or
ticketing system that the company uses, as YAML mappings say. What it has accepted is on disk.

  wrapup demo                      see it work, in ten seconds, without a configuration
  wrapup init                      write a first configuration, and say what is left to do
  wrapup check                     is the configuration right?
  wrapup serve                     run the daemon
  wrapup reload                    have the daemon read its configuration again
  wrapup status                    how is all of it doing, and does anything need a person?
  wrapup why UUID|PHONE|CRM-ID     what became of this call?
  wrapup calls, wrapup export      which calls were there? (by number, agent, queue, outcome, time; as CSV or JSON)
  wrapup backfill --to DESTINATION send stored calls of a time range to a destination
  wrapup erase --phone NUMBER      take a number out of all that is kept
  wrapup deliveries list           what is waiting, dead, or parked? (and show, retry, drop)
  wrapup destinations              who is paused, and why? (and test, pause, resume)
  wrapup sources                   what has the dialer posted, and who was refused?
  wrapup events --follow           what comes from the dialer, as it comes
  wrapup quarantine list           what was posted and not understood? (and show, retry, drop)
  wrapup audit                     is every finished call accounted for?
  wrapup backup FILE               a copy of the store, while the daemon runs
  wrapup agents, wrapup queues     what do the agents do now, and how do the queues do?
  wrapup mappings, wrapup preview  what is there to start from, and what would a mapping send?
  wrapup completion bash|zsh|fish  have the shell complete all of this
  wrapup simulate                  post realistic traffic whose right outcome is known`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	root.PersistentFlags().StringVar(&a.config, "config", a.env("WRAPUP_CONFIG", defaultConfig), "the configuration `file`")
	root.AddCommand(a.serve(), a.reload(), a.demo(), a.check(), a.status(), a.why(), a.calls(), a.export(), a.backfill(), a.erase(), a.deliveries(), a.destinations(), a.audit(), a.backup(), a.quarantine(), a.sources(), a.events(), a.agents(), a.queues(), a.simulate(), a.mappings(), a.preview(), a.bench(), a.initialize(), a.man(), a.version())
	a.complete(root)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = nil, a.mappings().RunE // as any command that only has commands below it
		}
	}
	return root
}

// env gives a variable's value, or the fallback.
func (a *app) env(name, fallback string) string {
	for _, v := range a.environ {
		if len(v) > len(name) && v[:len(name)] == name && v[len(name)] == '=' {
			return v[len(name)+1:]
		}
	}
	return fallback
}

// load reads the configuration and prints all that is wrong with it or doubtful.
func (a *app) load() (*configs.Config, error) {
	c, problems := configs.Load(configs.Input{Path: a.config, Environ: a.environ, Flags: a.flags})
	failed := errReported
	for _, p := range problems {
		fmt.Fprintln(a.err, p.Detailed())
		if !p.Warning && strings.HasPrefix(p.File, "flag ") {
			failed = errMisused
		}
	}
	if c == nil {
		return nil, failed
	}
	return c, nil
}

// setting makes a flag for a setting of the configuration. It wins over environment and file.
func (a *app) setting(c *cobra.Command, flag, key, usage string) {
	c.Flags().Func(flag, usage, func(v string) error {
		a.flags[key] = v
		return nil
	})
}

// group is a command that only has commands below it.
func group(use, short, example string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Example: example, RunE: func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return usageError{fmt.Errorf("%s has no command %q (see %s --help)", c.CommandPath(), args[0], c.CommandPath())}
	}}
}

// args is cobra.ExactArgs with an error that counts as usage.
func args(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, got []string) error {
		if len(got) != n {
			return usageError{fmt.Errorf("%s takes %s (see %s --help)", c.CommandPath(), what, c.CommandPath())}
		}
		return nil
	}
}

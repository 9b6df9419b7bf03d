package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"wrapup/configs"
	problem "wrapup/mappings/source"
)

func (a *app) serve() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: `Serve listens to the dialer and delivers finished calls until it is told to stop (SIGTERM or SIGINT). Then it takes
no more events, completes what is under way, and closes its store; the next start goes on where it was.

A configuration that doesn't check out is refused, with everything that is wrong with it. SIGHUP reads it again (wrapup reload).`,
		Example: `  wrapup serve
  wrapup serve --config ./wrapup.yaml --listen 127.0.0.1:8080 --data-dir ./data`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			defer raiseHeap()()
			defer addProcessors()()
			level := &slog.LevelVar{}
			level.Set(logLevel(cfg.Log))
			// Before anything else: a SIGHUP would end the process.
			reloads := make(chan os.Signal, 1)
			signal.Notify(reloads, syscall.SIGHUP)
			defer signal.Stop(reloads)
			d := &daemon{checker: checkInChild, config: cfg, log: newLoggerAt(a.err, cfg.Log.Format, level), level: level, reloads: reloads,
				load: func() (*configs.Config, problem.Problems) {
					return configs.Load(configs.Input{Path: a.config, Environ: a.environ, Flags: a.flags})
				}}
			return d.run(c.Context())
		},
	}
	a.setting(c, "listen", "listen", "the `address` where the dialer posts")
	a.setting(c, "data-dir", "data_dir", "the `folder` of the store")
	a.setting(c, "admin-socket", "admin.socket", "the unix `socket` for the other commands")
	a.setting(c, "log-level", "log.level", "`level`: debug, info, warn or error")
	return c
}

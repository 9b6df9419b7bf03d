package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"wrapup/configs"
	"wrapup/connector/admin"
)

// outline reads as much of the configuration as it takes to find the daemon and its store: no secrets and no mappings, which
// whoever asks may not be allowed to read. The daemon runs with what it read at its start: a file that somebody is just
// editing keeps nobody from asking it.
func (a *app) outline() *configs.Outline {
	return configs.ReadOutline(configs.Input{Path: a.config, Environ: a.environ, Flags: a.flags})
}

// unreached is that no daemon was reached.
type unreached struct{ where string }

// Error implements error.
func (u unreached) Error() string { return u.where }

// reach has the running daemon asked. Where that can't be done the error is an unreached.
func (a *app) reach(ctx context.Context, o *configs.Outline, question func(context.Context, *admin.Client) error) error {
	client, err := a.client(o)
	if err != nil {
		return err
	}
	defer client.Close()
	if err = question(ctx, client); nobodyAnswers(err) {
		return unreached{"no daemon answers at " + o.Config.Admin.Socket}
	}
	a.warnOf(o)
	return err
}

// client is for the daemon of this configuration. There may be others on the machine: one that is named is not taken for that
// at the default socket because of a slip.
func (a *app) client(o *configs.Outline) (*admin.Client, error) {
	if a.config != defaultConfig && !o.Known(configs.AdminSocket) {
		return nil, unreached{"admin.socket can't be read, so the daemon can't be found (WRAPUP_ADMIN_SOCKET may say where it is)"}
	}
	return admin.NewClient(o.Config.Admin.Socket), nil
}

func nobodyAnswers(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// warnOf says in a line that the configuration is wrong, beside an answer that didn't need it.
func (a *app) warnOf(o *configs.Outline) {
	switch {
	case o.Problems.Err() == nil:
	case o.Unread:
		fmt.Fprintln(a.err, printable(o.Problems.Error()))
	case a.config == defaultConfig:
		fmt.Fprintf(a.err, "%s has problems: run wrapup check\n", a.config)
	default:
		fmt.Fprintf(a.err, "%s has problems: run wrapup check --config %[1]s\n", printable(a.config))
	}
}

// report prints all that is wrong with a configuration: it is the likely reason that nobody was found to ask.
func (a *app) report(o *configs.Outline) {
	for _, p := range o.Problems {
		if !p.Warning {
			fmt.Fprintln(a.err, p.Detailed())
		}
	}
}

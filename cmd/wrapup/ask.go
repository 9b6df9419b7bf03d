package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"syscall"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// asked is what answers people's questions: a running daemon, or its store where none runs.
type asked interface {
	Story(ctx context.Context, uuid string) (*admin.Story, error)
	Deliveries(ctx context.Context, q admin.ListQuery) ([]admin.ListedDelivery, error)
}

// ask asks the running daemon; where none runs it reads the store.
func (a *app) ask(ctx context.Context, question func(context.Context, asked) error) error {
	cfg, err := a.load(false)
	if err != nil {
		return err
	}
	client := admin.NewClient(cfg.Admin.Socket)
	defer client.Close()
	err = question(ctx, client)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	path := filepath.Join(cfg.DataDir, storeFile)
	store, err := bolt.Open(path, bolt.Options{ReadOnly: true, Logger: slog.New(slog.DiscardHandler)})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no daemon answers at %s, and there is no store at %s", cfg.Admin.Socket, path)
	case errors.Is(err, outbox.ErrLocked):
		return fmt.Errorf("a daemon runs on the data in %s, but none answers at %s: is admin.socket the one it uses?", cfg.DataDir, cfg.Admin.Socket)
	case err != nil:
		return err
	}
	return errors.Join(question(ctx, stored(store, cfg)), store.Close())
}

// stored answers from a store that no daemon has open.
func stored(store *bolt.Store, cfg *configs.Config) admin.Source {
	return admin.Source{Store: store, Configured: configured(cfg), Pending: func(ctx context.Context, uuid string) ([]connector.Arrival, error) {
		var pending []connector.Arrival
		err := store.Open(ctx, func(group string, items []outbox.Item) error {
			if group != connector.CallGroup(uuid) {
				return nil
			}
			for _, item := range items {
				var a connector.Arrival
				if err := json.Unmarshal(item.Body, &a); err != nil {
					return fmt.Errorf("event %s can't be read: %w", item.ID, err)
				}
				pending = append(pending, a)
			}
			return nil
		})
		if errors.Is(err, outbox.ErrDamaged) { // what can be read has been: the daemon's log tells of the rest
			err = nil
		}
		return pending, err
	}}
}

// printJSON writes v for a script.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// output is the flag -o of commands that print for people or for scripts.
type output string

// String implements pflag.Value.
func (o *output) String() string { return string(*o) }

// Type implements pflag.Value.
func (o *output) Type() string { return "format" }

// Set implements pflag.Value.
func (o *output) Set(v string) error {
	if v != "text" && v != "json" {
		return fmt.Errorf("%q is neither text nor json", v)
	}
	*o = output(v)
	return nil
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/finish"
	"wrapup/connector/intake"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// asked is what answers people's questions: a running daemon, or its store where none runs.
type asked interface {
	Story(ctx context.Context, uuid string) (*admin.Story, error)
	Why(ctx context.Context, q admin.WhyQuery) (*admin.Story, error)
	Calls(ctx context.Context, q admin.CallQuery) (*admin.CallPage, error)
	Backfill(ctx context.Context, o admin.BackfillOrder) (*admin.Backfill, error)
	Deliveries(ctx context.Context, q admin.ListQuery) (*admin.Page, error)
	DestinationStatus(ctx context.Context) ([]admin.DestinationStatus, error)
	Days(ctx context.Context) ([]string, error)
	Status(ctx context.Context) (*admin.Status, error)
	Audit(ctx context.Context, day string) (*admin.DayAudit, error)
	Agents(ctx context.Context) ([]connector.AgentNow, error)
	Queues(ctx context.Context, days int) ([]admin.QueueStats, error)
	Quarantined(ctx context.Context, q connector.QuarantineQuery) (*connector.QuarantinePage, error)
	Backup(ctx context.Context, to func(size int64) (io.Writer, error)) error
	QuarantinedBody(ctx context.Context, id string) (*connector.Quarantined, error)
}

// ask asks the running daemon; where none runs it reads the store.
func (a *app) ask(ctx context.Context, question func(context.Context, asked) error) error {
	o := a.outline()
	err := a.reach(ctx, o, func(ctx context.Context, client *admin.Client) error { return question(ctx, client) })
	var nobody unreached
	if !errors.As(err, &nobody) {
		return err
	}
	store, err := openToRead(o, nobody)
	if err != nil {
		a.report(o)
		return err
	}
	a.warnOf(o)
	kept := intake.NewQuarantine(intake.QuarantineOptions{})
	if err := restoreQuarantine(ctx, store, kept); err != nil {
		return errors.Join(err, store.Close())
	}
	s := source(store, stopped{store}, o.Config, nil)
	s.Quarantine, s.Self = kept, selfOf(store)
	return errors.Join(question(ctx, s), store.Close())
}

// openToRead opens the store where no daemon answers.
func openToRead(o *configs.Outline, nobody unreached) (*bolt.Store, error) {
	if !o.Known(configs.DataDir) {
		return nil, fmt.Errorf("%w, and data_dir can't be read", nobody)
	}
	path := filepath.Join(o.Config.DataDir, storeFile)
	store, err := bolt.Open(path, bolt.Options{ReadOnly: true, Logger: slog.New(slog.DiscardHandler)})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noStore(nobody, path)
	case errors.Is(err, outbox.ErrLocked):
		return nil, fmt.Errorf("a daemon runs on the data in %s, but %w: is admin.socket the one it uses?", o.Config.DataDir, nobody)
	}
	return store, err
}

func noStore(nobody unreached, path string) error {
	return fmt.Errorf("%w, and there is no store at %s: was it ever started (wrapup serve), and with this --config?", nobody, path)
}

// operate has the running daemon change something. Nobody else may: the store is the daemon's.
func (a *app) operate(ctx context.Context, change func(context.Context, *admin.Client) error) error {
	return a.askDaemon(ctx, change, "a change needs the daemon to be running (wrapup serve)")
}

// askDaemon asks the running daemon what nobody else knows; otherwise is what there is to say where none runs.
func (a *app) askDaemon(ctx context.Context, change func(context.Context, *admin.Client) error, otherwise string) error {
	o := a.outline()
	err := a.reach(ctx, o, change)
	var nobody unreached
	if !errors.As(err, &nobody) {
		return err
	}
	a.report(o)
	return fmt.Errorf("%w: %s", err, otherwise)
}

// source is where answers come from; lanes are nil where no daemon runs.
func source(store *bolt.Store, live admin.Live, cfg *configs.Config, lanes map[string]admin.Lane) admin.Source {
	return admin.Source{
		Store: store, Live: live, Now: time.Now, Lanes: lanes, Copy: store.Backup,
		Destinations: func() []string { return append(destinationNames(cfg), pastNames(cfg)...) },
		Correlation:  settings(cfg),
		QueueName:    func(queue string) string { return cfg.Queue(queue).Name },
		Former:       formerNames(cfg),
	}
}

func destinationNames(cfg *configs.Config) []string {
	names := make([]string, len(cfg.Destinations))
	for i := range cfg.Destinations {
		names[i] = cfg.Destinations[i].Name
	}
	return names
}

// formerNames gives the names that destinations had, by those that they have.
func formerNames(cfg *configs.Config) map[string]string {
	names := map[string]string{}
	for i := range cfg.Destinations {
		if d := &cfg.Destinations[i]; d.Was != "" {
			names[d.Name] = d.Was
		}
	}
	return names
}

// pastNames gives the names that destinations had, under which calls may still wait for them.
func pastNames(cfg *configs.Config) (names []string) {
	for i := range cfg.Destinations {
		if was := cfg.Destinations[i].Was; was != "" {
			names = append(names, was)
		}
	}
	return names
}

// running is the live part of a daemon that runs.
type running struct{ *finish.Engine }

// Pending implements admin.Live.
func (r running) Pending(_ context.Context, uuid string) ([]connector.Arrival, error) {
	return r.Engine.Pending(uuid), nil
}

// OpenCalls implements admin.Live.
func (r running) OpenCalls(_ context.Context, wanted func(uuid string) bool) ([]connector.OpenCall, error) {
	return r.Engine.OpenCalls(wanted), nil
}

// Agents implements admin.Live.
func (r running) Agents(context.Context) ([]connector.AgentNow, error) { return r.Engine.Agents(), nil }

// stopped is the live part of a store that no daemon has open.
type stopped struct{ store *bolt.Store }

// Pending implements admin.Live.
func (s stopped) Pending(ctx context.Context, uuid string) (pending []connector.Arrival, err error) {
	return pending, s.each(ctx, func(u, _ string, arrivals []connector.Arrival) {
		if u == uuid {
			pending = arrivals
		}
	})
}

// OpenCalls implements admin.Live.
func (s stopped) OpenCalls(ctx context.Context, wanted func(uuid string) bool) (open []connector.OpenCall, err error) {
	return open, s.each(ctx, func(uuid, _ string, arrivals []connector.Arrival) {
		if uuid != "" && (wanted == nil || wanted(uuid)) {
			open = append(open, connector.OpenCall{UUID: uuid, Pending: arrivals})
		}
	})
}

// Agents implements admin.Live.
func (s stopped) Agents(ctx context.Context) (agents []connector.AgentNow, err error) {
	err = s.each(ctx, func(_, agent string, arrivals []connector.Arrival) {
		events := make([]connector.Event, len(arrivals))
		for i := range arrivals {
			events[i] = arrivals[i].Event
		}
		if now, ok := connector.Now(events); ok && agent != "" {
			agents = append(agents, now)
		}
	})
	return agents, err
}

// each gives the events of each open call and each agent. What is damaged is left out: the daemon's log tells of it.
func (s stopped) each(ctx context.Context, f func(uuid, agent string, arrivals []connector.Arrival)) error {
	err := s.store.Open(ctx, func(group string, items []outbox.Item) error {
		if !connector.HoldsEvents(group) {
			return nil
		}
		arrivals := make([]connector.Arrival, 0, len(items))
		for _, item := range items {
			var a connector.Arrival
			if json.Unmarshal(item.Body, &a) == nil {
				arrivals = append(arrivals, a)
			}
		}
		uuid, agent := connector.ParseGroup(group)
		f(uuid, agent, arrivals)
		return nil
	})
	if errors.Is(err, outbox.ErrDamaged) {
		return nil
	}
	return err
}

// printJSON writes v for a script. It may be looked at on a terminal all the same.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapedJSON(b.Bytes()))
	return err
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

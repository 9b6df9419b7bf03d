package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/correlate"
	"wrapup/connector/deliver"
	"wrapup/connector/finish"
	"wrapup/connector/intake"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// How long each part may take to stop.
const (
	stopIntake   = 10 * time.Second
	stopDelivery = 10 * time.Second
)

// daemon is the whole of wrapup, wired.
type daemon struct {
	config *configs.Config
	log    *slog.Logger
	// listening, if set, is told the address once events are accepted.
	listening func(addr net.Addr)
}

// run serves until ctx ends, or the store breaks. Parts are started from the store up to the intake and stopped the
// other way round: what is accepted always has somebody to finish and deliver it.
func (d *daemon) run(ctx context.Context) (err error) {
	clock := finish.NewSystemClock()
	store, space, err := openStore(d.config, clock, d.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	engine := finish.New(finish.Options{
		Store: store, Settings: settings(d.config), Destinations: d.destinations, Clock: clock, Logger: d.log,
	})
	if err := engine.Load(ctx); err != nil {
		return err
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", d.config.Listen)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return fmt.Errorf("listen: %s can't be listened on: %w (set another address with listen, or --listen)", d.config.Listen, err)
	}
	socket, err := listenAdmin(ctx, d.config.Admin.Socket)
	if err != nil {
		return errors.Join(err, listener.Close())
	}

	lanes, err := d.lanes(store)
	if err == nil {
		err = holdRestored(ctx, store, d.destinations(), clock.Wall(), d.log)
	}
	if err == nil {
		err = restore(ctx, store, lanes)
	}
	if err != nil {
		return errors.Join(err, listener.Close(), socket.Close())
	}
	kept := intake.NewQuarantine(intake.QuarantineOptions{
		Store: admitted{store, space}, Now: clock.Wall, Logger: d.log, Retention: time.Duration(d.config.Retention.Quarantine),
	})
	if err := restoreQuarantine(ctx, store, kept); err != nil {
		d.log.Error("a part of the quarantine can't be read; it is left where it is", "error", err)
	}
	gate := intake.NewGate(listener, mostConnections(), clock.Wall, d.log)
	receiver := d.receiver(admitted{store, space}, engine, clock, kept, gate)
	encryption, err := d.encryption(clock)
	if err != nil {
		return errors.Join(err, listener.Close(), socket.Close())
	}

	stopLanes := runLanes(ctx, lanes, fail)
	defer stopLanes()
	stopEngine := start(ctx, fail, engine.Run)
	defer stopEngine()
	stopWatch := start(ctx, fail, func(ctx context.Context) error { return watch(ctx, store) })
	defer stopWatch()
	stopRoom := start(ctx, fail, space.run)
	defer stopRoom()
	stopRetention := start(ctx, fail, newRetention(store, clock, &d.config.Retention, d.log).run)
	defer stopRetention()
	stopTables := start(ctx, fail, func(ctx context.Context) error { return d.watchTables(ctx, lanes) })
	defer stopTables()
	stopQuarantine := start(ctx, fail, kept.Run)
	defer stopQuarantine()
	asked := source(store, running{engine}, d.config, byName(lanes))
	tryouts := newTrials()
	asked.Test = tryouts.tester(d.config, lanes, d.log)
	asked.Quarantine, asked.Intake = kept, receiver
	stopAdmin := d.serve(socket, &http.Server{Handler: admin.Handler(asked, d.log), ReadHeaderTimeout: headerTime, MaxHeaderBytes: 64 << 10}, fail)
	defer stopAdmin()
	defer tryouts.end()
	stopEvents := d.serve(gate, &http.Server{
		Handler: receiver, ConnContext: gate.ConnContext, TLSConfig: encryption, DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: headerTime, MaxHeaderBytes: 16 << 10,
	}, fail)
	defer stopEvents()

	d.log.Info("ready", "version", version, "listen", listener.Addr().String(), "store", store.Path(),
		"open_calls", engine.Open(), "destinations", d.destinations())
	if d.listening != nil {
		d.listening(listener.Addr())
	}
	<-ctx.Done()
	d.log.Info("stopping")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// start runs f until the returned function is called, which ends f's context and waits for it. f outlives ctx until then,
// so that parts are stopped in order. If f fails, fail is told.
func start(ctx context.Context, fail context.CancelCauseFunc, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		if err := f(ctx); err != nil {
			fail(err)
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// watch ends with an error as soon as the store is broken: then the process ends, and the next one opens the store anew.
func watch(ctx context.Context, store *bolt.Store) error {
	select {
	case <-store.Broken():
		return outbox.ErrBroken
	case <-ctx.Done():
		return nil
	}
}

// headerTime is how long a request's headers may take.
const headerTime = 10 * time.Second

// serve serves HTTP, over TLS if the server has a configuration for it, until the returned function is called: it takes no
// more requests and waits for those under way.
func (d *daemon) serve(l net.Listener, server *http.Server, fail context.CancelCauseFunc) (stop func()) {
	server.ErrorLog = slog.NewLogLogger(d.log.Handler(), slog.LevelDebug)
	server.ReadTimeout, server.WriteTimeout = 30*time.Second, 60*time.Second
	server.IdleTimeout = 2 * time.Minute
	serve := server.Serve
	if server.TLSConfig != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	var done sync.WaitGroup
	done.Go(func() {
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serving %s: %w", l.Addr(), err))
		}
	})
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopIntake)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			d.log.Warn("requests are cut off", "listen", l.Addr().String(), "error", err)
			_ = server.Close() // what Shutdown left
		}
		done.Wait()
	}
}

func (d *daemon) destinations() []string {
	names := make([]string, len(d.config.Destinations))
	for i := range d.config.Destinations {
		names[i] = d.config.Destinations[i].Name
	}
	return names
}

// lane is a destination's lane and its connections.
type lane struct {
	*deliver.Lane
	connection *connection
}

// lanes makes a lane for each destination.
func (d *daemon) lanes(store *bolt.Store) ([]lane, error) {
	var lanes []lane
	for i := range d.config.Destinations {
		c := &d.config.Destinations[i]
		to, err := connect(c, store)
		if err != nil {
			return nil, connecting(c, err)
		}
		lanes = append(lanes, lane{connection: to, Lane: deliver.New(deliver.Options{
			Destination: to.destination(c), Store: store, Now: time.Now, Random: rand.Float64, Logger: d.log, Grace: stopDelivery,
		})})
	}
	return lanes, nil
}

// byName gives the lanes to whoever answers people.
func byName(lanes []lane) map[string]admin.Lane {
	named := map[string]admin.Lane{}
	for _, l := range lanes {
		named[l.Name] = l
	}
	return named
}

// restore hands the lanes what earlier processes stored of their destinations.
func restore(ctx context.Context, store *bolt.Store, lanes []lane) error {
	err := store.Open(ctx, func(group string, items []outbox.Item) error {
		name, ok := connector.ParseDestinationGroup(group)
		for _, l := range lanes {
			for _, item := range items {
				switch {
				case ok && l.Name == name:
					if err := l.Restore(item); err != nil {
						return err
					}
				case ok:
					l.Elsewhere(name, item)
				}
			}
		}
		return nil
	})
	if errors.Is(err, outbox.ErrDamaged) { // it is in the log already
		for _, l := range lanes {
			l.Damaged()
		}
		return nil
	}
	return err
}

// runLanes runs the lanes until the returned function is called.
func runLanes(ctx context.Context, lanes []lane, fail context.CancelCauseFunc) (stop func()) {
	var stops []func()
	for _, l := range lanes {
		end := start(ctx, fail, l.Run)
		stops = append(stops, func() {
			end()
			l.connection.close()
		})
	}
	return func() {
		var all sync.WaitGroup
		for _, stop := range stops {
			all.Go(stop)
		}
		all.Wait()
	}
}

// settings gives the configuration's rules of correlation.
func settings(c *configs.Config) correlate.Settings {
	s := correlate.Settings{
		Settle: time.Duration(c.Correlation.Settle), RingTimeout: time.Duration(c.Correlation.RingTimeout),
		MaxAge: time.Duration(c.Correlation.MaxAge), LateWindow: time.Duration(c.Correlation.LateWindow),
		LateConnectAfter: time.Duration(c.Correlation.LateConnectAfter), Owner: correlate.Owner(c.Correlation.Owner),
		Queues: map[string]correlate.Queue{},
	}
	for id := range c.Queues {
		q := c.Queue(id)
		s.Queues[id] = correlate.Queue{Name: q.Name, Region: q.Region}
	}
	s.DefaultQueue = s.Queues["default"]
	return s
}

const storeFile = "wrapup.db"

// openStore opens the store in the data folder, which is created if it isn't there, and watches its room.
func openStore(c *configs.Config, clock finish.Clock, log *slog.Logger) (*bolt.Store, *room, error) {
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return nil, nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := makeFolder(dir, storeFile); err != nil {
		return nil, nil, fmt.Errorf("data_dir: %w", err)
	}
	space, err := newRoom(dir, c.Store.MaxSize, clock.Mono, log)
	if err != nil {
		return nil, nil, err
	}
	store, err := bolt.Open(filepath.Join(dir, storeFile), bolt.Options{Logger: log, MakeRoom: space.makeRoom})
	switch {
	case errors.Is(err, outbox.ErrLocked):
		return nil, nil, fmt.Errorf("another wrapup is running on the data in %s: stop it first, or give this one a data_dir of its own", dir)
	case errors.Is(err, syscall.EROFS):
		return nil, nil, fmt.Errorf("the disk of %s is read-only, so no event could be stored: mount it for writing (%w)", dir, err)
	case err != nil:
		return nil, nil, err
	}
	space.usage = store.Usage
	return store, space, nil
}

// listenAdmin listens on the admin socket. The store is locked by now, so a socket that is there already belongs to nobody.
func listenAdmin(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("admin.socket: %s is there and is no socket", path)
		}
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("admin.socket: another wrapup answers at %s: give this one a socket of its own", path), conn.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("admin.socket: %w", err)
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil { //nolint:gosec // the group may ask
		return nil, errors.Join(fmt.Errorf("admin.socket: %w", err), l.Close())
	}
	return l, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/correlate"
	"wrapup/connector/finish"
	"wrapup/connector/intake"
	problem "wrapup/mappings/source"
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
	// config is the one to begin with; afterwards it is the one in use, and changing guards it.
	config   *configs.Config
	changing sync.Mutex
	// begun is the one that the daemon was started with.
	begun *configs.Config
	log   *slog.Logger
	// level is that of the log, nil if it stays as it is.
	level *slog.LevelVar
	// load reads the configuration again, and reloads says when to; both are nil where that is never done.
	load    func() (*configs.Config, problem.Problems)
	reloads <-chan os.Signal
	last    lastReload
	started connector.Time
	// stopping says that the daemon is being stopped.
	stopping atomic.Bool
	parts    parts
	meters   *meters
	// asked is who answers people, by the configuration in use.
	asked atomic.Pointer[admin.Source]
	// destinations names those that calls go to which are finished now.
	destinations nameList
	// address is where the dialer's posts are taken, "" if that is no host and port.
	address string
	// listening, if set, is told the address once events are accepted.
	listening func(addr net.Addr)
	// retainEvery, if set, is how often it is looked for what is too old.
	retainEvery time.Duration
	// checker checks the file of a store before it is opened; nil if that isn't needed.
	checker checker
}

// run serves until ctx ends, or the store breaks. Parts are started from the store up to the intake and stopped the
// other way round: what is accepted always has somebody to finish and deliver it.
func (d *daemon) run(ctx context.Context) (err error) {
	d.begun = d.config
	clock := finish.NewSystemClock()
	d.meters = newMeters()
	d.meters.registry.MustRegister(newGauges(d))
	store, space, err := openStore(ctx, d.config, clock, d.log, d.checker, d.meters.committed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var opened released // until others close it
	defer func() { err = errors.Join(err, opened.close()) }()

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	d.started = connector.TimeOf(time.Now())
	d.last.begin(d.started)
	d.destinations.set(destinationNames(d.config))
	engine := finish.New(finish.Options{
		Store: store, Settings: settings(d.config), Destinations: d.destinations.get, Clock: clock, Logger: d.log,
	})
	if err := engine.Load(ctx); err != nil {
		return err
	}

	listener, inherited, err := d.listenEvents(ctx)
	if err != nil {
		return err
	}
	opened.add(listener.Close)
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
		d.address = tcp.String()
	}
	socket, err := listenAdmin(ctx, d.config.Admin.Socket)
	if err != nil {
		return err
	}
	opened.add(socket.Close)
	public, err := d.listenPublic(ctx)
	if err != nil {
		return err
	}
	if public != nil {
		opened.add(public.Close)
	}
	if err := holdRestored(ctx, store, d.destinations.get(), clock.Wall(), d.log); err != nil {
		return err
	}
	lanes, err := newLanes(d.config, store, d.log, d.meters)
	if err != nil {
		return err
	}
	opened.add(func() error { disconnect(lanes); return nil })
	if err := restore(ctx, store, lanes, lanes); err != nil {
		return err
	}
	kept := intake.NewQuarantine(intake.QuarantineOptions{
		Store: admitted{store, space}, Now: clock.Wall, Logger: d.log, Retention: time.Duration(d.config.Retention.Quarantine),
	})
	if err := restoreQuarantine(ctx, store, kept); err != nil {
		d.log.Error("a part of the quarantine can't be read; it is left where it is", "error", err)
	}
	gate := intake.NewGate(listener, mostConnections(), clock.Wall, d.log)
	watched := intake.NewWatch(d.started.Time())
	receiver := d.receiver(admitted{store, space}, engine, clock, kept, gate, watched)
	pair, err := keyPair(d.config, clock, d.log)
	if err != nil {
		return err
	}
	opened.keep() // no return from here on but by way of the parts' ends

	d.parts = parts{
		store: store, room: space, clock: clock, engine: engine, receiver: receiver, watch: watched, quarantine: kept, pair: newPairs(pair), tables: configs.NewTables(d.config, nil, nil),
		trials: newTrials(),
		fleet:  &fleet{start: func(l *lane) { l.stop = start(ctx, fail, l.Run) }},
	}
	warnOfGone(ctx, store, d.config, d.log)
	d.parts.fleet.add(lanes)
	defer d.parts.fleet.stop()
	stopEngine := start(ctx, fail, engine.Run)
	defer stopEngine()
	stopWatch := start(ctx, fail, func(ctx context.Context) error { return watch(ctx, store) })
	defer stopWatch()
	stopRoom := start(ctx, fail, space.run)
	defer stopRoom()
	retains := newRetention(store, clock, &d.config.Retention, d.log)
	if d.retainEvery > 0 {
		retains.every = d.retainEvery
	}
	stopRetention := start(ctx, fail, retains.run)
	defer stopRetention()
	stopTables := start(ctx, fail, func(ctx context.Context) error { return d.watchTables(ctx) })
	defer stopTables()
	stopQuarantine := start(ctx, fail, kept.Run)
	defer stopQuarantine()
	d.parts.admin.use(d.adminHandler())
	operations := &http.Server{Handler: &d.parts.admin, ReadHeaderTimeout: headerTime, MaxHeaderBytes: 64 << 10}
	operations.RegisterOnShutdown(watched.Close)
	stopAdmin := d.serve(socket, operations, fail)
	defer stopAdmin()
	defer d.parts.trials.end()
	if public != nil {
		stopPublic := d.serve(public, &http.Server{Handler: d.public(), ReadHeaderTimeout: headerTime, MaxHeaderBytes: 16 << 10}, fail)
		defer stopPublic()
	}
	stopEvents := d.serve(gate, &http.Server{
		Handler: d.parting(receiver), ConnContext: gate.ConnContext, TLSConfig: d.parts.pair.config(), DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: headerTime, MaxHeaderBytes: 16 << 10,
	}, fail)
	defer stopEvents()
	if inherited {
		defer sayGoodbye(gate)
	}

	d.log.Info("ready", "version", version, "listen", listener.Addr().String(), "store", store.Path(),
		"open_calls", engine.Open(), "destinations", d.destinations.get())
	if d.listening != nil {
		d.listening(listener.Addr())
	}
	stopWatchdog := start(ctx, fail, d.watchdog)
	defer stopWatchdog()
	d.changing.Lock() // somebody may be reloading by now
	d.notifyReady()
	d.changing.Unlock()
	d.reloadWhenTold(ctx)
	d.stopping.Store(true)
	d.notify(systemd.SdNotifyStopping)
	d.log.Info("stopping")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// released is what a start that comes to nothing closes again.
type released []func() error

func (r *released) add(close func() error) { *r = append(*r, close) }

// keep leaves all of it to others.
func (r *released) keep() { *r = nil }

// close closes it, the last one first.
func (r *released) close() (err error) {
	for _, f := range slices.Backward(*r) {
		err = errors.Join(err, f())
	}
	return err
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

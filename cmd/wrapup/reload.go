package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/finish"
	"wrapup/connector/intake"
	"wrapup/outbox/bolt"
)

// parts are what a reload changes of a daemon that runs.
type parts struct {
	store      *bolt.Store
	room       *room
	clock      finish.Clock
	engine     *finish.Engine
	receiver   *intake.Receiver
	watch      *intake.Watch
	quarantine *intake.Quarantine
	pair       *pairs
	tables     *configs.Tables
	fleet      *fleet
	trials     *trials
	admin      handler
}

// handler is an http.Handler that can be replaced.
type handler struct{ now atomic.Pointer[http.Handler] }

func (h *handler) use(next http.Handler) { h.now.Store(&next) }

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*h.now.Load()).ServeHTTP(w, r) }

// nameList is a list of names that can be replaced.
type nameList struct{ now atomic.Pointer[[]string] }

func (n *nameList) set(list []string) { n.now.Store(&list) }

func (n *nameList) get() []string { return *n.now.Load() }

// lastReload is what became of the last reload; the start counts as one.
type lastReload struct {
	mu sync.Mutex
	r  connector.Reload
}

func (l *lastReload) begin(now connector.Time) {
	l.set(connector.Reload{At: now, OK: true})
}

func (l *lastReload) set(r connector.Reload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r = r
}

// get tells of the last reload; metrics and status ask.
func (l *lastReload) get() connector.Reload {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r
}

// reloadWhenTold reloads at each signal until ctx ends.
func (d *daemon) reloadWhenTold(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.reloads:
			d.reload(ctx)
		}
	}
}

// reload reads the configuration with all that it names and, if nothing is wrong with it, takes it into use. One that is
// wrong is refused whole, and the one before stays in use.
func (d *daemon) reload(ctx context.Context) connector.Reload {
	d.changing.Lock()
	defer d.changing.Unlock()
	r := connector.Reload{At: connector.TimeOf(time.Now())}
	if d.load == nil {
		r.Problems = []string{"this daemon has no configuration file"}
		return r
	}
	d.notifyReloading()
	defer d.notifyReady()
	fresh, problems := d.load()
	for _, p := range problems {
		if p.Warning {
			r.Warnings = append(r.Warnings, p.Detailed())
		} else {
			r.Problems = append(r.Problems, p.Detailed())
		}
	}
	if fresh != nil {
		r.Problems = append(r.Problems, d.refusals(ctx, fresh)...)
	}
	if len(r.Problems) == 0 {
		if err := d.apply(ctx, fresh, &r); err != nil {
			r.Problems = append(r.Problems, err.Error())
		}
	}
	r.OK = len(r.Problems) == 0
	d.last.set(r)
	logReload(d.log, &r)
	return r
}

func logReload(log *slog.Logger, r *connector.Reload) {
	for _, w := range r.Warnings {
		log.Warn("the configuration is doubtful", "problem", w)
	}
	if !r.OK {
		for _, p := range r.Problems {
			log.Error("the configuration is wrong", "problem", p)
		}
		log.Error("the configuration was not reloaded; the one before stays in use", "problems", len(r.Problems))
		return
	}
	for _, path := range r.Restart {
		log.Warn("a change of the configuration takes effect at the next start only", "setting", path)
	}
	log.Info("the configuration was reloaded", "changed", strings.Join(r.Changed, ", "))
}

// refusals gives what speaks against taking a configuration into use that is right in itself: calls would be forgotten.
func (d *daemon) refusals(ctx context.Context, fresh *configs.Config) (why []string) {
	for _, name := range configs.Gone(d.config, fresh) {
		depth, err := d.parts.store.Depth(ctx, name)
		if err != nil {
			why = append(why, fmt.Sprintf("destination %s: %v", name, err))
		} else if depth.Waiting > 0 {
			why = append(why, fmt.Sprintf("destinations: %q is gone, and %d call(s) wait for it: if it has another name now, say \"was: %[1]s\" there; "+
				"if it is gone for good, say \"retired: [%[1]s]\" (what waits is kept until somebody drops it)", name, depth.Waiting))
		}
	}
	return why
}

// warnOfGone says at the start what a reload would have refused: it is too late to refuse it.
func warnOfGone(ctx context.Context, store *bolt.Store, c *configs.Config, log *slog.Logger) {
	queues, err := store.Queues(ctx)
	if err != nil {
		log.Error("the destinations that are gone can't be told", "error", err)
		return
	}
	for _, name := range queues {
		if slices.ContainsFunc(c.Destinations, func(d configs.Destination) bool { return d.Name == name || d.Was == name }) {
			continue
		}
		if depth, err := store.Depth(ctx, name); err == nil && depth.Waiting > 0 && !slices.Contains(c.Retired, name) {
			log.Warn("calls wait for a destination that isn't configured: if it has another name now, say there which one it had (was); "+
				"if it is gone for good, list it under retired", "destination", name, "waiting", depth.Waiting)
		}
	}
}

// apply takes a configuration into use. All that can fail comes before anything is changed.
func (d *daemon) apply(ctx context.Context, fresh *configs.Config, r *connector.Reload) error {
	p, old := &d.parts, d.config
	// What waits for a start waits until there is one, however often it is reloaded meanwhile.
	hasTLS := d.begun.TLS.Cert != "" && fresh.TLS.Cert != ""
	for _, c := range configs.Changes(d.begun, fresh) {
		if atStart(c) {
			r.Restart = append(r.Restart, c.Path)
		}
	}
	touched := map[string]bool{} // the destinations that are other than before
	for _, c := range configs.Changes(old, fresh) {
		if atStart(c) {
			continue
		}
		r.Changed = append(r.Changed, c.String())
		if name, ok := strings.CutPrefix(c.Path, "destinations["); ok {
			name, _, _ = strings.Cut(name, "]")
			touched[name] = true
		}
	}
	pair := p.pair.Load()
	if hasTLS {
		var err error
		if pair, err = keyPair(fresh, p.clock, d.log); err != nil {
			return err
		}
	}
	plan, err := d.planLanes(ctx, fresh, touched)
	if err != nil {
		return err
	}

	if hasTLS {
		p.pair.Store(pair)
	}
	if d.level != nil {
		d.level.Set(logLevel(fresh.Log))
	}
	p.receiver.Change(sources(fresh), prefixes(fresh.TrustedProxies))
	p.quarantine.SetRetention(time.Duration(fresh.Retention.Quarantine))
	p.fleet.add(plan.start)
	d.destinations.set(destinationNames(fresh))
	if rules := settings(fresh); !reflect.DeepEqual(rules, settings(old)) {
		p.engine.SetSettings(rules)
	}
	for _, change := range plan.change {
		change()
	}
	d.config = fresh
	p.tables = configs.NewTables(fresh, nil, nil)
	p.admin.use(d.adminHandler())
	p.fleet.remove(plan.stop)
	for _, l := range p.fleet.all() {
		if !touched[l.of] {
			l.ProbeNow()
		}
	}
	return nil
}

// atStart says that a change takes effect at the next start only.
func atStart(c configs.Change) bool { return c.Restart() || c.Path == "tls" }

// lanePlan is what becomes of the lanes.
type lanePlan struct {
	start, stop []*lane
	change      []func()
}

// planLanes makes the lanes and connections that a configuration needs, and says what becomes of those that there are. The
// tokens of a destination that is changed are asked for by its new connection alone from then on.
func (d *daemon) planLanes(ctx context.Context, fresh *configs.Config, touched map[string]bool) (*lanePlan, error) {
	p := &d.parts
	plan := &lanePlan{}
	wanted := map[string]string{} // names of lanes, and the destinations that they are of
	connections := map[string]*connection{}
	for i := range fresh.Destinations {
		c := &fresh.Destinations[i]
		wanted[c.Name] = c.Name
		if c.Was != "" {
			wanted[c.Was] = c.Name
		}
		if !touched[c.Name] {
			continue
		}
		to, err := connect(c, p.store)
		if err != nil {
			return nil, connecting(c, err)
		}
		connections[c.Name] = to
	}
	running := map[string]*lane{}
	var retire []*lane
	for _, l := range p.fleet.all() {
		running[l.Name] = l
		if wanted[l.Name] != l.of {
			plan.stop = append(plan.stop, l)
		} else if touched[l.of] && l.Name == l.of {
			retire = append(retire, l)
		}
	}
	for i := range fresh.Destinations {
		c := &fresh.Destinations[i]
		if !touched[c.Name] {
			continue
		}
		to := connections[c.Name]
		for _, name := range []string{c.Name, c.Was} {
			if name == "" {
				continue
			}
			l := running[name]
			if l == nil || l.of != c.Name {
				plan.start = append(plan.start, newLane(c, name, to, p.store, d.log, d.meters))
				continue
			}
			changed := destination(c, name, to)
			plan.change = append(plan.change, func() {
				before := l.connection
				l.connection = to
				l.Change(changed)
				before.close()
			})
		}
	}
	// What a lane of a destination that stays knows of its tokens, its new connection has to know.
	for _, l := range retire {
		if l.connection.tokens != nil {
			if err := l.connection.tokens.Retire(ctx); err != nil {
				d.log.Error("a token that was had can't be stored", "destination", l.of, "error", err)
			}
		}
	}
	return plan, d.restoreTokens(ctx, plan, connections, retire)
}

// restoreTokens hands new lanes and new connections what is stored of their destinations.
func (d *daemon) restoreTokens(ctx context.Context, plan *lanePlan, connections map[string]*connection, changed []*lane) error {
	told := plan.start
	restored := slices.Clone(plan.start)
	for _, l := range changed { // stands for the connection that is not in use yet
		if to := connections[l.of]; to.kept != nil {
			stand := newLane(to.of, l.of, to, d.parts.store, d.log, d.meters)
			restored, told = append(restored, stand), append(slices.Clone(told), stand)
		}
	}
	return restore(ctx, d.parts.store, restored, told)
}

// silence says which sources are silent that should not be.
func silence(c *configs.Config, started connector.Time) func(string, connector.Time) (connector.Time, bool) {
	return func(source string, last connector.Time) (connector.Time, bool) {
		for i := range c.Sources {
			if s := &c.Sources[i]; s.Name == source {
				since, silent := s.Expect.Silent(time.Now(), last.Time(), started.Time())
				return connector.TimeOf(since), silent
			}
		}
		return 0, false
	}
}

// adminHandler answers people by the configuration in use.
func (d *daemon) adminHandler() http.Handler {
	p := &d.parts
	asked := source(p.store, running{p.engine}, d.config, p.fleet.byName())
	asked.Test = p.trials.tester(d.config, p.fleet.all(), d.log)
	asked.Quarantine, asked.Intake, asked.LookNow = p.quarantine, p.receiver, p.engine.LookNow
	asked.Reload, asked.LastReload, asked.Self = d.reload, d.last.get, d.self
	asked.NoRoom, asked.Watch = p.room.refusing, p.watch
	asked.Mappings = runningMappings(d.config)
	asked.Silent = silence(d.config, d.started)
	d.asked.Store(&asked)
	return admin.Handler(asked, d.log)
}

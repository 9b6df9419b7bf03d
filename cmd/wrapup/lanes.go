package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/deliver"
	"wrapup/mappings"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// lane is a destination's lane and its connections.
type lane struct {
	*deliver.Lane
	connection *connection
	// of is the destination's name. That of the lane is another one where it delivers what waits under a name of the past.
	of string
	// stop ends the lane and waits for it.
	stop func()
}

// newLanes makes a lane for each destination, and one for each name of the past.
func newLanes(c *configs.Config, store *bolt.Store, log *slog.Logger, watch deliver.Observer) ([]*lane, error) {
	var lanes []*lane
	for i := range c.Destinations {
		made, err := lanesOf(&c.Destinations[i], store, log, watch)
		if err != nil {
			disconnect(lanes)
			return nil, err
		}
		lanes = append(lanes, made...)
	}
	return lanes, nil
}

// disconnect closes the connections of lanes that don't run.
func disconnect(lanes []*lane) {
	for _, l := range lanes {
		l.connection.close()
	}
}

func lanesOf(c *configs.Destination, store *bolt.Store, log *slog.Logger, watch deliver.Observer) ([]*lane, error) {
	to, err := connect(c, store)
	if err != nil {
		return nil, connecting(c, err)
	}
	lanes := []*lane{newLane(c, c.Name, to, store, log, watch)}
	if c.Was != "" {
		lanes = append(lanes, newLane(c, c.Was, to, store, log, watch))
	}
	return lanes, nil
}

func newLane(c *configs.Destination, name string, to *connection, store *bolt.Store, log *slog.Logger, watch deliver.Observer) *lane {
	return &lane{connection: to, of: c.Name, Lane: deliver.New(deliver.Options{
		Destination: destination(c, name, to), Store: store, Now: time.Now, Random: rand.Float64, Logger: log, Observer: watch, Grace: stopDelivery,
		Restored: store.Restored(),
	})}
}

// destination says how a lane of that name delivers to a destination.
func destination(c *configs.Destination, name string, to *connection) deliver.Destination {
	d := to.destination(c)
	if d.Name = name; name != c.Name {
		d.TokenStore = nil
	}
	return d
}

// restore hands lanes what earlier processes stored of their destinations. Of other destinations' tokens it tells those in
// told: the same ones at the start, and those whose credentials have changed at a reload.
func restore(ctx context.Context, store *bolt.Store, lanes, told []*lane) error {
	if len(lanes)+len(told) == 0 {
		return nil
	}
	err := store.Open(ctx, func(group string, items []outbox.Item) error {
		name, ok := connector.ParseDestinationGroup(group)
		if !ok {
			return nil
		}
		for _, item := range items {
			for _, l := range lanes {
				if l.Name == name {
					if err := l.Restore(item); err != nil {
						return err
					}
				}
			}
			for _, l := range told {
				if l.Name != name {
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

// fleet is the lanes that run.
type fleet struct {
	// start makes a lane work.
	start func(l *lane)

	mu    sync.Mutex
	lanes []*lane
}

func (f *fleet) add(lanes []*lane) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range lanes {
		f.start(l)
	}
	f.lanes = append(f.lanes, lanes...)
}

// all gives the lanes that there are now.
func (f *fleet) all() []*lane {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lanes)
}

// of gives the lanes of a destination.
func (f *fleet) of(destination string) []*lane {
	return slices.DeleteFunc(f.all(), func(l *lane) bool { return l.of != destination })
}

// byName gives the lanes to whoever answers people.
func (f *fleet) byName() map[string]admin.Lane {
	named := map[string]admin.Lane{}
	for _, l := range f.all() {
		named[l.Name] = l
	}
	return named
}

func (f *fleet) setMapping(destination string, m *mappings.Mapping) {
	for _, l := range f.of(destination) {
		l.SetMapping(m)
	}
}

// remove ends lanes: nothing new is begun, and what is under way is completed. It waits for them, all at the same time.
func (f *fleet) remove(gone []*lane) {
	f.mu.Lock()
	f.lanes = slices.DeleteFunc(f.lanes, func(l *lane) bool { return slices.Contains(gone, l) })
	f.mu.Unlock()
	var all sync.WaitGroup
	for _, l := range gone {
		all.Go(func() {
			l.stop()
			l.connection.close()
		})
	}
	all.Wait()
}

// stop ends all lanes.
func (f *fleet) stop() { f.remove(f.all()) }

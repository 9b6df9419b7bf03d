package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"syscall"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/finish"
	"wrapup/connector/intake"
	"wrapup/connector/nxcloud"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// receiver makes the handler of the dialer's posts.
func (d *daemon) receiver(store intake.Store, engine *finish.Engine, clock finish.Clock, kept *intake.Quarantine, gate *intake.Gate) *intake.Receiver {
	o := intake.Options{
		Store: store, Observe: engine.Observe, Now: clock.Wall, Logger: d.log, Trusted: prefixes(d.config.TrustedProxies),
		Quarantine: kept, Gate: gate,
	}
	for _, s := range d.config.Sources {
		source := intake.Source{Name: s.Name, Path: s.Path, Parse: nxcloud.ParseEvents}
		if a := s.Auth; a != nil {
			source.Token, source.TokenIn, source.Allow = a.Token.Value(), a.In, prefixes(a.Allow)
			if a.Basic != nil {
				source.User, source.Password = a.Basic.User, a.Basic.Password.Value()
			}
		}
		o.Sources = append(o.Sources, source)
	}
	return intake.New(o)
}

func prefixes(networks []configs.Network) []netip.Prefix {
	list := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		list[i] = n.Prefix()
	}
	return list
}

// encryption gives how the dialer's connections are encrypted, nil if they are not.
func (d *daemon) encryption(clock finish.Clock) (*tls.Config, error) {
	t := d.config.TLS
	if t.Cert == "" {
		return nil, nil //nolint:nilnil // that is what a server takes for none
	}
	pair, err := intake.NewKeyPair(t.Cert, t.Key, clock.Wall, d.log)
	if err != nil {
		return nil, err
	}
	return pair.Config(), nil
}

// Of the files that the process may have open, connections get what the store, the destinations and the socket leave.
const (
	wantedConnections = 4096
	otherFiles        = 512
)

// mostConnections is how many connections of dialers, and of strangers, are held open.
func mostConnections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > wantedConnections+otherFiles {
		return wantedConnections
	}
	return max(int(limit.Cur)-otherFiles, int(limit.Cur)/2)
}

// restoreQuarantine hands the quarantine what earlier processes stored of it.
func restoreQuarantine(ctx context.Context, store *bolt.Store, kept *intake.Quarantine) error {
	err := store.Open(ctx, func(group string, items []outbox.Item) error {
		if group != connector.QuarantineGroup {
			return nil
		}
		return kept.Restore(items)
	})
	if errors.Is(err, outbox.ErrDamaged) { // it is in the log already
		return nil
	}
	return err
}

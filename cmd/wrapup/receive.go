package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
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
func (d *daemon) receiver(store intake.Store, engine *finish.Engine, clock finish.Clock, kept *intake.Quarantine, gate *intake.Gate, watch *intake.Watch) *intake.Receiver {
	return intake.New(intake.Options{
		Sources: sources(d.config), Store: store, Observe: engine.Observe, Now: clock.Wall, Logger: d.log,
		Trusted: prefixes(d.config.TrustedProxies), Quarantine: kept, Gate: gate, Watch: watch,
	})
}

// sources gives the feeds of the dialer, and what their posts must show.
func sources(c *configs.Config) (list []intake.Source) {
	for _, s := range c.Sources {
		source := intake.Source{Name: s.Name, Path: s.Path, Parse: nxcloud.ParseEvents}
		if a := s.Auth; a != nil {
			source.Token, source.TokenIn, source.Allow = a.Token.Value(), a.In, prefixes(a.Allow)
			if a.Basic != nil {
				source.User, source.Password = a.Basic.User.Value(), a.Basic.Password.Value()
			}
		}
		list = append(list, source)
	}
	return list
}

func prefixes(networks []configs.Network) []netip.Prefix {
	list := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		list[i] = n.Prefix()
	}
	return list
}

// keyPair reads the pair that the dialer's connections are encrypted with, nil if they are not.
func keyPair(c *configs.Config, clock finish.Clock, log *slog.Logger) (*intake.KeyPair, error) {
	if c.TLS.Cert == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	return intake.NewKeyPair(c.TLS.Cert, c.TLS.Key, clock.Wall, log)
}

// pairs is the pair that is in use, nil if there is none.
type pairs struct{ atomic.Pointer[intake.KeyPair] }

func newPairs(first *intake.KeyPair) *pairs {
	p := &pairs{}
	p.Store(first)
	return p
}

// config is the configuration of a server that serves the pair, nil if there is none to begin with.
func (p *pairs) config() *tls.Config {
	first := p.Load()
	if first == nil {
		return nil
	}
	c := first.Config()
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.Load().Current(), nil }
	return c
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

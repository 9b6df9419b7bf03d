package main

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// However far a start comes before it fails, it lets go of all that it had opened: addresses, the socket, the store.
func TestFailedStartReleasesAll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(s *site, public string) (mend func())
		says  string
	}{
		"events can't be listened for": {func(s *site, _ string) func() {
			return occupy(s, s.configured().Listen)
		}, "listen: "},
		"the socket is no socket": {func(s *site, _ string) func() {
			s.write("admin.sock", "a text")
			return func() { require.NoError(s.t, os.Remove(filepath.Join(s.dir, "admin.sock"))) }
		}, "is there and is no socket"},
		"the public address is taken": {func(s *site, public string) func() { return occupy(s, public) }, "admin.listen"},
		"a stored pause can't be read": {func(s *site, _ string) func() {
			group := connector.DestinationGroup("crm")
			s.changed(outbox.Tx{Group: group, Add: []outbox.Item{{ID: "held", Body: []byte("{")}}})
			return func() { s.changed(outbox.Tx{Group: group, Drop: []string{"held"}}) }
		}, "the stored pause of crm can't be read"},
		"the certificate is gone by now": {func(s *site, _ string) func() {
			content, err := os.ReadFile(filepath.Join(s.dir, "tls.crt"))
			require.NoError(s.t, err)
			require.NoError(s.t, os.Remove(filepath.Join(s.dir, "tls.crt")))
			return func() { s.write("tls.crt", string(content)) }
		}, "tls.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, strings.ReplaceAll(oneSink, "SINK", "http://127.0.0.1:1"))
			s.settleDown()
			public := s.freeAddress()
			s.writePair("one", time.Now().Add(time.Hour))
			s.edit("admin: {", "tls: {cert: tls.crt, key: tls.key}\nadmin: {listen: "+public+", ")
			cfg := s.configured()
			mend := c.spoil(s, public)
			d := &daemon{config: cfg, log: slog.New(slog.DiscardHandler)}
			require.ErrorContains(t, d.run(t.Context()), c.says)
			mend()
			for _, addr := range []string{cfg.Listen, public} {
				l, err := net.Listen("tcp", addr)
				require.NoError(t, err)
				require.NoError(t, l.Close())
			}
			require.NoFileExists(t, cfg.Admin.Socket)
			store, err := bolt.Open(filepath.Join(cfg.DataDir, storeFile), bolt.Options{})
			require.NoError(t, err)
			require.NoError(t, store.Close())
		})
	}
}

// configured reads the site's configuration.
func (s *site) configured() *configs.Config {
	s.t.Helper()
	cfg, problems := configs.Load(configs.Input{Path: s.config})
	require.NoError(s.t, problems.Err())
	return cfg
}

// occupy listens on an address until the returned function is called.
func occupy(s *site, addr string) (leave func()) {
	s.t.Helper()
	l, err := net.Listen("tcp", addr)
	require.NoError(s.t, err)
	return func() { require.NoError(s.t, l.Close()) }
}

// changed commits a change to the store of a daemon that doesn't run.
func (s *site) changed(tx outbox.Tx) {
	s.t.Helper()
	path := filepath.Join(s.dir, "data", storeFile)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o700))
	store, err := bolt.Open(path, bolt.Options{})
	require.NoError(s.t, err)
	_, err = store.Commit(s.t.Context(), tx)
	require.NoError(s.t, err)
	require.NoError(s.t, store.Close())
}

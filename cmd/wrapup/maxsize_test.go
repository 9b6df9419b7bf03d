package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// bulk is as many bytes of text that can't be compressed, as a dialer may put into a field of its own.
func bulk(n int) string {
	b := make([]byte, n/4*3)
	_, _ = rand.Read(b) // it never fails
	return base64.StdEncoding.EncodeToString(b)
}

// The store is filled up to store.max_size while the CRM is away: events are refused, and what was accepted is delivered once
// the CRM is back. A day that is older than retention.calls goes, and events are taken again without a restart; the next
// start makes the file smaller.
func TestStoreFullToItsMaxSize(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	s := newSite(t, strings.ReplaceAll(oneSink, "SINK", crm.url())+"store: {max_size: 64MiB}\n")
	s.oldCalls(100, 62<<20)
	s.start()
	crm.down()
	accepted := 0
	post := func(uuid string, size int) int {
		resp, err := http.Post(s.url(), "application/json", strings.NewReader(strings.Replace(created(uuid), `"type"`, `"pad":"`+bulk(size)+`","type"`, 1)))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if resp.StatusCode == http.StatusOK {
			accepted++
		} else {
			require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
			require.NotEmpty(t, resp.Header.Get("Retry-After"))
		}
		return resp.StatusCode
	}
	for n := 0; post(fmt.Sprintf("call-%d", n), 60<<10) == http.StatusOK; n++ {
		require.Less(t, n, 200, "it is full by now")
	}
	s.eventually("the log to say why", func() bool {
		return strings.Contains(s.log.String(), "of the store are in use, and store.max_size is 64MiB")
	})
	require.Contains(t, s.fails("status"), "wrapup is not ready")
	crm.up()
	s.eventually("what was accepted to be delivered", func() bool { return len(crm.requests()) == accepted })
	s.eventually("that to be settled", func() bool { return s.waiting() == 0 })
	require.Equal(t, http.StatusServiceUnavailable, post("refused", 0))
	require.Zero(t, s.terminate())

	stop := s.runHere(100 * time.Millisecond)
	s.eventually("the old day to be dropped, and events to be taken", func() bool { return post("again", 0) == http.StatusOK })
	require.Contains(t, s.log.String(), "a day's calls are dropped")
	s.eventually("it to be delivered", func() bool { return len(crm.requests()) == accepted })
	s.drained()
	s.succeeds("audit")
	stop()

	path := filepath.Join(s.dir, "data", storeFile)
	before, err := os.Stat(path)
	require.NoError(t, err)
	s.start()
	assert.Contains(t, s.log.String(), "the store's file was made smaller")
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.Less(t, after.Size(), before.Size()/2)
	s.accepted(created("at last"))
	s.eventually("it to be delivered", func() bool { return len(crm.requests()) == accepted+1 })
	require.Zero(t, s.terminate())
}

// oldCalls puts calls that were finished and delivered so many days ago into the store of a daemon that doesn't run, until they
// take that many bytes.
func (s *site) oldCalls(days int, bytes int64) {
	s.t.Helper()
	dir := filepath.Join(s.dir, "data")
	require.NoError(s.t, os.MkdirAll(dir, 0o700))
	store, err := bolt.Open(filepath.Join(dir, storeFile), bolt.Options{})
	require.NoError(s.t, err)
	at := time.Now().AddDate(0, 0, -days)
	day := outbox.DayOf(at)
	for n := 0; ; n++ {
		u, err := store.Usage()
		require.NoError(s.t, err)
		if u.Used >= bytes {
			break
		}
		id := fmt.Sprintf("old-%d", n)
		pad, err := json.Marshal(bulk(1 << 20))
		require.NoError(s.t, err)
		call := connector.Call{FinishedAt: connector.TimeOf(at), Revisions: []connector.Revision{{At: connector.TimeOf(at), Record: connector.Record{CallID: id, UUID: id, Attempt: 1, Revision: 1}}},
			Events: []connector.Arrival{{At: connector.TimeOf(at), Event: connector.Event{UUID: id, Extra: map[string]json.RawMessage{"pad": pad}}}}}
		body, err := json.Marshal(&call)
		require.NoError(s.t, err)
		delivery := connector.Delivery{State: connector.DeliveryDone, Wanted: 1, Done: 1}
		row, err := delivery.Encode()
		require.NoError(s.t, err)
		tx := outbox.Tx{Group: connector.CallGroup(id), Entry: &outbox.EntryPut{ID: id, Day: day, Body: body},
			Put: []outbox.RowPut{{Name: "crm", Body: row}}, Count: []outbox.Delta{{Day: day, Name: connector.CountCalls, N: 1}}}
		for _, c := range connector.CountMove("crm", connector.Standing{}, delivery.Standing()) {
			tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: c.Name, N: c.N})
		}
		for _, c := range call.Record().Counts() {
			tx.Count = append(tx.Count, outbox.Delta{Day: day, Name: connector.CountQueue("", c), N: 1})
		}
		_, err = store.Commit(s.t.Context(), tx)
		require.NoError(s.t, err)
	}
	require.NoError(s.t, store.Close())
}

// runHere runs the daemon in this process, which looks so often for what is too old, until the returned function is called.
func (s *site) runHere(retainEvery time.Duration) (stop func()) {
	s.t.Helper()
	cfg := s.configured()
	s.log = &logs{}
	ctx, cancel := context.WithCancel(s.t.Context())
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	d := &daemon{config: cfg, log: newLogger(s.log, configs.Log{Level: "debug", Format: "json"}), retainEvery: retainEvery,
		listening: func(addr net.Addr) { ready <- addr }}
	go func() { ended <- d.run(ctx) }()
	select {
	case addr := <-ready:
		s.addr = addr.String()
	case err := <-ended:
		cancel()
		require.NoError(s.t, err)
	}
	return func() {
		cancel()
		require.NoError(s.t, <-ended)
	}
}

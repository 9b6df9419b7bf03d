package deliver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
)

// change gives the lane another configuration, made from the one that it was made with.
func (b *bench) change(change func(*Destination)) {
	d := b.options.Destination
	change(&d)
	b.lane.Change(d)
	synctest.Wait()
}

func TestChange(t *testing.T) {
	first := func() *mappings.Mapping {
		return yamlMapping(t, "steps: [{name: one, path: /old/one, repeat: safe}, {name: two, path: /old/two, repeat: safe}]")
	}
	second := yamlMapping(t, "steps: [{name: one, path: /new/one, repeat: safe}, {name: two, path: /new/two, repeat: safe}]")
	virtual(t, "what is under way ends with the mapping that it began with, what comes next has the new one", func(t *testing.T) {
		release := make(chan struct{})
		m := first()
		b := newBench(t, m, nil)
		b.will(hang(release), status(200))
		a := b.finish("a")
		synctest.Wait() // so that it is under way before there is another one
		n := b.finish("b")
		synctest.Wait()
		b.change(func(d *Destination) { d.Mapping = second })
		close(release)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"POST /old/one", "POST /old/two", "POST /new/one", "POST /new/two"}, b.steps())
		assert.Equal(t, m.Stamp(), b.delivery(a).Attempts[1].Mapping)
		assert.Equal(t, second.Stamp(), b.delivery(n).Attempts[0].Mapping)
		assert.Equal(t, second.Stamp(), b.delivery(n).Mapping)
		assert.NotEqual(t, m.Stamp(), second.Stamp())
	})
	virtual(t, "a destination that is paused for its credentials is probed at once, with the new ones", func(t *testing.T) {
		b := newBench(t, first(), func(d *Destination) { d.Probe = time.Hour })
		b.will(status(401))
		b.finish("a")
		b.finish("b")
		time.Sleep(10 * time.Second)
		require.Len(t, b.requests(), 1)
		paused, _, held := b.lane.Paused()
		require.NotEmpty(t, paused)
		require.False(t, held)
		b.will(status(200))
		b.change(func(*Destination) {})
		paused, _, _ = b.lane.Paused()
		assert.Empty(t, paused)
		assert.Greater(t, len(b.requests()), 1)
	})
	virtual(t, "old credentials that are refused late don't pause the new ones, nor does a probe with them put off the next", func(t *testing.T) {
		b := newBench(t, first(), func(d *Destination) { d.Probe, d.Concurrency = time.Hour, 2 })
		release := make(chan struct{})
		late := func(context.Context) (*target.Answer, error) {
			<-release
			return &target.Answer{Status: 401}, nil
		}
		b.will(status(401), late, status(200))
		a := b.finish("a")
		time.Sleep(time.Second)
		n := b.finish("b")
		time.Sleep(time.Hour) // the probe
		require.Len(t, b.requests(), 2)
		b.change(func(*Destination) {})
		require.Len(t, b.requests(), 2, "a probe is under way")
		close(release)
		time.Sleep(time.Minute)
		for _, d := range []*connector.Delivery{b.delivery(a), b.delivery(n)} {
			assert.Equal(t, connector.DeliveryDone, d.State)
			assert.Zero(t, d.Failed)
		}
	})
	virtual(t, "a pause by a person stays", func(t *testing.T) {
		b := newBench(t, first(), nil)
		b.will(status(200))
		require.NoError(t, b.lane.Pause(t.Context(), "maintenance"))
		b.finish("a")
		b.change(func(*Destination) {})
		time.Sleep(time.Hour)
		assert.Empty(t, b.requests())
	})
	virtual(t, "who waits for his turn at an old rate begins anew at the new one", func(t *testing.T) {
		slow := yamlMapping(t, "rate: 1/h\nsteps: [{name: one, path: /old, repeat: safe}]")
		b := newBench(t, slow, func(d *Destination) { d.Concurrency = 3 })
		b.will(status(200))
		for _, id := range []string{"a", "b", "c", "d"} {
			b.finish(id)
		}
		time.Sleep(time.Minute)
		require.Len(t, b.requests(), 1)
		b.change(func(d *Destination) {
			d.Mapping = yamlMapping(t, "rate: 1/s\nsteps: [{name: one, path: /new, repeat: safe}]")
		})
		time.Sleep(10 * time.Second)
		assert.Len(t, b.requests(), 4)
	})
	virtual(t, "more and fewer at the same time", func(t *testing.T) {
		b := newBench(t, first(), nil)
		release := make(chan struct{})
		b.will(hang(release))
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			b.finish(id)
		}
		require.Len(t, b.requests(), 1)
		b.change(func(d *Destination) { d.Concurrency = 3 })
		require.Len(t, b.requests(), 3)
		b.change(func(d *Destination) { d.Concurrency = 1 })
		close(release)
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 10)
	})
}

// What a login gave stays a secret when the login is another's.
func TestChangedSessionStaysSecret(t *testing.T) {
	s := &session{values: map[string]any{"token": "s3ssion"}}
	w := &work{setup: &setup{session: &session{past: s.leave()}}}
	assert.Equal(t, "***", w.mask("s3ssion"))
}

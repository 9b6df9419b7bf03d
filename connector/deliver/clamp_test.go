package deliver

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
)

const years = 5 * 365 * 24 * time.Hour

// ahead makes the lane's clock run ahead of the real one, from its next start on.
func (b *bench) ahead(by time.Duration) {
	b.options.Now = func() time.Time { return time.Now().Add(by) }
}

func TestAClockThatWasYearsAhead(t *testing.T) {
	virtual(t, "what was put off for a moment then is due at the start, in order, and without an attempt counted", func(t *testing.T) {
		b := newBench(t, recordMapping(t), func(d *Destination) { d.NewestFirst = 0 })
		b.kill()
		b.ahead(years)
		b.will(status(500, "Retry-After", "60"))
		b.start()
		first, second := b.finish("a"), b.finish("b")
		b.requests()
		b.kill()
		before := b.options.Now()
		b.ahead(0)
		b.open()
		require.True(t, b.delivery(first).Next.Time().After(before))
		was := *b.delivery(second)
		require.NoError(t, b.store.Close())

		b.will(status(200))
		b.got = nil
		b.start()
		got := b.requests()
		require.Len(t, got, 2)
		assert.Contains(t, got[0], " a:1")
		assert.Contains(t, got[1], " b:1")
		d := b.delivery(second)
		assert.Equal(t, connector.DeliveryDone, d.State)
		assert.Equal(t, 1, was.Failed)
		assert.Zero(t, was.Tried)
	})
	virtual(t, "so it is in a lane that runs, soon after the clock was set right, whatever else there is to do", func(t *testing.T) {
		b := newBench(t, recordMapping(t), func(d *Destination) { d.NewestFirst = 0 })
		b.kill()
		var ahead atomic.Int64
		b.options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		b.will(status(500), status(500), status(200))
		b.start()
		time.Sleep(time.Minute)
		ahead.Store(int64(years))
		first, second := b.finishedAt(years, "a"), b.finishedAt(years, "b")
		require.Len(t, b.requests(), 2)
		require.Equal(t, 1, b.delivery(second).Failed)
		ahead.Store(0)
		for range 70 { // others come all the time
			time.Sleep(time.Second)
			b.finish(fmt.Sprint("later-", time.Since(b.began)))
		}
		assert.Equal(t, connector.DeliveryDone, b.delivery(first).State)
		assert.Equal(t, connector.DeliveryDone, b.delivery(second).State)
		assert.Len(t, b.requests(), 74)
	})
	virtual(t, "also in one that began while the clock was ahead", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.kill()
		var ahead atomic.Int64
		ahead.Store(int64(years))
		b.options.Now = func() time.Time {
			return machineTime(t, time.Now().Add(time.Duration(ahead.Load())), time.Since(b.began))
		}
		b.will(status(500), status(200))
		b.start()
		ref := b.finish("a")
		require.Len(t, b.requests(), 1)
		ahead.Store(0)
		time.Sleep(61 * time.Second)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Len(t, b.requests(), 2)
	})
	virtual(t, "what a legitimate delay put off stays put off", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(429, "Retry-After", fmt.Sprint(int(target.MaxRetryAfter/time.Second))), status(200))
		ref := b.finish("a")
		b.requests()
		b.kill()
		b.start()
		time.Sleep(23 * time.Hour)
		require.Len(t, b.requests(), 1)
		require.Equal(t, connector.DeliveryWaiting, b.delivery(ref).State)
		time.Sleep(2 * time.Hour)
		require.Len(t, b.requests(), 2)
	})
	virtual(t, "so does what the mapping's own wait puts off, however long that is", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "wait: 30d\nsteps: [{name: log, path: /calls, repeat: safe}]"), nil)
		b.will(status(200))
		b.finish("a")
		b.requests()
		b.kill()
		b.start()
		time.Sleep(29 * 24 * time.Hour)
		require.Empty(t, b.requests())
		time.Sleep(2 * 24 * time.Hour)
		require.Len(t, b.requests(), 1)
	})
	virtual(t, "a call that was finished in the future has waited long enough", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "wait: 10m\nsteps: [{name: log, path: /calls, repeat: safe}]"), nil)
		b.kill()
		b.ahead(years)
		b.will(status(200))
		store := b.open()
		b.finishedAt(years, "a")
		require.NoError(t, store.Close())
		b.start()
		b.kill()
		require.Empty(t, b.requests())
		b.ahead(0)
		b.start()
		time.Sleep(time.Minute)
		require.Len(t, b.requests(), 1)
	})
	virtual(t, "a hold that began in the future begins now", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}", not_found: {hold: 1h, then: continue}}
  - {name: log, path: /calls, repeat: safe}`), nil)
		b.kill()
		b.ahead(years)
		b.will(body(404, ``))
		b.start()
		b.finish("a")
		b.requests()
		b.kill()
		b.ahead(0)
		b.start()
		time.Sleep(70 * time.Minute)
		assert.Contains(t, b.last(), "POST http://crm.test/calls")
	})
	virtual(t, "a request whose answer was lost in the future is looked for, after the lag", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps:
  - {name: find, method: GET, path: /calls, found: "${response.body.id}", finds: log, lag: 5m}
  - {name: log, path: /calls, repeat: never}`), nil)
		b.kill()
		b.ahead(years)
		b.will(lost(true))
		b.start()
		ref := b.finish("a")
		b.requests()
		b.kill()
		b.ahead(0)
		b.got = nil
		b.will(body(200, `{"id": 7}`))
		b.start()
		time.Sleep(4 * time.Minute)
		require.Empty(t, b.requests())
		time.Sleep(2 * time.Minute)
		require.Len(t, b.requests(), 1)
		assert.Contains(t, b.last(), "GET http://crm.test/calls")
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "a request that may be repeated for a time only isn't, where nobody knows how long ago it was", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps: [{name: log, path: /calls, repeat: 10h}]`), nil)
		b.kill()
		b.ahead(years)
		b.will(lost(true))
		b.start()
		ref := b.finish("a")
		require.NotEmpty(t, b.delivery(ref).Unsure)
		b.kill()
		b.ahead(0)
		b.got = nil
		b.start()
		require.Empty(t, b.requests())
		assert.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
	})
}

func TestTheShareOfFreshCallsIsASetting(t *testing.T) {
	for _, row := range []struct {
		percent int
		want    string
	}{
		{0, "0 1 2 3 4 5 6 7"}, {100, "7 6 5 4 3 2 1 0"}, {50, "0 7 1 6 2 5 3 4"}, {25, "0 1 2 7 3 4 5 6"},
	} {
		virtual(t, fmt.Sprintf("%d%%", row.percent), func(t *testing.T) {
			b := newBench(t, recordMapping(t), func(d *Destination) { d.NewestFirst = row.percent })
			b.kill()
			store := b.open()
			for i := range 8 {
				b.finish(fmt.Sprint(i))
				time.Sleep(time.Second)
			}
			require.NoError(t, store.Close())
			b.will(status(200))
			b.start()
			var order string
			for i, request := range b.requests() {
				var at float64
				var call int
				_, err := fmt.Sscanf(request, "%gs POST http://crm.test/calls %d:1", &at, &call)
				require.NoError(t, err)
				if i > 0 {
					order += " "
				}
				order += fmt.Sprint(call)
			}
			assert.Equal(t, row.want, order)
		})
	}
}

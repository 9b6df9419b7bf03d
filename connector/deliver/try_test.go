package deliver

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
)

func (b *bench) try(create bool) *Trial {
	b.t.Helper()
	record := &connector.Record{CallID: "example", UUID: "example", Attempt: 1, Revision: 1, Outcome: connector.OutcomeConnected}
	return b.lane.Try(b.t.Context(), record, create)
}

const loginAndLookup = `session: {path: /login, save: {token: "${response.body.token}"}}
each: {headers: {X-Token: "${session.token}"}}
steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}"}
  - {name: search, method: POST, path: /search, found: "${response.body.id}"}
  - {name: log, path: /calls, repeat: never, save: {log_id: "${response.body.id}"}}
  - {name: note, path: /notes, repeat: never}`

func TestTry(t *testing.T) {
	virtual(t, "the login and the lookups, and not what creates", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, loginAndLookup), nil)
		b.will(body(200, `{"token": "t0ken"}`), body(200, `{"id": 7}`), body(404, ``))
		got := b.try(false)
		assert.Equal(t, EndedUnsent, got.Ended)
		require.Len(t, b.requests(), 3)
		assert.Contains(t, b.got[0], "POST http://crm.test/login")
		assert.Contains(t, b.got[1], "GET http://crm.test/contact")
		assert.Contains(t, b.got[2], "POST http://crm.test/search")
		require.Len(t, got.Exchanges, 4)
		assert.False(t, got.Exchanges[3].Sent)
		assert.Equal(t, "log", got.Exchanges[3].Action.Step)
		assert.Empty(t, got.Created)
		assert.Equal(t, []string{"t0ken"}, got.Secrets)
		queues, err := b.store.Queues(t.Context())
		require.NoError(t, err)
		assert.Empty(t, queues)
		days, err := b.store.Days(t.Context())
		require.NoError(t, err)
		assert.Empty(t, days, "nothing is stored")

		b.will(body(200, `{"id": 7}`))
		again := b.try(false)
		assert.True(t, again.LoggedIn)
		assert.Len(t, b.requests(), 5, "with the login that there is")
	})
	virtual(t, "with create to the end", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, loginAndLookup), nil)
		b.will(body(200, `{"token": "t0ken"}`), body(200, `{"id": 7}`), body(404, ``), body(201, `{"id": 4711}`), status(204))
		got := b.try(true)
		assert.Equal(t, EndedFinished, got.Ended)
		assert.Equal(t, []string{"log", "note"}, got.Created)
		assert.Equal(t, "4711", fmt.Sprint(got.Saved["log_id"]))
		assert.Len(t, b.requests(), 5)
	})
	virtual(t, "what was created before a failure, and what may have been, is said", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, loginAndLookup), nil)
		b.will(body(200, `{"token": "t0ken"}`), body(200, `{"id": 7}`), body(404, ``), body(201, `{"id": 4711}`), lost(true))
		got := b.try(true)
		assert.Equal(t, EndedRefused, got.Ended)
		assert.Equal(t, []string{"log"}, got.Created)
		assert.Equal(t, []string{"note"}, got.Maybe)
	})
	virtual(t, "so it is when the time is over", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "steps: [{name: log, path: /calls, repeat: never}]"), nil)
		b.will(hang(nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := b.lane.Try(ctx, &connector.Record{CallID: "a", Revision: 1}, true)
		assert.Equal(t, EndedRefused, got.Ended)
		assert.Contains(t, got.Reason, "no answer came in time")
		assert.Equal(t, []string{"log"}, got.Maybe)
	})
	virtual(t, "a login that is refused is tried once", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, loginAndLookup), nil)
		b.will(body(401, `{}`))
		got := b.try(true)
		assert.Equal(t, EndedRefused, got.Ended)
		assert.Contains(t, got.Reason, "401")
		assert.Len(t, b.requests(), 1)
	})
	virtual(t, "a login that has expired is renewed once", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, loginAndLookup), nil)
		b.will(body(200, `{"token": "old"}`), status(401), body(200, `{"token": "new"}`), body(200, `{"id": 7}`))
		got := b.try(false)
		assert.Equal(t, EndedUnsent, got.Ended)
		b.will(status(401), body(200, `{"token": "newer"}`), status(401))
		assert.Equal(t, EndedRefused, b.try(false).Ended)
		assert.Equal(t, 8, len(b.requests()), "two logins, and each was used once before it was found out")
	})
	virtual(t, "it ends a pause as little as it begins one", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, loginAndLookup), nil)
		b.will(status(403))
		for range 10 {
			b.try(false)
		}
		paused, _, _ := b.lane.Paused()
		assert.Empty(t, paused)
		require.NoError(t, b.lane.Pause(t.Context(), "maintenance"))
		b.will(body(200, `{"token": "t0ken"}`), body(200, `{"id": 7}`))
		ref := b.finish("waiting")
		assert.Equal(t, EndedUnsent, b.try(false).Ended)
		paused, _, held := b.lane.Paused()
		assert.Equal(t, "maintenance", paused)
		assert.True(t, held)
		assert.Equal(t, connector.DeliveryWaiting, b.delivery(ref).State)
	})
	virtual(t, "a call that the mapping doesn't want, one that is held, and one that can't be rendered", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "when: \"${call.outcome == 'busy'}\"\nsteps: [{name: log, path: /calls}]"), nil)
		got := b.try(true)
		assert.Equal(t, EndedSkipped, got.Ended)
		assert.Empty(t, got.Exchanges)
		b = newBench(t, yamlMapping(t, "steps: [{name: log, path: \"/calls/${call.order_id}\"}]"), nil)
		assert.Equal(t, EndedDead, b.try(true).Ended)
		b = newBench(t, yamlMapping(t, `steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}", not_found: {hold: 1h, then: continue}}
  - {name: log, path: /calls, repeat: safe}`), nil)
		b.will(body(404, ``))
		got = b.try(true)
		assert.Equal(t, EndedHeld, got.Ended)
		assert.Equal(t, target.Done, got.Exchanges[0].Verdict.Kind)
		assert.Len(t, b.requests(), 1)
	})
	virtual(t, "within the destination's rate", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "rate: 1/m\n"+loginAndLookup), nil)
		b.will(body(200, `{"token": "t0ken"}`), body(200, `{"id": 7}`))
		b.try(false)
		assert.GreaterOrEqual(t, time.Since(b.began), 2*time.Minute)
	})
	virtual(t, "whose turn would come too late: neither a lookup nor a login is sent then", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "rate: 1/m\n"+loginAndLookup), nil)
		b.will(body(200, `{"token": "t0ken"}`))
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
			defer cancel()
			got := b.lane.Try(ctx, &connector.Record{CallID: "a", Revision: 1}, true)
			assert.Equal(t, EndedCut, got.Ended)
			assert.Contains(t, got.Reason, "the rate of the destination is used up")
			assert.False(t, got.Exchanges[len(got.Exchanges)-1].Sent)
			assert.Len(t, b.requests(), 1, "the first login")
			b.lane.current.Load().session.expire(1)
		}
	})
	virtual(t, "a lane that never ran", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, loginAndLookup), nil)
		b.kill()
		b.options.Store = none{}
		b.lane = New(b.options)
		b.will(body(200, `{"token": "t0ken"}`), body(200, `{"id": 7}`))
		assert.Equal(t, EndedUnsent, b.try(false).Ended)
	})
}

// none is a store that nobody may touch.
type none struct{ Store }

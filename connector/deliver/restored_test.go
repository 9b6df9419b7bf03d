package deliver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/outbox"
)

// backedUp gives a bench whose store has just been put back from a backup that was taken so long ago, with one call that
// waited then. The lane doesn't run yet.
func backedUp(t *testing.T, mapping string, taken time.Duration, change func(*Destination)) (*bench, outbox.Ref) {
	t.Helper()
	b := newBench(t, yamlMapping(t, mapping), change)
	b.kill()
	store := b.open()
	ref := b.finish("a")
	require.NoError(t, store.Close())
	time.Sleep(taken)
	b.options.Restored = outbox.Restored{Taken: time.Now().Add(-taken), At: time.Now()}
	return b, ref
}

const ticketAndNote = `
steps:
  - {name: existing, finds: ticket, lag: 5m, method: GET, path: "/search/${call.call_id}", found: "${response.body.id}"}
  - {name: ticket, path: /tickets, save: {ticket: "${response.body.id}"}}
  - {name: note, path: "/tickets/${saved.ticket}/notes"}
`

func TestRestored(t *testing.T) {
	virtual(t, "what can be looked for is, once the CRM's search can know what was sent to the last", func(t *testing.T) {
		b, ref := backedUp(t, ticketOnce, time.Hour, nil)
		b.will(body(200, `{"id":7}`), body(200, `{"id":5}`), body(200, `{}`))
		b.start()
		time.Sleep(4 * time.Minute)
		require.Empty(t, b.steps())
		time.Sleep(2 * time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Equal(t, []string{"GET /search/a", "GET /contact", "PUT /tickets/7"}, b.steps(), "found: not created again")
	})
	virtual(t, "what isn't found is created, and then nothing else can have been done either", func(t *testing.T) {
		b, ref := backedUp(t, ticketAndNote, time.Hour, nil)
		b.will(body(404, ``), body(201, `{"id":8}`), body(503, ``), body(200, `{}`))
		b.start()
		time.Sleep(6 * time.Minute)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Equal(t, []string{"GET /search/a", "POST /tickets", "POST /tickets/8/notes", "POST /tickets/8/notes"}, b.steps())
	})
	virtual(t, "where it is found, a later step may have been done, too: it is parked until a person has it sent", func(t *testing.T) {
		b, ref := backedUp(t, ticketAndNote, time.Hour, nil)
		b.will(body(200, `{"id":7}`))
		b.start()
		time.Sleep(6 * time.Minute)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryParked, d.State)
		assert.Contains(t, d.Reason, "maybe delivered: the store was restored at 2000-01-01T01:00:00Z from a backup taken at 2000-01-01T00:00:00Z, and step note may have")
		assert.Equal(t, []string{"GET /search/a"}, b.steps())
		b.will(body(200, `{}`))
		b.retry(ref)
		d = b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
	})
	virtual(t, "a person who has the first step sent has all of them sent", func(t *testing.T) {
		b, ref := backedUp(t, "steps: [{name: a, path: /a}, {name: b, path: /b}]", time.Hour, nil)
		b.start()
		require.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
		b.will(body(200, `{}`))
		b.retry(ref)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Equal(t, []string{"POST /a", "POST /b"}, b.steps())
	})
	virtual(t, "unless the destination says that a double does no harm", func(t *testing.T) {
		b, ref := backedUp(t, neverTwice, time.Hour, func(d *Destination) { d.RetryUnsure = true })
		b.will(body(200, `{}`))
		b.start()
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "what the mapping doesn't want isn't wanted for that", func(t *testing.T) {
		b, ref := backedUp(t, "when: \"${call.outcome == 'abandoned'}\"\nsteps: [{name: log, path: /calls}]", time.Hour, nil)
		b.start()
		assert.Equal(t, connector.DeliverySkipped, b.delivery(ref).State)
	})
	for taken, want := range map[time.Duration]connector.DeliveryState{time.Hour: connector.DeliveryDone, 11 * time.Hour: connector.DeliveryParked} {
		virtual(t, "what may be repeated for ten hours is, while the backup is no older: "+taken.String(), func(t *testing.T) {
			b, ref := backedUp(t, "steps: [{name: log, path: /calls, repeat: 10h}]", taken, nil)
			b.will(body(200, `{}`))
			b.start()
			assert.Equal(t, want, b.delivery(ref).State)
		})
	}
	virtual(t, "nor is it where nobody knows when it was taken", func(t *testing.T) {
		b, ref := backedUp(t, "steps: [{name: log, path: /calls, repeat: 10h}]", time.Hour, nil)
		b.options.Restored.Taken = time.Time{}
		b.start()
		assert.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
	})
	virtual(t, "a call that is finished afterwards is sent as ever, and so is a revision made afterwards", func(t *testing.T) {
		b, _ := backedUp(t, "steps: [{name: log, path: /calls}]\nupdate: [{name: again, path: /again}]", time.Hour, nil)
		b.start()
		b.will(body(200, `{}`))
		time.Sleep(time.Minute)
		ref := b.finish("b")
		require.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		b.amend(ref)
		require.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Equal(t, []string{"POST /calls", "POST /again"}, b.steps())
	})
	virtual(t, "a revision that waited then may have been sent, of a call whose first one was", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "steps: [{name: log, path: /calls}]\nupdate: [{name: again, path: /again}]"), nil)
		b.will(body(200, `{}`))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		b.kill()
		store := b.open()
		b.amend(ref)
		require.NoError(t, store.Close())
		time.Sleep(time.Minute)
		b.options.Restored = outbox.Restored{Taken: time.Now(), At: time.Now()}
		b.start()
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryParked, d.State)
		assert.Contains(t, d.Reason, "step again may have been sent before")
		assert.Equal(t, []string{"POST /calls"}, b.steps())
	})
}

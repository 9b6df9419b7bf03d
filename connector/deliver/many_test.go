package deliver

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/outbox"
)

// What many workers do at the same time, in virtual time.

func TestManyWorkersAndAPause(t *testing.T) {
	const limited = "rate: 1/s\n" + neverTwice
	virtual(t, "those who wait for their turn when the destination is paused send nothing", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, limited), func(d *Destination) { d.Concurrency = 16 })
		b.will(status(401))
		for i := range 40 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(29 * time.Second)
		assert.Len(t, b.requests(), 1)
		time.Sleep(10 * time.Minute)
		assert.InDelta(t, 21, len(b.requests()), 1, "one probe per 30 seconds")
		b.will(status(200))
		time.Sleep(2 * time.Minute)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Zero(t, depth.Waiting+depth.Buried)
	})
	virtual(t, "nor when a person pauses it", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, limited), func(d *Destination) { d.Concurrency = 16 })
		b.will(status(200))
		for i := range 40 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(5500 * time.Millisecond)
		require.NoError(t, b.lane.Pause(t.Context(), "the CRM is being moved"))
		sent := len(b.requests())
		time.Sleep(time.Hour)
		assert.Len(t, b.requests(), sent)
		require.NoError(t, b.lane.Resume(t.Context()))
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 40)
	})
	virtual(t, "the brake counts the calls that are sent, not what waited for its turn in vain, nor how often", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "brake: 30/h\n"+limited), func(d *Destination) { d.Concurrency = 16 })
		b.will(status(401), status(200))
		for i := range 30 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(10 * time.Minute)
		reason, _, _ := b.lane.Paused()
		assert.Empty(t, reason, "the first, which was refused, is one")
		assert.Len(t, b.requests(), 31)
		b.finish("one more")
		time.Sleep(time.Minute)
		reason, _, _ = b.lane.Paused()
		assert.Contains(t, reason, "the brake")
		assert.Len(t, b.requests(), 31)
	})
	virtual(t, "once it is back, deliveries resume at once", func(t *testing.T) {
		b := newBench(t, recordMapping(t), func(d *Destination) { d.Concurrency = 4 })
		b.will(status(401))
		for i := range 20 {
			b.finish(fmt.Sprint("call", i))
		}
		require.NotEmpty(t, b.requests())
		time.Sleep(29 * time.Second)
		b.will(status(200))
		time.Sleep(10 * time.Second)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Zero(t, depth.Waiting)
	})
	virtual(t, "also if it was no probe that showed it", func(t *testing.T) {
		b := newBench(t, recordMapping(t), func(d *Destination) { d.Concurrency = 2 })
		release := make(chan struct{})
		b.will(hang(release), status(401), status(200))
		b.finish("slow")
		require.Len(t, b.requests(), 1)
		b.finish("refused")
		require.Len(t, b.requests(), 2)
		third := b.finish("third")
		time.Sleep(10 * time.Second)
		close(release)
		time.Sleep(2 * time.Second)
		assert.Equal(t, connector.DeliveryDone, b.delivery(third).State)
	})
}

func TestStopWhileWaitingForATurn(t *testing.T) {
	virtual(t, "takes no time, and begins nothing new", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "rate: 1/s\n"+neverTwice), func(d *Destination) { d.Concurrency = 16 })
		b.will(status(200))
		for i := range 40 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(5500 * time.Millisecond)
		sent, began := len(b.requests()), time.Now()
		b.kill()
		assert.Zero(t, time.Since(began))
		assert.Len(t, b.requests(), sent)
		b.start()
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 40)
	})
	virtual(t, "leaves no doubt about the steps before", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `rate: 1/m
steps:
  - {name: log, path: /calls, repeat: never, body: {id: "${call.call_id}"}}
  - {name: note, path: /notes, repeat: safe}`), nil)
		b.will(status(200))
		ref := b.finish("a")
		time.Sleep(30 * time.Second)
		b.kill()
		b.start()
		time.Sleep(5 * time.Minute)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Equal(t, []string{"POST /calls", "POST /notes"}, b.steps())
	})
}

// What may be sent again for so long only isn't once that time is over, though it was still on when the wait for a turn began.
func TestTimeIsUpWhileWaitingForATurn(t *testing.T) {
	virtual(t, "it is parked", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "rate: 1/h\nsteps: [{name: log, path: /calls, repeat: 5m}]"), nil)
		b.will(lost(true), status(200))
		ref := b.finish("a")
		time.Sleep(2 * time.Hour)
		assert.Len(t, b.requests(), 1)
		assert.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
	})
}

func TestBusyHoldsAllWorkers(t *testing.T) {
	virtual(t, "who is asked to come back later doesn't send the rest of the backlog", func(t *testing.T) {
		b := newBench(t, recordMapping(t), func(d *Destination) { d.Concurrency = 4 })
		b.will(status(429, "Retry-After", "3600"))
		for i := range 1000 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(time.Hour - time.Second)
		assert.Less(t, len(b.requests()), 130, "four at once, then one probe per 30 seconds")
		b.will(status(200))
		time.Sleep(2 * time.Hour)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Zero(t, depth.Waiting+depth.Buried)
	})
	virtual(t, "nor do those who waited for their turn meanwhile, which costs them no attempt", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "rate: 1/s\n"+neverTwice), func(d *Destination) { d.Concurrency = 16 })
		b.will(status(429, "Retry-After", "3600"), status(200))
		var refs []outbox.Ref
		for i := range 16 {
			refs = append(refs, b.finish(fmt.Sprint("call", i)))
		}
		time.Sleep(29 * time.Second)
		assert.Len(t, b.requests(), 1)
		failed := 0
		for _, ref := range refs { // whichever of them was the first
			failed += b.delivery(ref).Failed
		}
		assert.Equal(t, 1, failed)
		time.Sleep(30 * time.Second)
		assert.Len(t, b.requests(), 16)
		time.Sleep(time.Hour)
		assert.Len(t, b.requests(), 17)
		for _, ref := range refs {
			assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		}
	})
	virtual(t, "nor the next step of a call that is under way", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, ticketOnce), func(d *Destination) { d.Concurrency = 2 })
		b.will(func(context.Context) (*target.Answer, error) {
			time.Sleep(time.Second)
			return &target.Answer{Status: 200, Body: []byte(`{"id":7}`)}, nil
		}, status(429, "Retry-After", "3600"), body(200, `{"id":7}`))
		a, other := b.finish("a"), b.finish("b")
		time.Sleep(29 * time.Second)
		assert.Equal(t, []string{"GET /contact", "GET /contact"}, b.steps())
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"GET /contact", "GET /contact", "POST /tickets", "PUT /tickets/7"}, b.steps(), "it goes on where it was")
		assert.ElementsMatch(t, []connector.DeliveryState{connector.DeliveryDone, connector.DeliveryWaiting},
			[]connector.DeliveryState{b.delivery(a).State, b.delivery(other).State}, "whichever was the first")
	})
}

// A newer revision that comes at whatever moment of a create makes no second create, and is sent last.
func TestRevisionAtAnyMoment(t *testing.T) {
	const mapping = `
each: {query: {revision: "${call.revision}"}}
steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}"}
  - {name: log, path: /calls, repeat: never, save: {log: "${response.body.id}"}}
  - {name: link, method: PUT, path: "/calls/${saved.log}/link"}
update:
  - {name: amend, method: PATCH, path: "/calls/${saved.log}"}`
	for moment := range 3 {
		for trouble := range 4 {
			virtual(t, fmt.Sprintf("before the answer to request %d, with trouble at request %d", moment, trouble), func(t *testing.T) {
				b := newBench(t, yamlMapping(t, mapping), nil)
				var ref outbox.Ref
				n := 0
				b.will(func(context.Context) (*target.Answer, error) {
					n++
					if n-1 == moment {
						b.amend(ref)
					}
					if n-1 == trouble {
						return &target.Answer{Status: 503}, nil
					}
					return &target.Answer{Status: 200, Body: []byte(`{"id":7}`)}, nil
				})
				require.NoError(t, b.lane.Pause(t.Context(), "until the call is there"))
				ref = b.finish("a")
				require.NoError(t, b.lane.Resume(t.Context()))
				time.Sleep(time.Hour)
				d := b.delivery(ref)
				require.Equal(t, connector.DeliveryDone, d.State, d.Reason)
				assert.Equal(t, 2, d.Done)
				creates, updates, created := 0, 0, ""
				for _, s := range b.steps() {
					switch {
					case strings.HasPrefix(s, "POST"):
						creates++
						created = s
					case strings.HasPrefix(s, "PATCH"):
						updates++
					}
				}
				want := map[string][2]int{ // creates, updates
					"POST /calls?revision=2": {1, 0}, // nothing had been begun
					"POST /calls?revision=1": {1, 1},
				}[created]
				switch trouble { // what was refused with a 503 was not done
				case 1:
					want[0]++
				case 3:
					want[1]++
				}
				assert.Equal(t, want, [2]int{creates, updates}, "%v", b.steps())
				assert.Contains(t, b.last(), "revision=2")
			})
		}
	}
}

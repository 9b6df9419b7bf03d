package deliver

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
	"wrapup/outbox"
)

func body(code int, content string) func(context.Context) (*target.Answer, error) {
	return func(context.Context) (*target.Answer, error) {
		return &target.Answer{Status: code, Body: []byte(content)}, nil
	}
}

// steps gives the requests as "METHOD path" without their times.
func (b *bench) steps() (out []string) {
	for _, r := range b.requests() {
		f := strings.Fields(r)
		out = append(out, f[1]+" "+strings.TrimPrefix(f[2], "http://crm.test"))
	}
	return out
}

const ticketOnce = `
steps:
  - {name: existing, finds: ticket, lag: 5m, method: GET, path: "/search/${call.call_id}", found: "${response.body.id}"}
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}"}
  - {name: ticket, path: /tickets, body: {contact: "${saved.contact}"}, save: {ticket: "${response.body.id}"}}
  - {name: close, method: PUT, path: "/tickets/${saved.ticket}"}
`

func TestSteps(t *testing.T) {
	virtual(t, "in order, with what was saved", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, ticketOnce), nil)
		b.will(body(200, `{"id":5}`), body(201, `{"id":70000000000000001}`), body(200, `{}`))
		ref := b.finish("a")
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Equal(t, []string{"GET /contact", "POST /tickets", "PUT /tickets/70000000000000001"}, b.steps())
		assert.JSONEq(t, `{"saved":{"contact":5,"ticket":70000000000000001}}`, string(d.Progress))
	})
	virtual(t, "a retry resumes at the first step that is not done, also over a restart", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, ticketOnce), nil)
		b.will(body(200, `{"id":5}`), body(201, `{"id":7}`), body(503, ``))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryWaiting, b.delivery(ref).State)
		b.kill()
		b.will(body(200, `{}`))
		b.start()
		time.Sleep(time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Equal(t, []string{"GET /contact", "POST /tickets", "PUT /tickets/7", "PUT /tickets/7"}, b.steps())
	})
	virtual(t, "after a lost answer the CRM is asked first, once its search can know", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, ticketOnce), nil)
		b.will(body(200, `{"id":5}`), lost(true), body(200, `{"id":7}`), body(200, `{}`))
		ref := b.finish("a")
		time.Sleep(4 * time.Minute)
		require.Equal(t, []string{"GET /contact", "POST /tickets"}, b.steps())
		time.Sleep(2 * time.Minute)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Equal(t, []string{"GET /contact", "POST /tickets", "GET /search/a", "PUT /tickets/7"}, b.steps(), "found: not created again")
	})
	virtual(t, "and what it doesn't find is created again", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, ticketOnce), nil)
		b.will(body(200, `{"id":5}`), lost(true), body(404, ``), body(201, `{"id":8}`), body(200, `{}`))
		ref := b.finish("a")
		time.Sleep(10 * time.Minute)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Equal(t, []string{"GET /contact", "POST /tickets", "GET /search/a", "POST /tickets", "PUT /tickets/8"}, b.steps())
	})
	virtual(t, "also after a crash between the request and its answer", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, ticketOnce), nil)
		b.will(body(200, `{"id":5}`), hang(nil))
		ref := b.finish("a")
		require.Len(t, b.steps(), 2)
		b.kill()
		b.will(body(200, `{"id":7}`), body(200, `{}`))
		b.start()
		time.Sleep(10 * time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Equal(t, []string{"GET /contact", "POST /tickets", "GET /search/a", "PUT /tickets/7"}, b.steps())
	})
	virtual(t, "a 2xx that can't be read is in doubt, never done", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "steps: [{name: log, path: /calls, save: {id: \"${response.body.id}\"}}]"), nil)
		b.will(body(200, `<html>`))
		d := b.delivery(b.finish("a"))
		assert.Equal(t, connector.DeliveryParked, d.State)
		assert.Contains(t, d.Reason, "can't be read")
	})
	virtual(t, "an error inside a 200 is dead, with the CRM's own sentence", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "steps: [{name: log, path: /calls, answers: {success: \"${response.body.ok}\", error: \"${response.body.why}\"}}]"), nil)
		b.will(body(200, `{"ok":false,"why":"no such owner"}`))
		d := b.delivery(b.finish("a"))
		assert.Equal(t, connector.DeliveryDead, d.State)
		assert.Contains(t, d.Reason, "no such owner")
	})
}

func TestHolds(t *testing.T) {
	const patient = `steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}", not_found: {hold: 1h, then: continue}}
  - {name: log, path: /calls, repeat: safe}`
	virtual(t, "a lookup that finds nothing holds the call, and it goes on when it does", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, patient), nil)
		b.will(body(404, ``))
		ref := b.finish("a")
		time.Sleep(12 * time.Minute)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryWaiting, d.State)
		assert.Contains(t, d.Reason, "held")
		assert.Zero(t, d.Failed, "waiting costs no attempt")
		b.will(body(200, `{"id":1}`))
		time.Sleep(5 * time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "not for longer than it says", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, patient), nil)
		b.will(body(404, ``))
		ref := b.finish("a")
		time.Sleep(59 * time.Minute)
		require.Equal(t, connector.DeliveryWaiting, b.delivery(ref).State)
		b.kill() // holding goes on over a restart
		b.start()
		b.will(body(404, ``), body(200, ``))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State, "%s %v", b.delivery(ref).Reason, b.requests())
		steps := b.steps()
		assert.Equal(t, "POST /calls", steps[len(steps)-1])
	})
	virtual(t, "each thing is waited for by a clock of its own", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps:
  - {name: first, method: GET, path: /first, found: "${response.body.id}", not_found: {hold: 1h, then: continue}}
  - {name: second, method: GET, path: /second, found: "${response.body.id}", not_found: {hold: 1h, then: continue}}
  - {name: log, path: /calls, repeat: safe}`), nil)
		b.will(body(404, ``))
		ref := b.finish("a")
		time.Sleep(70 * time.Minute)
		assert.Equal(t, connector.DeliveryWaiting, b.delivery(ref).State, "the second has just begun to be waited for")
		time.Sleep(45 * time.Minute)
		b.will(body(200, `{"id":1}`))
		time.Sleep(10 * time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "a key that a table learns lets the call go on", func(t *testing.T) {
		agents := "username,id\n1,7\n"
		read := func(string) ([]byte, error) { return []byte(agents), nil }
		m, problems := mappings.Compile("crm.yaml", []byte(`
tables: {owner: {file: agents.csv, key: username, value: id, missing: {hold: 24h, then: dead}}}
steps: [{name: log, path: "/calls/${tables.owner[call.call_id]}"}]`), mappings.Options{URL: "http://crm.test", ReadFile: read})
		require.NoError(t, problems.Err())
		b := newBench(t, m, nil)
		b.will(status(200))
		ref := b.finish("a")
		time.Sleep(time.Hour)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryWaiting, d.State)
		assert.Contains(t, d.Reason, `held: "a" is not in tables.owner yet`)
		assert.Empty(t, b.steps())
		agents += "a,8\n"
		fresh, problems := m.WithTables(read)
		require.NoError(t, problems.Err())
		b.lane.SetMapping(fresh)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"POST /calls/8"}, b.steps())
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
	})
	virtual(t, "wait holds a finished call before the first send", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "wait: 2m\nsteps: [{name: log, path: /calls, repeat: safe}]"), nil)
		b.will(status(200))
		ref := b.finish("a")
		time.Sleep(119 * time.Second)
		require.Empty(t, b.steps())
		b.amend(ref)
		time.Sleep(2 * time.Second)
		assert.Len(t, b.steps(), 1)
		assert.Equal(t, 2, b.delivery(ref).Done, "the newest is what is sent")
	})
}

func TestSession(t *testing.T) {
	const withLogin = `
session: {method: GET, path: /login, save: {token: "${response.body.token}"}}
each: {headers: {Token: "${session.token}"}, answers: {reauth: "${response.status == 419}"}}
steps: [{name: log, path: /calls, repeat: never}]
`
	virtual(t, "one login for all calls", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, withLogin), func(d *Destination) { d.Concurrency = 4 })
		b.will(body(200, `{"token":"t1"}`), status(200))
		for i := range 8 {
			b.finish(fmt.Sprint("call", i))
		}
		steps := b.steps()
		require.Len(t, steps, 9)
		assert.Equal(t, "GET /login", steps[0])
		assert.NotContains(t, steps[1:], "GET /login")
	})
	virtual(t, "renewed once when it has expired; the call doesn't notice", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, withLogin), nil)
		b.will(body(200, `{"token":"t1"}`), status(419), body(200, `{"token":"t2"}`), status(200))
		d := b.delivery(b.finish("a"))
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Equal(t, []string{"GET /login", "POST /calls", "GET /login", "POST /calls"}, b.steps())
	})
	virtual(t, "a login that fails before a step that could be looked for leaves nothing in doubt", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, withLogin[:strings.Index(withLogin, "steps:")]+`steps:
  - {name: existing, finds: log, method: GET, path: /search, found: "${response.body.id}"}
  - {name: log, path: /calls}
`), nil)
		b.will(status(500), body(200, `{"token":"t1"}`), status(200))
		ref := b.finish("a")
		time.Sleep(5 * time.Minute)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Equal(t, []string{"GET /login", "GET /login", "POST /calls"}, b.steps())
	})
	virtual(t, "credentials that are no good pause the destination, and no call is dead", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, withLogin), nil)
		b.will(status(403))
		ref := b.finish("a")
		for i := range 20 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(10 * time.Minute)
		assert.LessOrEqual(t, len(b.steps()), 21, "one probe per 30 seconds")
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryWaiting, d.State)
		assert.Contains(t, d.Reason, "paused: the login answered 403")
		assert.Zero(t, d.Failed)
	})
}

func TestPause(t *testing.T) {
	virtual(t, "401 pauses the destination; it resumes slowly once it answers again", func(t *testing.T) {
		b := newBench(t, recordMapping(t), func(d *Destination) { d.Concurrency = 4; d.GiveUpAfter = time.Minute })
		b.will(status(401))
		var refs []string
		for i := range 100 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(2 * time.Hour)
		probes := len(b.requests())
		assert.InDelta(t, 240, probes, 6)
		for _, r := range b.requests()[4:] {
			refs = append(refs, strings.Fields(r)[3])
		}
		assert.NotEqual(t, refs[0], refs[1], "another call each time")
		b.will(status(200))
		time.Sleep(30 * time.Second)
		after := len(b.requests()) - probes
		assert.Greater(t, after, 0)
		time.Sleep(2 * time.Second)
		assert.Less(t, len(b.requests())-probes, 20, "slowly at first")
		time.Sleep(2 * time.Minute)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Zero(t, depth.Waiting+depth.Buried, "all delivered, none dead")
	})
}

func TestGateRamp(t *testing.T) {
	g := &gate{probe: 30 * time.Second}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	assert.Zero(t, g.wait(now))
	assert.True(t, g.down(now, trouble{reason: "401"}))
	assert.False(t, g.down(now, trouble{reason: "401"}))
	assert.Equal(t, 30*time.Second, g.wait(now))
	now = now.Add(30 * time.Second)
	assert.Zero(t, g.wait(now))
	assert.True(t, g.take(now))
	assert.Equal(t, time.Minute, g.wait(now), "one probe at a time")
	assert.True(t, g.up(now, "log"))
	g.probed(now, true)
	var perSecond []int
	for range 13 {
		taken := 0
		for end := now.Add(time.Second); now.Before(end); {
			if wait := g.wait(now); wait > 0 {
				now = now.Add(wait)
				continue
			}
			g.take(now)
			taken++
			if taken > 2000 {
				now = end
			}
		}
		perSecond = append(perSecond, taken)
	}
	for i := 1; i < 9; i++ {
		assert.InDelta(t, 2*perSecond[i-1], perSecond[i], float64(perSecond[i-1])/2+2, "%v", perSecond)
	}
	assert.Greater(t, perSecond[12], 2000, "in the end without a limit: %v", perSecond)
}

// A destination that is down for weeks is tried with thousands of calls. What is remembered of them is bounded.
func TestGateForgets(t *testing.T) {
	g := &gate{probe: 30 * time.Second}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for i := range 1000 {
		down, news := g.suspect(now, trouble{step: "log", call: fmt.Sprint("call", i), reason: "500"}, suspectsFailed)
		assert.Equal(t, i >= suspectsFailed-1, down)
		assert.Equal(t, i == suspectsFailed-1, news)
		now = now.Add(30 * time.Second)
	}
	assert.Len(t, g.suspects["log"], keptSuspects)
	g.up(now, "log")
	assert.Empty(t, g.suspects["log"])
}

func TestRates(t *testing.T) {
	virtual(t, "requests, not calls, and a step's own on top", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `
rate: 2/s
steps:
  - {name: contact, method: GET, path: /contact, rate: 1/s, found: "${response.body.id}"}
  - {name: log, path: /calls, repeat: safe}`), func(d *Destination) { d.Concurrency = 8 })
		b.will(body(200, `{"id":1}`))
		for i := range 20 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(10 * time.Second)
		assert.InDelta(t, 20, len(b.requests()), 2)
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 40)
	})
}

func TestSuspects(t *testing.T) {
	// The CRM refuses some calls and takes others, by what their body says.
	refusing := func(b *bench, refused func(key string) bool, code int) {
		b.will(func(context.Context) (*target.Answer, error) {
			key := b.lastKey()
			if refused(key) {
				return &target.Answer{Status: code}, nil
			}
			return &target.Answer{Status: 200}, nil
		})
	}
	virtual(t, "a 403 for one call among good ones is that call's fault", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		refusing(b, func(key string) bool { return key == "bad:1" }, 403)
		bad := b.finish("bad")
		b.delivery(bad)
		require.Equal(t, connector.DeliveryWaiting, b.delivery(bad).State, "nobody knows yet")
		good := b.finish("good")
		require.Equal(t, connector.DeliveryDone, b.delivery(good).State)
		time.Sleep(10 * time.Second)
		d := b.delivery(bad)
		assert.Equal(t, connector.DeliveryDead, d.State)
		assert.Contains(t, d.Reason, "403")
	})
	virtual(t, "three in a row pause the destination, and none is dead", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		refusing(b, func(string) bool { return true }, 404)
		for i := range 50 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(time.Hour)
		assert.InDelta(t, 122, len(b.requests()), 5, "one probe per 30 seconds")
		refusing(b, func(string) bool { return false }, 0)
		time.Sleep(5 * time.Minute)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Zero(t, depth.Waiting+depth.Buried)
	})
	virtual(t, "a CRM that answers nobody is not hammered, and waiting for it doesn't run the time to give up", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(lost(false))
		for i := range 50 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(4 * time.Hour) // an hour of attempts would be enough to give up
		assert.InDelta(t, 4*120, len(b.requests()), 20)
		b.will(status(200))
		time.Sleep(5 * time.Minute)
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Zero(t, depth.Waiting+depth.Buried)
	})
}

func TestPausedByAPerson(t *testing.T) {
	virtual(t, "nothing is sent until somebody resumes, over restarts", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.will(status(200))
		require.NoError(t, b.lane.Pause(t.Context(), "the CRM is being moved"))
		b.finish("a")
		time.Sleep(24 * time.Hour)
		require.Empty(t, b.requests())
		b.kill()
		b.start()
		reason, _, held := b.lane.Paused()
		assert.Equal(t, "the CRM is being moved", reason)
		assert.True(t, held)
		time.Sleep(time.Hour)
		require.Empty(t, b.requests())
		require.NoError(t, b.lane.Resume(t.Context()))
		assert.Len(t, b.requests(), 1)
		b.kill()
		b.start()
		reason, _, _ = b.lane.Paused()
		assert.Empty(t, reason)
	})
	virtual(t, "also if it is paused anew, and the disk is full in the middle of that", func(t *testing.T) {
		for room := range 3 { // so many commits go through
			b := newBench(t, recordMapping(t), nil)
			b.will(status(200))
			require.NoError(t, b.lane.Pause(t.Context(), "the CRM is being moved"))
			b.kill()
			d := &disturbed{next: func(commit func() (outbox.Result, error)) (outbox.Result, error) {
				if room--; room < 0 {
					return outbox.Result{}, outbox.ErrFull
				}
				return commit()
			}}
			b.wrap = func(s Store) Store { d.Store = s; return d }
			b.start()
			_ = b.lane.Pause(t.Context(), "and is still being moved")
			b.kill()
			b.wrap = nil
			b.start()
			_, _, held := b.lane.Paused()
			assert.True(t, held)
			require.NoError(t, b.lane.Resume(t.Context()))
			b.kill()
			b.start()
			_, _, held = b.lane.Paused()
			assert.False(t, held, "nothing of it is left")
			b.kill()
		}
	})
	virtual(t, "the brake holds the destination when too many calls would be logged at once", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "brake: 10/h\nsteps: [{name: log, path: /calls, repeat: safe}]"), func(d *Destination) { d.Concurrency = 4 })
		b.will(status(200))
		for i := range 30 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(24 * time.Hour)
		require.Len(t, b.requests(), 10)
		reason, _, held := b.lane.Paused()
		assert.True(t, held)
		assert.Contains(t, reason, "10 calls in 1h0m0s")
		b.kill()
		b.start()
		time.Sleep(time.Hour)
		require.Len(t, b.requests(), 10, "also over a restart")
		require.NoError(t, b.lane.Resume(t.Context()))
		time.Sleep(time.Minute)
		assert.Len(t, b.requests(), 20, "a person may say go on, for as many again")
	})
	virtual(t, "the brake counts a call once, however often it is sent: an outage is no reason to wait for a person", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "brake: 10/h\nsteps: [{name: log, path: /calls, repeat: safe}]"), func(d *Destination) { d.Concurrency = 4 })
		b.will(status(500))
		var refs []outbox.Ref
		for i := range 6 {
			refs = append(refs, b.finish(fmt.Sprint("call", i)))
		}
		time.Sleep(2 * time.Hour)
		b.will(status(200))
		time.Sleep(5 * time.Minute)
		reason, _, held := b.lane.Paused()
		assert.False(t, held, reason)
		for _, ref := range refs {
			assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		}
	})
}

func TestFreshCallsAreNotStuckBehindABacklog(t *testing.T) {
	virtual(t, "every other claim takes the freshest", func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		b.kill()
		store := b.open()
		for i := range 100 {
			b.finish(fmt.Sprint("old", i))
			time.Sleep(time.Second)
		}
		b.finish("fresh")
		require.NoError(t, store.Close())
		b.will(status(200))
		b.start()
		got := b.requests()
		require.Len(t, got, 101)
		assert.Contains(t, got[0]+got[1], "fresh:1")
	})
}

func TestAttemptsEndOnceAndForAll(t *testing.T) {
	virtual(t, "a call that a lookup skipped is looked at once for each revision", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}", not_found: skip_call}
  - {name: log, path: /calls, repeat: safe}`), nil)
		b.will(body(404, ``))
		ref := b.finish("a")
		require.Equal(t, connector.DeliverySkipped, b.delivery(ref).State)
		b.amend(ref)
		time.Sleep(time.Hour)
		assert.Equal(t, connector.DeliverySkipped, b.delivery(ref).State)
		assert.Len(t, b.steps(), 2)
	})
	virtual(t, "a lookup that finds nothing is no success: the waits grow, and it is given up in the end", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}"}
  - {name: log, path: /calls, repeat: safe}`), nil)
		b.will(func(context.Context) (*target.Answer, error) {
			if strings.Contains(b.last(), "/contact") {
				return &target.Answer{Status: 404}, nil
			}
			return &target.Answer{Status: 503}, nil
		})
		ref := b.finish("a")
		time.Sleep(3 * time.Hour)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDead, d.State)
		assert.Less(t, len(b.steps()), 200)
	})
	virtual(t, "a refusal doesn't undo that an earlier request may have got through", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "steps: [{name: log, path: /calls, repeat: 30s}]"), nil)
		b.will(lost(true), status(503))
		ref := b.finish("a")
		time.Sleep(time.Hour)
		assert.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
	})
	virtual(t, "a stop while a call waits for its turn leaves no doubt about it", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, "rate: 1/m\n"+neverTwice), func(d *Destination) { d.Concurrency = 2 })
		b.will(status(200))
		b.finish("a")
		require.Len(t, b.requests(), 1)
		ref := b.finish("b")
		b.requests()
		b.kill()
		b.start()
		time.Sleep(2 * time.Minute)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Len(t, b.requests(), 2)
	})
	virtual(t, "a probe that fails otherwise lets nothing else through", func(t *testing.T) {
		b := newBench(t, recordMapping(t), func(d *Destination) { d.Concurrency = 4 })
		b.will(status(401))
		for i := range 100 {
			b.finish(fmt.Sprint("call", i))
		}
		first := len(b.requests())
		b.will(status(503))
		time.Sleep(10 * time.Minute)
		assert.InDelta(t, 20, len(b.requests())-first, 3)
	})
	virtual(t, "one wrong password, not one for each worker", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `
session: {method: POST, path: /login, save: {token: "${response.body.token}"}}
each: {headers: {Token: "${session.token}"}}
steps: [{name: log, path: /calls}]`), func(d *Destination) { d.Concurrency = 8 })
		b.will(func(context.Context) (*target.Answer, error) {
			time.Sleep(time.Second)
			return &target.Answer{Status: 401}, nil
		})
		for i := range 8 {
			b.finish(fmt.Sprint("call", i))
		}
		time.Sleep(20 * time.Second)
		assert.Len(t, b.requests(), 1)
	})
}

func TestWhatHasBegunIsFinishedAsItBegan(t *testing.T) {
	const linked = `steps:
  - {name: log, path: /calls, repeat: safe, save: {log: "${response.body.id}"}}
  - {name: link, method: PUT, path: "/calls/${saved.log}/link"}
update:
  - {name: amend, method: PATCH, path: "/calls/${saved.log}"}`
	virtual(t, "a create that is half done stays with its revision, and the newer one is an update", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, linked), nil)
		b.will(body(200, `{"id":7}`), status(503), status(200))
		ref := b.finish("a")
		b.delivery(ref)
		b.amend(ref)
		time.Sleep(time.Minute)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State, d.Reason)
		assert.Equal(t, 2, d.Done)
		assert.Equal(t, []string{"POST /calls", "PUT /calls/7/link", "PUT /calls/7/link", "PATCH /calls/7"}, b.steps())
	})
	virtual(t, "also where it was dead in between", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, linked), nil)
		b.will(body(200, `{"id":7}`), status(400))
		ref := b.finish("a")
		b.delivery(ref)
		b.amend(ref)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDead, d.State)
		assert.Equal(t, 1, d.Sending)
	})
	virtual(t, "a step that the mapping has no more, and that may have been sent, is not sent under another name", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, ticketOnce), nil)
		b.will(body(200, `{"id":5}`), lost(true))
		ref := b.finish("a")
		b.delivery(ref)
		b.kill()
		b.options.Destination.Mapping = yamlMapping(t, strings.ReplaceAll(ticketOnce, "ticket", "create"))
		b.start()
		time.Sleep(time.Hour)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryParked, d.State)
		assert.Contains(t, d.Reason, "no step of that name")
		assert.Len(t, b.steps(), 2)
	})
}

// retry is what a person's retry does to a delivery that has ended.
func (b *bench) retry(ref outbox.Ref) {
	b.t.Helper()
	entry, err := b.store.Entry(b.t.Context(), ref)
	require.NoError(b.t, err)
	row := entry.Row("crm")
	d, err := connector.DecodeDelivery(row.Body)
	require.NoError(b.t, err)
	tasks, err := b.store.Tasks(b.t.Context(), "crm", true, outbox.Key{}, 10)
	require.NoError(b.t, err)
	require.Len(b.t, tasks, 1)
	d.Insist = d.State == connector.DeliveryParked
	d.Retried, d.State, d.Reason = true, connector.DeliveryWaiting, ""
	d.Succeed()
	body, err := d.Encode()
	require.NoError(b.t, err)
	require.NoError(b.t, b.store.Revive(b.t.Context(), tasks[0], time.Now(), outbox.Tx{Group: entry.Group,
		Put: []outbox.RowPut{{Ref: ref, Name: "crm", Prev: row.Version, Body: body}}}))
	synctest.Wait()
}

func TestRetriedByAPerson(t *testing.T) {
	virtual(t, "a parked call is sent once more, and parked again if that answer is lost, too", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, neverTwice), nil)
		b.will(lost(true), lost(true), status(200))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
		b.retry(ref)
		require.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
		require.Len(t, b.requests(), 2)
		b.retry(ref)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Len(t, b.requests(), 3)
	})
	virtual(t, "a parked call is looked for first where the mapping can", func(t *testing.T) {
		const looking = `steps:
  - {name: look, finds: log, method: GET, path: /look, found: "${response.body.items[0].id}"}
  - {name: log, path: /calls, save: {log: "${response.body.id}"}}`
		b := newBench(t, yamlMapping(t, neverTwice), nil)
		b.will(lost(true))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
		m, problems := mappings.Compile("crm.yaml", []byte(looking), mappings.Options{URL: "http://crm.test"})
		require.NoError(t, problems.Err())
		b.lane.SetMapping(m)
		b.will(body(200, `{"items":[{"id":7}]}`))
		b.retry(ref)
		d := b.delivery(ref)
		assert.Equal(t, connector.DeliveryDone, d.State)
		assert.Equal(t, []string{"POST /calls", "GET /look"}, b.steps())
		assert.Contains(t, string(d.Progress), `"log":7`)
	})
	virtual(t, "a step that the mapping has no more stands in nobody's way", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, neverTwice), nil)
		b.will(lost(true), status(200))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
		b.lane.SetMapping(yamlMapping(t, "steps: [{name: other, path: /others}]"))
		b.retry(ref)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State, b.delivery(ref).Reason)
	})
	virtual(t, "what may be done any number of times is done again, what may not is not", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}"}
  - {name: log, path: /calls, repeat: safe}
  - {name: fields, method: PUT, path: /fields}
  - {name: check, method: GET, path: /check, answers: {success: "${response.body.ok}"}}`), nil)
		b.will(body(200, `{"id":1,"ok":false}`))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryDead, b.delivery(ref).State)
		b.will(body(200, `{"id":1,"ok":true}`))
		b.retry(ref)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		assert.Equal(t, []string{"GET /contact", "POST /calls", "PUT /fields", "GET /check", "PUT /fields", "GET /check"}, b.steps())
	})
	virtual(t, "what has begun is seen through, though the mapping would not want it any more", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `skip_older_than: 4h
steps:
  - {name: contact, method: GET, path: /contact, found: "${response.body.id}", not_found: skip_call}
  - {name: log, method: PUT, path: /calls}
  - {name: note, path: /notes, answers: {success: "${response.body.ok}"}}`), nil)
		b.will(body(200, `{"id":1,"ok":false}`))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryDead, b.delivery(ref).State)
		time.Sleep(5 * time.Hour)
		for range 2 { // also if the retry comes to nothing
			b.retry(ref)
			require.Equal(t, connector.DeliveryDead, b.delivery(ref).State, b.delivery(ref).Reason)
		}
		b.will(body(200, `{"ok":true}`))
		b.retry(ref)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State, b.delivery(ref).Reason)
	})
	virtual(t, "that he insists is for the step in doubt, not for one that is done again before it", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps:
  - {name: fields, method: PUT, path: /fields}
  - {name: log, path: /calls, repeat: never}`), nil)
		b.will(status(200), lost(true), status(200))
		ref := b.finish("a")
		require.Equal(t, connector.DeliveryParked, b.delivery(ref).State)
		b.retry(ref)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State, b.delivery(ref).Reason)
		assert.Equal(t, []string{"PUT /fields", "POST /calls", "PUT /fields", "POST /calls"}, b.steps())
	})
}

func TestLag(t *testing.T) {
	virtual(t, "a search that trails behind is asked so long after what was sent last", func(t *testing.T) {
		b := newBench(t, yamlMapping(t, `steps:
  - {name: look, finds: log, lag: 5m, method: GET, path: /look, found: "${response.body.items[0].id}"}
  - {name: log, path: /calls, save: {log: "${response.body.id}"}}`), nil)
		b.will(lost(true), body(404, ``), lost(true), body(200, `{"items":[{"id":7}]}`))
		ref := b.finish("a")
		time.Sleep(time.Hour)
		assert.Equal(t, connector.DeliveryDone, b.delivery(ref).State)
		var at []string
		for _, r := range b.requests() {
			when, _, _ := strings.Cut(r, " ")
			at = append(at, when)
		}
		assert.Equal(t, []string{"0s", "300s", "300s", "600s"}, at, "the second is lost at 300 s")
		assert.Equal(t, []string{"POST /calls", "GET /look", "POST /calls", "GET /look"}, b.steps())
	})
}

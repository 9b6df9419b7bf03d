package bench

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// The events that make a whole call, as the dialer documents them.
const eventsOfCall = 6

// traffic makes events of calls that are all different.
type traffic struct {
	run  string // makes uuids of this run differ from those of others
	next atomic.Uint64
	// began is when the first call is, by the dialer's clock.
	began time.Time
}

func newTraffic(now time.Time) *traffic {
	return &traffic{run: fmt.Sprintf("%08x", uint32(now.UnixNano())), began: now} //nolint:gosec // any 32 bits will do
}

// uuid gives an identifier that looks as the dialer's do.
func (t *traffic) uuid(n uint64) string { return fmt.Sprintf("%s-6d52-4dc5-829c-%012x", t.run, n) }

// started is one event, of a call that is never finished: what accepting costs without anything else.
func (t *traffic) started() []byte {
	n := t.next.Add(1)
	return []byte(`{"info":"Phone calling","time":"` + stamp(t.began) + `","callphone":"812345613","callid":"104906","type":2,"uuid":"` +
		t.uuid(n) + `","state":1}`)
}

// turn is how far apart the calls of an agent are, and callTook how long one is, by the dialer's clock.
const (
	turn     = time.Minute
	callTook = 30 * time.Second
)

// agent is somebody who takes one call after the other.
type agent struct {
	name  string
	calls int
}

// call gives the events of a whole call of the agent, his being ready for it first and the end last, so that the call is
// finished with the last event.
func (t *traffic) call(a *agent) (uuid string, bodies [][]byte) {
	ready := t.began.Add(time.Duration(a.calls) * turn)
	a.calls++
	uuid = t.uuid(t.next.Add(1))
	about := `"callid":"104906","callphone":"812345613","uuid":"` + uuid + `",`
	by := `"agentid":"88e64026-d56b-4dc5-829c-` + a.name + `","sipid":"` + a.name + `","username":"` + a.name + `"`
	event := func(info string, after time.Duration, rest string) {
		bodies = append(bodies, []byte(`{"info":"`+info+`","time":"`+stamp(ready.Add(after))+`",`+rest+`}`))
	}
	event("Seats ready", 0, `"callid":"104906","type":1,"state":2,`+by)
	event("Phone calling", 5*time.Second, about+`"type":2,"state":1`)
	event("Phone answer", 10*time.Second, about+`"type":2,"state":3`)
	event("Phone answer", 10*time.Second+200*time.Millisecond, about+`"type":1,"state":3,`+by)
	event("Phone hungup", callTook, about+`"type":1,"state":4,`+by)
	event("Phone hungup", callTook, about+`"type":2,"state":4`)
	return uuid, bodies
}

// stamp is a time as the dialer writes it: microseconds.
func stamp(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

package simulate

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"wrapup/connector"
)

// event is something that happened. The dialer tells of it, or doesn't.
type event struct {
	kind    connector.Kind
	at      connector.Time
	call    *call
	agent   *agent
	session string
	// withheld: it happened, and was never sent.
	withheld bool
	// post is the index of the first post that tells of it.
	post int
}

// call is a call as it really was.
type call struct {
	uuid, phone              string
	created, answered, ended *event
	legs                     []*leg
	// waiting: answered, and no agent is free.
	waiting bool
}

// leg is an agent's part in a call.
type leg struct {
	agent        *agent
	joined, left *event
	// lost: the dialer has no word for how this part ended.
	lost bool
}

// has says that the agent had a part in the call.
func (c *call) has(a *agent, which func(*leg) bool) bool {
	return slices.ContainsFunc(c.legs, func(l *leg) bool { return l.agent == a && which(l) })
}

// agent is an agent as he really is.
type agent struct {
	username, sip, session string
	// readyAt is when he became ready, 0 while he isn't.
	readyAt connector.Time
	// events of his: ready, offline, joined.
	events []*event
}

// world is the call centre while it runs.
type world struct {
	options *Options
	rand    *rand.Rand
	now     connector.Time
	queue   agenda
	planned int // counts what was ever put into the queue

	calls   []*call
	agents  []*agent
	events  []*event
	idle    []*agent // the longest ready one first
	waiting []*call  // the longest waiting one first
	over    int      // calls that have ended
}

func newWorld(o *Options) *world {
	return &world{
		options: o, now: connector.TimeOf(o.Start),
		rand: rand.New(rand.NewPCG(o.Seed, 0x77726170)), //nolint:gosec // it has to be reproducible
	}
}

// plan is something that is going to happen.
type plan struct {
	at    connector.Time
	order int
	do    func()
}

// agenda is a heap of plans.
type agenda []plan

// Len implements heap.Interface.
func (a agenda) Len() int { return len(a) }

// Less implements heap.Interface.
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}

// Swap implements heap.Interface.
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements heap.Interface.
func (a *agenda) Push(x any) { *a = append(*a, x.(plan)) } //nolint:forcetypeassert // only plans are pushed

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	p := (*a)[last]
	*a = (*a)[:last]
	return p
}

// in plans to do something so many microseconds from now.
func (w *world) in(micros int64, do func()) {
	w.planned++
	heap.Push(&w.queue, plan{w.now + connector.Time(micros), w.planned, do})
}

// run lets the day pass, until every call is over and every agent has gone.
func (w *world) run() {
	for i := range w.options.agentsFor() {
		a := &agent{username: strconv.Itoa(6122300000 + i), sip: strconv.Itoa(1049000 + i), session: w.uuid()}
		w.agents = append(w.agents, a)
		w.in(w.between(0, 10*second), func() { w.ready(a) })
	}
	w.in(15*second, w.dial)
	for len(w.queue) > 0 {
		p := heap.Pop(&w.queue).(plan) //nolint:forcetypeassert // only plans are pushed
		w.now = p.at
		p.do()
	}
}

// closing says that every call is over.
func (w *world) closing() bool { return w.over == w.options.Calls }

// The dice.

func (w *world) chance(share float64) bool { return w.rand.Float64() < share }

// between draws evenly from [from, to].
func (w *world) between(from, to int64) int64 { return from + w.rand.Int64N(to-from+1) }

// about draws a duration of at least so much, on average so much more, and no more than the longest.
func (w *world) about(least, more, longest int64) int64 {
	return min(least+int64(w.rand.ExpFloat64()*float64(more)), longest)
}

// uuid gives one that looks random.
func (w *world) uuid() string {
	var u uuid.UUID
	for i := range 2 {
		for j, v := 0, w.rand.Uint64(); j < 8; j, v = j+1, v>>8 {
			u[8*i+j] = byte(v)
		}
	}
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

// phone gives a mobile number without its country code.
func (w *world) phone() string {
	return "81" + strconv.FormatInt(w.between(1_000_000, 999_999_999), 10)
}

// tell notes what happened. The stamp may be a little off now.
func (w *world) tell(e *event) *event {
	if e.agent != nil {
		e.session = e.agent.session
		if e.kind != connector.KindLeft {
			e.agent.events = append(e.agent.events, e)
		}
	}
	w.events = append(w.events, e)
	return e
}

func sqrt(f float64) float64 { return math.Sqrt(f) }

package simulate

import (
	"time"

	"wrapup/connector"
)

// Plan is what a dialer will post, and what has to come of it.
type Plan struct {
	// Posts in the order in which they are sent.
	Posts []Post
	// Expected are the records, in the order in which the calls were created, with Revision 0.
	Expected []connector.Record
	// Outcomes counts the records.
	Outcomes map[connector.Outcome]int
	// Events is how many were sent at least once, Repeats how many of the posts are repeats, Withheld how many events were
	// never sent.
	Events, Repeats, Withheld int
	// Unseen counts the calls of which nothing was sent: no record comes of them.
	Unseen int
	// Agents is how many there were.
	Agents int
	Needs  Needs
}

// Post is one request of the dialer.
type Post struct {
	// At is when it is sent, in real time from the beginning.
	At time.Duration
	// Body is an event as JSON.
	Body []byte
	// Repeat says that the same event was posted before.
	Repeat bool
	// After lists earlier posts, by their index, that must have been answered before this one is sent. It keeps what is
	// expected from depending on which of two requests is the quicker one.
	After []int
}

// Needs are the least times that the receiver must have, in real time, for the expectations to hold: a call that is given
// up earlier knows less of its agents.
type Needs struct {
	RingTimeout time.Duration `json:"ring_timeout"`
	MaxAge      time.Duration `json:"max_age"`
}

// Took is how long the plan takes to send.
func (p *Plan) Took() time.Duration {
	if len(p.Posts) == 0 {
		return 0
	}
	return p.Posts[len(p.Posts)-1].At
}

// Generate invents the traffic that the options ask for; they must pass [Options.Check].
func Generate(o Options) *Plan {
	w := newWorld(&o)
	w.run()
	w.withhold()
	p := &Plan{Outcomes: map[connector.Outcome]int{}, Agents: len(w.agents)}
	reads := make(map[*call][]*event, len(w.calls))
	for _, c := range w.calls {
		r := reader{call: c, options: &o, flags: map[connector.Flag]bool{}}
		if !r.read() {
			p.Unseen++
			continue
		}
		reads[c] = r.reads
		p.Expected = append(p.Expected, r.record)
		p.Outcomes[r.record.Outcome]++
	}
	w.arrange(p, reads)
	return p
}

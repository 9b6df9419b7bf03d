package connector

import (
	"slices"
	"time"
)

// A dialer can be set up so that half of its events are missing: then all goes on as if it were well, and every record is
// wrong. Without 1/3 each call that was answered looks abandoned. It shows in that one kind of event stays away while its
// counterpart comes again and again.

// pairing says that where events of kind By come, one of kind Of must come now and then.
type pairing struct{ Of, By Kind }

var pairings = []pairing{
	{KindJoined, KindAnswered}, {KindAnswered, KindJoined}, {KindLeft, KindJoined},
	{KindStarted, KindEnded}, {KindEnded, KindStarted}, {KindStarted, KindJoined}, {KindEnded, KindJoined},
}

// Unpaired is a kind of event that hasn't come since its counterpart came N times.
type Unpaired struct {
	Kind Kind `json:"kind"`
	By   Kind `json:"by"`
	N    int  `json:"n"`
	// Since is when the first of these came.
	Since Time `json:"since"`
}

// When a kind of event is missing: fewer of the other can be chance, or the beginning of a shift.
const (
	missingAfter = 30 * time.Minute
	missingOf    = 20
)

// Missing says that the kind can't be away by chance any more.
func (u *Unpaired) Missing(now time.Time) bool {
	return u.N >= missingOf && u.Since.Known() && now.Sub(u.Since.Time()) >= missingAfter
}

// Pairs watches over which kinds of event come, of one feed. The zero Pairs has seen nothing.
type Pairs struct {
	n     [7]int // by pairing
	since [7]Time
}

// See notes that an event of the kind came.
func (p *Pairs) See(k Kind, at Time) {
	for i, pair := range pairings {
		switch k {
		case pair.Of:
			p.n[i], p.since[i] = 0, 0
		case pair.By:
			if p.n[i]++; p.n[i] == 1 {
				p.since[i] = at
			}
		}
	}
}

// Unpaired gives each kind of event with the counterpart that most of came since. One that nothing speaks of has N 0.
func (p *Pairs) Unpaired() []Unpaired {
	var out []Unpaired
	for i, pair := range pairings {
		u := Unpaired{Kind: pair.Of, By: pair.By, N: p.n[i], Since: p.since[i]}
		at := slices.IndexFunc(out, func(o Unpaired) bool { return o.Kind == u.Kind })
		switch {
		case at < 0:
			out = append(out, u)
		case u.N > out[at].N:
			out[at] = u
		}
	}
	return out
}

// clockSamples is how many of the latest events tell how the dialer's clock goes.
const clockSamples = 31

// clockFew is how many it takes to tell anything.
const clockFew = 10

// ClockDifference is by how much a dialer's clock is behind ours, told by the latest events. A single stamp that is wrong, or
// an event that was long on its way, changes nothing. The zero ClockDifference knows nothing.
type ClockDifference struct {
	samples [clockSamples]Span
	next    int
}

// See notes an event of that stamp that came at the given time by our clock.
func (c *ClockDifference) See(stamp, came Time) {
	c.samples[c.next] = came.Sub(stamp)
	c.next = (c.next + 1) % clockSamples
}

// Span gives the median of the differences: by how much the dialer's clock is behind, the way of the events included;
// negative if it is ahead, unknown as long as only a few events have come.
func (c *ClockDifference) Span() Span {
	known := make([]Span, 0, clockSamples)
	for _, s := range c.samples {
		if s.Known {
			known = append(known, s)
		}
	}
	if len(known) < clockFew {
		return Span{}
	}
	slices.SortFunc(known, func(a, b Span) int { return int(max(-1, min(1, a.Micros-b.Micros))) })
	return known[len(known)/2]
}

// MaxClockDifference is how far the dialer's clock may be from ours before somebody should know: agents and customers see
// the dialer's stamps in the CRM.
const MaxClockDifference = time.Minute

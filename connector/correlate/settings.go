package correlate

import "time"

// Settings are the rules' numbers.
type Settings struct {
	// Settle is how long after its newest event a call that has ended is finished: the time that stragglers get.
	Settle time.Duration
	// RingTimeout is the same for a call of which nothing but its creation is known.
	RingTimeout time.Duration
	// MaxAge is the same for a call whose end never comes.
	MaxAge time.Duration
	// LateWindow is how long after its first finish an event still amends a call.
	LateWindow time.Duration
	// LateConnectAfter is how long a customer may wait for an agent before the call counts as connected late.
	LateConnectAfter time.Duration
	// Owner says which agent owns a call that had several.
	Owner Owner
	// Queues by access number, and what holds for those that aren't listed.
	Queues       map[string]Queue
	DefaultQueue Queue
}

// Owner says which of a call's agents owns it.
type Owner string

// The owners.
const (
	OwnerLast  Owner = "last"  // the last who joined
	OwnerFirst Owner = "first" // the first who joined
)

// Queue is what is known of an access number.
type Queue struct {
	Name   string
	Region string // ISO 3166 country whose numbers the queue dials without a country code; may be empty
}

// DefaultSettings are the defaults of the configuration.
func DefaultSettings() Settings {
	return Settings{
		Settle: 10 * time.Second, RingTimeout: 10 * time.Minute, MaxAge: 4 * time.Hour, LateWindow: 72 * time.Hour,
		LateConnectAfter: 2 * time.Second, Owner: OwnerLast,
	}
}

// WithoutEnd is how long after their newest event at least events wait for others, as long as none of them ends the call:
// whether they make a new call or come late to one that was finished before.
func (s *Settings) WithoutEnd() time.Duration { return min(s.Settle, s.RingTimeout, s.MaxAge) }

// queue gives what is known of the queue.
func (s *Settings) queue(id string) Queue {
	if q, ok := s.Queues[id]; ok {
		return q
	}
	return s.DefaultQueue
}

// reuseAfter is how long after a call's end a new creation under its uuid is another call, not a repeat.
const reuseAfter = 60 * time.Second

// hangupsTogether is how far apart the agent's and the call's end may be for the call to be finished at once: a larger
// gap means that something may still be coming.
const hangupsTogether = 2 * time.Second

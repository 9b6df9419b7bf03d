package connector

import "slices"

// The names of the counters that are kept by day of finish, in the commits that they count.

// CountFinished names the counter of the calls that were finished while the destination was configured. It equals the sum
// of the destination's CountState over all states.
func CountFinished(destination string) string { return "delivery/" + destination + "/finished" }

// CountState names the counter of a destination's deliveries in a state.
func CountState(destination string, s DeliveryState) string {
	return "delivery/" + destination + "/" + string(s)
}

// CountUpdates names the counter of the updates that a destination was to get: the revisions after the first of the calls
// in CountFinished. It equals the sum of the destination's CountUpdate over all states.
func CountUpdates(destination string) string { return "update/" + destination + "/finished" }

// CountUpdate names the counter of a destination's updates in a state: those that have reached it are done, whether each
// was sent by itself or a later one in its stead; the others are in the state of the delivery.
func CountUpdate(destination string, s DeliveryState) string {
	return "update/" + destination + "/" + string(s)
}

// Standing is how a delivery is counted. The zero Standing is that of none.
type Standing struct {
	State DeliveryState
	// Updated and Open are the updates that have reached the destination, and those that have not.
	Updated, Open int64
}

// Standing gives how the delivery is counted.
func (d *Delivery) Standing() Standing {
	done := max(d.Done, 1) // whether the first revision is there the state says: it is no update
	return Standing{State: d.State, Updated: int64(done - 1), Open: int64(max(d.Wanted-done, 0))}
}

// Count moves a counter.
type Count struct {
	Name string
	N    int64
}

// CountMove says which counters move when a delivery to the destination gets another standing.
func CountMove(destination string, from, to Standing) []Count {
	var moves []Count
	add := func(name string, n int64) {
		if n == 0 {
			return
		}
		for i := range moves {
			if moves[i].Name == name {
				moves[i].N += n
				return
			}
		}
		moves = append(moves, Count{name, n})
	}
	for _, of := range []struct {
		Standing
		n int64
	}{{from, -1}, {to, 1}} {
		if of.State == "" {
			continue
		}
		add(CountFinished(destination), of.n)
		add(CountState(destination, of.State), of.n)
		add(CountUpdates(destination), of.n*(of.Updated+of.Open))
		add(CountUpdate(destination, DeliveryDone), of.n*of.Updated)
		add(CountUpdate(destination, of.State), of.n*of.Open)
	}
	return slices.DeleteFunc(moves, func(c Count) bool { return c.N == 0 })
}

// Counters of all calls.
const (
	CountCalls     = "calls/finished" // calls that were finished
	CountRevisions = "calls/amended"  // revisions after the first
	CountLate      = "events/late"    // events that came too late to change anything
)

// QueueCount is something that is counted of a queue's calls.
type QueueCount string

// What is counted of a queue's calls.
const (
	QueueOffered    QueueCount = "offered"    // calls that were made
	QueueAnswered   QueueCount = "answered"   // somebody, or a machine, answered
	QueueConnected  QueueCount = "connected"  // an agent was on the call
	QueueAbandoned  QueueCount = "abandoned"  // answered, and no agent was on the call
	QueueLate       QueueCount = "late"       // connected, but the customer waited too long
	QueueShortRings QueueCount = "short_ring" // not answered, and rang for less than 15 seconds
)

// QueueCounts lists them.
func QueueCounts() []QueueCount {
	return []QueueCount{QueueOffered, QueueAnswered, QueueConnected, QueueAbandoned, QueueLate, QueueShortRings}
}

const countQueue = "queue/"

// CountQueue names the counter of a queue.
func CountQueue(queue string, c QueueCount) string { return countQueue + string(c) + "/" + queue }

// ParseCountQueue reads what CountQueue gives.
func ParseCountQueue(name string) (queue string, c QueueCount, ok bool) {
	for _, c := range QueueCounts() {
		prefix := CountQueue("", c)
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			return name[len(prefix):], c, true
		}
	}
	return "", "", false
}

// shortRing is how long an unanswered call must have rung at least, by the US Telemarketing Sales Rule (16 CFR 310.4).
const shortRing = 15_000_000

// Counts says as what the call counts for its queue.
func (r *Record) Counts() []QueueCount {
	counts := []QueueCount{QueueOffered}
	switch r.Outcome {
	case OutcomeConnected:
		counts = append(counts, QueueAnswered, QueueConnected)
		if r.LateConnect != nil && *r.LateConnect {
			counts = append(counts, QueueLate)
		}
	case OutcomeAbandoned:
		counts = append(counts, QueueAnswered, QueueAbandoned)
	case OutcomeUnknown:
	default:
		if r.RingSeconds.Known && r.RingSeconds.Micros < shortRing {
			counts = append(counts, QueueShortRings)
		}
	}
	return counts
}

// CountAnswersDropped is set on a day once the requests and answers of its deliveries that are over were dropped.
const CountAnswersDropped = "retention/answers"

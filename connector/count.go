package connector

// The names of the counters that are kept by day of finish, in the commits that they count.

// CountFinished names the counter of the calls that were finished while the destination was configured. It equals the sum
// of the destination's CountState over all states.
func CountFinished(destination string) string { return "delivery/" + destination + "/finished" }

// CountState names the counter of a destination's deliveries in a state.
func CountState(destination string, s DeliveryState) string {
	return "delivery/" + destination + "/" + string(s)
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

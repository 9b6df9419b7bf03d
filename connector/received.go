package connector

// ReceivedResult is what became of something that was posted.
type ReceivedResult string

// The results.
const (
	ReceivedNew         ReceivedResult = "new"         // an event that is stored now
	ReceivedRepeat      ReceivedResult = "repeat"      // an event that was stored before
	ReceivedQuarantined ReceivedResult = "quarantined" // it was not understood, and is kept
	ReceivedRefused     ReceivedResult = "refused"     // it was not let in, or not read
	ReceivedLost        ReceivedResult = "lost"        // it could not be stored
)

// Received is an event, or a post that is none, as those are told who watch what comes in. Long texts are cut.
type Received struct {
	// Serial grows by one with each; a daemon begins anew with 1.
	Serial uint64 `json:"serial"`
	// At is when it came, by wrapup's clock.
	At     Time           `json:"at"`
	Result ReceivedResult `json:"result"`
	// Source is the name of the feed, as far as it is known.
	Source string `json:"source,omitempty"`
	// The event's own, as in Event; empty where nothing was understood.
	Kind     Kind   `json:"kind,omitempty"`
	Code     string `json:"code,omitempty"`
	UUID     string `json:"uuid,omitempty"`
	Time     Time   `json:"time,omitzero"`
	Queue    string `json:"queue,omitempty"`
	Phone    string `json:"phone,omitempty"`
	Username string `json:"username,omitempty"`
	SIPID    string `json:"sip_id,omitempty"`
	AgentID  string `json:"agent_id,omitempty"`
	// Sender and Reason of what was refused, quarantined or lost. More is how many that were refused before are not told of,
	// because there were too many.
	Sender string `json:"sender,omitempty"`
	Reason string `json:"reason,omitempty"`
	More   int64  `json:"more,omitempty"`
}

// MaskPhone gives a number of which the last three digits can be read.
func MaskPhone(number string) string {
	const shown = 3
	masked, digits := []byte(number), 0
	for i := len(masked) - 1; i >= 0; i-- {
		if masked[i] >= '0' && masked[i] <= '9' {
			if digits++; digits > shown {
				masked[i] = '*'
			}
		}
	}
	if digits <= shown { // too short to show any of it
		for i := range masked {
			masked[i] = '*'
		}
	}
	return string(masked)
}

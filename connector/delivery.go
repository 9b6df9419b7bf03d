package connector

import (
	"encoding/json"
	"fmt"
)

// DeliveryState is where the delivery of a call to a destination stands.
type DeliveryState string

// The states. Each (call, destination) pair is in exactly one of them.
const (
	DeliveryWaiting DeliveryState = "waiting" // to be sent, or to be sent again
	DeliveryDone    DeliveryState = "done"    // delivered
	DeliverySkipped DeliveryState = "skipped" // a condition of the mapping or the destination said no
	DeliveryDead    DeliveryState = "dead"    // refused for good: a person has to look
	DeliveryParked  DeliveryState = "parked"  // maybe delivered: the answer was lost, and a repeat could log the call twice
	DeliveryDropped DeliveryState = "dropped" // given up by a person
	DeliveryErased  DeliveryState = "erased"  // the customer's number was erased
)

// Delivery is what is kept of one call for one destination.
type Delivery struct {
	State DeliveryState `json:"state"`
	// Since is since when it has been waiting, where that isn't since the call was finished: a backfill, a later revision or a
	// person put it into the queue.
	Since Time `json:"since,omitempty"`
	// Wanted is the newest revision there is to deliver, Done the last one that was delivered in full.
	Wanted int `json:"wanted"`
	Done   int `json:"done,omitempty"`
	// Sending is the revision that a first attempt froze, until it is done or dead; 0 if none is under way.
	Sending int `json:"sending,omitempty"`
	// Progress is the mapping's: steps done, values saved.
	Progress json.RawMessage `json:"progress,omitempty"`
	// Unsure names the steps of which nobody knows whether their request got through. A step that must not be sent twice is
	// put in before its request and taken out with its answer.
	Unsure map[string]Doubt `json:"unsure,omitempty"`
	// Sure says until when nothing was sent that isn't noted here, though the store was put back from a backup at that time: it
	// was looked for and wasn't there, or a person had it sent all the same. 0 says nothing.
	Sure Time `json:"sure,omitempty"`
	// Begun says that something of the revision under way was created, should Progress not say so any more.
	Begun bool `json:"begun,omitempty"`
	// Retried says that a person had it tried again, until it comes to another end, and Redone that what may be done any
	// number of times was put back for that. Insist says that he wants a step sent even though it may have been done; it is
	// for one sending.
	Retried bool `json:"retried,omitempty"`
	Redone  bool `json:"redone,omitempty"`
	Insist  bool `json:"insist,omitempty"`
	// Held says since when the mapping has been holding the call for the sake of each thing that it waits for: a lookup, a
	// table. It stays until the revision is done: what was waited for in vain is not waited for again when a later step is
	// retried.
	Held map[string]Time `json:"held,omitempty"`
	// Failed counts the attempts that failed since the last success; LastFailed is when the last of them did.
	Failed     int  `json:"failed,omitempty"`
	LastFailed Time `json:"last_failed,omitempty"`
	// Tried is for how long it has been tried in vain, in microseconds: the time between attempts, as far as attempts were
	// possible in it.
	Tried int64 `json:"tried,omitempty"`
	// RefusedAt is when it was last refused in a way (401, 403, 404, 410) of which it isn't clear whose fault it is, and at which
	// step; 0 if it wasn't.
	RefusedAt   Time   `json:"refused_at,omitempty"`
	RefusedStep string `json:"refused_step,omitempty"`
	// Next is when it is tried again.
	Next Time `json:"next,omitempty"`
	// Reason of the state, in words.
	Reason string `json:"reason,omitempty"`
	// Mapping that decided last what becomes of it, as in Attempt.
	Mapping string `json:"mapping,omitempty"`
	// Attempts made, oldest first: the first and the latest of them where there were many; Dropped counts those between.
	Attempts []Attempt `json:"attempts,omitempty"`
	Dropped  int       `json:"dropped,omitempty"`
}

// Doubt is of a step whose answer isn't known: when it was about to be sent for the first time, and until when its last
// request may have been under way.
type Doubt struct {
	Since Time `json:"since"`
	Last  Time `json:"last"`
}

// Attempt is one request and what became of it.
type Attempt struct {
	At       Time   `json:"at"`
	Revision int    `json:"revision"`
	Step     string `json:"step"`
	Method   string `json:"method"`
	URL      string `json:"url"`
	// Mapping that the request was made by: its name and a part of its file's checksum, such as "desk@1f0c22aa".
	Mapping string `json:"mapping,omitempty"`
	// Status of the answer, 0 if there was none.
	Status int `json:"status,omitempty"`
	// Verdict on it: "done", "retry", "dead", "maybe delivered".
	Verdict string `json:"verdict"`
	// Warning that came with a success.
	Warning string `json:"warning,omitempty"`
	// Duplicate says that it was there already, by the destination's own word.
	Duplicate bool `json:"duplicate,omitempty"`
	// Error in words: the CRM's own sentence where there is one.
	Error string `json:"error,omitempty"`
	// Request and Answer are the bodies, cut short; kept where the attempt failed.
	Request string `json:"request,omitempty"`
	Answer  string `json:"answer,omitempty"`
	Took    Span   `json:"took"`
}

// Fail notes a failed attempt. What passed since the one before counts as tried up to the delay that was planned and the
// slack: not the time in which nobody was there to try.
func (d *Delivery) Fail(now Time, slack int64) {
	if d.Failed > 0 {
		d.Tried += max(0, min(int64(now-d.LastFailed), int64(d.Next-d.LastFailed)+slack))
	}
	d.Failed++
	d.LastFailed = now
}

// Idle notes a time in which no attempt was possible: it doesn't count as tried.
func (d *Delivery) Idle(now Time) {
	if d.Failed > 0 {
		d.LastFailed = now
	}
}

// Succeed forgets failures.
func (d *Delivery) Succeed() { d.Failed, d.LastFailed, d.Tried = 0, 0, 0 }

// KeptFirst is how many of the first attempts are kept with a delivery: they tell how it began, the last ones how it is.
const (
	KeptFirst = 2
	keptLast  = 8
)

// Note adds an attempt.
func (d *Delivery) Note(a Attempt) {
	d.Attempts = append(d.Attempts, a)
	if over := len(d.Attempts) - KeptFirst - keptLast; over > 0 {
		d.Attempts = append(d.Attempts[:KeptFirst], d.Attempts[KeptFirst+over:]...)
		d.Dropped += over
	}
}

// Encode gives the stored form.
func (d *Delivery) Encode() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("a delivery can't be stored: %w", err)
	}
	return b, nil
}

// DecodeDelivery reads what Encode wrote.
func DecodeDelivery(body []byte) (*Delivery, error) {
	d := new(Delivery)
	if err := json.Unmarshal(body, d); err != nil {
		return nil, fmt.Errorf("a stored delivery can't be read: %w", err)
	}
	return d, nil
}

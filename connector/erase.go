package connector

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Erased says that a person had a phone number erased. What is left of the call is what keeps it from coming back (the
// stamps of its events, by which repeats and stragglers are known) and what the counters have counted.
type Erased struct {
	At Time `json:"at"`
	// Numbers are hashes of the numbers that were erased, by [HashNumber]: whoever has a number can ask whether it was
	// erased, and the store doesn't name it.
	Numbers []string `json:"numbers"`
}

// ErasureGroup is the store's group of the keys that erased numbers are hashed with.
const ErasureGroup = "erasure"

// HashNumber gives the hash of a number in E.164, or of its digits where that isn't known. There are few phone numbers: the
// hash hides a number only from those who don't have the key.
func HashNumber(key []byte, number string) string {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(Digits(number))) // a hash doesn't fail
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// Erase takes out of the call what tells of the customer: his number in all forms, and what may hold it or lead to him.
func (c *Call) Erase(at Time, hashes []string) {
	last := c.Revisions[len(c.Revisions)-1]
	r := &last.Record
	r.Phone, r.PhoneE164, r.CountryCode, r.DisplayedNumber = "", "", "", ""
	r.RecordingURL, r.OrderID, r.Disposition = "", "", ""
	c.Revisions = []Revision{last}
	for _, events := range [][]Arrival{c.Events, c.Late} {
		for i := range events {
			events[i].erase()
		}
	}
	for i := range c.Timeline {
		c.Timeline[i].erase()
	}
	if c.Erased == nil {
		c.Erased = &Erased{At: at}
	}
	for _, h := range hashes {
		if !slices.Contains(c.Erased.Numbers, h) {
			c.Erased.Numbers = append(c.Erased.Numbers, h)
		}
	}
}

func (e *Event) erase() { e.Phone, e.Info, e.Extra = "", "", nil }

// Bare gives the event without what an agent's timeline has no use for: the customer's number, and what may hold it.
func (e *Event) Bare() Event {
	b := *e
	b.erase()
	return b
}

// Erase takes out of the delivery all but how it is counted. In the destination the call stays as it is.
func (d *Delivery) Erase(at Time) {
	reason := fmt.Sprintf("erased by a person at %s (it was %s)", at, d.State)
	*d = Delivery{State: DeliveryErased, Wanted: d.Wanted, Done: d.Done, Reason: reason}
}

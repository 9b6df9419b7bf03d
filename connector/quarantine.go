package connector

// QuarantineGroup is the store's group of what was let in and could not be understood.
const QuarantineGroup = "quarantine"

// Quarantined is what was posted by somebody who may post, and could not be understood. The same bytes for the same
// source are kept once, with a count.
type Quarantined struct {
	// ID names it: it is made of the source and the bytes.
	ID string `json:"id"`
	// Source that it was posted to, and Sender, the address that it came from first.
	Source string `json:"source"`
	Sender string `json:"sender"`
	// Reasons say what was wrong with it, in the words of the parser that read it first. They hold no whole phone number.
	Reasons []string `json:"reasons"`
	// Count is how often it was posted, First and Last when.
	Count int64 `json:"count"`
	First Time  `json:"first"`
	Last  Time  `json:"last"`
	// Size of the body, in bytes.
	Size int `json:"size"`
	// Body as it was posted, or the events of it that were not understood, one after the other. Lists leave it out.
	Body []byte `json:"body,omitempty"`
}

// QuarantineQuery says which ones are meant, and how many of them.
type QuarantineQuery struct {
	// IDs that are meant; empty is all.
	IDs []string `json:"ids,omitempty"`
	// Source, and a part of a reason, whatever its case; empty is any.
	Source string `json:"source,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Since and Until bound when it came last: Since included, Until not. 0 is any.
	Since Time `json:"since,omitempty"`
	Until Time `json:"until,omitempty"`
	// After is the ID that the list goes on after; Limit is how many to give, 0 all.
	After string `json:"after,omitempty"`
	Limit int    `json:"limit,omitempty"`
}

// QuarantinePage is a part of the list, oldest first.
type QuarantinePage struct {
	Quarantined []Quarantined `json:"quarantined"`
	// Next is the After of the next page, "" if there is none.
	Next string `json:"next,omitempty"`
	// Kept is how many there are in all, Bytes what they take of the room, which is Room.
	Kept  int   `json:"kept"`
	Bytes int64 `json:"bytes"`
	Room  int64 `json:"room"`
	// Refused counts what there was no room for since the daemon was started: each may be a lost event. LastRefused is when
	// that was last.
	Refused     int64 `json:"refused"`
	LastRefused Time  `json:"last_refused"`
}

// QuarantineChange tells what became of one of them.
type QuarantineChange struct {
	ID   string `json:"id"`
	Done bool   `json:"done"`
	// Stored and Repeated count the events of it that were understood now.
	Stored   int `json:"stored"`
	Repeated int `json:"repeated"`
	// Note says why it is still there, or what else there is to know.
	Note string `json:"note,omitempty"`
}

// The counters of the quarantine, by day: kept (the first of its bytes), taken out because it was understood, dropped by a
// person, and dropped because it was too old.
const (
	CountQuarantined       = "quarantine/kept"
	CountQuarantineRead    = "quarantine/understood"
	CountQuarantineDropped = "quarantine/dropped"
	CountQuarantineExpired = "quarantine/expired"
)

package connector

// FeedStatus is how a feed of the dialer is doing, since the daemon was started.
type FeedStatus struct {
	// Source is the feed's name.
	Source string `json:"source"`
	// Posts that were let in.
	Posts int64 `json:"posts"`
	// Stored events were new, Repeated ones were there already.
	Stored   int64 `json:"stored"`
	Repeated int64 `json:"repeated"`
	// NotUnderstood counts the posts that were let in and could not be understood, at least in part; Lost those of which
	// nothing or not everything could be kept.
	NotUnderstood int64 `json:"not_understood"`
	Lost          int64 `json:"lost"`
	// Last is when a post was let in last, LastEvent when one was that had an event that was understood.
	Last      Time `json:"last"`
	LastEvent Time `json:"last_event"`
	// Behind is by how much the dialer's clock is behind ours, negative if it is ahead.
	Behind Span `json:"clock_behind_seconds"`
	// SilentSince is since when nothing came although it was expected, 0 if that is as it should be.
	SilentSince Time `json:"silent_since"`
	// Unpaired tells of each kind of event that another one can't be without how many of those came since it came last.
	Unpaired []Unpaired `json:"unpaired,omitempty"`
}

// ReasonNotUnderstood is why a post is refused that was let in, and is in quarantine then.
const ReasonNotUnderstood = "not understood"

// RefusedPosts are posts of one sender that were refused for one reason.
type RefusedPosts struct {
	// Sender is an address, or a network of IPv6 (a /64 is one sender); empty for all those that there was no room for.
	Sender string `json:"sender"`
	// Source that they were for, as far as that is known.
	Source string `json:"source,omitempty"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
	First  Time   `json:"first"`
	Last   Time   `json:"last"`
}

// IntakeStatus is what the intake has seen since the daemon was started.
type IntakeStatus struct {
	Since   Time           `json:"since"`
	Feeds   []FeedStatus   `json:"feeds"`
	Refused []RefusedPosts `json:"refused"`
	// Connections are open now, Strangers those of them that have shown no right to post yet. Most is how many there may be.
	Connections int `json:"connections"`
	Strangers   int `json:"strangers"`
	Most        int `json:"most"`
}

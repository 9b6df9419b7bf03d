package outbox

import "time"

// Need is the task that a row needs.
type Need int

// What a row may need.
const (
	NeedUnknown Need = iota // the row can't be understood
	NeedNone                // it is over: nothing may be done about it again
	NeedDue                 // a task that is due
	NeedBuried              // a task that is buried
	NeedLeft                // it is over, and a task may be left of it: who takes it ends it
)

// Meaning knows what the bodies in a store mean, as far as it takes to check them against each other and to salvage a
// damaged store. A store that is given none leaves that out.
//
// A row's task is in the queue of the row's name.
type Meaning interface {
	// Day gives the day that an entry is kept under.
	Day(e *Entry) (Day, bool)
	// Need says which task the row needs, and since when it is due or buried; the zero time is at once.
	Need(row Row) (Need, time.Time)
	// Park gives the body of a row for something that may or may not have been done, so that nothing is done about it until a
	// person decides; its need is NeedBuried, or it is over. The row's Body is the last version there is of it, nil if there is
	// none. Of an entry that has no rows the body is nil.
	Park(e *Entry, row Row, now time.Time) (body []byte, err error)
	// Counts gives the counters that follow from an entry and its rows, Counted says whether a counter is one of these.
	Counts(e *Entry) map[string]int64
	Counted(name string) bool
	// Labels gives the labels that follow from an entry and its rows; only says that it may have no others.
	Labels(e *Entry) (names []string, only bool)
	// Settle changes the bodies of an entry and its rows, versions of which may be lost, where one of them says of the others
	// what they must be by now.
	Settle(e *Entry, now time.Time)
	// Doubt gives an item that says of an open group that it may have become an entry before; false if that is no matter.
	Doubt(group string) (Item, bool)
}

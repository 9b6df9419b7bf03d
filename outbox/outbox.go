// Package outbox is the contract of wrapup's durable store, and the retry schedule.
//
// The store knows nothing of calls. It keeps
//
//   - open groups: sets of immutable items that are still being collected (the events of a call, an agent's timeline);
//   - history: entries, each kept under the UTC day it was created on and found by the group it came from, with rows
//     beside it (one for each destination: what was sent, what came back);
//   - tasks: per queue, ordered by the time they are due, each pointing at an entry;
//   - counters, per day.
//
// Everything that belongs together is one [Tx], and a Tx is applied whole or not at all. Bodies are opaque.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Store is a durable store. All methods are safe for concurrent use.
//
// Commit, Settle and Revive give nil only when the change is durable (on disk and synced). Of their errors, ErrConflict,
// ErrFull and ErrInvalid mean that nothing was changed. Any other error means that the outcome is unknown: the same call
// may be repeated, as often as needed, and takes effect once. (A Tx with nothing in Add, Entry and Put has nothing to be
// recognised by: in a Commit, each time counts.) After an error that wraps ErrBroken the store refuses everything until it
// has been opened anew.
type Store interface {
	// Commit applies the Tx.
	Commit(ctx context.Context, tx Tx) (Result, error)

	// Claim hands out at most limit tasks of the queue that are due at now and not handed out already, in the given order.
	// A task stays handed out until Settle or Release, or until the process ends: tasks are done at least once.
	// next is when the earliest task that was not due will be: the zero time if there is none.
	Claim(ctx context.Context, queue string, now time.Time, limit int, order Order) (tasks []Task, next time.Time, err error)

	// Settle ends a claim, together with the Tx. If the Tx conflicts, the claim goes on. A task that has left its place in
	// the queue was settled before: then nothing is changed, and it is ErrConflict if the Tx has anything new in it.
	Settle(ctx context.Context, task Task, outcome Outcome, tx Tx) error

	// Release gives a claimed task back as it was.
	Release(task Task)

	// Ready gets a token whenever a task has become part of the queue. It is never closed. There is one channel for a queue.
	Ready(queue string) <-chan struct{}

	// Tasks lists the queue's tasks by the time they are due (buried ones: by the time they were buried), from the one
	// after the given key on, at most limit.
	Tasks(ctx context.Context, queue string, buried bool, after Key, limit int) ([]Task, error)

	// LastBuried gives the task of the queue that was buried at the latest time; false if none is buried. It costs the same
	// however many are.
	LastBuried(ctx context.Context, queue string) (task Task, ok bool, err error)

	// Hasten makes those tasks of the queue due at the given time that would be due only after beyond, and says how many
	// there were; due is not after beyond, or it is ErrInvalid. They keep their order. Claimed ones stay as they are. It
	// looks at no others, however many wait. It is not atomic: after an error some may be due, and a repeat takes the rest.
	Hasten(ctx context.Context, queue string, beyond, due time.Time) (n int, err error)

	// Revive makes a buried task due at the given time, together with the Tx. Of one that is no longer buried there, the same
	// is true as of a settled task.
	Revive(ctx context.Context, buried Task, due time.Time, tx Tx) error

	// Depth counts a queue.
	Depth(ctx context.Context, queue string) (Depth, error)

	// Queues names the queues that hold tasks, due or buried.
	Queues(ctx context.Context) ([]string, error)

	// Open calls f for each open group with its items in the order in which they were committed; it is meant for the
	// start, before anything else is committed. An error from f ends it and is returned. Damaged items are left out, and
	// reported after all others were given, in an error that wraps ErrDamaged: log it, and go on.
	Open(ctx context.Context, f func(group string, items []Item) error) error

	// Entries gives the entries made of the group, oldest first, each with its rows. There may be none.
	Entries(ctx context.Context, group string) ([]Entry, error)

	// Entry gives one entry with its rows; ErrNotFound if it is not (or no longer) there.
	Entry(ctx context.Context, ref Ref) (Entry, error)

	// Days names the days that entries or counters are kept of, oldest first.
	Days(ctx context.Context) ([]Day, error)

	// Walk gives entries of a day in the order in which they were created, each with its rows, from the one after the given
	// Seq on, at most limit; fewer mean that there are no more. Damaged ones are left out and reported in an error that wraps
	// ErrDamaged; the entries beside it are good. Between two calls anything may change: a walk is no snapshot.
	Walk(ctx context.Context, day Day, after uint64, limit int) ([]Entry, error)

	// WalkBack is Walk from the newest entry on: those before the given Seq, the newest first; 0 begins at the end.
	WalkBack(ctx context.Context, day Day, before uint64, limit int) ([]Entry, error)

	// Labeled gives the entries that have the label, the newest first, at most limit. unlabeled are entries, at most one of a
	// day, that were created before the store kept labels: it and those before it of its day may be meant, and only Walk
	// finds them.
	Labeled(ctx context.Context, label string, limit int) (refs, unlabeled []Ref, err error)

	// Groups names groups of the history whose names begin so, in no order, each once, at most limit.
	Groups(ctx context.Context, prefix string, limit int) ([]string, error)

	// Counts gives the counters of a day.
	Counts(ctx context.Context, day Day) (map[string]int64, error)

	// Expire drops what is kept of days before the given one: their entries, rows and counters, and the buried tasks that are
	// about these entries. A day of which a task waits is kept whole. A day is gone at once, for everybody; what it held is
	// deleted little by little, so that nobody has to wait: a call deletes about limit things, and More says that there is
	// more to do. Call it again then; nothing is lost if a process ends between.
	Expire(ctx context.Context, before Day, limit int) (Expired, error)

	// Dropped gives the newest day that Expire has dropped so far, false if there is none: what isn't found may have been kept
	// of it or of a day before.
	Dropped(ctx context.Context) (newest Day, ok bool, err error)

	// Close waits for what is under way and closes the store.
	Close() error
}

// Errors of a Store.
var (
	// ErrConflict: an entry or a row has another version than the Tx expects. Nothing was changed: read again, decide anew.
	ErrConflict = errors.New("changed by somebody else in the meantime")
	// ErrFull: there is no room. Nothing was changed.
	ErrFull = errors.New("the store is full")
	// ErrReadOnly: nothing can be written to the disk. It is an ErrFull, too: nothing was changed, and once it can be the store
	// goes on.
	ErrReadOnly error = readOnly{}
	// ErrInvalid: no store will ever accept this Tx; the error says why. Nothing was changed, and a repeat is of no use.
	ErrInvalid = errors.New("invalid")
	// ErrDamaged: a stored value is not what was written. The error says where it stands; the others can still be read.
	ErrDamaged = errors.New("stored data is damaged")
	// ErrNotFound: no such entry.
	ErrNotFound = errors.New("not found")
	// ErrBroken: the disk failed; what is in memory can no longer be trusted.
	ErrBroken = errors.New("the store is broken: the disk failed and it must be opened anew")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("another process has the store open")
)

type readOnly struct{}

func (readOnly) Error() string        { return "the disk of the store is read-only" }
func (readOnly) Is(target error) bool { return target == ErrFull }

// Expired is what a call of Expire did.
type Expired struct {
	// Days that are gone since this call, oldest first, and those before the given one that are kept because tasks wait of them.
	Days, Kept []Day
	// Buried is how many buried tasks were taken away by this call.
	Buried int
	// More says that there is more to delete.
	More bool
}

// Tx is a set of changes that belong together. It may be committed again without harm: Add, Put and Entry recognise what
// is there already.
type Tx struct {
	// Group that Add, Drop and Entry are about.
	Group string
	// Add puts items into the open group. An item whose ID the open group has already is kept as it is, and reported.
	Add []Item
	// Drop takes items out of the open group by ID; an ID that is not there is no error, one that is in Add too is ErrInvalid.
	Drop []string
	// Entry creates or replaces an entry of the history.
	Entry *EntryPut
	// Put creates or replaces rows of entries.
	Put []RowPut
	// Enqueue adds tasks. At most one task of a queue may point at an entry at a time; rows with versions are how callers
	// make sure of that.
	Enqueue []NewTask
	// Count moves counters.
	Count []Delta
	// Label gives entries names that [Store.Labeled] finds them by, and Unlabel takes such names away again. A name that an
	// entry has already, or has not, and an entry that is not there, are no errors.
	//
	// Enqueue, Count, Label and Unlabel take effect only if the Tx has nothing in Add, Entry and Put, or at least one of them
	// was new: a repeat enqueues nothing and counts nothing.
	Label   []Label
	Unlabel []Label
}

// Item is an immutable member of an open group.
type Item struct {
	ID   string
	Body []byte
}

// EntryPut creates an entry (Prev 0) or replaces one (its Ref, and in Prev the version it is expected to have). A version
// other than Prev is ErrConflict, unless it is Prev+1 with the same body: then the Tx is a repeat.
type EntryPut struct {
	// ID is the entry's own name, unique within the group: a second entry of that name is never created while the first is kept.
	ID string
	// Ref of the entry to replace.
	Ref Ref
	// Day under which a new entry is kept.
	Day  Day
	Prev uint64
	Body []byte
}

// RowPut creates (Prev 0) or replaces a row of an entry, with the same rule on versions as EntryPut.
type RowPut struct {
	// Ref of the entry that the row belongs to; the zero Ref is the entry that this Tx puts.
	Ref  Ref
	Name string
	Prev uint64
	Body []byte
}

// NewTask is a task to be added.
type NewTask struct {
	Queue string
	// Due is when it may be claimed, to the microsecond.
	Due time.Time
	// Ref of the entry that it is about; the zero Ref is the entry that this Tx puts.
	Ref Ref
}

// Label is a name by which an entry is found. Many entries may have one name.
type Label struct {
	// Ref of the entry; the zero Ref is the entry that this Tx puts.
	Ref  Ref
	Name string
}

// Delta moves a counter of a day.
type Delta struct {
	Day  Day
	Name string
	N    int64
}

// Result tells what a Commit did.
type Result struct {
	// New has a value for each of Tx.Add: true if the item was not in the open group before.
	New []bool
	// Ref of the entry that was put, if the Tx put one.
	Ref Ref
}

// Entry is a part of the history.
type Entry struct {
	Ref     Ref
	Group   string
	ID      string
	Version uint64
	Body    []byte
	Rows    []Row // by name
}

// Row gives the entry's row of that name; the zero Row (Version 0) if it has none.
func (e *Entry) Row(name string) Row {
	for _, r := range e.Rows {
		if r.Name == name {
			return r
		}
	}
	return Row{Name: name}
}

// Row stands beside an entry and changes more often than it.
type Row struct {
	Name    string
	Version uint64
	Body    []byte
}

// Ref is where an entry stands. The zero Ref is none.
type Ref struct {
	Day Day
	Seq uint64
}

// IsZero says that it refers to nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// Before says that what it refers to was created before the other.
func (r Ref) Before(other Ref) bool {
	return r.Day < other.Day || r.Day == other.Day && r.Seq < other.Seq
}

// Day is a day in UTC, counted from 1970-01-01.
type Day uint32

// DayOf gives the UTC day of t.
func DayOf(t time.Time) Day { return Day(max(t.Unix(), 0) / 86400) } //nolint:gosec // not negative

// Time gives the day's first moment.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String gives YYYY-MM-DD.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// ParseDay reads YYYY-MM-DD.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Unix() < 0 {
		return 0, fmt.Errorf("%q is no day: expected YYYY-MM-DD", s)
	}
	return DayOf(t), nil
}

// Key is a task's place in its queue: compared as bytes, the keys of a queue are in the order of the times at which its tasks
// are due.
type Key [16]byte

// Task is work to be done about an entry.
type Task struct {
	Queue  string
	Key    Key
	Due    time.Time // of a buried task: when it was buried
	Ref    Ref
	Buried bool
}

// Order says which of the due tasks come first.
type Order int

// The orders.
const (
	OldestFirst Order = iota
	NewestFirst
)

// Outcome says what becomes of a claimed task.
type Outcome struct {
	kind OutcomeKind
	at   time.Time
}

// OutcomeKind is the kind of an Outcome.
type OutcomeKind int

// The kinds of outcome.
const (
	KindDone OutcomeKind = iota
	KindRetry
	KindBury
)

// Done ends the task.
func Done() Outcome { return Outcome{kind: KindDone} }

// RetryAt makes it due again at t.
func RetryAt(t time.Time) Outcome { return Outcome{kind: KindRetry, at: t} }

// Bury sets it aside, at the time t, for a person to look at.
func Bury(t time.Time) Outcome { return Outcome{kind: KindBury, at: t} }

// Kind of the outcome.
func (o Outcome) Kind() OutcomeKind { return o.kind }

// At is when the task is due again, or was buried.
func (o Outcome) At() time.Time { return o.at }

// Depth counts the tasks of a queue.
type Depth struct {
	// Waiting is how many are not buried, claimed ones included; Oldest is when the first of them was or is due.
	Waiting int
	Oldest  time.Time
	// Claimed is how many of them are handed out.
	Claimed int
	Buried  int
}

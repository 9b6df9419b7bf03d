package intake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// QuarantineOptions of a Quarantine. Store is required.
type QuarantineOptions struct {
	Store Store
	// Now is wrapup's clock; nil is time.Now.
	Now func() time.Time
	// Logger; nil is silence.
	Logger *slog.Logger
	// Retention is how long something is kept that doesn't come again; 0 is for ever.
	Retention time.Duration
	// Room is how many bytes may be kept, bodies and a share for each; 0 is 64 MiB. It is also what they take of memory.
	Room int64
}

const (
	defaultRoom = 64 << 20
	// share is what one takes beside its body, about.
	share = 512
)

// Quarantine keeps what was posted by somebody who may post, and could not be understood: a dialer doesn't ask twice, so
// if its format changes, this is all there is of its events. It is bounded. When there is no more room, what is kept stays
// and what comes is not kept, which is logged as a loss: a flood can't push out what somebody has yet to look at.
//
// All of it is one group of the store, and in memory. The body is one item, written once; how often it came is another one,
// which is replaced, at most once in countEvery. So a crash can take a few from a count, and nothing else.
type Quarantine struct {
	store     Store
	now       func() time.Time
	log       *slog.Logger
	full      *foldedLog
	retention atomic.Int64 // a time.Duration
	room      int64

	mu          sync.Mutex
	kept        map[string]*kept
	bytes       int64
	refused     int64
	lastRefused connector.Time
}

// kept is one of them.
type kept struct {
	connector.Quarantined
	// stored is closed when it is known whether the body is durable; failed is the error if it isn't.
	stored chan struct{}
	failed error
	// serial of the item that holds the count, 0 if there is none; written is when it was written, dirty says that the
	// count has grown since, and writing that somebody writes it.
	serial  uint64
	written time.Time
	dirty   bool
	writing chan struct{} // closed when it is written; nil if nobody writes it
}

// countEvery is how often a count is written that grows, at most.
const countEvery = time.Second

// errNoRoom says that the quarantine is full.
var errNoRoom = errors.New("the quarantine is full")

// NewQuarantine makes a Quarantine. What is in the store is put in by Restore.
func NewQuarantine(o QuarantineOptions) *Quarantine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Room <= 0 {
		o.Room = defaultRoom
	}
	q := &Quarantine{store: o.Store, now: o.Now, log: o.Logger, full: newFoldedLog(o.Logger, slog.LevelError),
		room: o.Room, kept: map[string]*kept{}}
	q.retention.Store(int64(o.Retention))
	return q
}

// SetRetention changes how long something is kept that doesn't come again; 0 is for ever.
func (q *Quarantine) SetRetention(d time.Duration) { q.retention.Store(int64(d)) }

// identify gives the ID of what was posted to a source.
func identify(source string, body []byte) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d %s\n", len(source), source) // a hash doesn't fail
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// keep keeps what was not understood, and returns when it is durable. Of the one that is given it needs source, sender,
// reasons and body, and First if that isn't now. It is errNoRoom if there is no room; else any error is the store's.
func (q *Quarantine) keep(ctx context.Context, one connector.Quarantined) error {
	at := connector.TimeOf(q.now())
	one.ID, one.Size, one.Count, one.Last = identify(one.Source, one.Body), len(one.Body), 1, at
	if one.First == 0 {
		one.First = at
	}
	one.Reasons = firstFew(one.Reasons, answeredReasons)
	for {
		k, isNew, err := q.enter(&one)
		switch {
		case err != nil:
			return err
		case isNew:
			return q.first(ctx, k)
		}
		<-k.stored
		switch {
		case errors.Is(k.failed, errGone): // it was just taken out: it comes for the first time, again
		case k.failed != nil:
			return k.failed
		default:
			q.again(ctx, k, at)
			return nil
		}
	}
}

// enter finds the one that has the same bytes, or makes it.
func (q *Quarantine) enter(one *connector.Quarantined) (k *kept, isNew bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if k := q.kept[one.ID]; k != nil {
		return k, false, nil
	}
	size := int64(len(one.Body)) + share
	if q.bytes+size > q.room {
		q.refused++
		q.lastRefused = one.Last
		return nil, false, errNoRoom
	}
	k = &kept{stored: make(chan struct{}), Quarantined: *one}
	k.Body = slices.Clone(one.Body)
	q.kept[one.ID] = k
	q.bytes += size
	return k, true, nil
}

// first stores one that came for the first time.
func (q *Quarantine) first(ctx context.Context, k *kept) error {
	body, err := encodeQuarantined(&k.Quarantined) // nobody else changes it before it is stored
	if err == nil {
		_, err = q.store.Commit(ctx, outbox.Tx{
			Group: connector.QuarantineGroup, Add: []outbox.Item{{ID: k.ID, Body: body}},
			Count: []outbox.Delta{{Day: outbox.DayOf(q.now()), Name: connector.CountQuarantined, N: 1}},
		})
	}
	// A crash here loses only the answer: it is in the store, and found at the next start.
	q.mu.Lock()
	k.failed = err
	k.written = q.now()
	if err != nil {
		q.forget(k)
	}
	q.mu.Unlock()
	close(k.stored)
	return err
}

// again counts one that is there already.
func (q *Quarantine) again(ctx context.Context, k *kept, at connector.Time) {
	q.mu.Lock()
	k.Count++
	k.Last = max(k.Last, at)
	k.dirty = true
	q.mu.Unlock()
	q.writeCount(ctx, k)
}

// forget takes one out of memory. q.mu is held.
func (q *Quarantine) forget(k *kept) {
	if q.kept[k.ID] == k {
		delete(q.kept, k.ID)
		q.bytes -= int64(len(k.Body)) + share
	}
}

// writeCount writes how often it came, unless it was written a moment ago, or is being written. If it fails it is written
// with the next one, or by Run.
func (q *Quarantine) writeCount(ctx context.Context, k *kept) {
	now := q.now()
	q.mu.Lock()
	since := now.Sub(k.written)
	if !k.dirty || k.writing != nil || since < countEvery && since >= 0 || q.kept[k.ID] != k {
		q.mu.Unlock()
		return
	}
	k.writing, k.dirty = make(chan struct{}), false
	serial, seen := k.serial, seenCount{Count: k.Count, Last: k.Last}
	id := k.ID
	q.mu.Unlock()

	tx := outbox.Tx{Group: connector.QuarantineGroup, Add: []outbox.Item{{ID: countID(id, serial+1), Body: seen.encode()}}}
	if serial > 0 {
		tx.Drop = []string{countID(id, serial)}
	}
	_, err := q.store.Commit(ctx, tx)
	q.mu.Lock()
	defer q.mu.Unlock()
	close(k.writing)
	k.writing, k.written = nil, now
	if err != nil {
		k.dirty = true
		q.log.Warn("the count of something in quarantine was not written; it is written later", "id", id, "error", err)
		return
	}
	k.serial = serial + 1
}

// expireEvery is how often Run looks for what has become too old.
const expireEvery = time.Minute

// Run writes counts that have grown, and drops what has become too old, until ctx ends; then it writes the counts once more.
func (q *Quarantine) Run(ctx context.Context) error {
	t := time.NewTicker(countEvery)
	defer t.Stop()
	for rounds := 0; ; rounds++ {
		if rounds%int(expireEvery/countEvery) == 0 {
			q.expire(ctx)
		}
		select {
		case <-t.C:
			q.flush(ctx)
		case <-ctx.Done():
			q.flush(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// flush writes all counts that have grown.
func (q *Quarantine) flush(ctx context.Context) {
	q.mu.Lock()
	var dirty []*kept
	for _, k := range q.kept {
		if k.dirty && k.durable() {
			k.written = time.Time{}
			dirty = append(dirty, k)
		}
	}
	q.mu.Unlock()
	for _, k := range dirty {
		q.writeCount(ctx, k)
	}
}

// durable says that the body is in the store. q.mu is held.
func (k *kept) durable() bool {
	select {
	case <-k.stored:
		return k.failed == nil
	default:
		return false
	}
}

// expire drops what hasn't come for the time of retention.
func (q *Quarantine) expire(ctx context.Context) {
	retention := time.Duration(q.retention.Load())
	if retention <= 0 {
		return
	}
	before := connector.TimeOf(q.now().Add(-retention))
	dropped := 0
	for _, one := range q.list(connector.QuarantineQuery{Until: before}) {
		if err := q.remove(ctx, one, connector.CountQuarantineExpired); err != nil {
			if ctx.Err() == nil {
				q.log.Warn("something in quarantine is too old and can't be dropped; it is tried again", "id", one.ID, "error", err)
			}
			return
		}
		dropped++
	}
	if dropped > 0 {
		q.log.Warn("posts in quarantine were dropped: nobody has retried them in time", "count", dropped, "retention", retention.String())
	}
}

// errGone says that it is no longer in quarantine, or has come again meanwhile.
var errGone = errors.New("it is not in quarantine any more")

// remove takes one out, for good, and returns when that is durable.
func (q *Quarantine) remove(ctx context.Context, k *kept, count string) error {
	return q.take(ctx, k, func(drop []string) error {
		_, err := q.store.Commit(ctx, outbox.Tx{Group: connector.QuarantineGroup, Drop: drop,
			Count: []outbox.Delta{{Day: outbox.DayOf(q.now()), Name: count, N: 1}}})
		return err
	})
}

// take takes one out while commit drops its items. If that fails it is put back.
func (q *Quarantine) take(ctx context.Context, k *kept, commit func(drop []string) error) error {
	q.mu.Lock()
	for k.writing != nil { // a commit of its count is under way
		writing := k.writing
		q.mu.Unlock()
		<-writing
		q.mu.Lock()
	}
	if q.kept[k.ID] != k || !k.durable() || ctx.Err() != nil {
		q.mu.Unlock()
		return cmp.Or(context.Cause(ctx), errGone)
	}
	// From here on the same bytes would be new again. They wait until this is done, or their item would be dropped with it.
	hold := &kept{stored: make(chan struct{}), failed: errGone, Quarantined: k.Quarantined}
	q.kept[k.ID] = hold
	drop := []string{k.ID}
	if k.serial > 0 {
		drop = append(drop, countID(k.ID, k.serial))
	}
	q.mu.Unlock()
	err := commit(drop)
	q.mu.Lock()
	if err == nil {
		q.forget(hold)
	} else {
		q.kept[k.ID] = k
	}
	q.mu.Unlock()
	close(hold.stored)
	return err
}

// list gives those that a query means, oldest first, without its bounds After and Limit.
func (q *Quarantine) list(query connector.QuarantineQuery) []*kept {
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []*kept
	for _, k := range q.kept {
		if k.durable() && matches(&query, &k.Quarantined) {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(a, b *kept) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.ID, b.ID))
	})
	return found
}

func matches(q *connector.QuarantineQuery, one *connector.Quarantined) bool {
	reason := strings.ToLower(q.Reason)
	return (len(q.IDs) == 0 || slices.Contains(q.IDs, one.ID)) &&
		(q.Source == "" || q.Source == one.Source) &&
		(q.Since == 0 || one.Last >= q.Since) && (q.Until == 0 || one.Last < q.Until) &&
		(reason == "" || slices.ContainsFunc(one.Reasons, func(r string) bool { return strings.Contains(strings.ToLower(r), reason) }))
}

// List gives a page of what is kept, without the bodies.
func (q *Quarantine) List(query connector.QuarantineQuery) connector.QuarantinePage {
	found := q.list(query)
	q.mu.Lock()
	defer q.mu.Unlock()
	page := connector.QuarantinePage{Quarantined: []connector.Quarantined{}, Kept: len(q.kept), Bytes: q.bytes, Room: q.room,
		Refused: q.refused, LastRefused: q.lastRefused}
	if i := slices.IndexFunc(found, func(k *kept) bool { return k.ID == query.After }); i >= 0 {
		found = found[i+1:]
	}
	for i, k := range found {
		if query.Limit > 0 && i == query.Limit {
			page.Next = page.Quarantined[i-1].ID
			break
		}
		one := k.Quarantined
		one.Body = nil
		page.Quarantined = append(page.Quarantined, one)
	}
	return page
}

// Totals gives how many are kept, what they take, and what there was no room for.
func (q *Quarantine) Totals() connector.QuarantinePage {
	q.mu.Lock()
	defer q.mu.Unlock()
	return connector.QuarantinePage{Kept: len(q.kept), Bytes: q.bytes, Room: q.room, Refused: q.refused, LastRefused: q.lastRefused}
}

// Show gives one with its body, false if it isn't there.
func (q *Quarantine) Show(id string) (connector.Quarantined, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := q.kept[id]
	if k == nil || !k.durable() {
		return connector.Quarantined{}, false
	}
	return k.Quarantined, true
}

// Drop takes those of the IDs out, for good.
func (q *Quarantine) Drop(ctx context.Context, ids []string) []connector.QuarantineChange {
	return each(ids, func(id string) connector.QuarantineChange {
		k := q.find(id)
		if k == nil {
			return connector.QuarantineChange{ID: id, Note: errGone.Error()}
		}
		if err := q.remove(ctx, k, connector.CountQuarantineDropped); err != nil {
			return connector.QuarantineChange{ID: id, Note: err.Error()}
		}
		return connector.QuarantineChange{ID: id, Done: true}
	})
}

func (q *Quarantine) find(id string) *kept {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.kept[id]
}

func each(ids []string, change func(id string) connector.QuarantineChange) []connector.QuarantineChange {
	out := make([]connector.QuarantineChange, len(ids))
	for i, id := range ids {
		out[i] = change(id)
	}
	return out
}

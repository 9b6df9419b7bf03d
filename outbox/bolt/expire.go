package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// expiredBucket holds the days that are dropped, until all of what they held is deleted, a few at a time:
//
//	expired/<YYYY-MM-DD>   as below days
//
// A day gets there by one change, so it is there for everybody or for nobody: neither a reader nor a crash ever finds a
// part of it.
const expiredBucket = "expired"

// droppedKey in meta has the newest day that was dropped.
const droppedKey = "dropped"

// Dropped gives the newest day that was dropped, see outbox.Store.
func (s *Store) Dropped(ctx context.Context) (newest outbox.Day, ok bool, err error) {
	return newest, ok, s.view(ctx, func(tx *bbolt.Tx) error {
		newest, ok = droppedOf(tx)
		return nil
	})
}

func droppedOf(tx *bbolt.Tx) (newest outbox.Day, ok bool) {
	key := []byte(droppedKey)
	if meta := tx.Bucket([]byte(metaBucket)); meta != nil && meta.Get(key) != nil {
		n, err := decodeNumber(key, meta.Get(key))
		if err == nil {
			return outbox.Day(n), true //nolint:gosec // as written
		}
	} else if tx.Bucket([]byte(expiredBucket)) == nil {
		return 0, false
	}
	// It can't be read, or days were dropped by an older wrapup: it was before those that are there.
	if days := daysOf(tx); len(days) > 0 {
		newest = max(days[0], 1) - 1
	}
	return newest, true
}

// candidates are the days that may be dropped: those that no task has been found of yet.
type candidates struct {
	mu   sync.Mutex
	days map[outbox.Day]bool
}

// seen says that a task waits that is about an entry of the day.
func (c *candidates) seen(d outbox.Day) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.days, d)
}

func (c *candidates) set(days []outbox.Day) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.days = make(map[outbox.Day]bool, len(days))
	for _, d := range days {
		c.days[d] = true
	}
}

// left gives those that no task was found of.
func (c *candidates) left() (days []outbox.Day) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for d := range c.days {
		days = append(days, d)
	}
	slices.Sort(days)
	return days
}

// Expire drops days, see outbox.Store.
func (s *Store) Expire(ctx context.Context, before outbox.Day, limit int) (outbox.Expired, error) {
	if s.readOnly {
		return outbox.Expired{}, errReadOnly
	}
	if limit < 1 {
		return outbox.Expired{}, fmt.Errorf("%w: a limit of %d", outbox.ErrInvalid, limit)
	}
	if err := s.enter(ctx); err != nil {
		return outbox.Expired{}, err
	}
	defer s.underway.Done()
	s.expiring.Lock() // one at a time
	defer s.expiring.Unlock()

	var old []outbox.Day
	var half bool
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, d := range daysOf(tx) {
			if d < before {
				old = append(old, d)
			}
		}
		if b := tx.Bucket([]byte(expiredBucket)); b != nil {
			k, _ := b.Cursor().First()
			half = k != nil
		}
		return nil
	})
	switch {
	case err != nil:
		return outbox.Expired{}, err
	case half:
		return s.deleteExpired(ctx, limit)
	case len(old) == 0:
		return outbox.Expired{}, nil
	}
	return s.dropDays(ctx, old)
}

// dropDays takes away those days that no task waits of. Any task that comes to wait meanwhile is seen by who commits it.
func (s *Store) dropDays(ctx context.Context, old []outbox.Day) (outbox.Expired, error) {
	s.waitedOf.set(old)
	defer s.waitedOf.set(nil)
	queues, err := s.queueNames()
	if err != nil {
		return outbox.Expired{}, err
	}
	for _, queue := range queues {
		err := s.eachTask(ctx, queue, dueBucket, func(_, _ []byte, ref outbox.Ref) { s.waitedOf.seen(ref.Day) })
		if err != nil {
			return outbox.Expired{}, err
		}
	}
	var dropped []outbox.Day
	err = s.alone(ctx, func(b *batch) error {
		dropped = s.waitedOf.left()
		if len(dropped) == 0 {
			return nil
		}
		before, ever := droppedOf(b.tx)
		to, err := b.tx.CreateBucketIfNotExists([]byte(expiredBucket))
		if err != nil {
			return fmt.Errorf("creating the bucket %s: %w", expiredBucket, err)
		}
		b.dirty = true
		days := b.tx.Bucket([]byte(daysBucket))
		for _, d := range dropped {
			if err := days.MoveBucket([]byte(d.String()), to); err != nil {
				return fmt.Errorf("dropping the day %s: %w", d, err)
			}
		}
		newest := dropped[len(dropped)-1]
		if ever && before > newest { // this one was kept on while a task waited of it
			return nil
		}
		return b.put(b.tx.Bucket([]byte(metaBucket)), []byte(droppedKey), encodeNumber([]byte(droppedKey), uint64(newest)))
	})
	if err != nil {
		return outbox.Expired{}, err
	}
	e := outbox.Expired{Days: dropped, More: len(dropped) > 0}
	for _, d := range old {
		if !slices.Contains(dropped, d) {
			e.Kept = append(e.Kept, d)
		}
	}
	return e, nil
}

// deleteExpired deletes a part of what was dropped: first the buried tasks that are about it, then its keys.
func (s *Store) deleteExpired(ctx context.Context, limit int) (outbox.Expired, error) {
	gone := map[outbox.Day]bool{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(expiredBucket)).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if d, err := outbox.ParseDay(string(k)); err == nil {
				gone[d] = true
			}
		}
		return nil
	})
	if err != nil {
		return outbox.Expired{}, err
	}
	queues, err := s.queueNames()
	if err != nil {
		return outbox.Expired{}, err
	}
	if !s.unburied {
		for _, queue := range queues {
			n, err := s.unbury(ctx, queue, gone, limit)
			if err != nil || n > 0 {
				return outbox.Expired{Buried: n, More: true}, err
			}
		}
		s.unburied = true // of the days that are gone now, nothing is buried any more
	}
	more := true
	err = s.alone(ctx, func(b *batch) error {
		more = true
		left := limit
		days := b.tx.Bucket([]byte(expiredBucket))
		for left > 0 {
			k, _ := days.Cursor().First()
			if k == nil {
				more = false
				return nil
			}
			b.dirty = true
			empty, err := clearBucket(days.Bucket(k), &left)
			if err == nil && empty {
				err = days.DeleteBucket(slices.Clone(k))
			}
			if err != nil {
				return fmt.Errorf("deleting the day %s: %w", k, err)
			}
		}
		return nil
	})
	if err == nil && !more {
		s.unburied = false
	}
	return outbox.Expired{More: more}, err
}

// clearBucket deletes keys of a bucket and of those in it, as many as are left to delete.
func clearBucket(b *bbolt.Bucket, left *int) (empty bool, err error) {
	for {
		c := b.Cursor()
		k, v := c.First()
		if k == nil {
			return true, nil
		}
		if *left <= 0 {
			return false, nil
		}
		k = slices.Clone(k)
		if v == nil {
			empty, err := clearBucket(b.Bucket(k), left)
			if err != nil || !empty {
				return false, err
			}
			*left--
			if err := b.DeleteBucket(k); err != nil {
				return false, err
			}
			continue
		}
		*left--
		if err := b.Delete(k); err != nil {
			return false, err
		}
	}
}

// unbury takes out buried tasks that are about days that are gone, at most limit, and says how many.
func (s *Store) unbury(ctx context.Context, queue string, gone map[outbox.Day]bool, limit int) (n int, err error) {
	var keys []outbox.Key
	err = s.eachTask(ctx, queue, buriedBucket, func(k, _ []byte, ref outbox.Ref) {
		if gone[ref.Day] && len(keys) < limit {
			keys = append(keys, outbox.Key(k))
		}
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	err = s.alone(ctx, func(b *batch) error {
		n = 0
		from, err := b.taskBucket(queue, true, false)
		if err != nil || from == nil {
			return err
		}
		for _, k := range keys {
			if from.Get(k[:]) == nil {
				continue // somebody had it tried again, or dropped it
			}
			if err := b.delete(from, k[:]); err != nil {
				return fmt.Errorf("taking a task out of the queue %q: %w", queue, err)
			}
			b.effects = append(b.effects, effect{queue: queue, kind: unburied, key: k})
			n++
		}
		return nil
	})
	return n, err
}

// eachTask calls f with each task of a bucket of a queue that can be read. It reads in parts: what changes meanwhile may be
// missed.
func (s *Store) eachTask(ctx context.Context, queue, bucket string, f func(k, v []byte, ref outbox.Ref)) error {
	const part = 10_000
	for from, more := firstKey, true; more; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		err := s.db.View(func(tx *bbolt.Tx) error {
			more = false
			b := bucketAt(tx, queuesBucket, queue, bucket)
			if b == nil {
				return nil
			}
			c := b.Cursor()
			n := 0
			for k, v := c.Seek(from[:]); k != nil; k, v = c.Next() {
				if n++; n > part {
					from, more = outbox.Key(k), true
					return nil
				}
				if ref, err := decodeRef(k, v); err == nil {
					f(k, v, ref)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) queueNames() (names []string, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		queues := tx.Bucket([]byte(queuesBucket))
		if queues == nil {
			return errors.New("the bucket queues is gone")
		}
		return queues.ForEachBucket(func(k []byte) error {
			names = append(names, string(k))
			return nil
		})
	})
	return names, err
}

// alone has f called in a transaction of its own. f may be called more than once; only what the last call did counts. An
// error of f gives the transaction up.
func (s *Store) alone(ctx context.Context, f func(b *batch) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := &request{alone: f}
	s.settle(r)
	return r.err
}

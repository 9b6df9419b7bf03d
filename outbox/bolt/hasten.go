package bolt

import (
	"context"
	"fmt"
	"math"
	"time"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// Hasten makes far tasks due, see outbox.Store. They are looked up and moved in batches, so that no transaction is long; a
// crash between two of them leaves the rest where it was.
func (s *Store) Hasten(ctx context.Context, queue string, beyond, due time.Time) (n int, err error) {
	if s.readOnly {
		return 0, errReadOnly
	}
	if err := checkName("queue", queue); err != nil {
		return 0, err
	}
	if due.Round(0).After(beyond.Round(0)) { // by the time of day, as keys are: or it would find the same again and again
		return 0, fmt.Errorf("%w: what is due after %s can't be made due at %s", outbox.ErrInvalid, beyond, due)
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.underway.Done()
	q := s.queue(queue)
	for place := taskKey(beyond, math.MaxUint64); ; {
		tasks, err := s.claimAfter(q, place, maxBatch)
		if err != nil || len(tasks) == 0 {
			return n, err
		}
		moved, err := s.moveAll(ctx, tasks, taskKey(due, 0))
		if n += moved; err != nil {
			for _, t := range tasks {
				s.Release(t) // those that were moved are no longer claimed
			}
			return n, err
		}
		place = tasks[len(tasks)-1].Key
	}
}

// claimAfter claims tasks behind that place, due or not. Damaged ones are left alone.
func (s *Store) claimAfter(q *queue, place outbox.Key, limit int) (tasks []outbox.Task, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	err = s.db.View(func(tx *bbolt.Tx) error {
		due := bucketAt(tx, queuesBucket, q.name, dueBucket)
		from, ok := after(place)
		if due == nil || !ok {
			return nil
		}
		var last outbox.Key
		c := due.Cursor()
		for k, v := c.Seek(from[:]); k != nil && len(tasks) < limit; k, v = c.Next() {
			key := outbox.Key(k)
			if _, taken := q.taken.at(key); taken {
				continue
			}
			if t, ok := q.claim(s, key, v); ok {
				tasks = append(tasks, t)
			}
			last = key
		}
		if !less(last, from) {
			q.taken.add(span{from, last})
		}
		return nil
	})
	return tasks, err
}

// moveAll makes the tasks due at that time, in their order, and counts those that were.
func (s *Store) moveAll(ctx context.Context, tasks []outbox.Task, to outbox.Key) (n int, err error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	requests := make([]*request, len(tasks))
	for i, t := range tasks {
		requests[i] = &request{move: &move{task: t, kind: moveRetry, at: to}}
	}
	s.settle(requests...)
	for _, r := range requests {
		if r.err == nil {
			n++
		} else if err == nil { // they share a commit, and mostly its error
			err = r.err
		}
	}
	return n, err
}

// LastBuried looks up the task that was buried last, see outbox.Store.
func (s *Store) LastBuried(ctx context.Context, queue string) (task outbox.Task, ok bool, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		b := bucketAt(tx, queuesBucket, queue, buriedBucket)
		if b == nil {
			return nil
		}
		k, v := b.Cursor().Last()
		if k == nil {
			return nil
		}
		key := outbox.Key(k)
		ref, err := decodeRef(k, v)
		if err != nil {
			return damaged(queuePath(queue, buriedBucket), k, err)
		}
		task, ok = outbox.Task{Queue: queue, Key: key, Due: keyTime(key), Ref: ref, Buried: true}, true
		return nil
	})
	return task, ok, err
}

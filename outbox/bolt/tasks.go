package bolt

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// queue is what memory knows of a queue. Its lock may be held while a read transaction is begun, so nobody may wait for the
// lock within a transaction.
type queue struct {
	name  string
	ready chan struct{}

	mu      sync.Mutex
	waiting int
	buried  int
	claimed map[outbox.Key]struct{}
	taken   spans
}

// effect is a change to a queue, of a kind, that memory is told of after the commit.
type effect struct {
	queue string
	kind  effectKind
	key   outbox.Key
}

type effectKind int

const (
	arrived effectKind = iota // among the due
	left
	buried
	unburied
)

// queue gives a queue, which may have no task.
func (s *Store) queue(name string) *queue {
	if q := s.knownQueue(name); q != nil {
		return q
	}
	s.queuesMu.Lock()
	defer s.queuesMu.Unlock()
	q := s.queues[name]
	if q == nil {
		q = &queue{name: name, ready: make(chan struct{}, 1), claimed: map[outbox.Key]struct{}{}}
		s.queues[name] = q
	}
	return q
}

func (s *Store) knownQueue(name string) *queue {
	s.queuesMu.RLock()
	defer s.queuesMu.RUnlock()
	return s.queues[name]
}

// publish tells the queues what was committed.
func (s *Store) publish(effects []effect) {
	for _, e := range effects {
		q := s.queue(e.queue)
		q.mu.Lock()
		switch e.kind {
		case arrived:
			q.waiting++
			// Somebody may have seen it in the file and claimed it already.
			if _, claimed := q.claimed[e.key]; !claimed {
				q.taken.cut(e.key)
			}
		case left:
			q.waiting--
			delete(q.claimed, e.key)
		case buried:
			q.buried++
		case unburied:
			q.buried--
		}
		q.mu.Unlock()
		if e.kind == arrived {
			select {
			case q.ready <- struct{}{}:
			default: // there is a token already
			}
		}
	}
}

// Ready gives the queue's channel, see outbox.Store. It holds one token at most.
func (s *Store) Ready(queue string) <-chan struct{} { return s.queue(queue).ready }

// Claim hands out due tasks, see outbox.Store. A task whose value is damaged is logged and passed over until the next start;
// Tasks reports it too.
func (s *Store) Claim(ctx context.Context, queue string, now time.Time, limit int, order outbox.Order) (
	tasks []outbox.Task, next time.Time, err error,
) {
	if s.readOnly {
		return nil, time.Time{}, errReadOnly
	}
	if err := s.enter(ctx); err != nil {
		return nil, time.Time{}, err
	}
	defer s.underway.Done()
	q := s.queue(queue)
	q.mu.Lock()
	defer q.mu.Unlock()
	// The snapshot is begun under the lock: whatever left the queue in memory is not in it.
	err = s.db.View(func(tx *bbolt.Tx) error {
		due := bucketAt(tx, queuesBucket, queue, dueBucket)
		if due == nil {
			return nil
		}
		c := due.Cursor()
		latest := taskKey(now, math.MaxUint64)
		if limit > 0 && order == outbox.NewestFirst {
			tasks = q.claimNewest(s, c, latest, limit)
		} else if limit > 0 {
			tasks = q.claimOldest(s, c, latest, limit)
		}
		if from, ok := after(latest); ok {
			if k, _ := c.Seek(from[:]); k != nil {
				next = keyTime(outbox.Key(k))
			}
		}
		return nil
	})
	return tasks, next, err
}

func (q *queue) claimOldest(s *Store, c *bbolt.Cursor, latest outbox.Key, limit int) (tasks []outbox.Task) {
	to := latest // when the walk is over, all up to here is claimed
	k, v := c.First()
	for k != nil && !less(latest, outbox.Key(k)) {
		key := outbox.Key(k)
		if x, taken := q.taken.at(key); taken {
			from, more := after(x.to)
			if !more {
				break
			}
			k, v = c.Seek(from[:])
			continue
		}
		if t, ok := q.claim(s, key, v); ok {
			tasks = append(tasks, t)
		}
		if len(tasks) == limit {
			to = key
			break
		}
		k, v = c.Next()
	}
	q.taken.add(span{firstKey, to})
	return tasks
}

func (q *queue) claimNewest(s *Store, c *bbolt.Cursor, latest outbox.Key, limit int) (tasks []outbox.Task) {
	from := firstKey
	k, v := seekBack(c, latest)
	for k != nil {
		key := outbox.Key(k)
		if x, taken := q.taken.at(key); taken {
			to, more := before(x.from)
			if !more {
				break
			}
			k, v = seekBack(c, to)
			continue
		}
		if t, ok := q.claim(s, key, v); ok {
			tasks = append(tasks, t)
		}
		if len(tasks) == limit {
			from = key
			break
		}
		k, v = c.Prev()
	}
	q.taken.add(span{from, latest})
	return tasks
}

// seekBack finds the last key up to k.
func seekBack(c *bbolt.Cursor, key outbox.Key) (k, v []byte) {
	k, v = c.Seek(key[:])
	switch {
	case k == nil:
		return c.Last()
	case outbox.Key(k) != key:
		return c.Prev()
	}
	return k, v
}

// claim marks a task. Of a damaged one it says false.
func (q *queue) claim(s *Store, key outbox.Key, v []byte) (outbox.Task, bool) {
	q.claimed[key] = struct{}{}
	ref, err := decodeRef(key[:], v)
	if err != nil {
		s.log.Error("passed over a damaged task", "error", damaged(queuePath(q.name, dueBucket), key[:], err))
		return outbox.Task{}, false
	}
	return outbox.Task{Queue: q.name, Key: key, Due: keyTime(key), Ref: ref}, true
}

func queuePath(queue, bucket string) string { return queuesBucket + "/" + queue + "/" + bucket }

// Release gives a claimed task back, see outbox.Store. It gives no token: the task did not become part of the queue by it.
func (s *Store) Release(task outbox.Task) {
	q := s.knownQueue(task.Queue)
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, claimed := q.claimed[task.Key]; claimed {
		delete(q.claimed, task.Key)
		q.taken.cut(task.Key)
	}
}

// Tasks lists tasks, see outbox.Store. Damaged ones are left out and reported in an error that wraps outbox.ErrDamaged; the
// tasks beside it are good.
func (s *Store) Tasks(ctx context.Context, queue string, buried bool, after outbox.Key, limit int) ([]outbox.Task, error) {
	name := dueBucket
	if buried {
		name = buriedBucket
	}
	var tasks []outbox.Task
	var bad []error
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		b := bucketAt(tx, queuesBucket, queue, name)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		k, v := c.Seek(after[:])
		if k != nil && outbox.Key(k) == after {
			k, v = c.Next()
		}
		for ; k != nil && len(tasks) < limit; k, v = c.Next() {
			key := outbox.Key(k)
			ref, err := decodeRef(k, v)
			if err != nil {
				if len(bad) < tellDamage {
					bad = append(bad, damaged(queuePath(queue, name), k, err))
				}
				continue
			}
			tasks = append(tasks, outbox.Task{Queue: queue, Key: key, Due: keyTime(key), Ref: ref, Buried: buried})
		}
		return nil
	})
	return tasks, errors.Join(append(bad, err)...)
}

// Depth counts a queue, see outbox.Store. It counts from memory, and looks up the oldest task.
func (s *Store) Depth(ctx context.Context, queue string) (outbox.Depth, error) {
	var d outbox.Depth
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		if due := bucketAt(tx, queuesBucket, queue, dueBucket); due != nil {
			if k, _ := due.Cursor().First(); k != nil {
				d.Oldest = keyTime(outbox.Key(k))
			}
		}
		return nil
	})
	if err != nil {
		return outbox.Depth{}, err
	}
	if q := s.knownQueue(queue); q != nil {
		q.mu.Lock()
		d.Waiting, d.Buried, d.Claimed = q.waiting, q.buried, len(q.claimed)
		q.mu.Unlock()
	}
	return d, nil
}

// Queues names the queues that hold tasks, in order.
func (s *Store) Queues(ctx context.Context) ([]string, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.underway.Done()
	s.queuesMu.RLock()
	defer s.queuesMu.RUnlock()
	var names []string
	for name, q := range s.queues {
		q.mu.Lock()
		if q.waiting+q.buried > 0 {
			names = append(names, name)
		}
		q.mu.Unlock()
	}
	slices.Sort(names)
	return names, nil
}

package bolt

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// taskBucket gives a bucket of a queue in the batch's transaction; nil if there is none and it is not to be made.
func (b *batch) taskBucket(queue string, buried, create bool) (*bbolt.Bucket, error) {
	cache, name := b.due, dueBucket
	if buried {
		cache, name = b.bury, buriedBucket
	}
	if there := cache[queue]; there != nil {
		return there, nil
	}
	there := bucketAt(b.tx, queuesBucket, queue, name)
	if there == nil && create {
		q, err := b.tx.Bucket([]byte(queuesBucket)).CreateBucketIfNotExists([]byte(queue))
		if err != nil {
			return nil, fmt.Errorf("creating the bucket of the queue %q: %w", queue, err)
		}
		if there, err = q.CreateBucketIfNotExists([]byte(name)); err != nil {
			return nil, fmt.Errorf("creating the bucket %s of the queue %q: %w", name, queue, err)
		}
		b.dirty = true
	}
	if there != nil {
		there.FillPercent = fillPercent
		cache[queue] = there
	}
	return there, nil
}

// checkMove says whether the task stands where the move begins.
func (b *batch) checkMove(m *move) (bool, error) {
	revive := m.kind == moveRevive
	from, err := b.taskBucket(m.task.Queue, revive, false)
	if err != nil || from == nil {
		return false, err
	}
	v := from.Get(m.task.Key[:])
	if v == nil {
		return false, nil
	}
	// A value that was damaged since the task was handed out is no hindrance: the task itself tells what it was.
	if ref, err := decodeRef(m.task.Key[:], v); err == nil && ref != m.task.Ref {
		return false, fmt.Errorf("%w: the task is about another entry than the one in the queue %q", outbox.ErrInvalid, m.task.Queue)
	}
	return true, nil
}

func (b *batch) writeMove(m *move) error {
	revive := m.kind == moveRevive
	from, err := b.taskBucket(m.task.Queue, revive, true)
	if err != nil {
		return err
	}
	if err := b.delete(from, m.task.Key[:]); err != nil {
		return fmt.Errorf("taking a task out of the queue %q: %w", m.task.Queue, err)
	}
	kind := left
	if revive {
		kind = unburied
	}
	b.effects = append(b.effects, effect{queue: m.task.Queue, kind: kind, key: m.task.Key})
	if m.kind == moveDone {
		return nil
	}
	return b.putTask(m.task.Queue, m.kind == moveBury, m.at, m.task.Ref)
}

// putTask adds a task at the time of the key given; it gets a sequence of its own.
func (b *batch) putTask(queue string, bury bool, at outbox.Key, ref outbox.Ref) error {
	to, err := b.taskBucket(queue, bury, true)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint64(at[8:], b.next())
	if err := b.put(to, at[:], encodeRef(at[:], ref)); err != nil {
		return fmt.Errorf("adding a task to the queue %q: %w", queue, err)
	}
	kind := arrived
	if bury {
		kind = buried
	} else {
		b.s.waitedOf.seen(ref.Day)
	}
	b.effects = append(b.effects, effect{queue: queue, kind: kind, key: at})
	return nil
}

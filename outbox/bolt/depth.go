package bolt

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// depthKey holds how many tasks a queue has. So a start needs not count them: it takes as long however many wait.
const depthKey = "depth"

func encodeDepth(waiting, buried int) []byte {
	v := binary.BigEndian.AppendUint64(newValue(16), uint64(waiting)) //nolint:gosec // not negative
	v = binary.BigEndian.AppendUint64(v, uint64(buried))              //nolint:gosec // not negative
	return seal([]byte(depthKey), v)
}

func decodeDepth(v []byte) (waiting, buried int, err error) {
	p, err := unseal([]byte(depthKey), v)
	if err != nil {
		return 0, 0, err
	}
	if len(p) != 16 {
		return 0, 0, errMalformed
	}
	return int(binary.BigEndian.Uint64(p)), int(binary.BigEndian.Uint64(p[8:])), nil //nolint:gosec // as encoded
}

// writeDepths keeps the number of tasks of the queues that the batch has changed.
func (b *batch) writeDepths() error {
	type depth struct{ waiting, buried int }
	depths := map[string]depth{}
	for _, e := range b.effects {
		d, known := depths[e.queue]
		if !known {
			q := b.s.queue(e.queue)
			q.mu.Lock()
			d = depth{q.waiting, q.buried}
			q.mu.Unlock()
		}
		switch e.kind {
		case arrived:
			d.waiting++
		case left:
			d.waiting--
		case buried:
			d.buried++
		case unburied:
			d.buried--
		}
		depths[e.queue] = d
	}
	for name, d := range depths {
		q := bucketAt(b.tx, queuesBucket, name)
		if q == nil {
			return fmt.Errorf("the bucket of the queue %q is gone", name)
		}
		if err := b.put(q, []byte(depthKey), encodeDepth(d.waiting, d.buried)); err != nil {
			return fmt.Errorf("writing the depth of the queue %q: %w", name, err)
		}
	}
	return nil
}

// loadQueues reads how many tasks there are. Where that isn't known they are counted, by the heads of pages.
func (s *Store) loadQueues(tx *bbolt.Tx) {
	queues := tx.Bucket([]byte(queuesBucket))
	c := queues.Cursor()
	for name, v := c.First(); name != nil; name, v = c.Next() {
		if v != nil {
			continue // no bucket
		}
		q := s.queue(string(name))
		b := queues.Bucket(name)
		waiting, buried, err := decodeDepth(b.Get([]byte(depthKey)))
		if err == nil {
			q.waiting, q.buried = waiting, buried
			continue
		}
		s.log.Warn("the tasks of a queue are counted", "queue", string(name), "error", err)
		if due := b.Bucket([]byte(dueBucket)); due != nil {
			q.waiting = due.Stats().KeyN
		}
		if buried := b.Bucket([]byte(buriedBucket)); buried != nil {
			q.buried = buried.Stats().KeyN
		}
	}
}

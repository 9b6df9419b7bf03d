package bolt

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// fillPercent is for buckets that are written at their end: pages are left nearly full.
const fillPercent = 0.9

// batch is one transaction of who commits. Its later requests see the earlier ones: in the transaction what is stored, in
// the batch what will be in memory.
type batch struct {
	s     *Store
	tx    *bbolt.Tx
	open  *bbolt.Bucket
	days  map[outbox.Day]*day
	kept  []outbox.Day // the days there are, nil if not known
	due   map[string]*bbolt.Bucket
	bury  map[string]*bbolt.Bucket
	seq   uint64
	dirty bool

	added   index             // items that were not open before
	dropped map[uint64]uint64 // seq → hash, of items that were
	counts  map[counter]*tally
	effects []effect
}

type counter struct {
	day  outbox.Day
	name string
}

type tally struct {
	n     int64
	moved bool
}

func newBatch(s *Store, tx *bbolt.Tx) *batch {
	b := &batch{
		s: s, tx: tx, seq: s.seq,
		open:    tx.Bucket([]byte(openBucket)),
		days:    map[outbox.Day]*day{},
		due:     map[string]*bbolt.Bucket{},
		bury:    map[string]*bbolt.Bucket{},
		added:   newIndex(),
		dropped: map[uint64]uint64{},
		counts:  map[counter]*tally{},
	}
	b.open.FillPercent = fillPercent
	return b
}

// plan is what a request comes to, found out before anything of it is written.
type plan struct {
	fresh bool // Enqueue and Count take effect
	added []bool
	drop  []slot
	ref   outbox.Ref // of the entry; of one to be created only the day
	entry bool       // it must be written
	rows  []rowPlan
	moved bool // the task stands where the move begins
}

type rowPlan struct {
	ref   outbox.Ref // zero: the entry that will be created
	write bool
}

// applyAll applies the requests except those that failed before. It gives the first one that went wrong in the middle.
func (b *batch) applyAll(requests []*request, failed map[*request]bool) (half *request) {
	for _, r := range requests {
		if failed[r] {
			continue
		}
		var p plan
		r.res = outbox.Result{}
		if r.alone != nil {
			if r.err = r.alone(b); r.err != nil {
				return r
			}
			continue
		}
		if p, r.err = b.check(r); r.err != nil {
			continue
		}
		if r.move != nil && !p.moved {
			// The task was settled or revived before, so this is a repeat, or somebody is mistaken about the task.
			if p.fresh && (len(r.Add)+len(r.Put) > 0 || r.Entry != nil) {
				r.err = fmt.Errorf("%w: the task has left its place in the queue %q", outbox.ErrConflict, r.move.task.Queue)
			}
			continue
		}
		if r.err = b.write(r, &p); r.err != nil {
			return r
		}
	}
	return nil
}

// check finds out what there is to do, and changes nothing.
func (b *batch) check(r *request) (plan, error) {
	var p plan
	if err := b.checkEntry(r, &p); err != nil {
		return plan{}, err
	}
	if err := b.checkRows(r, &p); err != nil {
		return plan{}, err
	}
	if len(r.Add) > 0 {
		p.added = make([]bool, len(r.Add))
	}
	mine := make(map[string]bool, len(r.Add))
	for i, it := range r.Add {
		_, there := b.find(r.Group, it.ID)
		p.added[i] = !there && !mine[it.ID]
		mine[it.ID] = true
	}
	for _, id := range r.Drop {
		if at, there := b.find(r.Group, id); there {
			p.drop = append(p.drop, at)
		}
	}
	p.fresh = len(r.Add) == 0 && r.Entry == nil && len(r.Put) == 0 || p.entry
	for _, isNew := range p.added {
		p.fresh = p.fresh || isNew
	}
	for _, row := range p.rows {
		p.fresh = p.fresh || row.write
	}
	if p.fresh {
		for _, d := range r.Count {
			if err := b.loadCount(counter{d.Day, d.Name}); err != nil {
				return plan{}, err
			}
		}
	}
	if r.move != nil {
		var err error
		if p.moved, err = b.checkMove(r.move); err != nil {
			return plan{}, err
		}
	}
	return p, nil
}

// write carries the plan out. An error leaves it half done in the transaction, which must then be given up.
func (b *batch) write(r *request, p *plan) error {
	r.res.New = p.added
	if err := b.writeItems(r, p); err != nil {
		return err
	}
	if r.Entry != nil {
		if err := b.writeEntry(r, p); err != nil {
			return err
		}
		r.res.Ref = p.ref
	}
	if err := b.writeRows(r, p); err != nil {
		return err
	}
	if r.move != nil {
		if err := b.writeMove(r.move); err != nil {
			return err
		}
	}
	if !p.fresh {
		return nil
	}
	for _, t := range r.Enqueue {
		ref := t.Ref
		if ref.IsZero() {
			ref = p.ref
		}
		if err := b.putTask(t.Queue, false, taskKey(t.Due, 0), ref); err != nil {
			return err
		}
	}
	if err := b.writeLabels(r, p); err != nil {
		return err
	}
	for _, d := range r.Count {
		t := b.counts[counter{d.Day, d.Name}]
		t.n += d.N
		t.moved = true
		b.dirty = true
	}
	return nil
}

// next gives a number that was never given out before. After a crash, or a failed commit, it may be given out again, but
// then it is nowhere in the file.
func (b *batch) next() uint64 {
	b.seq++
	return b.seq
}

func (b *batch) put(bucket *bbolt.Bucket, key, value []byte) error {
	b.dirty = true
	return bucket.Put(key, value)
}

func (b *batch) delete(bucket *bbolt.Bucket, key []byte) error {
	b.dirty = true
	return bucket.Delete(key)
}

// finish writes what the requests have in common.
func (b *batch) finish() error {
	for c, t := range b.counts {
		if !t.moved {
			continue
		}
		d, err := b.makeDay(c.day)
		if err != nil {
			return err
		}
		key := []byte(c.name)
		if err := b.put(d.counts, key, encodeNumber(key, uint64(t.n))); err != nil { //nolint:gosec // all bits are kept
			return fmt.Errorf("writing the counter %q: %w", c.name, err)
		}
	}
	if err := b.writeDepths(); err != nil {
		return err
	}
	meta := b.tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return errors.New("the bucket meta is gone")
	}
	if err := b.put(meta, []byte(seqMetaKey), encodeNumber([]byte(seqMetaKey), b.seq)); err != nil {
		return fmt.Errorf("writing the sequence: %w", err)
	}
	return nil
}

// publish brings the memory up to what was committed.
func (b *batch) publish() {
	b.s.seq = b.seq
	for seq, hash := range b.dropped {
		b.s.items.remove(slot{hash: hash, seq: seq})
	}
	b.s.items.addAll(&b.added)
	b.s.publish(b.effects)
}

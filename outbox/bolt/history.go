package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// day is the bucket of a day within a transaction. In one that reads, any of them may be nil.
type day struct {
	day                                   outbox.Day
	entries, rows, groups, labels, counts *bbolt.Bucket
}

func readDay(tx *bbolt.Tx, d outbox.Day) *day {
	b := bucketAt(tx, daysBucket, d.String())
	if b == nil {
		return nil
	}
	return dayOf(d, b)
}

func dayOf(d outbox.Day, b *bbolt.Bucket) *day {
	return &day{
		day:     d,
		entries: b.Bucket([]byte(entriesBucket)),
		rows:    b.Bucket([]byte(rowsBucket)),
		groups:  b.Bucket([]byte(groupsBucket)),
		labels:  b.Bucket([]byte(labelsBucket)),
		counts:  b.Bucket([]byte(countsBucket)),
	}
}

// path of a bucket of the day, for errors.
func (d *day) path(bucket string) string { return daysBucket + "/" + d.day.String() + "/" + bucket }

// daysOf gives the days that are kept, oldest first.
func daysOf(tx *bbolt.Tx) []outbox.Day {
	b := tx.Bucket([]byte(daysBucket))
	if b == nil {
		return nil
	}
	var days []outbox.Day
	c := b.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if d, err := outbox.ParseDay(string(k)); err == nil {
			days = append(days, d)
		}
	}
	return days
}

// entry finds an entry of the day.
func (d *day) entry(seq uint64) (storedEntry, bool, error) {
	if d == nil || d.entries == nil {
		return storedEntry{}, false, nil
	}
	key := seqKey(seq)
	v := d.entries.Get(key)
	if v == nil {
		return storedEntry{}, false, nil
	}
	e, err := decodeEntry(key, v)
	if err != nil {
		return storedEntry{}, false, damaged(d.path(entriesBucket), key, err)
	}
	return e, true, nil
}

// row finds a row of the day.
func (d *day) row(seq uint64, name string) (storedRow, bool, error) {
	if d == nil || d.rows == nil {
		return storedRow{}, false, nil
	}
	key := rowKey(seq, name)
	v := d.rows.Get(key)
	if v == nil {
		return storedRow{}, false, nil
	}
	row, err := decodeRow(key, v)
	if err != nil {
		return storedRow{}, false, damaged(d.path(rowsBucket), key, err)
	}
	return row, true, nil
}

// ofGroup calls f with the number and ID of each of the group's entries of the day, in order, until f says to stop.
func (d *day) ofGroup(group string, f func(seq uint64, id []byte) (more bool)) error {
	if d == nil || d.groups == nil {
		return nil
	}
	prefix := groupPrefix(group)
	c := d.groups.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		id, err := unseal(k, v)
		if err == nil && len(k) != len(prefix)+seqLen {
			err = errMalformed
		}
		if err != nil {
			return damaged(d.path(groupsBucket), k, err)
		}
		if !f(binary.BigEndian.Uint64(k[len(prefix):]), id) {
			return nil
		}
	}
	return nil
}

// day gives a day of the batch's transaction, nil if it is not there.
func (b *batch) day(d outbox.Day) *day {
	if there, ok := b.days[d]; ok {
		return there
	}
	there := readDay(b.tx, d)
	if there != nil && there.entries != nil && there.rows != nil {
		there.entries.FillPercent = fillPercent
		there.rows.FillPercent = fillPercent
	}
	b.days[d] = there
	return there
}

// makeDay gives a day of the batch's transaction with all its buckets.
func (b *batch) makeDay(d outbox.Day) (*day, error) {
	if there := b.day(d); there != nil && there.counts != nil && there.labels != nil && there.groups != nil && there.rows != nil && there.entries != nil {
		return there, nil
	}
	days := b.tx.Bucket([]byte(daysBucket))
	bucket, err := days.CreateBucketIfNotExists([]byte(d.String()))
	if err != nil {
		return nil, fmt.Errorf("creating the bucket of %s: %w", d, err)
	}
	b.dirty = true
	if err := b.makeLabels(bucket); err != nil {
		return nil, fmt.Errorf("creating the bucket %s of %s: %w", labelsBucket, d, err)
	}
	for _, name := range []string{entriesBucket, rowsBucket, groupsBucket, countsBucket} {
		if _, err := bucket.CreateBucketIfNotExists([]byte(name)); err != nil {
			return nil, fmt.Errorf("creating the bucket %s of %s: %w", name, d, err)
		}
	}
	delete(b.days, d)
	b.kept = nil
	return b.day(d), nil
}

func conflict(what, name string, prev, version uint64) error {
	return fmt.Errorf("%w: the %s %q was expected to have version %d, and has %d", outbox.ErrConflict, what, name, prev, version)
}

// judge compares versions as outbox.EntryPut says. version is 0 if there is none; packed is what is stored.
func (b *batch) judge(what, name string, prev, version uint64, stored, packed, body []byte) (write bool, err error) {
	if version == prev {
		return true, nil
	}
	if version == prev+1 {
		same, err := b.s.codec.same(stored, packed, body)
		if err != nil {
			return false, fmt.Errorf("%w: the %s %q: %w", outbox.ErrDamaged, what, name, err)
		}
		if same {
			return false, nil
		}
	}
	return false, conflict(what, name, prev, version)
}

func (b *batch) checkEntry(r *request, p *plan) error {
	e := r.Entry
	switch {
	case e == nil:
		return nil
	case e.Prev == 0:
		return b.checkNewEntry(r, p)
	}
	stored, _, err := b.day(e.Ref.Day).entry(e.Ref.Seq)
	if err != nil {
		return err
	}
	if stored.version > 0 && (string(stored.group) != r.Group || string(stored.id) != e.ID) {
		return fmt.Errorf("%w: %s/%d is the entry %q of the group %q, not %q of %q", outbox.ErrInvalid,
			e.Ref.Day, e.Ref.Seq, stored.id, stored.group, e.ID, r.Group)
	}
	p.ref = e.Ref
	p.entry, err = b.judge("entry", e.ID, e.Prev, stored.version, stored.packed, r.entry, e.Body)
	return err
}

// checkNewEntry makes sure that the group has no entry of the name yet. That takes a seek for each day kept, the newest
// first: there a repeat finds it.
func (b *batch) checkNewEntry(r *request, p *plan) error {
	p.ref = outbox.Ref{Day: r.Entry.Day}
	if b.kept == nil {
		b.kept = daysOf(b.tx)
	}
	for i := len(b.kept) - 1; i >= 0; i-- {
		d := b.day(b.kept[i])
		var seq uint64
		err := d.ofGroup(r.Group, func(at uint64, id []byte) bool {
			if string(id) == r.Entry.ID {
				seq = at
			}
			return seq == 0
		})
		if err != nil {
			return err
		}
		if seq == 0 {
			continue
		}
		stored, _, err := d.entry(seq)
		if err != nil {
			return err
		}
		p.ref.Day, p.ref.Seq = d.day, seq
		if stored.version == 0 {
			return damaged(d.path(entriesBucket), seqKey(seq), fmt.Errorf("the index has an entry %q that is missing", r.Entry.ID))
		}
		p.entry, err = b.judge("entry", r.Entry.ID, 0, stored.version, stored.packed, r.entry, r.Entry.Body)
		return err
	}
	p.entry = true
	return nil
}

func (b *batch) checkRows(r *request, p *plan) error {
	if len(r.Put) == 0 {
		return nil
	}
	type place struct {
		ref  outbox.Ref
		name string
	}
	seen := make(map[place]bool, len(r.Put))
	p.rows = make([]rowPlan, len(r.Put))
	for i, put := range r.Put {
		ref := put.Ref
		if ref.IsZero() {
			ref = p.ref
		}
		at := place{ref, put.Name}
		if seen[at] {
			return fmt.Errorf("%w: the row %q is put twice", outbox.ErrInvalid, put.Name)
		}
		seen[at] = true
		if ref.Seq == 0 { // of the entry to be created
			if put.Prev != 0 {
				return conflict("row", put.Name, put.Prev, 0)
			}
			p.rows[i].write = true
			continue
		}
		d := b.day(ref.Day)
		if d == nil || d.entries == nil || d.entries.Get(seqKey(ref.Seq)) == nil {
			return fmt.Errorf("%w: the entry %s/%d of the row %q is not there", outbox.ErrConflict, ref.Day, ref.Seq, put.Name)
		}
		stored, _, err := d.row(ref.Seq, put.Name)
		if err != nil {
			return err
		}
		p.rows[i].ref = ref
		p.rows[i].write, err = b.judge("row", put.Name, put.Prev, stored.version, stored.packed, r.rows[i], put.Body)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) writeEntry(r *request, p *plan) error {
	if !p.entry {
		return nil
	}
	d, err := b.makeDay(p.ref.Day)
	if err != nil {
		return err
	}
	isNew := p.ref.Seq == 0
	if isNew {
		p.ref.Seq = b.next()
	}
	key := seqKey(p.ref.Seq)
	if err := b.put(d.entries, key, encodeEntry(key, r.Entry.Prev+1, r.Group, r.Entry.ID, r.entry)); err != nil {
		return fmt.Errorf("writing the entry %q: %w", r.Entry.ID, err)
	}
	if !isNew {
		return nil
	}
	at := append(groupPrefix(r.Group), key...)
	if err := b.put(d.groups, at, seal(at, append(newValue(len(r.Entry.ID)), r.Entry.ID...))); err != nil {
		return fmt.Errorf("writing the index of the group %q: %w", r.Group, err)
	}
	return nil
}

func (b *batch) writeRows(r *request, p *plan) error {
	for i, put := range r.Put {
		if !p.rows[i].write {
			continue
		}
		ref := p.rows[i].ref
		if ref.IsZero() {
			ref = p.ref
		}
		d, err := b.makeDay(ref.Day)
		if err != nil {
			return err
		}
		key := rowKey(ref.Seq, put.Name)
		if err := b.put(d.rows, key, encodeRow(key, put.Prev+1, r.rows[i])); err != nil {
			return fmt.Errorf("writing the row %q: %w", put.Name, err)
		}
	}
	return nil
}

// loadCount brings a counter into the batch.
func (b *batch) loadCount(c counter) error {
	if b.counts[c] != nil {
		return nil
	}
	t := &tally{}
	if d := b.day(c.day); d != nil && d.counts != nil {
		if v := d.counts.Get([]byte(c.name)); v != nil {
			n, err := decodeNumber([]byte(c.name), v)
			if err != nil {
				// A counter follows from what it counts: a recount heals it. No call may wait for that.
				b.s.log.Error("a counter is damaged; it starts from 0", "error", damaged(d.path(countsBucket), []byte(c.name), err))
				n = 0
			}
			t.n = int64(n)
		}
	}
	b.counts[c] = t
	return nil
}

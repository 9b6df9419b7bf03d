package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// The labels of a day are kept in blocks, one for each labelBlock sequence numbers: the key of a label begins with the
// block of its entry. What is written at a time is about new entries, so it goes to the few pages of the newest block,
// wherever the names fall; a bucket ordered by names alone would have each label written to another page. A search looks
// into each block of the day, which is two seeks.
const labelBlockBits = 16

// maxLabel bounds a label: it is a part of a key, and is there once more for each entry.
const maxLabel = 256

// unlabeledKey is the key in a day's labels of the last entry that was created before there were labels. It is behind all
// others.
var unlabeledKey = bytes.Repeat([]byte{0xff}, seqLen)

func checkLabel(tx *outbox.Tx, l outbox.Label) error {
	if err := checkName("label", l.Name); err != nil {
		return err
	}
	if len(l.Name) > maxLabel {
		return fmt.Errorf("%w: the label %q has %d bytes, and %d are allowed", outbox.ErrInvalid, l.Name, len(l.Name), maxLabel)
	}
	if err := checkTarget(tx, l.Ref); err != nil {
		return fmt.Errorf("label %q: %w", l.Name, err)
	}
	return nil
}

// labelPrefix is what the keys of a label in a block begin with. The length keeps a label from being another's beginning.
func labelPrefix(block []byte, name string) []byte {
	p := make([]byte, 0, len(block)+2+len(name)+labelBlockBits/8)
	p = append(p, block...)
	p = binary.BigEndian.AppendUint16(p, uint16(len(name))) //nolint:gosec // at most maxLabel
	return append(p, name...)
}

// blockLen is how many of a sequence number's bytes are its block.
const blockLen = seqLen - labelBlockBits/8

func labelKey(seq uint64, name string) []byte {
	s := seqKey(seq)
	return append(labelPrefix(s[:blockLen], name), s[blockLen:]...)
}

// parseLabelKey takes apart what labelKey makes.
func parseLabelKey(key []byte) (seq uint64, name string, ok bool) {
	const around = seqLen + 2
	if len(key) < around || int(binary.BigEndian.Uint16(key[blockLen:])) != len(key)-around {
		return 0, "", false
	}
	end := len(key) - seqLen + blockLen
	return binary.BigEndian.Uint64(slices.Concat(key[:blockLen], key[end:])), string(key[blockLen+2 : end]), true
}

// writeLabels gives and takes labels. An entry that is gone gets none: its day may be gone with it.
func (b *batch) writeLabels(r *request, p *plan) error {
	for i, labels := range [][]outbox.Label{r.Label, r.Unlabel} {
		take := i == 1
		for _, l := range labels {
			ref := l.Ref
			if ref.IsZero() {
				ref = p.ref
			}
			if err := b.writeLabel(ref, l.Name, take); err != nil {
				return fmt.Errorf("writing the label %q: %w", l.Name, err)
			}
		}
	}
	return nil
}

func (b *batch) writeLabel(ref outbox.Ref, name string, take bool) error {
	d := b.day(ref.Day)
	key := labelKey(ref.Seq, name)
	switch {
	case d == nil || d.entries == nil || d.entries.Get(seqKey(ref.Seq)) == nil:
		return nil
	case take && (d.labels == nil || d.labels.Get(key) == nil):
		return nil
	case take:
		return b.delete(d.labels, key)
	case d.labels != nil && d.labels.Get(key) != nil:
		return nil
	}
	d, err := b.makeDay(ref.Day)
	if err != nil {
		return err
	}
	return b.put(d.labels, key, seal(key, newValue(0)))
}

// makeLabels makes the bucket of a day's labels. In a day that has entries already they have none: it is noted up to where.
func (b *batch) makeLabels(day *bbolt.Bucket) error {
	if day.Bucket([]byte(labelsBucket)) != nil {
		return nil
	}
	labels, err := day.CreateBucket([]byte(labelsBucket))
	if err != nil {
		return err
	}
	entries := day.Bucket([]byte(entriesBucket))
	if entries == nil {
		return nil
	}
	last, _ := entries.Cursor().Last()
	if len(last) != seqLen {
		return nil
	}
	return b.put(labels, unlabeledKey, encodeNumber(unlabeledKey, binary.BigEndian.Uint64(last)))
}

// labeled calls f with the number of each entry of the day that has the label, in order.
func (d *day) labeled(name string, f func(seq uint64)) error {
	if d.labels == nil {
		return nil
	}
	c := d.labels.Cursor()
	for at, _ := c.First(); at != nil && !bytes.Equal(at, unlabeledKey); {
		if len(at) < blockLen {
			return damaged(d.path(labelsBucket), at, errMalformed)
		}
		block := slices.Clone(at[:blockLen])
		prefix := labelPrefix(block, name)
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if _, err := unseal(k, v); err != nil {
				return damaged(d.path(labelsBucket), k, err)
			}
			if len(k) == len(prefix)+seqLen-blockLen {
				f(binary.BigEndian.Uint64(append(block[:blockLen:blockLen], k[len(prefix):]...)))
			}
		}
		next := binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(append(block[:blockLen:blockLen], 0, 0))+1<<labelBlockBits)
		at, _ = c.Seek(next[:blockLen])
	}
	return nil
}

// unlabeled gives the last entry of the day that was created before there were labels; false if there is none.
func (d *day) unlabeled() (seq uint64, ok bool, err error) {
	if d.labels == nil {
		if d.entries == nil {
			return 0, false, nil
		}
		last, _ := d.entries.Cursor().Last()
		if len(last) != seqLen {
			return 0, false, nil
		}
		return binary.BigEndian.Uint64(last), true, nil
	}
	v := d.labels.Get(unlabeledKey)
	if v == nil {
		return 0, false, nil
	}
	if seq, err = decodeNumber(unlabeledKey, v); err != nil {
		return 0, false, damaged(d.path(labelsBucket), unlabeledKey, err)
	}
	return seq, true, nil
}

// Labeled finds entries by a label, see outbox.Store. A transaction reads one day.
func (s *Store) Labeled(ctx context.Context, label string, limit int) (refs, unlabeled []outbox.Ref, err error) {
	if err := checkName("label", label); err != nil {
		return nil, nil, err
	}
	days, err := s.Days(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, of := range slices.Backward(days) {
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			d := readDay(tx, of)
			if d == nil {
				return nil
			}
			var found []outbox.Ref
			if err := d.labeled(label, func(seq uint64) { found = append(found, outbox.Ref{Day: of, Seq: seq}) }); err != nil {
				return err
			}
			slices.Reverse(found)
			refs = append(refs, found...)
			seq, ok, err := d.unlabeled()
			if ok {
				unlabeled = append(unlabeled, outbox.Ref{Day: of, Seq: seq})
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return refs[:min(len(refs), max(limit, 0))], unlabeled, nil
}

// Groups names groups of the history, see outbox.Store. Names of each length stand together in the index, so it takes a few
// seeks for each length that there is, and day.
func (s *Store) Groups(ctx context.Context, prefix string, limit int) ([]string, error) {
	if err := checkName("group", prefix); err != nil {
		return nil, err
	}
	var names []string
	found := map[string]bool{}
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		for _, of := range slices.Backward(daysOf(tx)) {
			d := readDay(tx, of)
			if d == nil || d.groups == nil {
				continue
			}
			c := d.groups.Cursor()
			for length := len(prefix); length <= maxName; {
				at := binary.BigEndian.AppendUint16(nil, uint16(length))
				k, _ := c.Seek(at)
				if len(k) < 2 {
					break
				}
				length = int(binary.BigEndian.Uint16(k))
				from := append(slices.Clone(k[:2]), prefix...)
				for k, _ := c.Seek(from); bytes.HasPrefix(k, from) && len(k) >= 2+length; k, _ = c.Next() {
					name := string(k[2 : 2+length])
					if !found[name] {
						if len(names) >= limit {
							return nil
						}
						found[name] = true
						names = append(names, name)
					}
				}
				length++
			}
		}
		return nil
	})
	return names, err
}

// WalkBack gives entries of a day, the newest first, see outbox.Store. One call is one read transaction: keep the limit low.
func (s *Store) WalkBack(ctx context.Context, of outbox.Day, before uint64, limit int) ([]outbox.Entry, error) {
	var w walked
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		d := readDay(tx, of)
		if d == nil || d.entries == nil {
			return nil
		}
		c := d.entries.Cursor()
		k, _ := c.Last()
		if before != 0 {
			if k, _ = c.Seek(seqKey(before)); k == nil {
				k, _ = c.Last()
			} else {
				k, _ = c.Prev()
			}
		}
		for ; k != nil && len(w.entries) < limit; k, _ = c.Prev() {
			w.read(s, d, k)
		}
		return nil
	})
	return w.entries, w.err(err)
}

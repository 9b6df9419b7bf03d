package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// slot is what memory knows of an open item: 16 bytes, no string.
type slot struct{ hash, seq uint64 }

// index finds open items by the hash of group and ID. Two items may have the same hash, so what it finds must be read to be
// certain. Its first map holds no pointers: the garbage collector doesn't look into it.
type index struct {
	first map[uint64]uint64
	more  map[uint64][]uint64 // the seqs of a hash after the first one
}

func newIndex() index { return index{first: map[uint64]uint64{}, more: map[uint64][]uint64{}} }

func (x *index) add(s slot) {
	if _, taken := x.first[s.hash]; taken {
		x.more[s.hash] = append(x.more[s.hash], s.seq)
		return
	}
	x.first[s.hash] = s.seq
}

func (x *index) addAll(from *index) {
	for hash, seq := range from.first {
		x.add(slot{hash, seq})
	}
	for hash, seqs := range from.more {
		for _, seq := range seqs {
			x.add(slot{hash, seq})
		}
	}
}

func (x *index) remove(s slot) {
	more := x.more[s.hash]
	switch {
	case x.first[s.hash] == s.seq && len(more) == 0:
		delete(x.first, s.hash)
	case x.first[s.hash] == s.seq:
		x.first[s.hash] = more[0]
		more = more[1:]
	default:
		more = slices.DeleteFunc(more, func(seq uint64) bool { return seq == s.seq })
	}
	if len(more) == 0 {
		delete(x.more, s.hash)
	} else {
		x.more[s.hash] = more
	}
}

func (x *index) has(s slot) bool {
	return x.first[s.hash] == s.seq || slices.Contains(x.more[s.hash], s.seq)
}

// find calls is for the items of the hash, until it says yes.
func (x *index) find(hash uint64, is func(seq uint64) bool) (uint64, bool) {
	seq, ok := x.first[hash]
	if !ok {
		return 0, false
	}
	if is(seq) {
		return seq, true
	}
	for _, seq := range x.more[hash] {
		if is(seq) {
			return seq, true
		}
	}
	return 0, false
}

func itemHash(seed maphash.Seed) func(group, id string) uint64 {
	return func(group, id string) uint64 {
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.WriteString(group)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(id)
		return h.Sum64()
	}
}

// loadItems builds the index. A damaged item is left out: it is in nobody's way, stays for whoever can salvage it, and if
// the same item comes again it is stored again.
func (s *Store) loadItems(tx *bbolt.Tx) {
	s.items = newIndex()
	c := tx.Bucket([]byte(openBucket)).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		it, err := decodeItem(k, v)
		if err != nil || len(k) != seqLen {
			s.log.Error("left out a damaged item", "error", damaged(openBucket, k, err))
			continue
		}
		s.items.add(slot{hash: s.hash(string(it.group), string(it.id)), seq: binary.BigEndian.Uint64(k)})
	}
}

// find looks for an open item.
func (b *batch) find(group, id string) (slot, bool) {
	hash := b.s.hash(group, id)
	is := func(seq uint64) bool {
		if _, gone := b.dropped[seq]; gone {
			return false
		}
		key := seqKey(seq)
		it, err := decodeItem(key, b.open.Get(key))
		if err != nil {
			b.s.log.Error("passed over a damaged item", "error", damaged(openBucket, key, err))
			return false
		}
		return string(it.group) == group && string(it.id) == id
	}
	seq, ok := b.s.items.find(hash, is)
	if !ok {
		seq, ok = b.added.find(hash, is)
	}
	return slot{hash: hash, seq: seq}, ok
}

func (b *batch) writeItems(r *request, p *plan) error {
	for i, it := range r.Add {
		if !p.added[i] {
			continue
		}
		seq := b.next()
		key := seqKey(seq)
		if err := b.put(b.open, key, encodeItem(key, r.Group, it.ID, r.items[i])); err != nil {
			return fmt.Errorf("writing the item %q: %w", it.ID, err)
		}
		b.added.add(slot{hash: b.s.hash(r.Group, it.ID), seq: seq})
	}
	for _, at := range p.drop {
		if err := b.delete(b.open, seqKey(at.seq)); err != nil {
			return fmt.Errorf("dropping an item: %w", err)
		}
		if b.added.has(at) {
			b.added.remove(at)
		} else {
			b.dropped[at.seq] = at.hash
		}
	}
	return nil
}

const (
	walkKeys   = 4096    // how many items one transaction looks at
	readGroups = 256     // how many groups one transaction reads,
	readBytes  = 8 << 20 // unless they are large
	tellDamage = 100     // how many damaged items are named
)

// Open gives the open groups, in the order of their first items, see outbox.Store. It reads in short transactions, so f may
// take its time; a group is given as it stands when it is read.
func (s *Store) Open(ctx context.Context, f func(group string, items []outbox.Item) error) error {
	groups, seqs, bad, err := s.openGroups(ctx)
	if err != nil {
		return err
	}
	for len(groups) > 0 {
		var items [][]outbox.Item
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			open := tx.Bucket([]byte(openBucket))
			for size := 0; len(items) < min(readGroups, len(groups)) && size < readBytes; {
				var of []outbox.Item
				for _, seq := range seqs[groups[len(items)]] {
					// What can't be read here was either reported above or has been dropped since.
					if it, ok := s.readItem(open, seq); ok {
						of = append(of, it)
						size += len(it.Body)
					}
				}
				items = append(items, of)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i, of := range items {
			if len(of) == 0 {
				continue
			}
			if err := f(groups[i], of); err != nil {
				return err
			}
		}
		groups = groups[len(items):]
	}
	return errors.Join(bad...)
}

// openGroups finds which items the groups have, without their bodies: those may be more than fits in memory.
func (s *Store) openGroups(ctx context.Context) (groups []string, seqs map[string][]uint64, bad []error, err error) {
	seqs = map[string][]uint64{}
	from, more := []byte{0}, true
	for more {
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			open := tx.Bucket([]byte(openBucket))
			if open == nil {
				more = false
				return nil
			}
			c := open.Cursor()
			k, v := c.Seek(from)
			for n := 0; k != nil && n < walkKeys; n++ {
				it, err := decodeItem(k, v)
				if err == nil {
					_, err = s.codec.unpack(it.packed)
				}
				if err == nil && len(k) != seqLen {
					err = errMalformed
				}
				switch {
				case err == nil:
					group := string(it.group)
					if seqs[group] == nil {
						groups = append(groups, group)
					}
					seqs[group] = append(seqs[group], binary.BigEndian.Uint64(k))
				case len(bad) < tellDamage:
					bad = append(bad, damaged(openBucket, k, err))
				}
				k, v = c.Next()
			}
			from, more = slices.Clone(k), k != nil
			return nil
		})
		if err != nil {
			return nil, nil, nil, err
		}
	}
	return groups, seqs, bad, nil
}

func (s *Store) readItem(open *bbolt.Bucket, seq uint64) (outbox.Item, bool) {
	key := seqKey(seq)
	it, err := decodeItem(key, open.Get(key))
	if err != nil {
		return outbox.Item{}, false
	}
	body, err := s.codec.unpack(it.packed)
	return outbox.Item{ID: string(it.id), Body: body}, err == nil
}

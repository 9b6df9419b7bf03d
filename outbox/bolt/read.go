package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// Entries gives the group's entries in the order in which they were created. It looks into every day that is kept, which is
// one seek each.
func (s *Store) Entries(ctx context.Context, group string) ([]outbox.Entry, error) {
	if err := checkName("group", group); err != nil {
		return nil, err
	}
	var entries []outbox.Entry
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		for _, at := range daysOf(tx) {
			d := readDay(tx, at)
			var seqs []uint64
			err := d.ofGroup(group, func(seq uint64, _ []byte) bool {
				seqs = append(seqs, seq)
				return true
			})
			if err != nil {
				return err
			}
			for _, seq := range seqs {
				e, err := s.readEntry(d, seq)
				if err != nil {
					return err
				}
				entries = append(entries, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b outbox.Entry) int {
		if a.Ref.Seq < b.Ref.Seq { // never equal
			return -1
		}
		return 1
	})
	return entries, nil
}

// Entry gives one entry, see outbox.Store.
func (s *Store) Entry(ctx context.Context, ref outbox.Ref) (outbox.Entry, error) {
	var e outbox.Entry
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		var err error
		e, err = s.readEntry(readDay(tx, ref.Day), ref.Seq)
		return err
	})
	if err != nil {
		return outbox.Entry{}, fmt.Errorf("entry %s/%d: %w", ref.Day, ref.Seq, err)
	}
	return e, nil
}

func (s *Store) readEntry(d *day, seq uint64) (outbox.Entry, error) {
	stored, ok, err := d.entry(seq)
	if err != nil {
		return outbox.Entry{}, err
	}
	if !ok {
		return outbox.Entry{}, outbox.ErrNotFound
	}
	e := outbox.Entry{
		Ref:     outbox.Ref{Day: d.day, Seq: seq},
		Group:   string(stored.group),
		ID:      string(stored.id),
		Version: stored.version,
	}
	if e.Body, err = s.codec.unpack(stored.packed); err != nil {
		return outbox.Entry{}, damaged(d.path(entriesBucket), seqKey(seq), err)
	}
	if d.rows == nil {
		return e, nil
	}
	prefix := seqKey(seq)
	c := d.rows.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		row, err := decodeRow(k, v)
		if err != nil {
			return outbox.Entry{}, damaged(d.path(rowsBucket), k, err)
		}
		body, err := s.codec.unpack(row.packed)
		if err != nil {
			return outbox.Entry{}, damaged(d.path(rowsBucket), k, err)
		}
		e.Rows = append(e.Rows, outbox.Row{Name: string(k[seqLen:]), Version: row.version, Body: body})
	}
	return e, nil
}

// Days names the days that are kept, oldest first.
func (s *Store) Days(ctx context.Context) (days []outbox.Day, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		days = daysOf(tx)
		return nil
	})
	return days, err
}

// Walk gives entries of a day, see outbox.Store. One call is one read transaction: keep the limit low.
func (s *Store) Walk(ctx context.Context, of outbox.Day, after uint64, limit int) ([]outbox.Entry, error) {
	var w walked
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		d := readDay(tx, of)
		if d == nil || d.entries == nil {
			return nil
		}
		from := seqKey(after)
		c := d.entries.Cursor()
		k, _ := c.Seek(from)
		if bytes.Equal(k, from) {
			k, _ = c.Next()
		}
		for ; k != nil && len(w.entries) < limit; k, _ = c.Next() {
			w.read(s, d, k)
		}
		return nil
	})
	return w.entries, w.err(err)
}

// walked is what a walk has read: the entries, and what is damaged of them.
type walked struct {
	entries []outbox.Entry
	bad     []error
}

func (w *walked) read(s *Store, d *day, key []byte) {
	err := damaged(d.path(entriesBucket), key, errMalformed)
	var e outbox.Entry
	if len(key) == seqLen {
		e, err = s.readEntry(d, binary.BigEndian.Uint64(key))
	}
	switch {
	case err == nil:
		w.entries = append(w.entries, e)
	case len(w.bad) < tellDamage:
		w.bad = append(w.bad, err)
	}
}

func (w *walked) err(err error) error { return errors.Join(append(w.bad, err)...) }

// Counts gives the counters of a day; none for a day without.
func (s *Store) Counts(ctx context.Context, of outbox.Day) (map[string]int64, error) {
	counts := map[string]int64{}
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		d := readDay(tx, of)
		if d == nil || d.counts == nil {
			return nil
		}
		c := d.counts.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			n, err := decodeNumber(k, v)
			if err != nil {
				return damaged(d.path(countsBucket), k, err)
			}
			counts[string(k)] = int64(n) //nolint:gosec // all bits are kept
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

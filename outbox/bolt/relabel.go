package bolt

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"wrapup/outbox"
)

// relabel are the labels that a salvaged day gets: those that can be read, and those that follow from what there is.
type relabel struct {
	keys map[string]bool
	was  map[uint64][]string // names, by entry
}

func keptLabels(d *dayContents) *relabel {
	l := &relabel{keys: map[string]bool{}, was: map[uint64][]string{}}
	for i := range d.labels {
		seq, name, _ := parseLabelKey(d.labels[i].key)
		l.was[seq] = append(l.was[seq], name)
	}
	return l
}

// of takes up the labels of an entry that is kept.
func (l *relabel) of(e *outbox.Entry, m outbox.Meaning) {
	names, only := m.Labels(e)
	if !only {
		names = append(names, l.was[e.Ref.Seq]...)
	}
	for _, name := range names {
		if checkName("label", name) == nil && len(name) <= maxLabel {
			l.keys[string(labelKey(e.Ref.Seq, name))] = true
		}
	}
}

// mendLabels gives the day its labels. If some may be lost that can't be made anew, the whole day is noted as one whose
// entries may have none: a search then reads them.
func (s *salvage) mendLabels(day outbox.Day, d *dayContents, l *relabel) {
	path := []string{daysBucket, day.String(), labelsBucket}
	lost := s.behind || !s.tree.seen[joined(path...)] || slices.ContainsFunc(s.tree.holes, func(h hole) bool { return h.hits(path) })
	if lost && len(d.entries) > 0 {
		last := d.entries[len(d.entries)-1].key
		d.unlabeled = encodeNumber(unlabeledKey, binary.BigEndian.Uint64(last))
	}
	d.labels = nil
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		d.labels = append(d.labels, cell{key: []byte(key), value: seal([]byte(key), newValue(0))})
	}
}

// settle has an entry and its rows agree where what one of them says is final, before anything is made of them.
func (s *salvage) settle(e *outbox.Entry, at *cell, rows []cell) {
	var of []*cell
	was := [][]byte{bytes.Clone(e.Body)}
	for i := range rows {
		if row, err := rows[i].rowOf(s.codec); err == nil {
			e.Rows, of, was = append(e.Rows, row), append(of, &rows[i]), append(was, bytes.Clone(row.Body))
		}
	}
	s.m.Settle(e, s.now)
	if !bytes.Equal(was[0], e.Body) {
		e.Version++
		at.value, at.version = encodeEntry(at.key, e.Version, e.Group, e.ID, s.codec.pack(e.Body, compressEntries)), e.Version
	}
	for i, c := range of {
		if row := &e.Rows[i]; !bytes.Equal(was[i+1], row.Body) {
			c.version, c.doubtful = row.Version+1, false
			c.value = encodeRow(c.key, c.version, s.codec.pack(row.Body, compressRows))
		}
	}
	e.Rows = nil
}

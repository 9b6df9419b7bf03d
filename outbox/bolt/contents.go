package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wrapup/outbox"
)

// cell is a value as it stands in an image. Its bytes are the image's.
type cell struct {
	seq        uint64
	key, value []byte
	version    uint64
	doubtful   bool // it may be an old version
}

// name of a row.
func (c *cell) name() string { return string(c.key[seqLen:]) }

type dayContents struct {
	entries, rows, groups []cell // by key
	labels                []cell // likewise
	unlabeled             []byte // the value of unlabeledKey
	counts                map[string]uint64
	// Of a day that was let go there are only the numbers of its entries, in order, and how many rows it had.
	gone     []uint64
	goneRows int
}

func (d *dayContents) has(seq uint64) bool {
	if _, ok := slices.BinarySearch(d.gone, seq); ok {
		return true
	}
	_, ok := d.entry(seq)
	return ok
}

// letGo forgets all but what others refer to: what there is of all days takes as much memory as a third of the file.
func (d *dayContents) letGo() {
	for i := range d.entries {
		d.gone = append(d.gone, d.entries[i].seq)
	}
	d.goneRows += len(d.rows)
	d.entries, d.rows, d.groups, d.labels, d.unlabeled, d.counts = nil, nil, nil, nil, nil, map[string]uint64{}
}

func (d *dayContents) entry(seq uint64) (*cell, bool) {
	i, ok := slices.BinarySearchFunc(d.entries, seq, bySeq)
	if !ok {
		return nil, false
	}
	return &d.entries[i], true
}

// rowsOf gives the rows of an entry.
func (d *dayContents) rowsOf(seq uint64) []cell {
	i, _ := slices.BinarySearchFunc(d.rows, seq, bySeq)
	j := i
	for j < len(d.rows) && d.rows[j].seq == seq {
		j++
	}
	return d.rows[i:j]
}

func bySeq(c cell, seq uint64) int {
	switch {
	case c.seq < seq:
		return -1
	case c.seq > seq:
		return 1
	}
	return 0
}

// task is a task and where it stands.
type task struct {
	key outbox.Key
	ref outbox.Ref
}

type queueContents struct {
	due, buried []task
	depth       []byte
}

// contents are what a tree holds, taken apart.
type contents struct {
	meta   map[string][]byte // other values of the bucket
	schema uint64
	seq    uint64
	items  []cell
	days   map[outbox.Day]*dayContents
	queues map[string]*queueContents
	// top is the highest sequence number in any key.
	top uint64

	// brief says that each day is let go once all of it was seen, and its values were compared with each other: all values of a
	// day come one after the other. What was found is in found.
	brief bool
	found Report
	seen  *dayContents // the day that is being seen
	on    outbox.Day
}

func newContents() *contents {
	return &contents{meta: map[string][]byte{}, days: map[outbox.Day]*dayContents{}, queues: map[string]*queueContents{}}
}

func (c *contents) day(d outbox.Day) *dayContents {
	if c.days[d] == nil {
		c.days[d] = &dayContents{counts: map[string]uint64{}}
	}
	return c.days[d]
}

func (c *contents) queue(name string) *queueContents {
	if c.queues[name] == nil {
		c.queues[name] = &queueContents{}
	}
	return c.queues[name]
}

// end says that nothing more comes of the day that is being seen.
func (c *contents) end() {
	if c.seen == nil {
		return
	}
	c.seen.relations(c.on, &c.found)
	c.seen.letGo()
	c.seen = nil
}

var errPlace = errors.New("there is a value where none should be")

// add takes a value of a tree. An error says that it can't be trusted.
func (c *contents) add(path []string, key, value []byte) error {
	switch {
	case len(path) == 1 && path[0] == metaBucket:
		return c.addMeta(key, value)
	case len(path) == 1 && path[0] == openBucket:
		if _, err := decodeItem(key, value); err != nil {
			return err
		}
		return c.addCell(&c.items, key, value, 0, len(key) == seqLen)
	case len(path) == 3 && path[0] == daysBucket:
		day, err := outbox.ParseDay(path[1])
		if err != nil {
			return err
		}
		d := c.day(day)
		if c.brief && d != c.seen {
			c.end()
			c.seen, c.on = d, day
		}
		return c.addOfDay(d, path[2], key, value)
	case len(path) == 3 && path[0] == expiredBucket:
		// It is only checked: what was dropped is not for salvage.
		return c.addOfDay(&dayContents{counts: map[string]uint64{}}, path[2], key, value)
	case len(path) >= 2 && path[0] == queuesBucket:
		return c.addOfQueue(c.queue(path[1]), path[2:], key, value)
	}
	return errPlace
}

func (c *contents) addMeta(key, value []byte) (err error) {
	switch string(key) {
	case schemaKey:
		c.schema, err = decodeNumber(key, value)
	case seqMetaKey:
		c.seq, err = decodeNumber(key, value)
	default:
		if _, err = unseal(key, value); err == nil {
			c.meta[string(key)] = value
		}
	}
	return err
}

func (c *contents) addCell(to *[]cell, key, value []byte, version uint64, shaped bool) error {
	if !shaped {
		return errMalformed
	}
	seq := binary.BigEndian.Uint64(key)
	c.top = max(c.top, seq)
	*to = append(*to, cell{seq: seq, key: key, value: value, version: version})
	return nil
}

func (c *contents) addOfDay(d *dayContents, bucket string, key, value []byte) error {
	switch bucket {
	case entriesBucket:
		e, err := decodeEntry(key, value)
		if err != nil {
			return err
		}
		return c.addCell(&d.entries, key, value, e.version, len(key) == seqLen)
	case rowsBucket:
		row, err := decodeRow(key, value)
		if err != nil {
			return err
		}
		return c.addCell(&d.rows, key, value, row.version, len(key) > seqLen)
	case groupsBucket:
		if _, err := unseal(key, value); err != nil {
			return err
		}
		if len(key) < 2+seqLen || int(binary.BigEndian.Uint16(key)) != len(key)-2-seqLen {
			return errMalformed
		}
		d.groups = append(d.groups, cell{seq: binary.BigEndian.Uint64(key[len(key)-seqLen:]), key: key, value: value})
		return nil
	}
	if bucket == labelsBucket {
		return d.addLabel(key, value)
	}
	n, err := decodeNumber(key, value)
	if err == nil {
		d.counts[string(key)] = n
	}
	return err
}

func (d *dayContents) addLabel(key, value []byte) error {
	if bytes.Equal(key, unlabeledKey) {
		_, err := decodeNumber(key, value)
		d.unlabeled = value
		return err
	}
	if _, err := unseal(key, value); err != nil {
		return err
	}
	seq, name, ok := parseLabelKey(key)
	if !ok || name == "" {
		return errMalformed
	}
	d.labels = append(d.labels, cell{seq: seq, key: key, value: value})
	return nil
}

func (c *contents) addOfQueue(q *queueContents, bucket []string, key, value []byte) error {
	if len(bucket) == 0 {
		if string(key) != depthKey {
			return errPlace
		}
		_, _, err := decodeDepth(value)
		q.depth = value
		return err
	}
	ref, err := decodeRef(key, value)
	if err != nil {
		return err
	}
	if len(key) != len(outbox.Key{}) {
		return errMalformed
	}
	t := task{outbox.Key(key), ref}
	c.top = max(c.top, binary.BigEndian.Uint64(key[8:]))
	if bucket[0] == buriedBucket {
		q.buried = append(q.buried, t)
	} else {
		q.due = append(q.due, t)
	}
	return nil
}

// entryOf takes an entry apart, with its rows.
func (c *cell) entryOf(codec codec, day outbox.Day, rows []cell) (*outbox.Entry, error) {
	e, err := decodeEntry(c.key, c.value)
	if err != nil {
		return nil, err
	}
	out := &outbox.Entry{Ref: outbox.Ref{Day: day, Seq: c.seq}, Group: string(e.group), ID: string(e.id), Version: e.version}
	if out.Body, err = codec.unpack(e.packed); err != nil {
		return nil, err
	}
	for i := range rows {
		row, err := rows[i].rowOf(codec)
		if err != nil {
			return nil, fmt.Errorf("its row %q: %w", row.Name, err)
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

func (c *cell) rowOf(codec codec) (outbox.Row, error) {
	row, err := decodeRow(c.key, c.value)
	if err != nil {
		return outbox.Row{Name: c.name()}, err
	}
	body, err := codec.unpack(row.packed)
	return outbox.Row{Name: c.name(), Version: row.version, Body: body}, err
}

func joined(path ...string) string { return strings.Join(path, "/") }

package bolt

import (
	"encoding/binary"
	"slices"
	"time"

	"wrapup/outbox"
)

// loose finds values on pages that the tree doesn't lead to, and puts those in that fill a hole.
//
// Such a page may be a part of the tree that a damaged page leads to, or one that was given up and has an old version on it,
// even one that a commit left which never came to its end. Which of them it is can be told where the free pages are written
// down (after a clean stop), and of a page that the tree leads to and whose own head is damaged. Everything else is doubtful:
// of each key the highest version is taken, and whoever uses it must allow for a newer one that is lost.
//
// Tasks, the index of groups and counters are not looked for: they follow from entries and rows.
type loose struct {
	*exam
	m       outbox.Meaning
	codec   codec
	whole   map[uint64]bool // damaged pages that the tree leads to
	items   []cell
	entries map[uint64]dated
	rows    map[string]cell
}

type dated struct {
	cell
	day outbox.Day
}

func (x *exam) fill(m outbox.Meaning, codec codec) {
	l := &loose{exam: x, m: m, codec: codec, whole: map[uint64]bool{}, entries: map[uint64]dated{}, rows: map[string]cell{}}
	for _, h := range x.tree.holes {
		if _, err := x.im.page(h.page); err != nil {
			l.whole[h.page] = true
		}
	}
	for id := range (uint64(len(x.im.data)) + x.im.size - 1) / x.im.size {
		if !x.tree.reached[id] {
			l.page(id)
		}
	}
	l.merge()
}

// page reads a page as a leaf, whatever its own head says: what is on it answers for itself.
func (l *loose) page(id uint64) {
	at := int(id * l.im.size) //nolint:gosec // inside of the file
	data := l.im.data[at:]
	if len(data) < pageHeader+pageElement || !l.im.readable(at, min(len(data), int(l.im.size))) { //nolint:gosec // small
		return
	}
	// The first element's bytes stand behind the last element.
	count := int(binary.NativeEndian.Uint32(data[pageHeader+4:])) / pageElement
	if count == 0 || count > int(l.im.size) || pageHeader+count*pageElement > len(data) { //nolint:gosec // small
		count = int(binary.NativeEndian.Uint16(data[10:]))
	}
	if pageHeader+count*pageElement > len(data) {
		return
	}
	doubtful := (l.tree.free == nil || l.tree.free[id]) && !l.whole[id]
	l.leaf(page{count: count, data: data}, doubtful)
}

func (l *loose) leaf(p page, doubtful bool) {
	var cells []cell
	asItem, asEntry := 0, 0
	for i := range p.count {
		e, err := p.leaf(i)
		switch {
		case err != nil:
		case e.bucket:
			if _, in, err := inline(e.value); err == nil && len(in.data) > 0 {
				l.leaf(in, doubtful)
			}
		case string(e.key) == restoredKey:
			l.restored(e.value)
		case len(e.key) < seqLen || e.key[0] != 0: // no number
		default:
			if _, err := unseal(e.key, e.value); err == nil {
				c := cell{seq: binary.BigEndian.Uint64(e.key), key: e.key, value: e.value, doubtful: doubtful}
				cells = append(cells, c)
				if l.isItem(&c) {
					asItem++
				}
				if l.isEntry(&c) {
					asEntry++
				}
			}
		}
	}
	// Items and entries have keys of the same form; a page has only one kind of them.
	for i := range cells {
		c := &cells[i]
		switch {
		case len(c.key) > seqLen:
			l.row(c)
		case asEntry >= asItem && l.isEntry(c):
			l.entry(c)
		case asItem > asEntry && l.isItem(c):
			l.item(c)
		}
	}
}

// restored takes the mark of a restore, where it was lost: none is ever taken away again, so that an old one is right, too.
func (l *loose) restored(value []byte) {
	if _, err := unseal([]byte(restoredKey), value); err != nil || !l.lost([]string{metaBucket}, []byte(restoredKey)) {
		return
	}
	was, known := l.contents.meta[restoredKey]
	if !known || decodeRestored(value, time.Time{}).At.After(decodeRestored(was, time.Time{}).At) {
		l.contents.meta[restoredKey] = value
	}
}

func (l *loose) isItem(c *cell) bool {
	it, err := decodeItem(c.key, c.value)
	if err == nil {
		_, err = l.codec.unpack(it.packed)
	}
	return err == nil && len(c.key) == seqLen && len(it.group) > 0 && len(it.id) > 0
}

func (l *loose) isEntry(c *cell) bool {
	e, err := decodeEntry(c.key, c.value)
	if err == nil {
		_, err = l.codec.unpack(e.packed)
	}
	return err == nil && len(c.key) == seqLen && len(e.group) > 0 && len(e.id) > 0
}

func (l *loose) lost(path []string, key []byte) bool {
	for i := range l.tree.holes {
		if l.tree.holes[i].covers(path, key) {
			return true
		}
	}
	return false
}

// newer says that a value is of the commit that the tree may lack.
func (l *loose) newer(seq uint64) bool { return l.behind && seq > l.contents.seq }

func (l *loose) item(c *cell) {
	if l.newer(c.seq) || l.lost([]string{openBucket}, c.key) {
		l.items = append(l.items, *c)
	}
}

func (l *loose) entry(c *cell) {
	e, err := c.entryOf(l.codec, 0, nil)
	if err != nil {
		return
	}
	day, ok := l.m.Day(e)
	if !ok || l.tree.seen[joined(expiredBucket, day.String())] {
		return
	}
	c.version = e.Version
	if now, ok := l.contents.day(day).entry(c.seq); ok {
		if l.behind && c.version > now.version {
			now.key, now.value, now.version = c.key, c.value, c.version
		}
		return
	}
	if !l.newer(c.seq) && !l.lost([]string{daysBucket, day.String(), entriesBucket}, c.key) {
		return
	}
	if was, ok := l.entries[c.seq]; ok && !better(c, &was.cell) {
		return
	}
	l.entries[c.seq] = dated{*c, day}
}

func (l *loose) row(c *cell) {
	row, err := c.rowOf(l.codec)
	if err != nil || row.Version == 0 {
		return
	}
	c.version = row.Version
	if was, ok := l.rows[string(c.key)]; ok && !better(c, &was) {
		return
	}
	l.rows[string(c.key)] = *c
}

// better says that a is to be preferred: it is surely the one in use, or newer.
func better(a, b *cell) bool {
	if a.doubtful != b.doubtful {
		return !a.doubtful
	}
	return a.version > b.version
}

// merge puts what was found into the contents.
func (l *loose) merge() {
	c := l.contents
	named := map[string]bool{} // entries have unique names
	for _, d := range c.days {
		for i := range d.entries {
			named[nameOf(&d.entries[i])] = true
		}
	}
	for _, e := range l.entries {
		if name := nameOf(&e.cell); !named[name] {
			named[name] = true
			d := c.day(e.day)
			d.entries = append(d.entries, e.cell)
			c.top = max(c.top, e.seq)
		}
	}
	days := map[uint64]outbox.Day{}
	for day, d := range c.days {
		slices.SortFunc(d.entries, func(a, b cell) int { return bySeq(a, b.seq) })
		for i := range d.entries {
			days[d.entries[i].seq] = day
		}
	}
	for _, row := range l.rows {
		day, ok := days[row.seq]
		if !ok {
			continue
		}
		d := c.day(day)
		at := slices.IndexFunc(d.rowsOf(row.seq), func(r cell) bool { return r.name() == row.name() })
		if at >= 0 {
			if now := &d.rowsOf(row.seq)[at]; l.behind && row.version > now.version {
				row.doubtful = false // it can't be older
				*now = row
			}
			continue
		}
		if l.newer(row.seq) {
			row.doubtful = false
		}
		if l.newer(row.seq) || l.lost([]string{daysBucket, day.String(), rowsBucket}, row.key) {
			d.rows = slices.Insert(d.rows, l.place(d, &row), row)
		}
	}
	open := map[string]bool{}
	seqs := map[uint64]bool{}
	for i := range c.items {
		it, _ := decodeItem(c.items[i].key, c.items[i].value)
		open[joined(string(it.group), string(it.id))] = true
		seqs[c.items[i].seq] = true
	}
	for _, one := range l.items {
		it, _ := decodeItem(one.key, one.value)
		name := joined(string(it.group), string(it.id))
		if !open[name] && !seqs[one.seq] {
			open[name], seqs[one.seq] = true, true
			c.items = append(c.items, one)
			c.top = max(c.top, one.seq)
		}
	}
	slices.SortFunc(c.items, func(a, b cell) int { return bySeq(a, b.seq) })
}

func (l *loose) place(d *dayContents, row *cell) int {
	at, _ := slices.BinarySearchFunc(d.rows, row, func(r cell, row *cell) int { return slices.Compare(r.key, row.key) })
	return at
}

func nameOf(c *cell) string {
	e, _ := decodeEntry(c.key, c.value)
	return joined(string(e.group), string(e.id))
}

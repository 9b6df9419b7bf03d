package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// ErrForeign says that a file is none of wrapup's, ErrNewer that a newer wrapup wrote it. Neither is damage: leave it alone.
var (
	ErrForeign = errors.New("it is not a store of wrapup")
	ErrNewer   = errors.New("it was written by a newer wrapup")
)

// CheckOptions are what Check may be told.
type CheckOptions struct {
	// LockTimeout is as in Options.
	LockTimeout time.Duration
	// Meaning has bodies checked against each other too, which takes much longer than all else. None: they are not.
	Meaning outbox.Meaning
}

// Report is what Check found.
type Report struct {
	// Damage is what is wrong, in words, More how much more than that there is.
	Damage []string `json:"damage"`
	More   int      `json:"more,omitempty"`
	// Gaps are what doesn't add up in a file that was stopped cleanly and whose pages and values are all whole: no damage of
	// the file explains that, and nothing is salvaged for it.
	Gaps []string `json:"gaps,omitempty"`
	// Clean says that the store was stopped cleanly.
	Clean bool `json:"clean"`
	// What there is in the store. Depths of the queues are in Due and Buried.
	Items   int `json:"items"`
	Days    int `json:"days"`
	Entries int `json:"entries"`
	Rows    int `json:"rows"`
	Due     int `json:"due"`
	Buried  int `json:"buried"`
}

func (r *Report) add(format string, args ...any) {
	if len(r.Damage) < tellDamage {
		r.Damage = append(r.Damage, fmt.Sprintf(format, args...))
		return
	}
	r.More++
}

func (r *Report) gap(format string, args ...any) {
	if len(r.Gaps) < tellDamage {
		r.Gaps = append(r.Gaps, fmt.Sprintf(format, args...))
	}
}

// Check reads a whole file and says what is wrong with it. It changes nothing. An error says that it could not be checked:
// that it isn't there, is open elsewhere (outbox.ErrLocked), foreign (ErrForeign) or newer (ErrNewer).
//
// What it finds out itself it finds out without trusting the file. Only a file that nothing is wrong with is then given to
// bbolt's own check, which can end the process when it isn't: call it in a process of its own.
func Check(path string, opts CheckOptions) (*Report, error) {
	f, err := lockFile(path, opts.LockTimeout, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	report, empty, err := checkFile(f, opts.Meaning)
	if err == nil && len(report.Damage) == 0 && !empty {
		err = checkByBolt(path, report)
	}
	if err != nil {
		return nil, fmt.Errorf("checking the store %s: %w", path, err)
	}
	return report, nil
}

// checkFile is what Check finds out itself. It lets go of the file's pages, and of all that it knows of them.
func checkFile(f *os.File, m outbox.Meaning) (report *Report, empty bool, err error) {
	im, err := mapImage(f)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, im.close()) }()
	x, err := examine(im, m)
	if err != nil {
		return nil, false, err
	}
	found := x.report
	return &found, len(im.data) == 0, nil
}

// StoppedCleanly says that the file was closed by whoever wrote to it last: nothing of it is to be expected that a crash
// leaves. It reads the file's two heads only.
func StoppedCleanly(path string) (clean bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	im, err := mapImage(f)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, im.close()) }()
	a, _ := im.head(0)
	b, _ := im.head(1)
	if b.tx > a.tx {
		a, b = b, a
	}
	return a.good && b.good && a.freelist != noFreelist, nil
}

// checkByBolt asks bbolt.
func checkByBolt(path string, r *Report) (err error) {
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout: defaultLockTimeout, ReadOnly: true, PreLoadFreelist: true, FreelistType: bbolt.FreelistMapType, NoStatistics: true,
	})
	if err != nil {
		r.add("%v", err)
		return nil // it is what was found
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			r.add("%v", err)
		}
		return nil
	})
}

// exam is what is known of an image.
type exam struct {
	im       *image
	tree     *tree // nil if there is no head to begin at
	contents *contents
	report   Report
	// behind says that the last commit may be missing from the tree: the head that it wrote can't be used.
	behind bool
	// brief is as in contents.
	brief bool
}

// examine reads an image by its newest head. Of a file that is foreign or newer it says so.
func examine(im *image, m outbox.Meaning) (*exam, error) { return examineAs(im, m, m == nil) }

func examineAs(im *image, m outbox.Meaning, brief bool) (*exam, error) {
	x := &exam{im: im, contents: newContents(), report: Report{Damage: []string{}}, brief: brief}
	if len(im.data) == 0 {
		return x, nil // bbolt makes a store of it
	}
	x.choose()
	if x.tree == nil && !im.looksLikeBolt() && !im.holdsValues() {
		return nil, ErrForeign
	}
	if x.tree == nil {
		return x, nil
	}
	if x.contents.schema > schemaVersion {
		return nil, fmt.Errorf("%w: it has schema version %d, and this wrapup knows up to %d", ErrNewer, x.contents.schema, schemaVersion)
	}
	x.report.Clean = x.tree.head.freelist != noFreelist
	for i := range x.tree.holes {
		x.report.add("%s", x.tree.holes[i].String())
	}
	empty := len(x.tree.seen) == 0 && len(x.report.Damage) == 0
	if empty {
		return x, nil // it was being created
	}
	if !x.tree.seen[metaBucket] && !x.tree.seen[openBucket] && !x.tree.seen[daysBucket] && !im.holdsValues() {
		return nil, ErrForeign
	}
	x.count()
	x.relations()
	if m != nil {
		return x, x.deep(m)
	}
	return x, nil
}

// choose walks the tree of the newest head. A head that is damaged may have been the newest: then its tree is taken if
// nothing at all is wrong with that one, and otherwise that of the commit before.
func (x *exam) choose() {
	var heads [2]head
	var there [2]bool
	for n := range uint64(2) {
		heads[n], there[n] = x.im.head(n)
	}
	walk := func(h head) (*tree, *contents) {
		c := newContents()
		c.brief = x.brief
		t := x.im.walk(h, c.add)
		c.end()
		return t, c
	}
	best, other := 0, 1
	if heads[1].good && (!heads[0].good || heads[1].tx > heads[0].tx) {
		best, other = 1, 0
	}
	if heads[best].good && heads[other].good {
		x.tree, x.contents = walk(heads[best])
		return
	}
	x.report.add("the head of the file on page %d is damaged", other)
	if !heads[best].good {
		x.report.add("the head of the file on page %d is damaged", best)
		x.behind = true
		for n := range 2 {
			if !there[n] {
				continue
			}
			t, c := walk(heads[n])
			if len(t.holes) == 0 && len(t.seen) > 0 && (x.tree == nil || c.seq > x.contents.seq) {
				x.tree, x.contents = t, c
			}
		}
		return
	}
	lost := heads[other]
	now := heads[best].tx
	if there[other] && (lost.tx+1 == now || lost.asTx(now-1)) {
		x.tree, x.contents = walk(heads[best]) // it is the older one that is damaged
		return
	}
	if there[other] && (lost.tx == now+1 || lost.asTx(now+1)) {
		lost.tx = now + 1
		if t, c := walk(lost); len(t.holes) == 0 && c.seq > 0 {
			x.tree, x.contents = t, c
			return
		}
	}
	x.report.add("the last commit may be missing")
	x.behind = true
	x.tree, x.contents = walk(heads[best])
}

func (x *exam) count() {
	r, c := &x.report, x.contents
	r.Items, r.Days = len(c.items), len(c.days)
	for _, d := range c.days {
		r.Entries += len(d.entries) + len(d.gone)
		r.Rows += len(d.rows) + d.goneRows
	}
	for _, q := range c.queues {
		r.Due += len(q.due)
		r.Buried += len(q.buried)
	}
}

// relations compares what the values say of each other.
func (x *exam) relations() {
	r, c := &x.report, x.contents
	for _, name := range []string{metaBucket, openBucket, queuesBucket, daysBucket} {
		if !x.tree.seen[name] {
			r.add("the bucket %s is missing", name)
		}
	}
	if c.schema == 0 {
		r.add("the schema version is missing")
	}
	if c.top > c.seq {
		r.add("the sequence stands at %d, but %d was given out", c.seq, c.top)
	}
	if c.brief {
		for _, text := range c.found.Damage {
			r.add("%s", text)
		}
		r.More += c.found.More
	} else {
		for _, day := range slices.Sorted(maps.Keys(c.days)) {
			c.days[day].relations(day, r)
		}
	}
	for path := range x.tree.seen {
		if day, err := outbox.ParseDay(trimmed(path)); err == nil {
			for _, name := range []string{entriesBucket, rowsBucket, groupsBucket, countsBucket} {
				if !x.tree.seen[joined(path, name)] {
					r.add("the bucket %s is missing", joined(daysBucket, day.String(), name))
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.queues)) {
		x.queueRelations(name, c.queues[name])
	}
}

func trimmed(path string) string {
	if len(path) > len(daysBucket)+1 && path[:len(daysBucket)+1] == daysBucket+"/" {
		return path[len(daysBucket)+1:]
	}
	return ""
}

// relations compares what the values of a day say of each other.
func (d *dayContents) relations(day outbox.Day, r *Report) {
	found := 0
	for i := range d.groups {
		g := &d.groups[i]
		e, ok := d.entry(g.seq)
		if !ok {
			r.add("%s: the index of groups has the entry %d, which is missing", day, g.seq)
			continue
		}
		stored, _ := decodeEntry(e.key, e.value)
		id, _ := unseal(g.key, g.value)
		if !bytes.Equal(stored.group, g.key[2:len(g.key)-seqLen]) || !bytes.Equal(stored.id, id) {
			r.add("%s: the index of groups has another name of the entry %d", day, g.seq)
			continue
		}
		found++
	}
	if found != len(d.entries) {
		r.add("%s: the index of groups has %d of %d entries", day, found, len(d.entries))
	}
	for i := range d.rows {
		if !d.has(d.rows[i].seq) {
			r.add("%s: the entry %d of the row %q is missing", day, d.rows[i].seq, d.rows[i].name())
		}
	}
	for i := range d.labels {
		if !d.has(d.labels[i].seq) {
			r.add("%s: the entry %d of a label is missing", day, d.labels[i].seq)
		}
	}
}

func (x *exam) queueRelations(name string, q *queueContents) {
	r := &x.report
	for _, tasks := range [][]task{q.due, q.buried} {
		for _, t := range tasks {
			// A day that is gone took its entries with it. The tasks are then buried, or about to be.
			if d := x.contents.days[t.ref.Day]; d != nil && !d.has(t.ref.Seq) && t.ref.Seq > 0 {
				r.add("the queue %q has a task for the entry %s/%d, which is missing", name, t.ref.Day, t.ref.Seq)
			}
		}
	}
	if q.depth == nil {
		if len(q.due)+len(q.buried) > 0 {
			r.add("the depth of the queue %q is missing", name)
		}
		return
	}
	waiting, buried, err := decodeDepth(q.depth)
	if err == nil && (waiting != len(q.due) || buried != len(q.buried)) {
		r.add("the queue %q is said to have %d due and %d buried tasks, and has %d and %d", name, waiting, buried, len(q.due), len(q.buried))
	}
}

// deep compares bodies with each other.
func (x *exam) deep(m outbox.Meaning) error {
	codec, err := newCodec()
	if err != nil {
		return err
	}
	defer codec.close()
	add := x.report.add
	if x.report.Clean && len(x.report.Damage) == 0 {
		add = x.report.gap
	}
	tasks := x.contents.tasks()
	for _, day := range slices.Sorted(maps.Keys(x.contents.days)) {
		d := x.contents.days[day]
		counts := map[string]int64{}
		for i := range d.entries {
			e, err := d.entries[i].entryOf(codec, day, d.rowsOf(d.entries[i].seq))
			if err != nil {
				x.report.add("%s: the entry %d can't be read: %v", day, d.entries[i].seq, err)
				continue
			}
			if at, ok := m.Day(e); ok && at != day {
				add("%s: the entry %d is of %s", day, e.Ref.Seq, at)
			}
			for name, n := range m.Counts(e) {
				counts[name] += n
			}
			for _, row := range e.Rows {
				need, _ := m.Need(row)
				has := tasks[queued{row.Name, e.Ref}]
				if (need == outbox.NeedDue || need == outbox.NeedBuried) && has == outbox.NeedUnknown {
					add("%s: the row %q of the entry %d has no task", day, row.Name, e.Ref.Seq)
				}
				if need == outbox.NeedNone && has == outbox.NeedDue {
					add("%s: the row %q of the entry %d is over, and has a task", day, row.Name, e.Ref.Seq)
				}
			}
		}
		for name, n := range d.counts {
			if m.Counted(name) && counts[name] != int64(n) { //nolint:gosec // all bits are kept
				add("%s: the counter %q is at %d, and what it counts is %d", day, name, int64(n), counts[name]) //nolint:gosec // all bits are kept
			}
			delete(counts, name)
		}
		for name, n := range counts {
			if n != 0 {
				add("%s: the counter %q is missing", day, name)
			}
		}
	}
	return nil
}

type queued struct {
	queue string
	ref   outbox.Ref
}

// tasks says of each entry and queue what task there is.
func (c *contents) tasks() map[queued]outbox.Need {
	tasks := map[queued]outbox.Need{}
	for name, q := range c.queues {
		for _, t := range q.buried {
			tasks[queued{name, t.ref}] = outbox.NeedBuried
		}
		for _, t := range q.due {
			tasks[queued{name, t.ref}] = outbox.NeedDue
		}
	}
	return tasks
}

// holdsValues says whether a page has a value of wrapup's, wherever it belongs.
func (im *image) holdsValues() bool {
	for id := range im.pages() {
		p, err := im.page(id)
		if err != nil || p.flags != leafPage {
			continue
		}
		for i := range p.count {
			if e, err := p.leaf(i); err == nil && !e.bucket {
				if _, err := unseal(e.key, e.value); err == nil {
					return true
				}
			} else if err == nil {
				if _, in, err := inline(e.value); err == nil && in.holdsValue() {
					return true
				}
			}
		}
	}
	return false
}

func (p page) holdsValue() bool {
	for i := range p.count {
		if e, err := p.leaf(i); err == nil && !e.bucket {
			if _, err := unseal(e.key, e.value); err == nil {
				return true
			}
		}
	}
	return false
}

// lockFile opens a file and locks it as bbolt does, so that no daemon has it meanwhile: for reading beside other readers,
// or for itself alone.
func lockFile(path string, timeout time.Duration, alone bool) (*os.File, error) {
	if timeout <= 0 {
		timeout = defaultLockTimeout
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	locked, err := flock(f, alone, timeout)
	if err == nil && !locked {
		err = fmt.Errorf("the store %s can't be opened: %w (waited %s for it)", path, outbox.ErrLocked, timeout)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// What is judged must be what is on the disk. Where that can't be had, because the file may only be read, it is no file
	// that anybody has just written; what else is wrong with the disk is found by who opens the store.
	_ = dropCache(path)
	return f, nil
}

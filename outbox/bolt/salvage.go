package bolt

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wrapup/outbox"
)

// Salvaged tells what was salvaged from a damaged store.
type Salvaged struct {
	At time.Time `json:"at"`
	// SetAside is the path that the damaged file has now.
	SetAside string `json:"set_aside"`
	// Damage is what Check says of it.
	Damage []string `json:"damage"`
	More   int      `json:"more,omitempty"`
	// What there is in the new store.
	Groups  int `json:"groups"`
	Items   int `json:"items"`
	Entries int `json:"entries"`
	Rows    int `json:"rows"`
	Due     int `json:"due"`
	Buried  int `json:"buried"`
	// Found is how many items, entries and rows of these were found outside of the damaged buckets, Parked how many rows were
	// parked because nobody knows any more whether what they say was done, and Again how many tasks were made anew.
	Found  int `json:"found"`
	Parked int `json:"parked"`
	Again  int `json:"again"`
	// Old is how many entries may be older versions than the last, because nothing newer of them was found.
	Old int `json:"old,omitempty"`
	// Lost is what was lost and where, in words; LostMore is how much more than that there is.
	Lost     []string `json:"lost"`
	LostMore int      `json:"lost_more,omitempty"`
}

func (s *Salvaged) lose(format string, args ...any) {
	if len(s.Lost) < tellDamage {
		s.Lost = append(s.Lost, fmt.Sprintf(format, args...))
		return
	}
	s.LostMore++
}

// salvage is a damaged store on its way into a new one.
type salvage struct {
	*exam
	m     outbox.Meaning
	codec codec
	now   time.Time
	out   Salvaged
	// tasks are what the queues get.
	tasks  map[string]*queueContents
	tasked map[queued]bool
	seq    uint64
}

func (s *salvage) next() uint64 {
	s.seq++
	return s.seq
}

// mend makes whole what was found: every value has been read by now, and only memory is changed.
//
// Nothing may be done a second time because of it. So a row that is over gets no task, whatever a queue says; a row that
// may be an old version, or of which there is none, is parked if something would be done about it. A row that surely is the
// newest version and waits for something gets its task again if it is lost.
func (s *salvage) mend() error {
	c := s.contents
	if s.tree == nil {
		s.tree = &tree{im: s.im, reached: map[uint64]bool{}, seen: map[string]bool{}}
		s.tree.hole(nil, nil, nil, 0, fmt.Errorf("neither head of the file leads to its buckets"))
	}
	before := len(c.items) + countEntries(c)
	s.fill(s.m, s.codec)
	s.out.Found = len(c.items) + countEntries(c) - before
	s.seq = max(c.seq, c.top)
	for i := range s.tree.holes {
		s.out.lose("%s", s.tree.holes[i].String())
	}
	for _, day := range slices.Sorted(maps.Keys(c.days)) {
		if err := s.mendDay(day, c.days[day]); err != nil {
			return err
		}
	}
	for name, q := range c.queues {
		for buried, tasks := range [][]task{q.due, q.buried} {
			for _, t := range tasks {
				s.keepTask(name, t, buried == 1)
			}
		}
	}
	s.doubtItems()
	return nil
}

func countEntries(c *contents) (n int) {
	for _, d := range c.days {
		n += len(d.entries) + len(d.rows)
	}
	return n
}

func (s *salvage) mendDay(day outbox.Day, d *dayContents) error {
	rows := d.rows
	d.rows = nil
	for _, row := range rows {
		if d.has(row.seq) {
			d.rows = append(d.rows, row)
		} else {
			s.out.lose("%s: the entry %d of the row %q", day, row.seq, row.name())
		}
	}
	labels := keptLabels(d)
	names := rowNames(d)
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(s.contents.queues))
	}
	tasks := s.contents.tasks()
	counts := map[string]int64{}
	var mended []cell
	entries := d.entries
	d.entries = nil
	for i := range entries {
		at := &entries[i]
		e, err := at.entryOf(s.codec, day, nil)
		if err != nil {
			s.out.lose("%s: the entry %d: %v", day, at.seq, err)
			continue
		}
		if of, ok := s.m.Day(e); !ok || of != day {
			s.out.lose("%s: the entry %d (%s) can't be understood", day, at.seq, e.ID)
			continue
		}
		rows := d.rowsOf(at.seq)
		s.settle(e, at, rows)
		if at.doubtful {
			s.out.Old++
		}
		d.entries = append(d.entries, *at)
		of, err := s.mendRows(e, at, rows, names, tasks)
		if err != nil {
			return err
		}
		for j := range of {
			row, err := of[j].rowOf(s.codec)
			if err != nil {
				return err
			}
			e.Rows = append(e.Rows, row)
		}
		mended = append(mended, of...)
		labels.of(e, s.m)
		for name, n := range s.m.Counts(e) {
			counts[name] += n
		}
	}
	d.rows = mended
	s.mendLabels(day, d, labels)
	maps.DeleteFunc(d.counts, func(name string, _ uint64) bool { return s.m.Counted(name) })
	for name, n := range counts {
		d.counts[name] = uint64(n) //nolint:gosec // all bits are kept
	}
	return nil
}

func rowNames(d *dayContents) (names []string) {
	for i := range d.rows {
		if name := d.rows[i].name(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// mendRows gives the rows that the entry is to have, and makes their tasks.
func (s *salvage) mendRows(e *outbox.Entry, at *cell, rows []cell, names []string, tasks map[queued]outbox.Need) ([]cell, error) {
	var out []cell
	park := func(row outbox.Row) error {
		body, err := s.m.Park(e, row, s.now)
		if err != nil {
			s.out.lose("%s: the row %q of the entry %d: %v", e.Ref.Day, row.Name, at.seq, err)
			return nil
		}
		if body == nil {
			return nil
		}
		key := rowKey(at.seq, row.Name)
		out = append(out, cell{seq: at.seq, key: key, value: encodeRow(key, row.Version+1, s.codec.pack(body, compressRows)), version: row.Version + 1})
		if need, _ := s.m.Need(outbox.Row{Name: row.Name, Body: body}); need != outbox.NeedBuried {
			return nil // it is over
		}
		s.put(row.Name, true, s.now, e.Ref)
		s.out.Parked++
		return nil
	}
	for i := range rows {
		row, err := rows[i].rowOf(s.codec)
		need, due := outbox.NeedUnknown, time.Time{}
		if err == nil {
			need, due = s.m.Need(row)
		}
		has := tasks[queued{row.Name, e.Ref}]
		stale := rows[i].doubtful || at.doubtful || has == outbox.NeedUnknown && !s.lostTasks(row.Name)
		if need == outbox.NeedUnknown || need == outbox.NeedDue && stale {
			// What was queued of it is left out below: the row has a new need.
			if need == outbox.NeedUnknown {
				row.Body = nil
			}
			if err := park(row); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, rows[i])
		if due.IsZero() || due.After(s.now.Add(maxDelay)) {
			due = s.now
		}
		if need == outbox.NeedDue && has == outbox.NeedUnknown || need == outbox.NeedBuried && has != outbox.NeedBuried {
			s.put(row.Name, need == outbox.NeedBuried, due, e.Ref)
			s.out.Again++
		}
	}
	for _, name := range names {
		there := slices.ContainsFunc(rows, func(r cell) bool { return r.name() == name })
		if !there && s.lostRow(e.Ref, name) {
			parked := s.out.Parked
			if err := park(outbox.Row{Name: name}); err != nil {
				return nil, err
			}
			if s.out.Parked > parked {
				s.out.lose("%s: the row %q of the entry %d (%s); it is parked", e.Ref.Day, name, at.seq, e.ID)
			}
		}
	}
	slices.SortFunc(out, func(a, b cell) int { return bytes.Compare(a.key, b.key) })
	return out, nil
}

// lostTasks says whether tasks of the queue may be lost. If none are, a row that waits and has none is not the last version.
func (s *salvage) lostTasks(queue string) bool {
	if s.behind {
		return true
	}
	return slices.ContainsFunc(s.tree.holes, func(h hole) bool {
		return h.hits([]string{queuesBucket, queue, dueBucket}) || h.hits([]string{queuesBucket, queue, buriedBucket})
	})
}

// maxDelay bounds for how long a task that is made anew may be put off.
const maxDelay = 24 * time.Hour

func (s *salvage) lostRow(ref outbox.Ref, name string) bool {
	path, key := []string{daysBucket, ref.Day.String(), rowsBucket}, rowKey(ref.Seq, name)
	return slices.ContainsFunc(s.tree.holes, func(h hole) bool { return h.covers(path, key) })
}

func (s *salvage) put(queue string, buried bool, at time.Time, ref outbox.Ref) {
	s.tasked[queued{queue, ref}] = true
	s.queueOf(queue).add(task{taskKey(at, s.next()), ref}, buried)
}

func (s *salvage) queueOf(name string) *queueContents {
	if s.tasks[name] == nil {
		s.tasks[name] = &queueContents{}
	}
	return s.tasks[name]
}

func (q *queueContents) add(t task, buried bool) {
	if buried {
		q.buried = append(q.buried, t)
	} else {
		q.due = append(q.due, t)
	}
}

// keepTask keeps a task if there is something to do about what it is for.
func (s *salvage) keepTask(queue string, t task, buried bool) {
	d := s.contents.days[t.ref.Day]
	if d == nil && s.tree.seen[joined(expiredBucket, t.ref.Day.String())] {
		return // it was going to be deleted with its day
	}
	if d == nil || !d.has(t.ref.Seq) {
		s.out.lose("the queue %q: a task whose entry %s/%d is lost", queue, t.ref.Day, t.ref.Seq)
		return
	}
	rows := d.rowsOf(t.ref.Seq)
	i := slices.IndexFunc(rows, func(r cell) bool { return r.name() == queue })
	if i < 0 {
		s.out.lose("the queue %q: a task for the entry %s/%d, which has no such row", queue, t.ref.Day, t.ref.Seq)
		return
	}
	row, err := rows[i].rowOf(s.codec)
	if err != nil {
		return
	}
	need, _ := s.m.Need(row)
	if need == outbox.NeedNone || need == outbox.NeedLeft || need == outbox.NeedBuried && !buried || s.tasked[queued{queue, t.ref}] {
		return // it is over, or has its new task
	}
	s.tasked[queued{queue, t.ref}] = true
	s.queueOf(queue).add(t, buried)
}

// doubtItems marks open groups that may have been an entry already: where history was lost, and what is left of the group was
// found on a page of which nobody knows whether it was in use.
func (s *salvage) doubtItems() {
	lost := slices.ContainsFunc(s.tree.holes, func(h hole) bool {
		return len(h.path) == 0 || h.path[0] == daysBucket
	})
	groups := map[string]bool{} // doubted or not
	for i := range s.contents.items {
		c := &s.contents.items[i]
		it, err := decodeItem(c.key, c.value)
		if err == nil {
			groups[string(it.group)] = groups[string(it.group)] || c.doubtful && lost
		}
	}
	s.out.Groups = len(groups)
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		if !groups[group] {
			continue
		}
		if it, ok := s.m.Doubt(group); ok {
			key := seqKey(s.next())
			s.contents.items = append(s.contents.items, cell{seq: s.seq, key: key,
				value: encodeItem(key, group, it.ID, s.codec.pack(it.Body, neverCompress))})
		}
	}
}

// Text tells it to a person.
func (s *Salvaged) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The store was damaged and was salvaged at %s.\n", s.At.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "The damaged file was kept: %s\n\nIn the new store are\n", s.SetAside)
	fmt.Fprintf(&b, "  %d open groups with %d items\n  %d entries with %d rows\n  %d tasks that are due, %d that are buried\n",
		s.Groups, s.Items, s.Entries, s.Rows, s.Due, s.Buried)
	fmt.Fprintf(&b, "Of these, %d values were found outside of damaged buckets, %d rows were parked, and %d tasks were made anew.\n",
		s.Found, s.Parked, s.Again)
	if s.Old > 0 {
		fmt.Fprintf(&b, "%d entries may be older versions than the last: what was changed in them, or erased from them, shortly before may be "+
			"back as it was.\n", s.Old)
	}
	list := func(title string, lines []string, more int) {
		fmt.Fprintf(&b, "\n%s\n", title)
		for _, line := range lines {
			fmt.Fprintf(&b, "  %s\n", line)
		}
		if more > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
	}
	list("What was wrong:", s.Damage, s.More)
	list("What was lost, as far as it can be told:", s.Lost, s.LostMore)
	return b.String()
}

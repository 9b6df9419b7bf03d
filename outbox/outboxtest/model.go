package outboxtest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wrapup/outbox"
)

// model is the contract in its simplest form: all in memory, one caller at a time, no Tx is invalid.
type model struct {
	open    map[string][]outbox.Item
	entries []modelEntry // in the order of their creation
	tasks   []modelTask
	counts  map[outbox.Day]map[string]int64
	last    int // the number of the newest task
}

type modelEntry struct {
	ref       outbox.Ref // as the store gave it
	group, id string
	version   uint64
	body      string
	rows      map[string]outbox.Row
	labels    map[string]bool
}

type modelTask struct {
	number  int // never given twice
	queue   string
	at      time.Time
	entry   int // in entries
	buried  bool
	claimed bool
	stored  outbox.Task // as the store handed it out or listed it
}

// modelMove is what Settle and Revive do to a task.
type modelMove struct {
	number int
	buried bool // where it begins
	to     *modelTask
}

func newModel() *model {
	return &model{open: map[string][]outbox.Item{}, counts: map[outbox.Day]map[string]int64{}}
}

func (m *model) clone() *model {
	c := &model{
		open: maps.Clone(m.open), entries: slices.Clone(m.entries), tasks: slices.Clone(m.tasks),
		counts: map[outbox.Day]map[string]int64{}, last: m.last,
	}
	for i, e := range c.entries {
		c.entries[i].rows, c.entries[i].labels = maps.Clone(e.rows), maps.Clone(e.labels)
	}
	for d, counts := range m.counts {
		c.counts[d] = maps.Clone(counts)
	}
	for g, list := range m.open {
		c.open[g] = slices.Clone(list)
	}
	return c
}

func (m *model) byRef(ref outbox.Ref) int {
	return slices.IndexFunc(m.entries, func(e modelEntry) bool { return e.ref == ref })
}

func (m *model) byName(group, id string) int {
	return slices.IndexFunc(m.entries, func(e modelEntry) bool { return e.group == group && e.id == id })
}

// apply gives the model after the Tx (and the move), which is the same one if there is a conflict. entry is that of
// Tx.Entry, or -1; if it was created its ref is still to be set.
func (m *model) apply(tx outbox.Tx, move *modelMove) (after *model, isNew []bool, entry int, err error) {
	after, entry = m.clone(), -1
	anything := len(tx.Add) > 0 || tx.Entry != nil || len(tx.Put) > 0
	fresh := !anything
	if e := tx.Entry; e != nil {
		var changed bool
		if entry, changed, err = after.putEntry(tx.Group, e); err != nil {
			return m, nil, -1, err
		}
		fresh = fresh || changed
	}
	for _, p := range tx.Put {
		of := entry
		if !p.Ref.IsZero() {
			of = m.byRef(p.Ref)
		}
		row := after.entries[of].rows[p.Name]
		switch {
		case row.Version == p.Prev:
			after.entries[of].rows[p.Name] = outbox.Row{Name: p.Name, Version: p.Prev + 1, Body: p.Body}
			fresh = true
		case row.Version != p.Prev+1 || !bytes.Equal(row.Body, p.Body):
			return m, nil, -1, outbox.ErrConflict
		}
	}
	for _, it := range tx.Add {
		there := slices.ContainsFunc(after.open[tx.Group], func(x outbox.Item) bool { return x.ID == it.ID })
		if !there {
			after.open[tx.Group] = append(after.open[tx.Group], it)
		}
		isNew = append(isNew, !there)
		fresh = fresh || !there
	}
	if move != nil && !after.move(*move) {
		if anything && fresh {
			return m, nil, -1, outbox.ErrConflict
		}
		return m, nil, -1, nil
	}
	for _, id := range tx.Drop {
		after.open[tx.Group] = slices.DeleteFunc(after.open[tx.Group], func(x outbox.Item) bool { return x.ID == id })
	}
	if !fresh {
		return after, isNew, entry, nil
	}
	for _, t := range tx.Enqueue {
		of := entry
		if !t.Ref.IsZero() {
			of = m.byRef(t.Ref)
		}
		after.enqueue(modelTask{queue: t.Queue, at: t.Due, entry: of})
	}
	for i, labels := range [][]outbox.Label{tx.Label, tx.Unlabel} {
		for _, l := range labels {
			of := entry
			if !l.Ref.IsZero() {
				of = m.byRef(l.Ref)
			}
			after.entries[of].labels[l.Name] = i == 0
		}
	}
	for _, d := range tx.Count {
		if after.counts[d.Day] == nil {
			after.counts[d.Day] = map[string]int64{}
		}
		after.counts[d.Day][d.Name] += d.N
	}
	return after, isNew, entry, nil
}

func (m *model) putEntry(group string, e *outbox.EntryPut) (entry int, changed bool, err error) {
	i := m.byName(group, e.ID)
	switch {
	case e.Prev == 0 && i < 0:
		m.entries = append(m.entries, modelEntry{
			ref: outbox.Ref{Day: e.Day}, group: group, id: e.ID, version: 1, body: string(e.Body), rows: map[string]outbox.Row{},
			labels: map[string]bool{},
		})
		return len(m.entries) - 1, true, nil
	case i >= 0 && m.entries[i].version == e.Prev:
		m.entries[i].version, m.entries[i].body = e.Prev+1, string(e.Body)
		return i, true, nil
	case i >= 0 && m.entries[i].version == e.Prev+1 && m.entries[i].body == string(e.Body):
		return i, false, nil
	}
	return -1, false, outbox.ErrConflict
}

func (m *model) enqueue(t modelTask) {
	m.last++
	t.number = m.last
	m.tasks = append(m.tasks, t)
}

func (m *model) move(v modelMove) bool {
	i := slices.IndexFunc(m.tasks, func(t modelTask) bool { return t.number == v.number && t.buried == v.buried })
	if i < 0 {
		return false
	}
	t := m.tasks[i]
	m.tasks = slices.Delete(m.tasks, i, i+1)
	if v.to != nil {
		m.enqueue(modelTask{queue: t.queue, at: v.to.at, entry: t.entry, buried: v.to.buried})
	}
	return true
}

// hasten makes the tasks due at due that would be due after beyond, and counts them.
func (m *model) hasten(queue string, beyond, due time.Time) int {
	var late []int
	for _, i := range m.list(queue, false) {
		if t := m.tasks[i]; !t.claimed && t.at.After(beyond) {
			late = append(late, m.tasks[i].number)
		}
	}
	for _, number := range late {
		m.move(modelMove{number: number, to: &modelTask{at: due}})
	}
	return len(late)
}

// list gives the places in tasks of a queue's, in order.
func (m *model) list(queue string, buried bool) []int {
	var found []int
	for i, t := range m.tasks {
		if t.queue == queue && t.buried == buried {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(i, j int) int {
		a, b := m.tasks[i], m.tasks[j]
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.number, b.number))
	})
	return found
}

// claim gives the places of the tasks that a Claim must hand out.
func (m *model) claim(queue string, now time.Time, limit int, order outbox.Order) (due []int, next time.Time) {
	for _, i := range m.list(queue, false) {
		switch t := m.tasks[i]; {
		case t.at.After(now):
			if next.IsZero() {
				next = t.at
			}
		case !t.claimed:
			due = append(due, i)
		}
	}
	if order == outbox.NewestFirst {
		slices.Reverse(due)
	}
	return due[:min(len(due), limit)], next
}

// release ends all claims, as a restart does.
func (m *model) release() {
	for i := range m.tasks {
		m.tasks[i].claimed = false
	}
}

func (m *model) claimed(queue string) (n int) {
	for _, t := range m.tasks {
		if t.queue == queue && t.claimed {
			n++
		}
	}
	return n
}

// dump writes the model as dump writes a store.
func (m *model) dump() string {
	var b strings.Builder
	for _, g := range dumpGroups {
		for _, it := range m.open[g] {
			fmt.Fprintf(&b, "open %s: %s %q\n", g, it.ID, it.Body)
		}
	}
	for _, g := range dumpGroups {
		for _, e := range m.entries {
			if e.group != g {
				continue
			}
			fmt.Fprintf(&b, "entry %s/%s of %s: version %d %q\n", g, e.id, e.ref.Day, e.version, e.body)
			for _, name := range sorted(e.rows) {
				fmt.Fprintf(&b, "  row %s: version %d %q\n", name, e.rows[name].Version, e.rows[name].Body)
			}
		}
	}
	for _, label := range dumpLabels {
		var of []string
		for _, e := range m.entries {
			if e.labels[label] {
				of = append(of, e.group+"/"+e.id)
			}
		}
		if slices.Sort(of); len(of) > 0 {
			fmt.Fprintf(&b, "label %s: %q\n", label, of)
		}
	}
	queues := map[string]bool{}
	for _, t := range m.tasks {
		queues[t.queue] = true
	}
	for _, q := range sorted(queues) {
		fmt.Fprintf(&b, "queue %s: %d waiting, %d buried\n", q, len(m.list(q, false)), len(m.list(q, true)))
		for _, buried := range []bool{false, true} {
			for _, i := range m.list(q, buried) {
				t := m.tasks[i]
				e := m.entries[t.entry]
				fmt.Fprintf(&b, "  task at %s about %q, buried: %t\n", t.at.Format(time.RFC3339Nano), e.group+"/"+e.id, buried)
			}
		}
	}
	for _, d := range dumpDays {
		for _, name := range sorted(m.counts[d]) {
			if n := m.counts[d][name]; n != 0 {
				fmt.Fprintf(&b, "count of %s: %s %d\n", d, name, n)
			}
		}
	}
	return b.String()
}

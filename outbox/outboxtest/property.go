package outboxtest

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"wrapup/outbox"
)

// runModel makes random changes to a store and to the model, and compares all that can be read after each.
func runModel(t *testing.T, open OpenFunc) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		own, err := os.MkdirTemp(dir, "") // t.TempDir would keep them all until the end
		require.NoError(rt, err)
		p := &pair{
			rig:   &rig{T: t, ctx: t.Context(), faults: &Faults{}, open: open, dir: own},
			model: newModel(),
		}
		p.Store = open(t, own, p.faults)
		defer func() {
			require.NoError(rt, p.Close())
			require.NoError(rt, os.RemoveAll(own))
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"":        p.compare,
			"commit":  p.commit,
			"settle":  p.settle,
			"revive":  p.revive,
			"repeat":  p.repeat,
			"hasten":  p.hasten,
			"claim":   p.claimSome,
			"release": p.releaseOne,
			"reopen":  func(*rapid.T) { p.restart() },
		})
	})
}

// pair is a store and the model of what it holds.
type pair struct {
	*rig
	model *model
	past  []change
}

// change is a Commit, Settle or Revive.
type change struct {
	tx   outbox.Tx
	move *modelMove
	make func() (outbox.Result, error)
}

func (p *pair) restart() {
	p.reopen()
	p.model.release()
}

func (p *pair) compare(rt *rapid.T) {
	require.Equal(rt, p.model.dump(), dump(rt, p.Store))
	for _, q := range []string{"p", "q"} {
		d, err := p.Depth(p.ctx, q)
		require.NoError(rt, err)
		require.Equal(rt, p.model.claimed(q), d.Claimed)
		buried, err := p.Tasks(p.ctx, q, true, outbox.Key{}, 1000)
		require.NoError(rt, err)
		last, ok, err := p.LastBuried(p.ctx, q)
		require.NoError(rt, err)
		require.Equal(rt, len(buried) > 0, ok)
		if ok {
			require.Equal(rt, buried[len(buried)-1], last)
		}
	}
}

// do makes the change, at times with a fault in it, and expects what the model says.
func (p *pair) do(rt *rapid.T, c change) {
	after, isNew, entry, want := p.model.apply(c.tx, c.move)

	recognisable := c.move != nil || len(c.tx.Add) > 0 || c.tx.Entry != nil || len(c.tx.Put) > 0
	if recognisable && rapid.IntRange(0, 4).Draw(rt, "fault") == 4 {
		failure := rapid.SampledFrom([]error{ErrInjected, syscall.ENOSPC}).Draw(rt, "error")
		p.faults.FailNext(1, rapid.SampledFrom([]Fault{Lost, Unreported}).Draw(rt, "kind"), failure)
	}
	res, err := c.make()
	p.faults.FailNone()
	repeats := false
	switch {
	case errors.Is(err, outbox.ErrBroken):
		p.restart()
		after.release()
		repeats = true
	case errors.Is(err, outbox.ErrFull):
		p.compare(rt) // nothing was changed
		repeats = true
	}
	if repeats {
		res, err = c.make()
	}
	if want != nil {
		require.ErrorIs(rt, err, want)
		return
	}
	require.NoError(rt, err)
	if c.move == nil {
		if !repeats { // the repeat of what was persisted finds nothing new
			require.Equal(rt, isNew, res.New)
		}
		require.Equal(rt, c.tx.Entry != nil, !res.Ref.IsZero())
	}
	p.model = after
	for i, e := range after.entries {
		if e.ref.Seq != 0 {
			if i == entry && c.move == nil {
				require.Equal(rt, e.ref, res.Ref)
			}
			continue
		}
		// It was created by this change.
		found, err := p.Entries(p.ctx, e.group)
		require.NoError(rt, err)
		require.NotEmpty(rt, found)
		after.entries[i].ref = found[len(found)-1].Ref
	}
}

func (p *pair) commit(rt *rapid.T) {
	tx := p.drawTx(rt)
	c := change{tx: tx, make: func() (outbox.Result, error) { return p.Commit(p.ctx, tx) }}
	p.past = append(p.past, c)
	p.do(rt, c)
}

func (p *pair) settle(rt *rapid.T) {
	var of []modelTask
	for _, t := range p.model.tasks {
		if t.claimed {
			of = append(of, t)
		}
	}
	if len(of) == 0 {
		rt.Skip("no task is claimed")
	}
	task := rapid.SampledFrom(of).Draw(rt, "task")
	when := at(rapid.IntRange(0, 5).Draw(rt, "at"))
	move := &modelMove{number: task.number}
	outcome := outbox.Done()
	switch rapid.IntRange(0, 2).Draw(rt, "outcome") {
	case 1:
		outcome, move.to = outbox.RetryAt(when), &modelTask{at: when}
	case 2:
		outcome, move.to = outbox.Bury(when), &modelTask{at: when, buried: true}
	}
	tx := p.drawTx(rt)
	c := change{tx: tx, move: move, make: func() (outbox.Result, error) {
		return outbox.Result{}, p.Settle(p.ctx, task.stored, outcome, tx)
	}}
	p.past = append(p.past, c)
	p.do(rt, c)
}

func (p *pair) revive(rt *rapid.T) {
	q := rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "queue")
	list := p.model.list(q, true)
	if len(list) == 0 {
		rt.Skip("no task is buried")
	}
	i := rapid.IntRange(0, len(list)-1).Draw(rt, "task")
	stored, err := p.Tasks(p.ctx, q, true, outbox.Key{}, 1000)
	require.NoError(rt, err)
	when := at(rapid.IntRange(0, 5).Draw(rt, "at"))
	tx := p.drawTx(rt)
	c := change{
		tx: tx, move: &modelMove{number: p.model.tasks[list[i]].number, buried: true, to: &modelTask{at: when}},
		make: func() (outbox.Result, error) { return outbox.Result{}, p.Revive(p.ctx, stored[i], when, tx) },
	}
	p.past = append(p.past, c)
	p.do(rt, c)
}

// repeat makes a change again that was made, or refused, at any time before.
func (p *pair) repeat(rt *rapid.T) {
	if len(p.past) == 0 {
		rt.Skip("nothing was done yet")
	}
	p.do(rt, rapid.SampledFrom(p.past[max(0, len(p.past)-5):]).Draw(rt, "change"))
}

func (p *pair) hasten(rt *rapid.T) {
	q := rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "queue")
	second := rapid.IntRange(-1, 6).Draw(rt, "beyond")
	beyond, due := at(second), at(rapid.IntRange(-2, second).Draw(rt, "due"))
	want := p.model.hasten(q, beyond, due)
	n, err := p.Hasten(p.ctx, q, beyond, due)
	require.NoError(rt, err)
	require.Equal(rt, want, n)
}

func (p *pair) claimSome(rt *rapid.T) {
	q := rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "queue")
	now := at(rapid.IntRange(-1, 6).Draw(rt, "now"))
	limit := rapid.IntRange(0, 4).Draw(rt, "limit")
	order := rapid.SampledFrom([]outbox.Order{outbox.OldestFirst, outbox.NewestFirst}).Draw(rt, "order")

	want, next := p.model.claim(q, now, limit, order)
	tasks, gotNext, err := p.Claim(p.ctx, q, now, limit, order)
	require.NoError(rt, err)
	require.True(rt, next.Equal(gotNext), "next: want %s, got %s", next, gotNext)
	require.Len(rt, tasks, len(want))
	for i, place := range want {
		t := &p.model.tasks[place]
		require.Equal(rt, p.model.entries[t.entry].ref, tasks[i].Ref)
		require.Equal(rt, t.at, tasks[i].Due)
		if !t.stored.Ref.IsZero() {
			require.Equal(rt, t.stored, tasks[i], "a task stays the same")
		}
		t.claimed, t.stored = true, tasks[i]
	}
}

func (p *pair) releaseOne(rt *rapid.T) {
	var of []int
	for i, t := range p.model.tasks {
		if t.claimed {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		rt.Skip("no task is claimed")
	}
	t := &p.model.tasks[rapid.SampledFrom(of).Draw(rt, "task")]
	p.Release(t.stored)
	t.claimed = false
}

var drawBody = rapid.Map(rapid.SampledFrom([]string{"x", "y", strings.Repeat("long ", 200)}),
	func(s string) []byte { return []byte(s) })

// drawTx draws from few names, so that changes meet.
func (p *pair) drawTx(rt *rapid.T) outbox.Tx {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
	some := func(label string, most int) []struct{} {
		return make([]struct{}, max(0, rapid.IntRange(-most, most).Draw(rt, label)))
	}
	tx := outbox.Tx{Group: one("group", dumpGroups...)}
	if rapid.IntRange(0, 2).Draw(rt, "has an entry") == 2 {
		p.drawEntry(rt, &tx)
	}
	added := map[string]bool{}
	for range some("items", 2) {
		id := one("item", "a", "b", "c")
		tx.Add = append(tx.Add, outbox.Item{ID: id, Body: drawBody.Draw(rt, "item body")})
		added[id] = true
	}
	for range some("drops", 2) {
		if id := one("drop", "a", "b", "c"); !added[id] {
			tx.Drop = append(tx.Drop, id)
		}
	}
	known := len(p.model.entries)
	ref := func() (of outbox.Ref, ok bool) {
		if tx.Entry != nil && (known == 0 || rapid.Bool().Draw(rt, "of the entry put")) {
			return outbox.Ref{}, true
		}
		if known == 0 {
			return outbox.Ref{}, false
		}
		return p.model.entries[rapid.IntRange(0, known-1).Draw(rt, "of entry")].ref, true
	}
	if of, ok := ref(); ok { // all rows of one entry: none is put twice
		for _, name := range []string{"r", "s"}[:len(some("rows", 2))] {
			prev := uint64(0)
			if i := p.model.byRef(of); i >= 0 {
				prev = p.model.entries[i].rows[name].Version
			}
			tx.Put = append(tx.Put, outbox.RowPut{Ref: of, Name: name, Prev: p.drawPrev(rt, prev), Body: drawBody.Draw(rt, "row body")})
		}
	}
	for range some("tasks", 2) {
		if of, ok := ref(); ok {
			due := at(rapid.IntRange(0, 5).Draw(rt, "due"))
			tx.Enqueue = append(tx.Enqueue, outbox.NewTask{Queue: one("queue", "p", "q"), Due: due, Ref: of})
		}
	}
	for _, into := range []*[]outbox.Label{&tx.Label, &tx.Unlabel} {
		for range some("labels", 2) {
			if of, ok := ref(); ok {
				*into = append(*into, outbox.Label{Ref: of, Name: one("label", dumpLabels...)})
			}
		}
	}
	for range some("counts", 2) {
		tx.Count = append(tx.Count, outbox.Delta{
			Day: day0 + outbox.Day(rapid.IntRange(0, 1).Draw(rt, "count day")), //nolint:gosec // 0 or 1
			N:   rapid.Int64Range(-2, 2).Draw(rt, "n"), Name: one("counter", "m", "n"),
		})
	}
	return tx
}

// drawEntry puts an entry into the Tx: a new one of whatever name, or a version of one that is there.
func (p *pair) drawEntry(rt *rapid.T, tx *outbox.Tx) {
	e := &outbox.EntryPut{Body: drawBody.Draw(rt, "entry body")}
	tx.Entry = e
	if n := len(p.model.entries); n > 0 && rapid.Bool().Draw(rt, "replaces") {
		there := p.model.entries[rapid.IntRange(0, n-1).Draw(rt, "entry")]
		tx.Group, e.ID, e.Ref = there.group, there.id, there.ref
		if e.Prev = p.drawPrev(rt, there.version); e.Prev > 0 {
			return
		}
		e.Ref = outbox.Ref{}
	} else {
		e.ID = rapid.SampledFrom([]string{"e", "f"}).Draw(rt, "entry ID")
	}
	e.Day = day0 + outbox.Day(rapid.IntRange(0, 1).Draw(rt, "day")) //nolint:gosec // 0 or 1
}

// drawPrev is right most of the time.
func (p *pair) drawPrev(rt *rapid.T, version uint64) uint64 {
	switch rapid.IntRange(0, 5).Draw(rt, "prev") {
	case 4:
		return version + 1
	case 5:
		return max(version, 1) - 1
	}
	return version
}

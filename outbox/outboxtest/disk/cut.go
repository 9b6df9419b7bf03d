package disk

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Survival says what is left after a power cut of what was not synced.
type Survival int

// The kinds of survival.
const (
	// Nothing is left.
	Nothing Survival = iota
	// Everything is left.
	Everything
	// Beginning: what was done first is left, up to any sector of a write.
	Beginning
	// Some is left, any sectors of any writes.
	Some
)

// Survivals lists them.
func Survivals() []Survival { return []Survival{Nothing, Everything, Beginning, Some} }

// String names the survival.
func (s Survival) String() string {
	return []string{"nothing", "everything", "the beginning", "some"}[s]
}

// sector is what a disk writes whole or not at all.
const sector = 512

// Syncs gives where in the log something was synced.
func (l Log) Syncs() (at []int) {
	for i := range l {
		if l[i].Kind == Sync && l[i].Err == 0 {
			at = append(at, i)
		}
	}
	return at
}

// Without gives the log of a process that doesn't do what is at these places. They must be syncs: nothing that is done
// later depends on them.
func (l Log) Without(places ...int) Log {
	var left Log
	for i := range l {
		if !slices.Contains(places, i) {
			left = append(left, l[i])
			continue
		}
		if l[i].Kind != Sync {
			panic(fmt.Sprintf("operation %d is a %s", i, l[i].Kind))
		}
	}
	return left
}

// Cuts gives the disk at each moment of the log, in order: before the first operation (0), and after each (1, 2, …). A
// Moment is good until the next one is asked for.
func (l Log) Cuts() iter.Seq2[int, *Moment] {
	return func(yield func(int, *Moment) bool) {
		m := &Moment{synced: nodes{}}
		m.synced.make(0, true)
		if !yield(0, m) {
			return
		}
		for i := range l {
			m.step(&l[i])
			if !yield(i+1, m) {
				return
			}
		}
	}
}

// Cut gives the disk after so many operations.
func (l Log) Cut(n int) *Moment {
	for _, m := range l[:n].Cuts() {
		if n--; n < 0 {
			return m
		}
	}
	panic("unreachable: there is a moment after each operation")
}

// Moment is a moment at which the power may be cut.
type Moment struct {
	synced  nodes
	pending []*Op // what is not synced
}

func (m *Moment) step(op *Op) {
	if op.Kind == Create || op.Kind == Mkdir {
		m.synced.make(op.Child, op.Kind == Mkdir) // it has no name yet
	}
	switch {
	case op.Kind == Sync:
		left := m.pending[:0:0]
		for _, p := range m.pending {
			switch {
			case p.Node != op.Node:
				left = append(left, p)
			case op.Err == 0:
				m.synced.apply(p)
			case p.Kind != Write: // sizes and names stay in the file system's journal
				left = append(left, p)
			}
		}
		m.pending = left
	case op.Err == 0:
		m.pending = append(m.pending, op)
	}
}

// Write writes into a folder what is left after a power cut at this moment. r decides where there is a choice.
func (m *Moment) Write(dir string, s Survival, r *rand.Rand) error {
	left := m.synced
	if len(m.pending) > 0 && s != Nothing {
		left = m.survived(s, r)
	}
	return left.export(0, dir)
}

func (m *Moment) survived(s Survival, r *rand.Rand) nodes {
	left := nodes{}
	for id, n := range m.synced {
		left[id] = n
	}
	for _, p := range m.pending {
		if left[p.Node] == m.synced[p.Node] {
			left[p.Node] = m.synced[p.Node].clone()
		}
	}
	all := m.pending
	if s == Beginning {
		all = all[:r.IntN(len(all)+1)]
	}
	for i, op := range all {
		switch {
		case s == Everything, s == Beginning && i+1 < len(all):
			left.apply(op)
		case op.Kind != Write:
			if s == Beginning || r.IntN(2) == 0 {
				left.apply(op)
			}
		default:
			torn(op, s, r, func(part *Op) { left.apply(part) })
		}
	}
	return left
}

// torn gives those sectors of a write that survive.
func torn(op *Op, s Survival, r *rand.Rand, apply func(part *Op)) {
	until := op.Offset + int64(len(op.Data))
	stop := op.Offset + r.Int64N(int64(len(op.Data))+1)
	whole := r.IntN(2) == 0 // of half the writes all survives, or nothing
	survives := r.IntN(2) == 0
	for at := op.Offset; at < until; {
		end := min(until, (at/sector+1)*sector)
		if s == Beginning {
			survives = end <= stop
		} else if !whole {
			survives = r.IntN(2) == 0
		}
		if survives {
			apply(&Op{Kind: Write, Node: op.Node, Offset: at, Data: op.Data[at-op.Offset : end-op.Offset]})
		}
		at = end
	}
}

// export writes a folder and what is in it.
func (s nodes) export(folder int, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, id := range s[folder].names {
		path := filepath.Join(dir, name)
		var err error
		if s[id].names != nil {
			err = s.export(id, path)
		} else {
			err = os.WriteFile(path, s[id].data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

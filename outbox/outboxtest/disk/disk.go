// Package disk is a disk for tests, on which other processes run. It loses at a power cut what was not synced, and fails
// when it is told to.
//
// A [Disk] is mounted as a file system (FUSE) and writes down each operation that changes it. [Log.Cut] gives what may be
// left of it after a power cut at any of them. A process that reads the disk through a memory map must not be the one that
// serves it: while one of its threads waits for a page, the other ones may wait for that thread.
//
// What is synced is kept: of a file its content and its size, of a folder its names. A name that was created, removed or
// renamed is not durable before its folder was synced, whatever was done with the file. Of what is not synced, anything may
// be left, down to single sectors of a write. A write that failed has changed nothing. After a sync that failed, what was
// written is not on the disk, and no later sync writes it, but it is in the kernel's cache, and can be read there until the
// cache is dropped: as Linux has it.
package disk

import (
	"maps"
	"slices"
	"sync"
	"syscall"
)

// Kind is a kind of operation.
type Kind int

// The kinds of operation that change a disk.
const (
	Write Kind = iota
	Truncate
	Sync // of a file or a folder
	Create
	Mkdir
	Remove
	Rename
)

// String names the kind.
func (k Kind) String() string {
	return []string{"write", "truncate", "sync", "create", "mkdir", "remove", "rename"}[k]
}

// Op is an operation.
type Op struct {
	Kind Kind
	// Node is the file that is written, truncated or synced, or else the folder that the name is in. The root is 0.
	Node int
	// Data is written at Offset; it is not to be changed. A truncated file has Size bytes.
	Data         []byte
	Offset, Size int64
	// Name is created for Child, or removed, or becomes To.
	Name, To string
	Child    int
	// Err is what the operation failed with; 0 if it didn't.
	Err syscall.Errno
}

// Log is what was done to a disk, from the beginning.
type Log []Op

// node is a file or a folder.
type node struct {
	data  []byte
	names map[string]int // of a folder
}

func (n *node) clone() *node {
	return &node{data: slices.Clone(n.data), names: maps.Clone(n.names)}
}

// nodes is the state of a disk.
type nodes map[int]*node

func (s nodes) make(id int, folder bool) {
	if s[id] == nil {
		s[id] = &node{}
		if folder {
			s[id].names = map[string]int{}
		}
	}
}

func (s nodes) apply(op *Op) {
	n := s[op.Node]
	switch op.Kind {
	case Write:
		n.write(op.Data, op.Offset)
	case Truncate:
		n.resize(op.Size)
	case Create, Mkdir:
		n.names[op.Name] = op.Child
	case Remove:
		delete(n.names, op.Name)
	case Rename:
		if child, there := n.names[op.Name]; there {
			delete(n.names, op.Name)
			n.names[op.To] = child
		}
	case Sync:
	}
}

func (n *node) write(data []byte, offset int64) {
	if end := offset + int64(len(data)); end > int64(len(n.data)) {
		n.resize(end)
	}
	copy(n.data[offset:], data)
}

func (n *node) resize(size int64) {
	old := int64(len(n.data))
	if size <= old {
		clear(n.data[size:]) // what is cut off is zero if it comes back
		n.data = n.data[:size]
		return
	}
	n.data = slices.Grow(n.data, int(size-old))[:size]
	clear(n.data[old:])
}

// Disk is a disk in memory. Its zero value is not ready: see [New].
type Disk struct {
	mu    sync.Mutex
	live  nodes  // what can be read
	now   Moment // what is on the disk
	log   Log
	last  int // of the nodes
	reads int // how often something was read
	fail  func(op *Op) syscall.Errno
}

// New gives an empty disk.
func New() *Disk { return After(nil) }

// After gives a disk that all of that was done to, and that has forgotten nothing: that is how a process finds it that
// starts when another one was killed. Its own log continues the given one.
func After(log Log) *Disk {
	d := &Disk{live: nodes{}, now: Moment{synced: nodes{}}, log: slices.Clone(log)}
	d.live.make(0, true)
	d.now.synced.make(0, true)
	for i := range log {
		op := &log[i]
		if op.Kind == Create || op.Kind == Mkdir {
			d.live.make(op.Child, op.Kind == Mkdir)
			d.last = max(d.last, op.Child)
		}
		if op.Err == 0 {
			d.live.apply(op)
		}
		d.now.step(op)
	}
	return d
}

// Log gives what was done so far.
func (d *Disk) Log() Log {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clip(d.log)
}

// Ops is how many operations there were.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

// Reads is how often something was read from it: what the kernel's cache has isn't.
func (d *Disk) Reads() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reads
}

// Fail makes operations fail for which f gives an error; nil ends it. f must not call the disk.
func (d *Disk) Fail(f func(op *Op) syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

// FailNth is for Fail: the n-th write, truncate or sync from now on fails (1 is the next one).
func FailNth(n int, err syscall.Errno) func(op *Op) syscall.Errno {
	return func(op *Op) syscall.Errno {
		if op.Kind != Write && op.Kind != Truncate && op.Kind != Sync {
			return 0
		}
		if n--; n == 0 {
			return err
		}
		return 0
	}
}

// do carries out an operation, or makes it fail.
func (d *Disk) do(op Op) (child int, err syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		op.Err = d.fail(&op)
	}
	if op.Kind == Create || op.Kind == Mkdir {
		d.last++
		op.Child = d.last
		d.live.make(op.Child, op.Kind == Mkdir)
	}
	if op.Err == 0 {
		d.live.apply(&op)
	}
	d.log = append(d.log, op)
	d.now.step(&op)
	if file := d.live[op.Node]; op.Kind == Sync && op.Err != 0 && file.names == nil {
		size := int64(len(file.data))
		file.data = slices.Clone(d.now.synced[op.Node].data)
		file.resize(size)
	}
	return op.Child, op.Err
}

// read copies from a file.
func (d *Disk) read(file int, to []byte, offset int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	data := d.live[file].data
	return copy(to, data[min(offset, int64(len(data))):])
}

func (d *Disk) size(file int) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.live[file].data))
}

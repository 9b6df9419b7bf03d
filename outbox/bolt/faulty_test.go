package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
	"wrapup/outbox/outboxtest/disk"
)

// order is what the other process is told to do: one of these.
type order struct {
	Open   string `json:",omitempty"` // the path
	Commit *outbox.Tx
	Look   bool
	Close  bool
}

type answer struct {
	Err          string
	Full, Broken bool
	Seen         seen
}

// seen is all that the store has.
type seen struct {
	Items   map[string]bool // group/ID
	Entries map[string]bool
	Tasks   int
	Waiting int
	Count   int64
}

func beStore() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var s *Store
	for {
		var o order
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var a answer
		var err error
		ctx := context.Background()
		switch {
		case o.Open != "":
			s, err = Open(o.Open, Options{})
		case o.Commit != nil:
			_, err = s.Commit(ctx, *o.Commit)
		case o.Look:
			a.Seen, err = look(ctx, s)
		case o.Close:
			err = s.Close()
		}
		if err != nil {
			a.Err = err.Error()
		}
		a.Full, a.Broken = errors.Is(err, outbox.ErrFull), errors.Is(err, outbox.ErrBroken)
		if err := out.Encode(&a); err != nil {
			return err
		}
	}
}

func look(ctx context.Context, s *Store) (seen, error) {
	found := seen{Items: map[string]bool{}, Entries: map[string]bool{}}
	err := s.Open(ctx, func(group string, items []outbox.Item) error {
		for _, it := range items {
			found.Items[group+"/"+it.ID] = true
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	entries, err := s.Walk(ctx, outbox.DayOf(t0), 0, 1<<20)
	if err != nil {
		return found, err
	}
	for _, e := range entries {
		if found.Entries[e.ID] || len(e.Rows) != 1 {
			return found, fmt.Errorf("the entry %s is there twice, or has %d rows", e.ID, len(e.Rows))
		}
		found.Entries[e.ID] = true
	}
	tasks, err := s.Tasks(ctx, "q", false, outbox.Key{}, 1<<20)
	if err != nil {
		return found, err
	}
	found.Tasks = len(tasks)
	depth, err := s.Depth(ctx, "q")
	if err != nil {
		return found, err
	}
	found.Waiting = depth.Waiting
	counts, err := s.Counts(ctx, outbox.DayOf(t0))
	found.Count = counts["n"]
	return found, err
}

// distant is a store in another process.
type distant struct {
	t    *testing.T
	in   *json.Encoder
	out  *json.Decoder
	dir  string
	disk *disk.Disk
	path string
	end  func()
}

func newDistant(t *testing.T) *distant {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BE_STORE=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // it may have been told of a disk that is gone
	})
	dir := t.TempDir()
	if _, err := os.Stat("/dev/shm"); err == nil { // thousands of disks are written there
		dir, err = os.MkdirTemp("/dev/shm", "wrapup")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	}
	return &distant{t: t, in: json.NewEncoder(in), out: json.NewDecoder(out), dir: dir}
}

// mount gives the store that disk, instead of the one it had.
func (d *distant) mount(of *disk.Disk) {
	d.t.Helper()
	at := filepath.Join(d.dir, "disk")
	require.NoError(d.t, os.MkdirAll(at, 0o700))
	unmount, err := of.Mount(at)
	const where = "FUSE can't be mounted here; it takes /dev/fuse and root, or fusermount3 (package fuse3)"
	if err != nil && os.Getenv("CI") == "" {
		d.t.Skipf("NOT TESTED: %s: %s", where, err)
	}
	require.NoError(d.t, err, where)
	d.disk, d.path = of, filepath.Join(at, "wrapup.db")
	d.end = func() { require.NoError(d.t, unmount()) }
}

func (d *distant) do(o order) answer {
	d.t.Helper()
	require.NoError(d.t, d.in.Encode(&o))
	var a answer
	require.NoError(d.t, d.out.Decode(&a), "the store's process has ended")
	return a
}

// fine does what has to work.
func (d *distant) fine(o order) answer {
	d.t.Helper()
	a := d.do(o)
	require.Empty(d.t, a.Err)
	return a
}

// fate is what is known of a Tx.
type fate int

const (
	never   fate = iota // it was not tried, or refused and known to have changed nothing
	unknown             // nobody knows
	durable             // it was answered with nil
)

// script is a short run: items, and entries that are made of them.
func script() (txs []outbox.Tx) {
	for i := range 6 {
		group := fmt.Sprint("g", i)
		txs = append(txs,
			outbox.Tx{Group: group, Add: []outbox.Item{{ID: "a", Body: make([]byte, 3000)}}},
			outbox.Tx{
				Group: group, Drop: []string{"a"}, Entry: &outbox.EntryPut{ID: group, Day: outbox.DayOf(t0), Body: []byte("entry")},
				Put: []outbox.RowPut{{Name: "row", Body: []byte("row")}}, Enqueue: []outbox.NewTask{{Queue: "q", Due: t0}},
				Count: []outbox.Delta{{Day: outbox.DayOf(t0), Name: "n", N: 1}},
			})
	}
	return txs
}

// check compares what the store has with what is known of the script.
func check(t *testing.T, found seen, fates []fate, when string) bool {
	t.Helper()
	ok := assert.Equal(t, len(found.Entries), found.Tasks, "%s: a task for each entry", when)
	ok = assert.Equal(t, found.Tasks, found.Waiting, "%s: tasks are counted", when) && ok
	ok = assert.EqualValues(t, len(found.Entries), found.Count, "%s: entries are counted", when) && ok
	for i, tx := range script() {
		item, entry := found.Items[tx.Group+"/a"], found.Entries[tx.Group]
		there := entry
		if i%2 == 0 {
			there = item || entry
		} else if fates[i] != never || entry {
			ok = assert.NotEqual(t, item, entry, "%s: a half of what made the entry %s", when, tx.Group) && ok
		}
		switch fates[i] {
		case durable:
			ok = assert.True(t, there, "%s: transaction %d is lost", when, i) && ok
		case never:
			ok = assert.False(t, there, "%s: transaction %d changed nothing, as was said", when, i) && ok
		case unknown:
		}
	}
	return ok
}

// open opens the store. A disk that fails meanwhile makes it fail, in words; the next time it works.
func (d *distant) open() {
	d.t.Helper()
	for range 40 {
		if d.do(order{Open: d.path}).Err == "" {
			return
		}
	}
	require.Fail(d.t, "the store can't be opened any more")
}

// cut looks at what is left after a power cut now.
func (d *distant) cut(log disk.Log, s disk.Survival, seed uint64) seen {
	d.t.Helper()
	image, err := os.MkdirTemp(d.dir, "cut")
	require.NoError(d.t, err)
	defer func() { require.NoError(d.t, os.RemoveAll(image)) }()
	require.NoError(d.t, log.Cut(len(log)).Write(image, s, rand.New(rand.NewPCG(seed, uint64(s)))))
	d.fine(order{Open: filepath.Join(image, "wrapup.db")})
	defer d.fine(order{Close: true})
	return d.fine(order{Look: true}).Seen
}

// Each write, each truncation and each sync of a short run fails, one after the other. What the store says is true: a Tx
// that got nil is there, also after a power cut; one that found no room has changed nothing, and the store goes on; after
// any other failure it refuses everything, until it has been opened anew.
func TestEachWriteAndSyncFails(t *testing.T) {
	t.Parallel()
	d := newDistant(t)
	for name, fault := range map[string]struct {
		err  syscall.Errno
		lots int // how many operations fail
	}{
		"EIO": {syscall.EIO, 1}, "ENOSPC": {syscall.ENOSPC, 1}, "no space for a while": {syscall.ENOSPC, 12},
		"read-only for a while": {syscall.EROFS, 12},
	} {
		fulls, breaks, runs := 0, 0, 0
		for n := 1; ; n++ {
			when := fmt.Sprintf("%s at operation %d", name, n)
			full, broken, hit := d.failing(n, fault.err, fault.lots, when)
			fulls, breaks, runs = fulls+full, breaks+broken, runs+1
			if t.Failed() {
				return
			}
			if !hit {
				break
			}
		}
		t.Logf("%s: %d runs; %d times full, %d times broken", name, runs, fulls, breaks)
		assert.Positive(t, breaks+fulls)
		if fault.err == syscall.EIO {
			assert.Zero(t, fulls, "a disk that fails is not full")
		} else {
			assert.Positive(t, fulls)
		}
	}
}

// failing runs the script on a disk that fails at its n-th operation, and says whether there were so many.
func (d *distant) failing(n int, err syscall.Errno, lots int, when string) (fulls, breaks int, hit bool) {
	t := d.t
	t.Helper()
	d.mount(disk.New())
	defer func() { d.end() }()
	ops := 0
	d.disk.Fail(func(op *disk.Op) syscall.Errno {
		if op.Kind != disk.Write && op.Kind != disk.Truncate && op.Kind != disk.Sync {
			return 0
		}
		if ops++; ops >= n && ops < n+lots {
			hit = true
			return err
		}
		return 0
	})
	d.open()
	txs := script()
	fates := make([]fate, len(txs))
	for i := range txs {
		for fates[i] != durable {
			a := d.do(order{Commit: &txs[i]})
			switch {
			case a.Err == "":
				fates[i] = durable
			case a.Full:
				fulls++
				check(t, d.fine(order{Look: true}).Seen, fates, when+", which found no room")
			default:
				breaks++
				fates[i] = unknown
				require.True(t, a.Broken, "%s: %s", when, a.Err)
				require.True(t, d.do(order{Commit: &txs[0]}).Broken, when)
				require.True(t, d.do(order{Look: true}).Broken, when)
				_ = d.do(order{Close: true})
				d.open()
				check(t, d.fine(order{Look: true}).Seen, fates, when+", and opening it anew")
			}
			require.Less(t, fulls+breaks, 100, when)
		}
	}
	log := d.disk.Log()
	_ = d.do(order{Close: true}) // which may fail to write down what is free
	for _, at := range []disk.Log{log, d.disk.Log()} {
		for _, survival := range disk.Survivals() {
			check(t, d.cut(at, survival, uint64(n)), fates, fmt.Sprintf("%s, and a power cut that left %s", when, survival))
		}
	}
	return fulls, breaks, hit
}

// The process is killed at each operation of a short run, and started anew: it finds all that it wrote, synced or not. What
// is answered then, be it as a repeat of what is there already, is there after a power cut, too.
func TestPowerCutAfterAKill(t *testing.T) {
	t.Parallel()
	d := newDistant(t)
	d.mount(disk.New())
	d.open()
	txs := script()[:6]
	by := make([]int, len(txs))
	for i := range txs {
		d.fine(order{Commit: &txs[i]})
		by[i] = d.disk.Ops()
	}
	d.fine(order{Close: true})
	log := d.disk.Log()
	d.end()

	for n := range len(log) + 1 {
		d.mount(disk.After(log[:n]))
		d.fine(order{Open: d.path})
		fates := make([]fate, len(script()))
		for i := range txs {
			if by[i] <= n {
				fates[i] = durable
				continue
			}
			d.fine(order{Commit: &txs[i]}) // the one that was under way
			fates[i] = durable
			break
		}
		left := d.disk.Log()
		d.fine(order{Close: true})
		d.end()
		if !check(t, d.cut(left, disk.Nothing, 0), fates, fmt.Sprintf("killed after operation %d of %d", n, len(log))) {
			return
		}
	}
	t.Logf("killed at %d moments", len(log)+1)
}

package bolt

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// panicking tells the process that TestPanicEndsTheProcess has for itself what it is.
const panicking = "PANIC_IN_COMMIT"

func item(id string) outbox.Tx { return outbox.Tx{Group: "g", Add: []outbox.Item{{ID: id}}} }

// Who comes alone commits in his own goroutine. What comes meanwhile is the committer's: who has his answer goes.
func TestWhoFindsNobodyCommitsHimself(t *testing.T) {
	g := newGate()
	var stacks []string
	s := openAt(t, newPath(t), Options{Commit: func(commit func() error) error {
		stacks = append(stacks, string(debug.Stack()))
		return g.commit(commit)
	}})
	first, second := make(chan error), make(chan error)
	commit := func(id string, done chan<- error) {
		_, err := s.Commit(t.Context(), item(id))
		done <- err
	}
	go commit("first", first)
	<-g.entered
	go commit("second", second)
	for s.line.waiting() == 0 {
		runtime.Gosched()
	}
	g.leave <- nil
	require.NoError(t, <-first, "while the second one's commit is held up")
	<-g.entered
	select {
	case <-second:
		t.Fatal("it has its answer before it is durable")
	default:
	}
	g.leave <- nil
	require.NoError(t, <-second)
	require.Len(t, stacks, 3) // the file's is the first
	const caller, committer = "(*Store).Commit(", "(*Store).run("
	assert.Contains(t, stacks[1], caller)
	assert.NotContains(t, stacks[1], committer)
	assert.Contains(t, stacks[2], committer)
	assert.NotContains(t, stacks[2], caller)
}

// An event of an agent in a call goes into two groups, and what a post has is handed over at the same time: where nothing else
// is to do, that is one sync of the disk and not one for who is first and another for the rest.
func TestWhatComesTogetherIsOneCommit(t *testing.T) {
	var commits atomic.Int64
	s := openAt(t, newPath(t), Options{Commit: func(commit func() error) error {
		commits.Add(1)
		return commit()
	}})
	idle := func() bool {
		s.line.mu.Lock()
		defer s.line.mu.Unlock()
		return !s.line.busy
	}
	const posts = 40
	before := commits.Load()
	for i := range posts {
		for !idle() { // the committer would take all of it
			runtime.Gosched()
		}
		var other sync.WaitGroup
		other.Go(func() { add(t, s, "agent", strconv.Itoa(i)) })
		add(t, s, "call", strconv.Itoa(i))
		other.Wait()
	}
	assert.Less(t, commits.Load()-before, int64(posts*3/2)) // who is first on another processor may still be alone
}

// However many wait, a transaction has room for so many, and each has its outcome; what wants to be alone is.
func TestNoTransactionIsTooLarge(t *testing.T) {
	g := newGate()
	var batches []int
	s := openAt(t, newPath(t), Options{Commit: g.commit, Observe: func(n int, _ time.Duration) { batches = append(batches, n) }})
	var wg sync.WaitGroup
	wg.Go(func() { add(t, s, "first", "first") })
	<-g.entered
	var requests []*request
	for i := range maxBatch + 1 {
		p, err := s.prepareTx(item(strconv.Itoa(i)))
		require.NoError(t, err)
		requests = append(requests, &request{prepared: p})
	}
	alone := &request{alone: func(b *batch) error { b.dirty = true; return nil }}
	requests = append(requests, alone, &request{prepared: requests[0].prepared})
	wg.Go(func() { s.settle(requests...) })
	for s.line.waiting() == 0 {
		runtime.Gosched()
	}
	for range 3 {
		g.leave <- nil
		<-g.entered
	}
	// The last one is a repeat, of which nothing is written.
	g.leave <- nil
	wg.Wait()
	assert.Equal(t, []int{1, maxBatch, 1, 1}, batches)
	for i, r := range requests {
		require.NoError(t, r.err, i)
		if r != alone {
			assert.Equal(t, []bool{i <= maxBatch}, r.res.New, i)
		}
	}
}

// A web server recovers the panics of its handlers. A commit that one of them was about to make must end the process all the
// same: what is half done would bar all others for good.
func TestPanicEndsTheProcess(t *testing.T) {
	if os.Getenv(panicking) != "" {
		commitAndPanic(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicEndsTheProcess$")
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), panicking+"=yes")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	assert.Contains(t, string(out), "panic: committing: the hook panics")
	assert.Contains(t, string(out), "outbox/bolt.(*Store).write(", "where it was")
	assert.NotContains(t, string(out), "recovered")
}

func commitAndPanic(t *testing.T) {
	t.Helper()
	opened := false
	s, err := Open("wrapup.db", Options{Commit: func(commit func() error) error {
		if opened {
			panic("the hook panics")
		}
		return commit()
	}})
	require.NoError(t, err)
	opened = true
	defer func() {
		if v := recover(); v != nil {
			t.Fatal("recovered: ", v)
		}
	}()
	_, err = s.Commit(t.Context(), item("a"))
	t.Fatal("recovered, with: ", err)
}

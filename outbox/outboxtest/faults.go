package outboxtest

import (
	"errors"
	"sync"
)

// ErrInjected is what a commit that was made to fail gives.
var ErrInjected = errors.New("the disk failed (injected)")

// Fault is a way in which a durable commit fails.
type Fault int

// The faults.
const (
	// Lost: nothing was persisted.
	Lost Fault = iota
	// Unreported: it was persisted, and then reported as failed.
	Unreported
)

// String names the fault.
func (f Fault) String() string {
	if f == Lost {
		return "lost"
	}
	return "persisted, then reported as failed"
}

// Faults makes durable commits fail. A store under test calls Commit around each of its own.
type Faults struct {
	mu      sync.Mutex
	commits int
	failAt  int // the number of the commit to fail; 0: none
	fault   Fault
	err     error
}

// Commit calls commit, or makes it fail.
func (f *Faults) Commit(commit func() error) error {
	f.mu.Lock()
	f.commits++
	fails := f.failAt > 0 && f.commits == f.failAt
	fault, err := f.fault, f.err
	f.mu.Unlock()
	if !fails {
		return commit()
	}
	if fault == Unreported {
		if err := commit(); err != nil {
			return err
		}
	}
	return err
}

// FailNext makes the n-th commit from now fail (1 is the next one), with the error.
func (f *Faults) FailNext(n int, fault Fault, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt, f.fault, f.err = f.commits+n, fault, err
}

// FailNone calls off a failure that has not come about.
func (f *Faults) FailNone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt = 0
}

// Commits counts the commits so far, failed ones included.
func (f *Faults) Commits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.commits
}

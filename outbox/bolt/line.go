package bolt

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"wrapup/outbox"
)

// maxBatch bounds how many requests share a transaction.
const maxBatch = 1024

// line is where requests come to be committed. Whoever finds nobody at it commits his own at once, and what comes just with
// it: an event that comes alone costs no change of goroutines, which takes as long as the processor's share of the commit.
// What comes meanwhile waits for the committer, a goroutine that is there for that: nobody who has his answer has to commit
// for others.
type line struct {
	mu sync.Mutex
	// busy says that somebody commits. He looks at next when he has done.
	busy bool
	next *round // what came meanwhile, if anything did

	// relay wakes the committer, who takes over from a caller that has what he came for.
	relay    chan struct{}
	finished chan struct{} // closed when the committer has ended
}

// round is what is committed next, in the order in which it came.
type round struct {
	requests []*request
	done     chan struct{} // closed when each has its outcome
}

func newLine() line {
	return line{relay: make(chan struct{}, 1), finished: make(chan struct{})}
}

// enter takes the requests over, or says that the caller is to commit them.
func (l *line) enter(requests []*request) (r *round, mine bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy {
		l.busy = true
		return nil, true
	}
	if l.next == nil {
		l.next = &round{done: make(chan struct{})}
	}
	l.next.requests = append(l.next.requests, requests...)
	return l.next, false
}

// company gives those who come just with a caller whose turn it is: what a post has is handed over by several goroutines, and
// is to share a sync of the disk. Where nobody else can run that takes no time.
func (l *line) company() *round {
	runtime.Gosched()
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.next
	l.next = nil
	return r
}

// leave ends the turn of a caller.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy = l.next != nil; l.busy {
		l.relay <- struct{}{} // it has room: the committer has nothing to do
	}
}

// gather lets those go first who are about to come: whoever can run now, until nobody comes any more. It waits for nothing,
// so that where nobody is about to come it takes no time; where the processors are busy it makes fewer and larger commits.
func (l *line) gather() {
	for before, now := -1, 0; before < now && now < maxBatch; {
		runtime.Gosched()
		before, now = now, l.waiting()
	}
}

// take gives what is to be committed next, or ends the committer's turn.
func (l *line) take() *round {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.next
	l.next, l.busy = nil, r != nil
	return r
}

// waiting counts the requests that are not being committed yet.
func (l *line) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		return 0
	}
	return len(l.next.requests)
}

// settle commits the requests, together with others as it comes, and returns when each has its outcome.
func (s *Store) settle(requests ...*request) {
	if r, mine := s.line.enter(requests); !mine {
		<-r.done
		return
	}
	defer func() {
		// A caller may be one whose panics somebody recovers, as a web server does. What is half done would bar all others
		// for good, so it ends the process, as it does in the committer.
		if v := recover(); v != nil {
			text := fmt.Sprintf("committing: %v\n\n%s", v, debug.Stack())
			go func() { panic(text) }()
			select {}
		}
	}()
	with := s.line.company()
	if with != nil {
		requests = slices.Concat(requests, with.requests)
	}
	s.commitAll(requests)
	if with != nil {
		close(with.done)
	}
	s.line.leave()
}

// run is the committer.
func (s *Store) run() {
	defer close(s.line.finished)
	for range s.line.relay {
		for s.line.gather(); ; s.line.gather() {
			r := s.line.take()
			if r == nil {
				break
			}
			s.commitAll(r.requests)
			close(r.done)
		}
	}
}

// commitAll commits the requests in as few transactions as can be, and gives each its outcome.
func (s *Store) commitAll(requests []*request) {
	for rest := requests; len(rest) > 0; {
		n := sharing(rest)
		if err := s.write(rest[:n]); err != nil {
			// Nothing of these counts. Not even their conflicts: they may be with neighbours.
			for _, r := range rest[:n] {
				r.res, r.err = outbox.Result{}, err
			}
		}
		rest = rest[n:]
	}
}

// sharing says how many of the requests, from the first on, share a transaction.
func sharing(requests []*request) int {
	n := min(len(requests), maxBatch)
	for i, r := range requests[:n] {
		if r.alone != nil {
			return max(i, 1)
		}
	}
	return n
}

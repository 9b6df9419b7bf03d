package intake

import (
	"strings"
	"sync"
	"time"

	"wrapup/connector"
)

const (
	// watched is how many of the last things that came a Watch remembers.
	watched = 2000
	// watchedText is the most that is remembered of a text, in bytes.
	watchedText = 200
	// watchedChunk is how many are handed out at once, so that nobody holds the Watch for long.
	watchedChunk = 200
	// refusedPerSecond is how many refusals are remembered, so that strangers can't push everything else out.
	refusedPerSecond = 20
)

// Watch remembers what came last, in memory, for those who look. Each of them reads at his own pace from where he is; the
// intake never waits for him, and what he is too late for he has missed.
type Watch struct {
	run string

	mu      sync.Mutex
	ring    []connector.Received // the one with the serial n stands at (n-1) % watched
	last    uint64
	more    chan struct{} // closed when there is one more; nil if nobody waits
	second  int64         // in which refused were remembered
	refused int
	folded  int64

	closing sync.Once
	closed  chan struct{}
}

// NewWatch makes a Watch of a process that was started at the given time.
func NewWatch(started time.Time) *Watch {
	return &Watch{run: connector.TimeOf(started).String(), closed: make(chan struct{})}
}

// Run names the process: another one counts anew.
func (w *Watch) Run() string { return w.run }

// Close ends the watching: Closed is closed.
func (w *Watch) Close() { w.closing.Do(func() { close(w.closed) }) }

// Closed is closed when nothing more will come.
func (w *Watch) Closed() <-chan struct{} { return w.closed }

// Since gives some of those after the serial, the oldest first, how many more are remembered no longer, and a channel that
// is closed once there is one more; it gives none only if there is none yet.
func (w *Watch) Since(after uint64) (list []connector.Received, missed uint64, more <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if kept := w.last - uint64(len(w.ring)); after < kept {
		missed, after = kept-after, kept
	}
	for n := after + 1; n <= w.last && len(list) < watchedChunk; n++ {
		list = append(list, w.ring[(n-1)%watched])
	}
	if w.more == nil {
		w.more = make(chan struct{})
	}
	return list, missed, w.more
}

// note remembers one.
func (w *Watch) note(r connector.Received) {
	if w == nil {
		return
	}
	for _, text := range []*string{&r.Source, &r.Code, &r.UUID, &r.Queue, &r.Phone, &r.Username, &r.SIPID, &r.AgentID, &r.Sender, &r.Reason} {
		if len(*text) > watchedText {
			*text = strings.ToValidUTF8(strings.Clone((*text)[:watchedText]), "") + "…"
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Result == connector.ReceivedRefused && !w.remembers(&r) {
		return
	}
	w.last++
	r.Serial = w.last
	if len(w.ring) < watched {
		w.ring = append(w.ring, r)
	} else {
		w.ring[(r.Serial-1)%watched] = r
	}
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
}

// remembers says that a refusal is one of the first of its second.
func (w *Watch) remembers(r *connector.Received) bool {
	if second := int64(r.At) / 1_000_000; second != w.second {
		w.second, w.refused = second, 0
	}
	if w.refused++; w.refused > refusedPerSecond {
		w.folded++
		return false
	}
	r.More, w.folded = w.folded, 0
	return true
}

// noteEvents tells the Watch what became of events; reason is why some could not be stored.
func (r *Receiver) noteEvents(source string, events []connector.Event, outcome []eventOutcome, reason string) {
	if r.watch == nil {
		return
	}
	at := connector.TimeOf(r.now())
	for i := range events {
		e := &events[i]
		one := connector.Received{At: at, Source: source, Result: connector.ReceivedRepeat, Kind: e.Kind, Code: e.Code, UUID: e.UUID,
			Time: e.Time, Queue: e.Queue, Phone: e.Phone, Username: e.Username, SIPID: e.SIPID, AgentID: e.AgentID}
		switch {
		case outcome[i].err != nil:
			one.Result, one.Reason = connector.ReceivedLost, reason
		case outcome[i].isNew:
			one.Result = connector.ReceivedNew
		}
		r.watch.note(one)
	}
}

// Forget takes phone numbers out of what is remembered, and says of how many.
func (w *Watch) Forget(is func(phone string) bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.ring {
		if r := &w.ring[i]; r.Phone != "" && is(r.Phone) {
			r.Phone = ""
			n++
		}
	}
	return n
}

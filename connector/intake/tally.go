package intake

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"wrapup/connector"
)

// maxRefused is how many senders and reasons are told apart. Whoever comes when there is no more room is counted with
// all others of his reason, so that nobody can fill the memory by posting from many addresses.
const maxRefused = 1000

// tally counts what became of posts.
type tally struct {
	mu      sync.Mutex
	since   connector.Time
	feeds   []feed // in the order of the configuration
	refused map[refusedKey]*connector.RefusedPosts
}

// feed is what was seen of a source.
type feed struct {
	connector.FeedStatus
	pairs connector.Pairs
	clock connector.ClockDifference
}

type refusedKey struct {
	sender         netip.Prefix // the zero Prefix: all others
	source, reason string
}

func newTally(sources []Source, now time.Time) *tally {
	t := &tally{since: connector.TimeOf(now), refused: map[refusedKey]*connector.RefusedPosts{}}
	for _, s := range sources {
		t.feeds = append(t.feeds, feed{FeedStatus: connector.FeedStatus{Source: s.Name}})
	}
	return t
}

// change counts for other sources from now on.
func (t *tally) change(sources []Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.feeds
	t.feeds = nil
	for _, s := range sources {
		f := feed{FeedStatus: connector.FeedStatus{Source: s.Name}}
		if i := slices.IndexFunc(old, func(o feed) bool { return o.Source == s.Name }); i >= 0 {
			f = old[i]
		}
		t.feeds = append(t.feeds, f)
	}
}

// feed counts for a source.
func (t *tally) feed(source string, count func(*feed)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.feeds {
		if t.feeds[i].Source == source {
			count(&t.feeds[i])
			return
		}
	}
}

// see looks at new events that have just come: which kinds, and by which clock.
func (t *tally) see(source string, events []*connector.Event, now time.Time) {
	at := connector.TimeOf(now)
	t.feed(source, func(f *feed) {
		for _, e := range events {
			f.pairs.See(e.Kind, at)
			f.clock.See(e.Time, at)
		}
	})
}

// refuse counts a post that was refused. Reasons are constants, so that there are few.
func (t *tally) refuse(from netip.Addr, source, reason string, now time.Time) {
	at := connector.TimeOf(now)
	t.mu.Lock()
	defer t.mu.Unlock()
	key := refusedKey{sender: network(from), source: source, reason: reason}
	r := t.refused[key]
	if r == nil && len(t.refused) >= maxRefused {
		key.sender = netip.Prefix{}
		r = t.refused[key]
	}
	if r == nil {
		r = &connector.RefusedPosts{Sender: senderText(key.sender), Source: source, Reason: reason, First: at}
		t.refused[key] = r
	}
	r.Count++
	r.Last = at
}

// network gives what counts as one sender: an IPv4 address, or the network that an IPv6 user has for himself alone.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Addr gives the zero Prefix
	return p
}

func senderText(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return ""
	case p.IsSingleIP():
		return p.Addr().String()
	default:
		return p.String()
	}
}

func (t *tally) status() connector.IntakeStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := connector.IntakeStatus{Since: t.since, Feeds: []connector.FeedStatus{}, Refused: []connector.RefusedPosts{}}
	for i := range t.feeds {
		f := t.feeds[i].FeedStatus
		f.Behind, f.Unpaired = t.feeds[i].clock.Span(), t.feeds[i].pairs.Unpaired()
		s.Feeds = append(s.Feeds, f)
	}
	for _, r := range t.refused {
		s.Refused = append(s.Refused, *r)
	}
	slices.SortFunc(s.Refused, func(a, b connector.RefusedPosts) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Sender, b.Sender), cmp.Compare(a.Source, b.Source),
			cmp.Compare(a.Reason, b.Reason))
	})
	return s
}

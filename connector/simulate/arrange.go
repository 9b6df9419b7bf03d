package simulate

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"wrapup/connector"
)

// wire is an event as the dialer posts it: the documented fields, of the documented types or of those in its examples.
type wire struct {
	Info      string `json:"info"`
	Time      string `json:"time"`
	UUID      string `json:"uuid,omitempty"`
	State     int    `json:"state"`
	Type      int    `json:"type"`
	CallID    string `json:"callid"`
	CallPhone string `json:"callphone,omitempty"`
	AgentID   string `json:"agentid,omitempty"`
	SIPID     string `json:"sipid,omitempty"`
	Username  string `json:"username,omitempty"`
}

// body gives the event as JSON.
func (e *event) body(queue string) []byte {
	w := wire{Time: strconv.FormatInt(int64(e.at), 10), CallID: queue}
	switch e.kind {
	case connector.KindStarted:
		w.Type, w.State, w.Info = 2, 1, "Phone calling"
	case connector.KindAnswered:
		w.Type, w.State, w.Info = 2, 3, "Phone answer"
	case connector.KindEnded:
		w.Type, w.State, w.Info = 2, 4, "Phone hangup"
	case connector.KindOffline:
		w.Type, w.State, w.Info = 1, 0, "Seats offline"
	case connector.KindReady:
		w.Type, w.State, w.Info = 1, 2, "Seats ready"
	case connector.KindJoined:
		w.Type, w.State, w.Info = 1, 3, "Phone answer"
	case connector.KindLeft:
		w.Type, w.State, w.Info = 1, 4, "Phone hangup"
	}
	if e.call != nil {
		w.UUID, w.CallPhone = e.call.uuid, e.call.phone
	}
	if e.agent != nil {
		w.AgentID, w.SIPID, w.Username = e.session, e.agent.sip, e.agent.username
	}
	b, err := json.Marshal(&w)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

// arrival is a post in the making.
type arrival struct {
	at     time.Duration
	order  int // of what was decided; it settles ties
	event  *event
	repeat bool
}

// arrange puts what is sent into the order in which it comes. A call's end waits for what its record needs of its agents.
func (w *world) arrange(p *Plan, reads map[*call][]*event) {
	first := make(map[*event]time.Duration, len(w.events))
	var arrivals []arrival
	add := func(e *event, at time.Duration, repeat bool) {
		arrivals = append(arrivals, arrival{at, len(arrivals), e, repeat})
	}
	slices.SortStableFunc(w.events, func(a, b *event) int { // ends come last: they look at the others
		return cmp.Compare(rankOf(a), rankOf(b))
	})
	for _, e := range w.events {
		if e.withheld {
			p.Withheld++
			continue
		}
		p.Events++
		at := max(0, w.real(e.at))
		if w.chance(w.options.Reordered) {
			at += w.delay()
		}
		if e.kind == connector.KindEnded {
			for _, needed := range reads[e.call] {
				at = max(at, first[needed])
			}
		}
		first[e] = at
		add(e, at, false)
		if w.chance(w.options.Repeated) {
			p.Repeats++
			add(e, at+w.delay(), true)
		}
	}
	slices.SortFunc(arrivals, func(a, b arrival) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
	for i := range arrivals {
		a := &arrivals[i]
		post := Post{At: a.at, Body: a.event.body(w.options.Queue), Repeat: a.repeat}
		switch {
		case a.repeat:
			post.After = []int{a.event.post}
		case a.event.kind == connector.KindEnded:
			for _, needed := range reads[a.event.call] {
				post.After = append(post.After, needed.post)
			}
		}
		if !a.repeat {
			a.event.post = i
		}
		p.Posts = append(p.Posts, post)
	}
	for c, needed := range reads {
		if len(needed) > 0 {
			p.Needs.add(c, needed, first)
		}
	}
}

func rankOf(e *event) int {
	if e.kind == connector.KindEnded {
		return 1
	}
	return 0
}

// real gives when something that the dialer stamped happens in real time, from the beginning.
func (w *world) real(at connector.Time) time.Duration {
	return time.Duration(float64(at-connector.TimeOf(w.options.Start)) / w.options.Speed * float64(time.Microsecond))
}

func (w *world) delay() time.Duration {
	return time.Duration(w.between(0, int64(w.options.MaxDelay)))
}

// add lengthens the needs by those of a call: it must be open until its agents' events have come.
func (n *Needs) add(c *call, needed []*event, first map[*event]time.Duration) {
	var until time.Duration // when the last of what it needs comes
	for _, e := range needed {
		until = max(until, first[e])
	}
	var came []time.Duration
	onlyCreated := false
	for _, e := range c.events() {
		if !e.withheld {
			came = append(came, first[e])
			onlyCreated = onlyCreated || e == c.created
		}
	}
	if known(c.ended) != 0 {
		until = min(until, first[c.ended])
	}
	slices.Sort(came)
	onlyCreated = onlyCreated && came[0] == first[c.created]
	for i, at := range came {
		if at >= until {
			break
		}
		next := until
		if i+1 < len(came) {
			next = min(next, came[i+1])
		}
		if i == 0 && onlyCreated {
			n.RingTimeout = max(n.RingTimeout, next-at)
		} else {
			n.MaxAge = max(n.MaxAge, next-at)
		}
	}
}

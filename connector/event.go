package connector

import (
	"cmp"
	"encoding/json"
	"strconv"
)

// Kind says what an event means, whatever its source called it.
type Kind string

// The kinds of event. Those that a source sends and that mean nothing to a call are KindOther: kept, counted, ignored.
const (
	KindStarted  Kind = "started"  // the call was created: the customer's phone is being dialled
	KindAnswered Kind = "answered" // the customer answered
	KindEnded    Kind = "ended"    // the call ended; nothing else ends a call
	KindJoined   Kind = "joined"   // an agent was bridged to the call
	KindLeft     Kind = "left"     // that agent's part ended
	KindReady    Kind = "ready"    // an agent waits for the next call
	KindOffline  Kind = "offline"  // an agent's phone hung up: no outcome of any call
	KindOther    Kind = "other"
)

// rank orders events with equal stamps: what is about the call before what is about an agent, then in the order in
// which they happen.
func (k Kind) rank() int {
	switch k {
	case KindStarted:
		return 0
	case KindAnswered:
		return 1
	case KindEnded:
		return 2
	case KindJoined:
		return 3
	case KindLeft:
		return 4
	case KindOffline:
		return 5
	case KindReady:
		return 6
	default:
		return 7
	}
}

// Event is one thing that happened, as a dialer told it. It is immutable once stored.
type Event struct {
	// Source is the kind of feed it came by, such as "nxcloud-events".
	Source string `json:"source"`
	Kind   Kind   `json:"kind"`
	// Code is the source's own name for the kind, such as "2/1" (type/state).
	Code string `json:"code"`
	// UUID is the call; empty on an event that is about an agent alone.
	UUID string `json:"uuid,omitempty"`
	// Time is when it happened, by the dialer's clock.
	Time Time `json:"time"`
	// Queue is the access number: the campaign.
	Queue string `json:"queue,omitempty"`
	// Phone is the called number as sent.
	Phone string `json:"phone,omitempty"`
	// AgentID is the agent's login session and changes from login to login.
	AgentID string `json:"agent_id,omitempty"`
	// Username and SIPID are the agent's account and extension: stable.
	Username string `json:"username,omitempty"`
	SIPID    string `json:"sip_id,omitempty"`
	// Info is text for people. Nothing is decided on it.
	Info string `json:"info,omitempty"`
	// Extra holds the fields that wrapup doesn't know, as they were sent.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// ID identifies the event within its call: two events with one ID are the same event, sent twice.
func (e *Event) ID() string {
	b := make([]byte, 0, len(e.Code)+len(e.AgentID)+20)
	b = append(b, e.Code...)
	b = append(b, '@')
	b = strconv.AppendInt(b, int64(e.Time), 10)
	if e.AgentID != "" {
		b = append(b, '#')
		b = append(b, e.AgentID...)
	}
	return string(b)
}

// IDIn identifies the event within one of its groups. An agent's timeline has events of many calls.
func (e *Event) IDIn(group string) string {
	if uuid, _ := ParseGroup(group); uuid != "" || e.UUID == "" {
		return e.ID()
	}
	return e.ID() + "/" + e.UUID
}

// Agent names the agent that the event is about by his stable key: username, else sip id, else login session. It is
// empty if the event names none.
func (e *Event) Agent() string {
	switch {
	case e.Username != "":
		return "user:" + e.Username
	case e.SIPID != "":
		return "sip:" + e.SIPID
	case e.AgentID != "":
		return "session:" + e.AgentID
	default:
		return ""
	}
}

// AboutAgent says that the event belongs to an agent's timeline: his readiness, his going offline, and each call that
// he joins or leaves.
func (e *Event) AboutAgent() bool {
	switch e.Kind {
	case KindReady, KindOffline, KindJoined, KindLeft:
		return e.Agent() != ""
	default:
		return false
	}
}

// AboutCall says that the event belongs to the call that its UUID names.
func (e *Event) AboutCall() bool {
	return e.UUID != "" && e.Kind != KindReady && e.Kind != KindOffline
}

// CompareEvents orders events by the dialer's stamp. On equal stamps those about the call come before those about an
// agent, then in the order in which things happen; the rest of the fields only make the order total, so that sorting a
// set of events gives one result whatever order they came in.
func CompareEvents(a, b *Event) int {
	return cmp.Or(
		cmp.Compare(a.Time, b.Time),
		cmp.Compare(a.Kind.rank(), b.Kind.rank()),
		cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.AgentID, b.AgentID),
		emptyLast(a.Username, b.Username),
		emptyLast(a.SIPID, b.SIPID),
		emptyLast(a.Queue, b.Queue),
		emptyLast(a.Phone, b.Phone),
		cmp.Compare(a.Source, b.Source),
		cmp.Compare(a.Info, b.Info),
	)
}

// emptyLast compares two texts; one that says something comes before one that doesn't.
func emptyLast(a, b string) int {
	if (a == "") != (b == "") {
		return cmp.Compare(len(b), len(a))
	}
	return cmp.Compare(a, b)
}

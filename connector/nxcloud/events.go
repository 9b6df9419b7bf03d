// Package nxcloud reads what the dialer of NXCloud posts, one file for each of its feeds, and says it in the terms of
// [connector.Event]. It is pure: bytes in, events and errors out.
package nxcloud

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"wrapup/connector"
)

// SourceEvents is the source of events that came by the feed of predictive-call events.
const SourceEvents = "nxcloud-events"

// Limits of a body. What is beyond them is an error, but for a long info, which is cut.
const (
	// MaxEvents is how many events a body may hold.
	MaxEvents = 1000
	// MaxDepth is how deep arrays and objects may nest in a value.
	MaxDepth = 32
	// MaxText is how long an identifier or a phone number may be, in bytes.
	MaxText = 200
	// MaxInfo is where an info is cut, in bytes.
	MaxInfo = 4 << 10
	// MaxExtra is how much the unknown fields of an event may hold together, names included, in bytes.
	MaxExtra = 64 << 10
)

// What was expected, in the words of an [EventError].
const (
	wantObject  = "an event as a JSON object"
	wantType    = "1 (about an agent) or 2 (about a call)"
	wantState   = "a whole number from 0 to 4"
	wantTime    = "a Unix time from 2001 to 2100 in seconds (a fraction is allowed), ms, µs or ns, in plain digits"
	wantUUID    = "a string of at most 200 bytes"
	wantCallID  = "the queue's access number"
	wantCallUID = "the call's uuid, as the type is 2"
	wantID      = "a string of at most 200 bytes or a whole number"
	wantInfo    = "a string"
	wantPrint   = "no control characters"
	wantUTF8    = "valid UTF-8"
	wantDepth   = "at most 32 levels of nesting"
	wantExtra   = "unknown fields of at most 65536 bytes together"
	wantFew     = "at most 1000 events in a body"
)

// ParseEvents reads a body of the feed of predictive-call events: an object, an array of objects, or objects one after
// the other (on a line each, or not), as the vendor documents one object and other senders do the rest.
//
// It returns the events that are good, in their order, and an [*EventError] for each thing that is wrong with the
// others; both may have members. An event is good only if all its fields are. After an error of syntax the reading goes
// on at the next line that begins with an object, but not if it stands in an array. Nothing that is returned shares
// memory with the body.
func ParseEvents(body []byte) ([]connector.Event, []error) {
	p := parser{scanner: scanner{body: body}}
	if bytes.HasPrefix(body, []byte("\ufeff")) {
		p.pos = len("\ufeff")
	}
	p.space()
	if p.atEnd() {
		p.fail(&EventError{Value: "the body is empty", Want: wantObject})
	}
	for goesOn := true; goesOn && !p.atEnd() && p.index <= MaxEvents; p.space() {
		if p.body[p.pos] == '[' {
			goesOn = p.array()
			continue
		}
		start, before := p.pos, len(p.errs)
		end := len(body)
		if p.element() || p.resume(start) {
			if p.index <= MaxEvents {
				end = p.pos
			}
		} else {
			goesOn = false
		}
		p.locate(before, start, end)
	}
	errs := make([]error, len(p.errs))
	for i, err := range p.errs {
		errs[i] = err
	}
	return p.events, errs
}

// parser is a body being read, and what has come of it.
type parser struct {
	scanner
	// index of the event being read, from 1.
	index  int
	events []connector.Event
	errs   []*EventError
}

// fail notes the error.
func (p *parser) fail(e *EventError) { p.errs = append(p.errs, e) }

// locate says of the errors from the given one on which part of the body they are about.
func (p *parser) locate(from, start, end int) {
	for _, err := range p.errs[from:] {
		err.from, err.to = start, end
	}
}

// resume goes to the next line after start that begins with an object, and says whether there is one.
func (p *parser) resume(start int) bool {
	i := bytes.Index(p.body[start:], []byte("\n{"))
	if i < 0 {
		return false
	}
	p.pos = start + i + 1
	return true
}

// array reads an array of events. It is false if the reading can't go on behind it.
func (p *parser) array() bool {
	p.pos++
	p.space()
	if p.accept(']') {
		p.index++
		p.fail(&EventError{Index: p.index, Value: "an empty array", Want: wantObject})
		return true
	}
	for {
		p.space()
		start, before := p.pos, len(p.errs)
		if !p.element() {
			return false
		}
		p.locate(before, start, p.pos)
		p.space()
		if p.accept(']') {
			return true
		}
		if !p.accept(',') {
			e := p.unexpected(`"," or "]"`)
			e.Index = p.index
			p.fail(e)
			return false
		}
	}
}

// element reads one event. It is false if the reading can't go on behind it.
func (p *parser) element() bool {
	p.index++
	if p.index > MaxEvents {
		p.fail(&EventError{Value: "the body goes on", Want: wantFew})
		return false
	}
	if p.atEnd() || p.body[p.pos] != '{' {
		return p.noEvent()
	}
	var f eventFields
	if err := p.object(f.set); err != nil {
		err.Index = p.index
		p.fail(err)
		return false
	}
	r := reader{index: p.index}
	ev := f.read(&r)
	if len(r.errs) > 0 {
		for _, err := range r.errs {
			p.fail(err)
		}
		return true
	}
	p.events = append(p.events, ev)
	return true
}

// noEvent reads what stands where an event should. It is false if the reading can't go on behind it.
func (p *parser) noEvent() bool {
	raw, err := p.value(wantObject)
	readable := err == nil
	if readable {
		err = &EventError{Value: excerpt(raw), Want: wantObject}
	}
	err.Index = p.index
	p.fail(err)
	return readable
}

// eventFields are the fields of an event as they were sent: JSON, nil if absent. Of a name that comes twice the last one
// counts.
type eventFields struct {
	typ, state, callID, uuid, agentID, sipID, username, callPhone, time, info []byte

	extra []extraField
}

type extraField struct {
	name  string
	value []byte
}

// set takes a member of the object. Names are compared exactly, case included.
func (f *eventFields) set(name, value []byte) {
	switch string(name) {
	case "type":
		f.typ = value
	case "state":
		f.state = value
	case "callid":
		f.callID = value
	case "uuid":
		f.uuid = value
	case "agentid":
		f.agentID = value
	case "sipid":
		f.sipID = value
	case "username":
		f.username = value
	case "callphone":
		f.callPhone = value
	case "time":
		f.time = value
	case "info":
		f.info = value
	default:
		f.extra = append(f.extra, extraField{string(name), value})
	}
}

// read gives the event; what is wrong with it is in r.
func (f *eventFields) read(r *reader) connector.Event {
	typ := r.whole("type", f.typ, 1, 2, wantType)
	state := r.whole("state", f.state, 0, 4, wantState)
	ev := connector.Event{
		Source:   SourceEvents,
		Queue:    r.required("callid", r.id("callid", f.callID), wantCallID),
		UUID:     r.uuid("uuid", f.uuid),
		Time:     r.stamp("time", f.time),
		AgentID:  r.uuid("agentid", f.agentID),
		SIPID:    r.id("sipid", f.sipID),
		Username: r.id("username", f.username),
		Phone:    r.id("callphone", f.callPhone),
		Info:     r.info("info", f.info),
		Extra:    f.readExtra(r),
	}
	ev.Code, ev.Kind = codeAndKind(typ, state)
	if typ == 2 {
		r.required("uuid", ev.UUID, wantCallUID)
	}
	return ev
}

// readExtra gives the unknown fields as they were sent, nil if there are none.
func (f *eventFields) readExtra(r *reader) map[string]json.RawMessage {
	if len(f.extra) == 0 {
		return nil
	}
	size := 0
	m := make(map[string]json.RawMessage, len(f.extra))
	for _, x := range f.extra {
		size += len(x.name) + len(x.value)
		switch {
		case !utf8.ValidString(x.name), !utf8.Valid(x.value):
			r.fail(x.name, x.value, wantUTF8)
		case size > MaxExtra:
			r.fail(x.name, x.value, wantExtra)
			return nil
		default:
			m[x.name] = bytes.Clone(x.value)
		}
	}
	return m
}

// codeAndKind gives the source's name for a pair of type and state, and what it means. The pairs that the vendor's table
// lists nothing for are KindOther. 2/3 is the customer's answer and 1/3 the agent's: swapped, every abandoned call would
// be a connected one.
func codeAndKind(typ, state int) (string, connector.Kind) {
	switch [2]int{typ, state} {
	case [2]int{1, 0}:
		return "1/0", connector.KindOffline
	case [2]int{1, 1}:
		return "1/1", connector.KindOther
	case [2]int{1, 2}:
		return "1/2", connector.KindReady
	case [2]int{1, 3}:
		return "1/3", connector.KindJoined
	case [2]int{1, 4}:
		return "1/4", connector.KindLeft
	case [2]int{2, 0}:
		return "2/0", connector.KindOther
	case [2]int{2, 1}:
		return "2/1", connector.KindStarted
	case [2]int{2, 2}:
		return "2/2", connector.KindOther
	case [2]int{2, 3}:
		return "2/3", connector.KindAnswered
	case [2]int{2, 4}:
		return "2/4", connector.KindEnded
	default:
		return "", connector.KindOther
	}
}

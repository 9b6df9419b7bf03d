package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"wrapup/connector"
	"wrapup/connector/correlate"
)

// Watch is what remembers what came last.
type Watch interface {
	// Run names the process that counts.
	Run() string
	// Since gives some of those after the serial, how many more are remembered no longer, and what is closed once there is
	// one more; it gives none only if there is none yet.
	Since(after uint64) (list []connector.Received, missed uint64, more <-chan struct{})
	// Closed is closed when nothing more will come.
	Closed() <-chan struct{}
	// Forget takes phone numbers out.
	Forget(is func(phone string) bool) int
}

// EventQuery narrows what came. What is empty narrows nothing.
type EventQuery struct {
	UUID string `json:"uuid,omitempty"`
	// Agent is a username, sip id or login session.
	Agent string `json:"agent,omitempty"`
	Queue string `json:"queue,omitempty"`
	// Phone in any format.
	Phone string `json:"phone,omitempty"`
	// Full asks for whole phone numbers.
	Full bool `json:"full,omitempty"`
	// Last is how many of those that came before are wanted, at most; Follow asks for all that comes from then on.
	Last   int  `json:"last,omitempty"`
	Follow bool `json:"follow,omitempty"`
	// Run and After go on where a line ended, if the daemon is still the same; a new one tells all that it knows.
	Run   string `json:"run,omitempty"`
	After uint64 `json:"after,omitempty"`
}

// EventLine is a line of the answer. One with nothing in it says that the daemon is still there.
type EventLine struct {
	// Run names the daemon's process, in the first line.
	Run   string              `json:"run,omitempty"`
	Event *connector.Received `json:"event,omitempty"`
	// Missed is how many came that this reader was too slow for.
	Missed uint64 `json:"missed,omitempty"`
}

const (
	// eventBeat is how often somebody who follows is told that the daemon is still there, and eventSilence how long he waits
	// for that.
	eventBeat    = 5 * time.Second
	eventSilence = 20 * time.Second
)

// match gives what an event must be; nil is anything.
func (s Source) match(q *EventQuery) (func(*connector.Received) bool, error) {
	var number correlate.Number
	if q.Phone != "" {
		var ok bool
		if number, ok = correlate.ParseNumber(q.Phone, &s.Correlation); !ok {
			return nil, BadRequest(fmt.Sprintf("%q is no phone number", q.Phone))
		}
	}
	return func(r *connector.Received) bool {
		return (q.UUID == "" || r.UUID == q.UUID) && (q.Queue == "" || r.Queue == q.Queue) &&
			(q.Agent == "" || q.Agent == r.Username || q.Agent == r.SIPID || q.Agent == r.AgentID) &&
			(q.Phone == "" || r.Phone != "" && number.Is(r.Phone))
	}, nil
}

// Events tells what came and, if that is asked for, what comes, until ctx ends, the daemon stops, or tell fails.
func (s Source) Events(ctx context.Context, q EventQuery, tell func(EventLine) error) error {
	if s.Watch == nil {
		return refusal("what came last is known to a running daemon alone")
	}
	is, err := s.match(&q)
	if err != nil {
		return err
	}
	shown := func(r *connector.Received) EventLine {
		if !q.Full {
			r.Phone = connector.MaskPhone(r.Phone)
		}
		return EventLine{Event: r}
	}
	if err := tell(EventLine{Run: s.Watch.Run()}); err != nil {
		return err
	}
	after := uint64(0)
	switch q.Run {
	case "":
		var before []connector.Received
		before, after = s.before(is, q.Last)
		for i := range before {
			if err := tell(shown(&before[i])); err != nil {
				return err
			}
		}
	case s.Watch.Run():
		after = q.After
	}
	if !q.Follow {
		return nil
	}
	beat := time.NewTicker(eventBeat)
	defer beat.Stop()
	for {
		list, missed, more := s.Watch.Since(after)
		if missed > 0 {
			after += missed
			if err := tell(EventLine{Missed: missed}); err != nil {
				return err
			}
		}
		for i := range list {
			after = list[i].Serial
			if is(&list[i]) {
				if err := tell(shown(&list[i])); err != nil {
					return err
				}
			}
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-more:
		case <-beat.C:
			if err := tell(EventLine{}); err != nil {
				return err
			}
		case <-s.Watch.Closed():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// before gives the last of what came until now, and the serial to go on from.
func (s Source) before(is func(*connector.Received) bool, last int) (list []connector.Received, after uint64) {
	for {
		some, _, _ := s.Watch.Since(after)
		if len(some) == 0 {
			return list[max(0, len(list)-last):], after
		}
		for i := range some {
			after = some[i].Serial
			if is(&some[i]) {
				list = append(list, some[i])
			}
		}
		if len(list) > maxLimit {
			list = list[len(list)-maxLimit:]
		}
	}
}

// serveEvents answers with lines of JSON, each as soon as there is something to say.
func (s Source) serveEvents(w http.ResponseWriter, r *http.Request) {
	refuse := func(err error) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(statusOf(err))
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // who is gone needs no answer
	}
	var q EventQuery
	if err := readOrder(r, &q); err != nil {
		refuse(err)
		return
	}
	if s.Watch == nil {
		refuse(refusal("what came last is known to a running daemon alone"))
		return
	}
	if _, err := s.match(&q); err != nil {
		refuse(err)
		return
	}
	// It may take as long as somebody looks, and he may look away.
	answer := http.NewResponseController(w)
	_ = answer.SetReadDeadline(time.Time{}) // a server that can't has none
	_ = answer.SetWriteDeadline(time.Time{})
	ended := make(chan struct{})
	waited := make(chan struct{})
	go func() { // a daemon that stops doesn't wait until he looks again
		defer close(waited)
		select {
		case <-s.Watch.Closed():
			_ = answer.SetWriteDeadline(time.Now().Add(time.Second))
		case <-ended:
		}
	}()
	defer func() { close(ended); <-waited }()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	lines := json.NewEncoder(w)
	_ = s.Events(r.Context(), q, func(l EventLine) error { // what fails is the way to him: there is nobody to tell
		if err := lines.Encode(l); err != nil {
			return err
		}
		return answer.Flush()
	})
}

// Events asks what comes, and calls tell with each line. It ends with an error if the daemon is gone, or says nothing any
// more, and with nil if it has ended the answer itself.
func (c *Client) Events(ctx context.Context, q EventQuery, tell func(EventLine) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://wrapup/v1/events", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	silent := time.AfterFunc(eventSilence, cancel)
	defer silent.Stop()
	endless := &http.Client{Transport: c.http.Transport}
	resp, err := do(endless, req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if resp.StatusCode != http.StatusOK {
		return refusedBy(resp)
	}
	for lines := json.NewDecoder(resp.Body); ; {
		silent.Reset(eventSilence)
		var l EventLine
		if err := lines.Decode(&l); err != nil {
			return err
		}
		silent.Stop() // whoever is told may take his time
		if err := tell(l); err != nil {
			return err
		}
	}
}

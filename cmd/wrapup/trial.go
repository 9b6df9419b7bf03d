package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"wrapup/configs"
	"wrapup/connector/admin"
	"wrapup/connector/deliver"
	"wrapup/connector/target"
	"wrapup/mappings"
)

// trialTime is how long a try-out may take: whoever asked still waits.
const trialTime = 50 * time.Second

// shownAnswer is how much of an answer is shown.
const shownAnswer = 2048

// trial is what a try-out of a destination found, as it is shown.
type trial struct {
	Destination string `json:"destination"`
	Mapping     string `json:"mapping"`
	Version     string `json:"version,omitempty"`
	From        string `json:"from"`
	Call        string `json:"call_id"`
	Revision    int    `json:"revision"`
	Outcome     string `json:"outcome"`
	Record      string `json:"record"`
	// Result is works, fails, or untested.
	Result string `json:"result"`
	// Ended is finished, skipped, held, not sent, cut off, refused, or unrendered.
	Ended  deliver.Ending `json:"ended"`
	Reason string         `json:"reason"`
	Steps  []shown        `json:"steps"`
	// Created names the steps that created something, Maybe those that may have: their answers were lost.
	Created []string `json:"created"`
	Maybe   []string `json:"maybe_created,omitempty"`
	// Saved is what the steps saved, such as the CRM's ids.
	Saved json.RawMessage `json:"saved,omitempty"`
	Notes []string        `json:"notes"`
	// Create says that creating was asked for.
	Create bool `json:"create"`
}

// The results of a try-out.
const (
	trialWorks    = "works"
	trialFails    = "fails"
	trialUntested = "untested" // nothing, or not what was asked for, could be tried
)

// trials are the try-outs that the daemon makes. They use the lanes' tokens and the store, so the daemon waits for them before it
// lets go of either: a refresh token that comes in the answer must be stored.
type trials struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	ended   bool
	running sync.WaitGroup
}

func newTrials() *trials {
	t := &trials{}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	return t
}

var errStopping = errors.New("the daemon is stopping")

// begin gives what a try-out runs under, and what it calls when it is over. Once trials have ended it is an error.
func (t *trials) begin() (ctx context.Context, over func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil, nil, errStopping
	}
	t.running.Add(1)
	return t.ctx, t.running.Done, nil
}

// end lets no more begin, cuts off those under way that create nothing, and waits for all.
func (t *trials) end() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.cancel(errStopping)
	t.running.Wait()
}

// tester tries destinations out by their lanes.
func (t *trials) tester(c *configs.Config, lanes []*lane, log *slog.Logger) func(context.Context, admin.TestOrder) (any, error) {
	return func(_ context.Context, o admin.TestOrder) (any, error) {
		for i := range c.Destinations {
			for _, l := range lanes {
				if d := &c.Destinations[i]; d.Name == o.Destination && l.Name == o.Destination {
					// Not under the request's: the server gives up one that takes longer than reading one may.
					ctx, over, err := t.begin()
					if err != nil {
						return nil, err
					}
					defer over()
					return try(ctx, d, l, o, log), nil
				}
			}
		}
		return nil, fmt.Errorf("there is no destination %q", o.Destination)
	}
}

// try tries one destination out. What is being created is seen through, even if whoever asked goes away.
func try(ctx context.Context, c *configs.Destination, l *lane, o admin.TestOrder, log *slog.Logger) *trial {
	if o.Create {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	got := l.Try(ctx, o.Record, o.Create)
	hide := newVeil(c)
	for _, secret := range got.Secrets {
		hide.add(secret, "session")
	}
	m := &bound{Mapping: c.Compiled, from: mappingFrom(c), destination: c, retries: c.Ambiguous == "retry"}
	t := &trial{
		Destination: c.Name, Mapping: m.Name(), Version: m.Version(), From: m.from, Call: o.Record.CallID, Revision: o.Record.Revision,
		Outcome: string(o.Record.Outcome), Record: o.What, Ended: got.Ended, Reason: hide.over(got.Reason), Steps: []shown{},
		Created: append([]string{}, got.Created...), Maybe: got.Maybe, Notes: []string{}, Create: o.Create,
	}
	if got.LoggedIn {
		t.Notes = append(t.Notes, "the destination is logged in already: that login is used, and was not tried again")
	}
	saved := map[string]any{}
	sent := 0
	for _, e := range got.Exchanges {
		step := showTried(e, m, saved, hide)
		if e.Sent {
			sent++
		} else if got.Ended == deliver.EndedCut {
			step.Because = t.Reason
		}
		t.Steps = append(t.Steps, step)
	}
	if len(got.Saved) > 0 {
		t.Saved = json.RawMessage(hide.over(encode(got.Saved)))
	}
	t.Result = trialResult(got, o.Create, sent)
	if len(got.Created)+len(got.Maybe) > 0 {
		log.Info("a person tried a destination out, and created something", "destination", c.Name, "call", o.Record.CallID,
			"created", got.Created, "maybe_created", got.Maybe)
	}
	return t
}

func mappingFrom(c *configs.Destination) string {
	if c.MappingFile == builtIn {
		return "built in"
	}
	return c.MappingFile
}

// trialResult judges a try-out in which so many requests were sent.
func trialResult(got *deliver.Trial, create bool, sent int) string {
	switch {
	case got.Ended == deliver.EndedRefused || got.Ended == deliver.EndedDead:
		return trialFails
	case got.Ended == deliver.EndedCut, create && (got.Ended != deliver.EndedFinished || len(got.Created) == 0), sent == 0:
		return trialUntested
	}
	return trialWorks
}

// showTried gives an exchange as it is shown, without secrets.
func showTried(e deliver.Tried, m *bound, saved map[string]any, hide *veil) shown {
	s := show(e.Exchange, m, saved)
	switch {
	case e.Action.Kind == mappings.ActionHold:
	case !e.Sent:
		s.Verdict, s.Because = "not sent", "it would create or change something"
	case e.Answer == nil || e.Verdict.Kind != target.Done: // as the lane took it
		s.Verdict, s.Because = e.Verdict.Kind.String(), e.Verdict.Reason
		if e.Action.Kind == mappings.ActionSession && e.Verdict.Kind == target.Done {
			s.Because = "logged in"
		}
		if e.Verdict.Kind < 0 {
			s.Verdict, s.Because = "no answer", "the time for the test was over"
		}
	}
	if s.Answer = strings.TrimSpace(s.Answer); len(s.Answer) > shownAnswer {
		// Half a secret would not be known again.
		if s.Answer = hide.over(s.Answer); len(s.Answer) > shownAnswer {
			s.Answer = strings.ToValidUTF8(s.Answer[:shownAnswer], "") + "…"
		}
	}
	for _, text := range []*string{&s.URL, &s.Answer, &s.Because, &s.Warning, &s.Reason} {
		*text = hide.over(*text)
	}
	for name, values := range s.Headers {
		for i := range values {
			s.Headers[name][i] = hide.over(values[i])
		}
	}
	for i := range s.Notes {
		s.Notes[i] = hide.over(s.Notes[i])
	}
	if body := json.RawMessage(hide.over(string(s.Body))); len(body) > 0 && json.Valid(body) {
		s.Body = body
	} else if len(s.Body) > 0 { // a number that is a secret has become no number
		s.Body = json.RawMessage(encode(string(body)))
	}
	if s.Saved != nil {
		s.Saved = json.RawMessage(hide.over(string(s.Saved)))
	}
	return s
}

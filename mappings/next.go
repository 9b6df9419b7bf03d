package mappings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Next says what is to be done next for a call. An error is a [*RenderError]: nothing can be sent for this record.
func (m *Mapping) Next(c Call) (Action, error) {
	in := m.scope(c)
	a, step, err := m.next(c, in)
	if err == nil {
		return a, nil
	}
	if held, ok := errors.AsType[*heldError](err); ok {
		return Action{Kind: ActionHold, Step: step, Reason: held.Error(),
			Hold: Hold{On: heldOn(held.table), For: held.left, Then: held.then, Table: held.table, Key: held.key}}, nil
	}
	return Action{}, renderError(err, step)
}

// next names the step that an error belongs to.
func (m *Mapping) next(c Call, in *scope) (a Action, step string, err error) {
	steps := m.create
	if c.Sent != nil {
		steps = m.update
	} else if !m.begun(c) { // once something was created, it is seen through
		if reason, err := m.unwanted(c, in); err != nil || reason != "" {
			return Action{Kind: ActionSkip, Reason: reason}, "", err
		}
	}
	for _, s := range steps {
		if slices.Contains(c.Progress.Done, s.name) || s.finds != "" && !m.inDoubt(c, s.finds) {
			continue
		}
		in.repeated = c.Repeated || slices.Contains(c.MaybeSent, s.name)
		in.item = nil
		a, due, err := m.stepAction(c, s, in)
		if err != nil || due {
			a.Findable = err == nil && a.Kind == ActionSend && findable(steps, s, in) // a login before it is no step
			return a, s.name, err
		}
	}
	return Action{Kind: ActionFinished}, "", nil
}

// begun says whether something was, or may have been, created.
func (m *Mapping) begun(c Call) bool {
	doubtful := func(name string) bool { // what was looked for, and isn't there, was not created
		s := m.step(name)
		return s == nil || !m.notThere(c, s)
	}
	return c.Begun || slices.ContainsFunc(c.MaybeSent, doubtful) || m.Begun(c.Progress)
}

// Begun says whether a step that creates something was done.
func (m *Mapping) Begun(p Progress) bool {
	return slices.ContainsFunc(m.create, func(s *step) bool { return s.found == nil && slices.Contains(p.Done, s.name) })
}

// unwanted says why a call that was not logged yet isn't going to be, "" if it is.
func (m *Mapping) unwanted(c Call, in *scope) (string, error) {
	if m.skipOlderThan > 0 && c.Age > m.skipOlderThan {
		return fmt.Sprintf("the call ended longer ago than skip_older_than allows (%s)", InWords(m.skipOlderThan)), nil
	}
	for _, when := range m.when {
		holds, err := when.condition(in)
		if err != nil {
			return "", err
		}
		if !holds {
			return fmt.Sprintf("%s is not met: %s", when.whose, when.single().code), nil
		}
	}
	return "", nil
}

// inDoubt says whether a step may have been done without our knowing.
func (m *Mapping) inDoubt(c Call, step string) bool {
	return (c.Untold || slices.Contains(c.MaybeSent, step)) && !slices.Contains(c.Progress.Done, step)
}

// stepAction gives what a step asks for; due is false if it has nothing to do.
func (m *Mapping) stepAction(c Call, s *step, in *scope) (a Action, due bool, err error) {
	if s.when != nil {
		if holds, err := s.when.condition(in); err != nil || !holds {
			return Action{}, false, err
		}
	}
	missed := slices.Contains(c.Progress.Missed, s.name)
	items, each, err := s.items(in)
	if err != nil {
		return Action{}, false, err
	}
	if each && !missed {
		if i := c.Progress.itemsTried(s.name, len(items)); i < len(items) {
			in.item = items[i]
		} else {
			missed = true
		}
	}
	if missed {
		return s.nothingFound(c)
	}
	if m.session != nil && c.Session == nil {
		return m.login(in)
	}
	if m.oauth2 != nil && c.Auth == nil {
		return Action{Kind: ActionAuth}, true, nil
	}
	r, err := m.request(s, in)
	if err != nil {
		return Action{}, false, err
	}
	return Action{Kind: ActionSend, Step: s.name, Request: r, Repeat: s.repeat, Rate: s.rate, Lookup: s.found != nil,
		Finds: s.finds, Lag: s.lag, NotThere: m.notThere(c, s)}, true, nil
}

// notThere says whether a lookup of this attempt didn't find what the step would do.
func (m *Mapping) notThere(c Call, s *step) bool {
	missed := func(other *step) bool { return other.finds == s.name && slices.Contains(c.Progress.Missed, other.name) }
	return slices.ContainsFunc(m.create, missed) || slices.ContainsFunc(m.update, missed)
}

// findable says whether one of the steps is a lookup that can find out whether s was done: of this call, by what is known now.
func findable(steps []*step, s *step, in *scope) bool {
	return slices.ContainsFunc(steps, func(other *step) bool {
		if other.finds != s.name {
			return false
		}
		if other.when == nil {
			return true
		}
		holds, err := other.when.condition(in)
		return err == nil && holds
	})
}

// nothingFound says how a call goes on after a lookup that found nothing.
func (s *step) nothingFound(c Call) (Action, bool, error) {
	if left := s.notFound.hold - c.Held[s.name]; left > 0 {
		return Action{Kind: ActionHold, Step: s.name, Reason: fmt.Sprintf("%s: nothing was found yet", s.name),
			Hold: Hold{On: s.name, For: left, Then: s.notFound.then}}, true, nil
	}
	switch s.notFound.then {
	case thenSkip:
		return Action{Kind: ActionSkip, Step: s.name, Reason: fmt.Sprintf("%s: nothing was found", s.name)}, true, nil
	case thenDead:
		return Action{}, false, errors.New("nothing was found")
	}
	return Action{}, false, nil
}

// renderError gives the error as a RenderError of the step.
func renderError(err error, step string) error {
	if e, ok := errors.AsType[*RenderError](err); ok {
		return &RenderError{Step: step, Field: strings.TrimPrefix(e.Field, under("steps", step)+"."), Err: e.Err}
	}
	return &RenderError{Step: step, Err: err}
}

package mappings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Next says what is to be done next for a call. An error is a [*RenderError]: nothing can be sent for this record.
func (m *Mapping) Next(c Call) (Action, error) {
	env := m.environment(c)
	steps := m.create
	if c.Sent != nil {
		steps = m.update
	} else if len(c.Progress.Done) == 0 { // once something was created, it is seen through
		for _, when := range m.when {
			holds, err := when.condition(env)
			if err != nil {
				return Action{}, renderError(err, "")
			}
			if !holds {
				return Action{Kind: ActionSkip, Reason: fmt.Sprintf("%s is not met: %s", when.whose, when.single().code)}, nil
			}
		}
	}
	for _, s := range steps {
		if slices.Contains(c.Progress.Done, s.name) {
			continue
		}
		if s.when != nil {
			holds, err := s.when.condition(env)
			if err != nil {
				return Action{}, renderError(err, s.name)
			}
			if !holds {
				continue
			}
		}
		r, err := m.request(s, env)
		if err != nil {
			return Action{}, renderError(err, s.name)
		}
		return Action{Kind: ActionSend, Step: s.name, Request: r, Repeat: s.repeat}, nil
	}
	return Action{Kind: ActionFinished}, nil
}

// Judge says what the answer to a step means. It depends on nothing but its arguments.
func (m *Mapping) Judge(c Call, step string, _ Answer) Judgement {
	return Judgement{Verdict: VerdictByStatus, Progress: c.Progress.with(step)}
}

// environment is what expressions see for a call.
func (m *Mapping) environment(c Call) environment {
	return environment{"call": recordObject(c.Record), "params": m.params}
}

// renderError gives the error as a RenderError of the step.
func renderError(err error, step string) error {
	if e, ok := errors.AsType[*RenderError](err); ok {
		return &RenderError{Step: step, Field: strings.TrimPrefix(e.Field, under("steps", step)+"."), Err: e.Err}
	}
	return &RenderError{Step: step, Err: err}
}

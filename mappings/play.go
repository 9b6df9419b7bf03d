package mappings

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// Exchange is one step of a rehearsal: what was to be done, and what the answer to it means.
type Exchange struct {
	Action Action
	// Err is why nothing could be sent.
	Err error
	// Answer and Judgement are nil if no request was sent, or if no answer was left for it.
	Answer    *Answer
	Judgement *Judgement
}

// Play rehearses the delivery of one revision with answers that are given, in order, and says where it ended. It is for
// tests and previews: a retry comes at once, a lost answer (Status 0) and one that can't be read are followed by another
// attempt unless that could log the call twice, a held call has waited in full when it is looked at again, and what the
// mapping leaves to the status table goes on where that has it sent again.
func Play(m *Mapping, c Call, answers []Answer) (list []Exchange, end Call) {
	for range 1000 {
		a, err := m.Next(c)
		list = append(list, Exchange{Action: a, Err: err})
		at := &list[len(list)-1]
		switch {
		case err != nil:
			return list, c
		case a.Kind == ActionHold:
			c.hold(a.Hold)
			c.Progress = c.Progress.Fresh()
			if a.Hold.Table == "" && len(answers) == 0 {
				return list, c
			}
			continue
		case a.Kind == ActionAuth:
			c.Auth = map[string]any{"access_token": "TOKEN", "instance_url": "https://instance.example.com", "api_domain": "https://api.example.com"}
			continue
		case a.Kind == ActionFinished:
			c.Progress = c.Progress.Finished()
			return list, c
		case a.Kind == ActionSkip || len(answers) == 0:
			return list, c
		}
		at.Answer, answers = &answers[0], answers[1:]
		if a.Kind == ActionSession {
			j := m.JudgeSession(c, *at.Answer)
			at.Judgement = &Judgement{Verdict: j.Verdict, Message: j.Message}
			if j.Verdict != VerdictDone {
				return list, c
			}
			c.Session = j.Values
			continue
		}
		j := m.Judge(c, a.Step, *at.Answer)
		at.Judgement = &j
		meant := j
		if meant.Verdict == VerdictByStatus {
			meant.Verdict = byStatus(at.Answer.Status)
		}
		twice := meant.Verdict == VerdictAmbiguous && slices.Contains(m.Doubles(), a.Step) && a.Repeat.Within == 0
		if !c.follow(a, meant) || twice {
			return list, c
		}
	}
	return list, c
}

// byStatus is what the status table makes of an answer other than a 2xx, as far as it goes on.
func byStatus(status int) Verdict {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusServiceUnavailable:
		return VerdictRetry
	}
	if status >= 500 {
		return VerdictAmbiguous
	}
	return VerdictByStatus
}

// hold lets the time pass that a held call waits for.
func (c *Call) hold(h Hold) {
	held := maps.Clone(c.Held)
	if held == nil {
		held = map[string]time.Duration{}
	}
	held[h.On] += h.For
	c.Held = held
}

// follow goes on after a judgement; it says whether there is anything to go on with.
func (c *Call) follow(a Action, j Judgement) bool {
	switch j.Verdict {
	case VerdictDone:
		c.Progress = j.Progress
		c.MaybeSent = slices.DeleteFunc(slices.Clone(c.MaybeSent), func(s string) bool { return slices.Contains(c.Progress.Done, s) })
	case VerdictRetry:
		c.Progress = c.Progress.Fresh()
		if !c.Now.IsZero() {
			c.Now = c.Now.Add(max(j.After, time.Second))
		}
	case VerdictReauth:
		if c.Session == nil && c.Auth == nil {
			return false
		}
		c.Session, c.Auth, c.Progress = nil, nil, c.Progress.Fresh()
	case VerdictAmbiguous:
		if !a.Lookup {
			c.MaybeSent = including(c.MaybeSent, a.Step)
		}
		c.Progress = c.Progress.Fresh()
	default:
		return false
	}
	return true
}

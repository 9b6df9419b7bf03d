package mappings

import "fmt"

// SessionJudgement is what the answer to a login means.
type SessionJudgement struct {
	Verdict Verdict
	// Values are to be handed in as Call.Session, for all calls of the destination.
	Values map[string]any
	// Message is the CRM's own sentence about it, or what is missing.
	Message string
}

// sessionStep is the name of the login in what is told about it. No step can have it, for - is not allowed there.
const sessionStep = "session"

// login gives the request of the session.
func (m *Mapping) login(in *scope) (Action, bool, error) {
	if m.oauth2 != nil && in.auth.from == nil {
		return Action{Kind: ActionAuth}, true, nil
	}
	r, err := m.request(m.session, in)
	if err != nil {
		return Action{}, false, err
	}
	return Action{Kind: ActionSession, Step: sessionStep, Request: r, Repeat: Repeat{Safe: true}, Rate: m.session.rate}, true, nil
}

// JudgeSession says what the answer to a login means. A login that doesn't give each value is refused.
func (m *Mapping) JudgeSession(c Call, a Answer) SessionJudgement {
	if m.session == nil {
		return SessionJudgement{Message: "the mapping has no session"}
	}
	if a.Status == 0 {
		return SessionJudgement{Verdict: VerdictAmbiguous}
	}
	j := &judging{m: m, s: m.session, c: c, in: m.scope(c), answer: a, fine: a.Status >= 200 && a.Status <= 299}
	j.c.Progress = Progress{}
	j.in.response = newResponse(a)
	j.verdict()
	got := SessionJudgement{Verdict: j.to.Verdict}
	if m.session.answers.err != nil && j.to.Verdict != VerdictDone {
		got.Message = j.sentence(m.session.answers.err)
	}
	if j.to.Verdict != VerdictDone {
		return got
	}
	for _, v := range m.session.save {
		if j.to.Progress.Saved[v.name] == nil {
			got.Verdict, got.Message = VerdictDead, fmt.Sprintf("the answer to the login has no %s", v.name)
			return got
		}
	}
	got.Values = j.to.Progress.Saved
	if got.Values == nil {
		got.Values = map[string]any{}
	}
	return got
}

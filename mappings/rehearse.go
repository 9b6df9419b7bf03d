package mappings

import "strings"

// Rehearse plays the delivery of one revision like [Play], without answers: each request is assumed to succeed, and each
// lookup to find something or, if found is false, nothing. What the answers would have told is a placeholder, «saved.log»
// for example. The exchanges have a Judgement and no Answer. An error in them may come of a placeholder in a place that
// only a real value fits in.
func Rehearse(m *Mapping, c Call, found bool) (list []Exchange, end Call) {
	return RehearseKnown(m, c, Known{Found: func(string) bool { return found }})
}

// Known is what is known of the answers of a rehearsal.
type Known struct {
	// Saved holds values that were saved of real answers, by name. What isn't in it is a placeholder.
	Saved map[string]any
	// Found says whether a lookup finds something.
	Found func(step string) bool
}

// RehearseKnown is [Rehearse] with what is known of the answers.
func RehearseKnown(m *Mapping, c Call, known Known) (list []Exchange, end Call) {
	for range 1000 {
		a, err := m.Next(c)
		list = append(list, Exchange{Action: a, Err: err})
		switch {
		case err != nil || a.Kind == ActionFinished || a.Kind == ActionSkip:
			return list, c
		case a.Kind == ActionHold:
			c.hold(a.Hold)
			c.Progress = c.Progress.Fresh()
		case a.Kind == ActionAuth:
			c.Auth = map[string]any{}
			for _, name := range []string{"access_token", "instance_url", "api_domain"} {
				c.Auth[name] = placeholder("auth." + name)
			}
		case a.Kind == ActionSession:
			c.Session = map[string]any{}
			for _, v := range m.session.save {
				c.Session[v.name] = placeholder("session." + v.name)
			}
			list[len(list)-1].Judgement = &Judgement{Verdict: VerdictDone}
		default:
			j := m.assume(c, a.Step, known)
			list[len(list)-1].Judgement = &j
			c.Progress = j.Progress
		}
	}
	return list, c
}

// placeholder stands for what only an answer can tell. As an address it has to look like one.
func placeholder(name string) string {
	if name == "auth.instance_url" || name == "auth.api_domain" {
		return "https://«" + name + "»"
	}
	return "«" + name + "»"
}

// assume gives what the answer to a step means if it is as good as can be.
func (m *Mapping) assume(c Call, name string, known Known) Judgement {
	saved := func(name string) any {
		if v, ok := known.Saved[name]; ok {
			return v
		}
		return placeholder("saved." + name)
	}
	s := m.step(name)
	j := &judging{m: m, s: s, c: c, in: m.scope(c)}
	if items, each, err := s.items(j.in); err == nil && each {
		j.items, j.item = len(items), c.Progress.itemsTried(name, len(items))
	}
	if s.found != nil && !known.Found(name) {
		j.to.Verdict, j.to.NotFound = VerdictDone, true
		j.missed()
		return j.to
	}
	p := c.Progress.with(name)
	if s.found != nil {
		p = p.saving(name, saved(name))
	}
	for _, v := range s.save {
		value := saved(v.name)
		if !readsAnswer(v.value) {
			var err error
			if value, err = v.value.render(j.in); err != nil {
				j.note(err)
			}
		}
		p = j.saving(p, v.name, value)
	}
	j.to.Verdict, j.to.Progress = VerdictDone, p
	return j.to
}

// readsAnswer says that a value can't be known without the answer.
func readsAnswer(t tree) bool {
	for _, of := range templatesIn(t) {
		if of == nil {
			continue
		}
		for _, p := range of.parts {
			if p.expr != nil && strings.Contains(p.expr.code, "response") {
				return true
			}
		}
	}
	return false
}

package mappings

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
)

// maxSavedBytes bounds a value that is kept with a call.
const maxSavedBytes = 16 << 10

// Judge says what the answer to a step means. It depends on nothing but its arguments. An Answer with the Status 0 stands
// for one that never came.
func (m *Mapping) Judge(c Call, step string, a Answer) Judgement {
	s := m.step(step)
	if s == nil {
		return Judgement{Progress: c.Progress.with(step)}
	}
	if a.Status == 0 {
		return Judgement{Verdict: VerdictAmbiguous, Progress: c.Progress.with(step)}
	}
	j := &judging{m: m, s: s, c: c, in: m.scope(c), answer: a}
	j.in.repeated = c.Repeated || slices.Contains(c.MaybeSent, step)
	j.in.response = newResponse(a)
	j.fine = a.Status >= 200 && a.Status <= 299
	if items, each, err := s.items(j.in); err == nil && each {
		j.items, j.item = len(items), c.Progress.itemsTried(step, len(items))
		if j.item < len(items) {
			j.in.item = items[j.item]
		}
	}
	j.to.Progress = c.Progress
	j.verdict()
	if s.answers.err != nil && (!j.fine || j.to.Verdict != VerdictDone) {
		if said := j.sentence(s.answers.err); said != "" && j.to.Message != "" {
			j.to.Message = said + "; " + j.to.Message
		} else {
			j.to.Message = cmp.Or(said, j.to.Message)
		}
	}
	return j.to
}

// judging is one answer on its way to a verdict.
type judging struct {
	m      *Mapping
	s      *step
	c      Call
	in     *scope
	answer Answer
	// fine says that the status is 2xx.
	fine bool
	// item is which one of so many items of for_each the answer belongs to.
	item, items int
	to          Judgement
}

func (j *judging) verdict() {
	of := j.s.answers
	switch {
	case j.says(of.reauth):
		j.to.Verdict = VerdictReauth
		return
	case j.says(of.duplicate):
		j.to.Duplicate = true
		j.done()
		return
	}
	for _, rule := range of.retry {
		if j.says(rule.when) {
			j.to.Verdict, j.to.After = VerdictRetry, j.after(rule)
			return
		}
	}
	switch {
	case j.says(of.permanent):
		j.refused()
	case j.s.found != nil && (j.answer.Status == http.StatusNoContent || j.answer.Status == http.StatusNotFound):
		if r := j.in.response; j.s.finds != "" && j.answer.Status == http.StatusNotFound && !r.parsed && !r.empty {
			j.unproven("a 404 whose body is no JSON is not the API's word")
			return
		}
		j.missed()
	case !j.fine:
		j.to.Verdict, j.to.Progress = VerdictByStatus, j.c.Progress.with(j.s.name)
	case j.unreadable():
		j.to.Verdict, j.to.Progress = VerdictAmbiguous, j.c.Progress.with(j.s.name)
	case of.success != nil && !j.says(of.success):
		j.refused()
	default:
		j.done()
	}
}

// blind says that the body of a 2xx can't be read, so that what an expression makes of it means nothing.
func (j *judging) blind() bool {
	r := j.in.response
	return j.fine && (j.answer.Cut || !r.parsed && !r.empty)
}

// unreadable says that the step reads a body that can't be read. An empty one can, where nothing is expected in it.
func (j *judging) unreadable() bool {
	r := j.in.response
	switch {
	case j.answer.Cut:
		return j.s.reads || j.s.readsText
	case r.empty:
		return j.s.keeps && j.answer.Status != http.StatusNoContent && j.answer.Status != http.StatusResetContent
	}
	return j.s.reads && !r.parsed
}

// says evaluates an expression of answers. What can't be evaluated is false, and noted.
func (j *judging) says(t *template) bool {
	if t == nil {
		return false
	}
	if body, text := t.uses(); j.blind() && (body || text && j.answer.Cut) {
		return false
	}
	holds, err := t.condition(j.in)
	if err != nil {
		j.note(err)
	}
	return err == nil && holds
}

func (j *judging) note(err error) {
	j.to.Notes = append(j.to.Notes, renderError(err, j.s.name).Error())
}

// refused takes a step that the CRM won't do. One with for_each goes on to its next item.
func (j *judging) refused() {
	switch {
	case j.s.finds != "" && j.items > 0:
		j.unproven("it refuses to say it of one of the items of for_each")
	case j.item+1 < j.items:
		j.to.Verdict, j.to.Progress = VerdictDone, j.c.Progress.tried(j.s.name, j.item+1)
	default:
		j.to.Verdict = VerdictDead
	}
}

// missed takes a lookup that found nothing.
func (j *judging) missed() {
	j.to.Verdict, j.to.NotFound = VerdictDone, true
	if j.item+1 < j.items {
		j.to.Progress = j.c.Progress.tried(j.s.name, j.item+1)
		return
	}
	j.to.Progress = j.c.Progress.missed(j.s.name)
}

// unproven takes an answer that is none to the question whether a step was done. That it wasn't has to be said: else the step
// is sent a second time because a search had a bad day.
func (j *judging) unproven(why string) {
	j.to.Verdict, j.to.Duplicate = VerdictAmbiguous, false
	j.to.Message = fmt.Sprintf("whether the step %s was done, this doesn't say: %s", j.s.finds, why)
}

// provesNothing says why a lookup that found nothing is no proof that its step wasn't done, "" if it is, or needn't be. Err is
// why it couldn't be evaluated.
func (j *judging) provesNothing(err error) string {
	body, _ := j.s.found.uses()
	switch {
	case j.s.finds == "":
		return ""
	case err != nil:
		return err.Error()
	case body && j.in.response.body == nil:
		return "the answer is empty, null or no JSON"
	}
	return cmp.Or(j.in.doubt, j.in.lacking)
}

// done takes a step that succeeded, and keeps what it saves.
func (j *judging) done() {
	var found any
	if j.s.found != nil {
		j.in.proving = j.s.finds != ""
		v, err := j.s.found.value(j.in)
		j.in.proving = false
		if err != nil {
			j.note(err)
		}
		if found = v; err != nil || nothing(v) {
			if why := j.provesNothing(err); why != "" {
				j.unproven(why)
			} else {
				j.missed()
			}
			return
		}
	}
	p := j.c.Progress.with(j.s.name)
	if found != nil {
		p = j.saving(p, j.s.name, found)
	}
	if j.s.finds != "" {
		p = p.with(j.s.finds)
		if j.s.findsAs != "" {
			p = j.saving(p, j.s.findsAs, found)
		}
	}
	for _, v := range j.s.save {
		value, err := v.value.render(j.in)
		if err != nil {
			j.note(err)
			continue
		}
		p = j.saving(p, v.name, value)
	}
	j.to.Verdict, j.to.Progress = VerdictDone, p
	if j.s.answers.warn != nil {
		j.to.Warning = j.sentence(j.s.answers.warn)
	}
}

// saving keeps a value, unless it is so large that it can't be what is meant.
func (j *judging) saving(p Progress, name string, value any) Progress {
	if value == any(absent{}) {
		return p
	}
	b, err := appendJSON(nil, value)
	if err != nil || len(b) > maxSavedBytes {
		j.to.Notes = append(j.to.Notes, fmt.Sprintf("step %s: save.%s: the value is larger than %d bytes and is not kept", j.s.name, name, maxSavedBytes))
		return p
	}
	return p.saving(name, value)
}

// nothing says whether the value of found means that nothing was found.
func nothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case object:
		return len(v) == 0
	}
	return false
}

// sentence renders what is meant for people; "" if the answer doesn't say it.
func (j *judging) sentence(t *template) string {
	if e := t.single(); e != nil {
		v, err := e.run(j.in)
		switch v := v.(type) {
		case nil:
			if err != nil {
				j.note(t.fail(err))
			}
			return ""
		case bool:
			if !v {
				return ""
			}
			return e.code
		case []any, object:
			b, err := appendJSON(nil, v)
			if err != nil {
				return ""
			}
			return shortened(string(b))
		}
	}
	s, null, err := t.textOrNull(j.in)
	if err != nil {
		j.note(err)
	}
	if null || err != nil {
		return ""
	}
	return shortened(s)
}

// shortened cuts a sentence where nobody would read on.
func shortened(s string) string {
	const most = 500
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

// presetScenario is one thing that each preset must do right.
type presetScenario struct {
	name string
	run  func(*presetRun)
	// golden says that its requests are shown to people.
	golden bool
	// short has calls wait ten minutes for an agent to be added, instead of a day: they are looked at each minute.
	short bool
}

// waits says that its calls wait for a person.
func (s presetScenario) waits() bool { return s.short || s.name == "expired credential" }

// long is enough for all retries and lags of a delivery that isn't held.
const long = 40 * time.Minute

// presetScenarios are those of a preset.
func presetScenarios(c *presetCase) []presetScenario {
	list := []presetScenario{
		{"connected", func(r *presetRun) { r.logged(connector.OutcomeConnected, 1) }, true, false},
		{"abandoned", func(r *presetRun) { r.logged(connector.OutcomeAbandoned, 1) }, true, false},
		{"unanswered", func(r *presetRun) { r.logged(connector.OutcomeUnanswered, 1) }, true, false},
		{"no contact", func(r *presetRun) { r.logged(r.c.usual(), 0) }, true, false},
		{"two contacts", func(r *presetRun) { r.logged(r.c.usual(), 2) }, true, false},
		{"a number that looks alike", alikeContact, false, false},
		{"an agent who isn't in the table", unmappedAgent, false, true},
		{"expired credential", expiredCredential, false, false},
		{"rate limit", func(r *presetRun) { r.rateLimit(r.fake.Limit) }, false, false},
		{"rate limit at the write", func(r *presetRun) { r.rateLimit(r.fake.LimitWrites) }, false, false},
		{"a slow server", slowServer, false, false},
		{"a field refused", fieldRefused, false, false},
		{"a later revision", lateRevision, true, false},
		{"a later revision whose answer is lost", func(r *presetRun) { r.revised(1, (*targettest.Fake).Lose) }, false, false},
		{"a later revision that is answered with a 500", func(r *presetRun) { r.revised(1, failAfter) }, false, false},
	}
	if slices.ContainsFunc(c.api().Routes, func(r targettest.Route) bool { return r.Open }) {
		list = append(list, presetScenario{"a token that ends before its time", staleToken, false, false})
	}
	if c.newContact {
		list = append(list, presetScenario{"500 after the commit, of a number that nobody has", func(r *presetRun) {
			before := r.fake.Count(targettest.Contacts)
			r.failed(1, true, 0)
			if n := r.fake.Count(targettest.Contacts) - before; n != 1 {
				r.fail("%d contacts were made for the number", n)
			}
		}, false, false})
	}
	for n := range c.writes {
		list = append(list, presetScenario{fmt.Sprintf("lost answer %d", n+1), func(r *presetRun) { r.lostAnswer(n + 1) }, n == 0, false})
		list = append(list, presetScenario{fmt.Sprintf("lost request %d", n+1), func(r *presetRun) { r.lostRequest(n + 1) }, false, false})
		if !c.parks { // what can't be looked for and has no key is sent again after a 500, whatever became of it
			list = append(list, presetScenario{fmt.Sprintf("500 after the commit %d", n+1), func(r *presetRun) { r.failed(n+1, true, 1) }, false, false})
		}
		list = append(list, presetScenario{fmt.Sprintf("500 before the commit %d", n+1), func(r *presetRun) { r.failed(n+1, false, 1) }, false, false})
	}
	return append(list, c.extra...)
}

// logged delivers a call whose number so many contacts have.
func (r *presetRun) logged(outcome connector.Outcome, contacts int) {
	known := r.fake.Know(presetPhone, contacts)
	call := r.call(outcome)
	r.finish(call)
	r.wait(long)
	if !r.c.logs(outcome) {
		if d := r.delivery(call); d.State != connector.DeliverySkipped || len(r.fake.Log()) > 0 {
			r.fail("%s: it is %s with %d requests, not skipped: %s", outcome, d.State, len(r.fake.Log()), d.Reason)
		}
		return
	}
	r.done(call)
	if e := r.entry(call); e != nil {
		r.contact(e, known)
		r.fields(e, call)
	}
	r.clean()
}

// done says whether a call was delivered.
func (r *presetRun) done(call *connector.Record) {
	if d := r.delivery(call); d.State != connector.DeliveryDone || d.Done != call.Revision {
		r.fail("revision %d is %s, not delivered: %s%s", call.Revision, d.State, d.Reason, r.complaints())
	}
}

// clean says whether the API had to complain about anything.
func (r *presetRun) clean() {
	if complaints := r.complaints(); complaints != "" {
		r.fail("the API complains:%s", complaints)
	}
}

// complaints are the requests that broke rules.
func (r *presetRun) complaints() string {
	var b strings.Builder
	for _, x := range r.fake.Log() {
		if len(x.Problems) > 0 {
			fmt.Fprintf(&b, "\n  %s %s: %v\n    %s", x.Method, x.Path, x.Problems, x.Answer)
		}
	}
	return b.String()
}

// entry is the one entry of a call, nil if there isn't exactly one, which is said.
func (r *presetRun) entry(call *connector.Record) *targettest.Entry {
	var found []targettest.Entry
	all := r.fake.Entries()
	for _, e := range all {
		if e.Call == call.CallID {
			found = append(found, e)
		}
	}
	if len(found) != 1 || len(all) != len(r.refs) {
		r.fail("%d entries carry the call's uuid, of %d that were made for %d calls", len(found), len(all), len(r.refs))
		return nil
	}
	return &found[0]
}

// contact says whether an entry is linked with whom it should be, if so many have the number.
func (r *presetRun) contact(e *targettest.Entry, known []string) {
	switch {
	case r.c.unlinked != "" && e.Contact != "":
		r.fail("linked with %q, though %s", e.Contact, r.c.unlinked)
	case r.c.unlinked != "":
	case len(known) == 1 && e.Contact != known[0]:
		r.fail("one contact: linked with %q, not with %s", e.Contact, known[0])
	case len(known) > 1 && e.Contact != "" && strings.Contains(" "+strings.Join(known, " ")+" ", " "+e.Contact+" "):
		r.fail("two contacts: linked with one of them")
	case len(known) == 0 && !r.c.newContact && e.Contact != "":
		r.fail("no contact: linked with %q", e.Contact)
	case len(known) == 0 && r.c.newContact && e.Contact == "":
		r.fail("no contact: none was made")
	}
}

// fields says whether what can be read back is what happened.
func (r *presetRun) fields(e *targettest.Entry, call *connector.Record) {
	owner := r.c.nobody
	if r.c.only != "" && call.Revision > 1 {
		owner = r.c.closer
	}
	if call.Agent != nil && call.Agent.Username == presetAgent && r.c.owner != "" {
		owner = r.c.owner
	}
	if e.Owner != owner {
		r.fail("owner %q, not %q", e.Owner, owner)
	}
	if status := r.c.statuses[call.Outcome]; e.Status != status || status == "" {
		r.fail("status %q, not %q", e.Status, status)
	}
	if r.c.outcomeInText && !strings.Contains(e.Text, string(call.Outcome)) {
		r.fail("the text %q doesn't say %s", e.Text, call.Outcome)
	}
	if !strings.Contains(targettest.Digits(e.Phone), targettest.National(presetPhone)) {
		r.fail("phone %q, not %s", e.Phone, presetPhone)
	}
	if call.RecordingURL != "" && !strings.Contains(e.Recording, string(call.RecordingURL)) {
		r.fail("recording %q, not %s", e.Recording, call.RecordingURL)
	}
	if off := e.Started.Sub(call.OccurredAt.Time()).Abs(); r.c.start != never && off > max(r.c.start, time.Second) {
		r.fail("start %s, not %s", e.Started, call.OccurredAt.Time())
	}
	talk := time.Duration(call.TalkSeconds.Micros) * time.Microsecond
	switch {
	case r.c.talk == never:
	case !call.TalkSeconds.Known && e.Talk > 0:
		r.fail("talk %s where none is known", e.Talk)
	case call.TalkSeconds.Known && (e.Talk-talk).Abs() > max(r.c.talk, time.Second):
		r.fail("talk %s, not %s", e.Talk, talk)
	}
	for _, raw := range []string{"null", "<nil>", "${", "Sales & Co</"} {
		if strings.Contains(e.Text, raw) {
			r.fail("%q in the text %q", raw, e.Text)
		}
	}
}

func alikeContact(r *presetRun) {
	alike := r.fake.Know(presetPhone+"99", 1)
	call := r.call(r.c.usual())
	r.finish(call)
	r.wait(long)
	r.done(call)
	if e := r.entry(call); e != nil && e.Contact == alike[0] {
		r.fail("linked with somebody who has another number")
	}
}

// endsAlike is somebody with a number of another country that ends alike, in that field; in others the system itself keeps
// the number without its country.
func endsAlike(field string, national ...string) presetScenario {
	return presetScenario{"a number that ends alike", func(r *presetRun) {
		fields := map[string]any{field: "+49" + targettest.National(presetPhone)}
		for _, name := range national {
			fields[name] = targettest.National(presetPhone)
		}
		r.fake.Keep(targettest.Contacts, fields)
		r.wait(time.Hour) // searches know it
		call := r.call(r.c.usual())
		r.finish(call)
		r.wait(long)
		r.done(call)
		if e := r.entry(call); e != nil && e.Contact != "" {
			r.fail("linked with somebody whose number only ends alike")
		}
	}, false, false}
}

func unmappedAgent(r *presetRun) {
	call := r.call(connector.OutcomeConnected)
	call.Agents[0].Username = "nobody-knows-him"
	r.finish(call)
	r.wait(time.Hour)
	r.done(call)
	if e := r.entry(call); e != nil {
		r.fields(e, call)
	}
	r.clean()
}

// lateRevision is a recording and a corrected time that come late; or, where only abandoned calls are logged, that it was
// connected after all.
func lateRevision(r *presetRun) { r.revised(0, (*targettest.Fake).Lose) }

// failAfter answers the n-th write with a 500 after it is done.
func failAfter(f *targettest.Fake, n int) { f.Fail(n, true) }

// revised is lateRevision with that trouble for the n-th write of the update, if n isn't 0.
func (r *presetRun) revised(n int, trouble func(f *targettest.Fake, n int)) {
	known := r.fake.Know(presetPhone, 1)
	first := r.call(r.c.usual())
	first.RecordingURL = ""
	r.finish(first)
	r.wait(long)
	second := *r.call(connector.OutcomeConnected)
	second.CallID, second.UUID, second.Revision = first.CallID, first.UUID, 2
	second.RecordingURL = connector.Text("https://rec.example.com/" + first.CallID + ".mp3")
	if first.TalkSeconds.Known {
		second.TalkSeconds = connector.KnownSpan(187e6)
	}
	trouble(r.fake, n)
	r.amend(&second)
	r.wait(2 * long)
	r.done(&second)
	if e := r.entry(&second); e != nil {
		r.contact(e, known)
		if r.c.only != "" {
			second.Agent, second.TalkSeconds, second.RecordingURL = nil, connector.Span{}, "" // it isn't about them
		}
		r.fields(e, &second)
	}
	r.clean()
}

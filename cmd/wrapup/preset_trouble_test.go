package main

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

// lostAnswer loses the answer to the n-th write.
func (r *presetRun) lostAnswer(n int) {
	r.fake.Lose(n)
	r.lost(n, 1)
}

// lostRequest loses the n-th write itself: what can't be told from a lost answer must not lose the call either.
func (r *presetRun) lostRequest(n int) {
	r.fake.Drop(n)
	r.lost(n, 0)
}

// lost delivers a call whose n-th write gets no answer; so many entries are there if it was the first, and is parked.
func (r *presetRun) lost(n, entries int) {
	known := r.fake.Know(presetPhone, 1)
	call := r.call(r.c.usual())
	r.finish(call)
	r.wait(2 * time.Hour)
	lost := 0
	for _, x := range r.fake.Log() {
		if x.Lost {
			lost++
		}
	}
	if lost != 1 {
		r.fail("%d answers were lost: the row says that there are %d writes", lost, r.c.writes)
	}
	if r.c.parks && n == 1 {
		if d := r.delivery(call); d.State != connector.DeliveryParked {
			r.fail("it is %s, not parked: %s", d.State, d.Reason)
		}
		if entries == 1 {
			r.entry(call)
		} else if got := len(r.fake.Entries()); got > 0 {
			r.fail("%d entries of a call whose request was lost", got)
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

// failed delivers a call whose n-th write is answered with a 500, after it is done or in its place. So many contacts have its
// number.
func (r *presetRun) failed(n int, done bool, contacts int) {
	known := r.fake.Know(presetPhone, contacts)
	r.fake.Fail(n, done)
	call := r.call(r.c.usual())
	r.finish(call)
	r.wait(2 * time.Hour)
	if n := slices.IndexFunc(r.fake.Log(), func(x targettest.Exchange) bool { return x.Status == http.StatusInternalServerError }); n < 0 {
		r.fail("nothing was answered with a 500: the row says that there are %d writes", r.c.writes)
	}
	r.done(call)
	if e := r.entry(call); e != nil {
		if contacts > 0 { // whoever is made for a new number may not be found in time
			r.contact(e, known)
		}
		r.fields(e, call)
	}
	r.clean()
}

// slowServer does the first write when nobody waits for its answer any more: wrapup has given up after its 30 s.
func slowServer(r *presetRun) {
	r.fake.Slow(50 * time.Second)
	call := r.call(r.c.usual())
	r.finish(call)
	r.wait(2 * time.Hour)
	if r.c.parks {
		if d := r.delivery(call); d.State != connector.DeliveryParked {
			r.fail("it is %s, not parked: %s", d.State, d.Reason)
		}
	} else {
		r.done(call)
	}
	r.entry(call)
}

// otherList is an API that doesn't obey the filter of the search that is asked after a lost answer, and lists what is there:
// that is no proof that the call isn't, and it must be said in these words.
func otherList(path string, list any, says string) presetScenario {
	return presetScenario{"a filter that isn't obeyed", func(r *presetRun) {
		for i, route := range r.fake.API.Routes {
			if route.Path == path && !route.Write {
				r.fake.API.Routes[i].Do = func(*targettest.Fake, *targettest.Request) targettest.Reply {
					return targettest.Reply{Status: 200, Body: list}
				}
			}
		}
		r.fake.Know(presetPhone, 1)
		r.fake.Lose(1)
		call := r.call(r.c.usual())
		r.finish(call)
		r.wait(2 * time.Hour)
		if d := r.delivery(call); d.State != connector.DeliveryDead || !strings.Contains(d.Reason, says) {
			r.fail("it is %s, and not with the words %q: %s", d.State, says, d.Reason)
		}
		r.entry(call)
	}, false, false}
}

// clockAhead is a dialer whose clock is some minutes ahead: what was logged looks older than the call.
var clockAhead = presetScenario{"a dialer whose clock is ahead", func(r *presetRun) {
	r.fake.Lose(1)
	call := r.call(r.c.usual())
	call.OccurredAt = connector.TimeOf(time.Now().Add(4 * time.Minute))
	call.StartedAt, call.EndedAt = call.OccurredAt, call.OccurredAt
	r.finish(call)
	r.wait(2 * time.Hour)
	r.done(call)
	r.entry(call)
}, false, false}

func expiredCredential(r *presetRun) {
	r.fake.Expire()
	one, two := r.call(r.c.usual()), (*connector.Record)(nil)
	r.finish(one)
	two = r.call(r.c.usual())
	r.finish(two)
	r.wait(10 * time.Minute)
	for _, call := range []*connector.Record{one, two} {
		if d := r.delivery(call); d.State != connector.DeliveryWaiting || !strings.Contains(d.Reason, "paused") || d.Failed > 0 {
			r.fail("while the credential is no good it is %s after %d failures: %s", d.State, d.Failed, d.Reason)
		}
	}
	r.fake.Renew()
	r.wait(long)
	for _, call := range []*connector.Record{one, two} {
		r.done(call)
		r.entry(call)
	}
}

// staleToken ends the access token while the credentials stay good: another one is had, without a pause.
func staleToken(r *presetRun) {
	one := r.call(r.c.usual())
	r.finish(one)
	r.wait(long)
	r.done(one)
	r.fake.Stale()
	two := r.call(r.c.usual())
	r.finish(two)
	r.wait(r.c.delay + 10*time.Second)
	r.done(two)
	r.entry(two)
}

func (r *presetRun) rateLimit(limit func(n int, patience time.Duration)) {
	const patience = 95 * time.Second
	limit(1, patience)
	call := r.call(r.c.usual())
	r.finish(call)
	r.wait(long)
	r.done(call)
	r.entry(call)
	log := r.fake.Log()
	at := slices.IndexFunc(log, func(x targettest.Exchange) bool { return x.Status/100 != 2 })
	switch {
	case at < 0 || at+1 == len(log):
		r.fail("it was not limited, or not asked again")
	case r.fake.API.Asks && log[at+1].At.Sub(log[at].At) < patience:
		r.fail("asked again after %s, which is sooner than %s", log[at+1].At.Sub(log[at].At), patience)
	}
}

func fieldRefused(r *presetRun) {
	r.fake.Refuse(r.c.refuse)
	call := r.call(r.c.usual())
	r.finish(call)
	r.wait(long)
	d := r.delivery(call)
	if d.State != connector.DeliveryDead || !strings.Contains(d.Reason, r.c.says) {
		r.fail("it is %s, and not with the words %q: %s", d.State, r.c.says, d.Reason)
	}
	if a := d.Attempts; len(a) == 0 || !strings.Contains(a[len(a)-1].Error, r.c.says) {
		r.fail("the last attempt doesn't say %q", r.c.says)
	}
	if n := len(r.fake.Entries()); n > 0 {
		r.fail("%d entries", n)
	}
}

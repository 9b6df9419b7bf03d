//go:build e2e

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// These tests run wrapup against a real Request Tracker 5, which make e2e installs, seeds and starts.

// A dialer's calls, untidy as they come, are in RT as exactly one ticket each, and each field of it is what it has to be.
func TestE2ESimulatedCalls(t *testing.T) {
	rt := newTracker(t)
	// settle is longer than any event is late: few records change after they were first sent.
	s := rt.site(rt.url, "settle: 3s, ring_timeout: 5s, max_age: 6s", [2]string{"rt", "mapping: request-tracker"})
	s.start()
	before := rt.newest()
	calls, first := s.simulated("rt")
	want := map[string]ticket{}
	for callID, rec := range calls {
		ticket, old := ticketOf(rec), ticketOf(first[callID])
		ticket.Subject, ticket.Content = old.Subject, old.Content // they stay as they were
		want[callID] = ticket
	}
	got := rt.tickets("Calls", before)
	assert.Len(t, got, len(want))
	for callID, ticket := range want {
		if !assert.Equal(t, ticket, got[rt.of(callID, got)]) {
			why, _ := s.run("why", callID)
			t.Log(why)
		}
	}
}

// What comes after a call was given up amends its ticket.
func TestE2ELaterRevision(t *testing.T) {
	rt := newTracker(t)
	before := rt.newest()
	s := rt.site(rt.url, "settle: 300ms, ring_timeout: 1s, max_age: 1s", [2]string{"rt", "mapping: request-tracker"})
	s.start()
	id := uuid.NewString()
	e := callOf(t, id)
	number, first := 0, ticket{}
	for i, row := range []struct {
		events []string
		fields map[string]string
	}{
		{[]string{"2/1"}, fieldsOf(id, connector.OutcomeUnknown)},
		{[]string{"2/4"}, fieldsOf(id, connector.OutcomeUnanswered, "Duration", "0")},
		{[]string{"2/3", "1/3", "1/4"}, fieldsOf(id, connector.OutcomeConnected, "Agent", "6122312312", "Duration", "359")},
	} {
		for _, code := range row.events {
			s.accepted(e[code])
		}
		s.done(id, "rt", i+1)
		got := rt.tickets("Calls", before)
		require.Len(t, got, 1)
		if i == 0 {
			number = rt.of(id, got)
			first = got[number]
			assert.Equal(t, "Call to +62812345613 (unknown)", first.Subject)
		}
		assert.Equal(t, row.fields, got[number].Fields, "revision %d", i+1)
		assert.Equal(t, "resolved", got[number].Status)
		assert.Equal(t, first.Content, got[number].Content)
	}
}

// An abandoned call is in RT as a call-back, and a later revision that knows better closes it.
func TestE2ECallbacks(t *testing.T) {
	content, err := os.ReadFile("../../mappings/presets/request-tracker-callbacks.yaml")
	require.NoError(t, err)
	rt := newTracker(t)
	before := rt.newest()
	s := rt.site(rt.url, "settle: 300ms, ring_timeout: 1s, max_age: 1s", [2]string{"callbacks", "mapping: callbacks, params: {queue: Calls, priority: 100}"})
	// The documented call is of a day long past.
	s.write("maps/callbacks.yaml", strings.NewReplacer("skip_older_than: 4h", "skip_older_than: 36500d", "wait: 2m", "wait: 0s").Replace(string(content)))
	s.start()
	id := uuid.NewString()
	e := callOf(t, id)
	s.accepted(e["2/1"], e["2/3"], e["2/4"])
	s.done(id, "callbacks", 1)
	got := rt.tickets("Calls", before)
	require.Len(t, got, 1)
	back := got[rt.of(id, got)]
	assert.Equal(t, fieldsOf(id, connector.OutcomeAbandoned), back.Fields)
	assert.Equal(t, "new", back.Status)
	assert.Regexp(t, `^Call back \+62812345613: waited \d+ s$`, back.Subject)

	s.accepted(e["1/3"], e["1/4"])
	s.done(id, "callbacks", 2)
	got = rt.tickets("Calls", before)
	require.Len(t, got, 1)
	assert.Equal(t, fieldsOf(id, connector.OutcomeConnected), got[rt.of(id, got)].Fields)
	assert.Equal(t, "resolved", got[rt.of(id, got)].Status)
}

// A kill -9 after RT has done what it was asked for, and before wrapup has heard so, makes no second ticket.
func TestE2EKilledBeforeTheAnswer(t *testing.T) {
	rt := newTracker(t)
	before := rt.newest()
	c := &cutter{to: rt.url}
	between := httptest.NewServer(c)
	t.Cleanup(between.Close)
	s := rt.site(between.URL, "settle: 300ms, ring_timeout: 1s, max_age: 1s", [2]string{"rt", "mapping: request-tracker"})
	c.kill = s.kill
	for _, row := range []struct {
		name string
		cuts []string
	}{
		{"the creation", []string{"POST /REST/2.0/ticket"}},
		{"the creation and the search for it", []string{"POST /REST/2.0/ticket", "GET /REST/2.0/tickets"}},
		{"the check", []string{"GET /REST/2.0/ticket/"}},
		{"all of them", []string{"POST /REST/2.0/ticket", "GET /REST/2.0/tickets", "GET /REST/2.0/ticket/"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			id := uuid.NewString()
			e := callOf(t, id)
			c.passed = nil
			s.start()
			c.choose(row.cuts[0])
			s.accepted(e["2/1"], e["2/4"])
			for _, next := range append(row.cuts[1:], "") {
				c.cutOff(s)
				c.choose(next)
				s.start()
			}
			s.done(id, "rt", 1)

			c.choose("PUT ") // and the same for an update
			s.accepted(e["2/3"])
			c.cutOff(s)
			c.choose("")
			s.start()
			s.done(id, "rt", 2)

			got := rt.tickets("Calls", before)
			number := rt.of(id, got) // which is the only one
			assert.Equal(t, fieldsOf(id, connector.OutcomeAbandoned, "Duration", "0"), got[number].Fields)
			assert.Equal(t, 1, strings.Count(strings.Join(c.passed, "\n"), "POST /REST/2.0/ticket 201"), c.passed)
			s.kill()
		})
	}
}

// RT answers 201 and drops a value that it doesn't like. The preset's check is what notices: without it nobody would.
func TestE2EDroppedValuesAreNoticed(t *testing.T) {
	content, err := os.ReadFile("../../mappings/presets/request-tracker.yaml")
	require.NoError(t, err)
	preset := string(content)
	rows := []struct{ name, queue, field, old, wrong string }{
		{"unknown", "Calls without agent", "Agent", "", ""},
		{"elsewhere", "Calls apart", "Call UUID", "", ""},
		{"select", "Calls", "Outcome", `Outcome: "${call.outcome}"`, `Outcome: "not ${call.outcome}"`},
		{"pattern", "Calls", "Duration", `Duration: "${vars.duration}"`, `Duration: "${vars.duration} s"`},
		{"date", "Calls", "Started", `Started: "${vars.started}"`, `Started: "some day"`},
	}
	rt := newTracker(t)
	var destinations [][2]string
	files := map[string]string{}
	for _, row := range rows {
		mapping := preset
		if row.old != "" {
			require.Contains(t, preset, row.old)
			mapping = strings.Replace(preset, row.old, row.wrong, 1)
		}
		files[row.name], files[row.name+"-unchecked"] = mapping, withoutStep(t, mapping, "arrived")
		for _, name := range []string{row.name, row.name + "-unchecked"} {
			destinations = append(destinations, [2]string{name, "mapping: " + name + ", params: {queue: '" + row.queue + "'}"})
		}
	}
	s := rt.site(rt.url, "settle: 300ms", destinations...)
	for name, mapping := range files {
		s.write("maps/"+name+".yaml", mapping)
	}
	before := rt.newest()
	s.start()
	id := uuid.NewString()
	for _, event := range callOf(t, id) {
		s.accepted(event)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, d := s.ended(id, row.name, 1)
			assert.Equal(t, connector.DeliveryDead, d.State, "the dropped field was not noticed")
			assert.Contains(t, d.Reason, `RT dropped the custom field "`+row.field+`"`)
			s.done(id, row.name+"-unchecked", 1)
		})
	}
	// What was noticed is true, and so is what was not: the values aren't in RT.
	dropped := map[string]int{}
	for _, queue := range []string{"Calls", "Calls without agent", "Calls apart"} {
		for _, ticket := range rt.tickets(queue, before) {
			for _, row := range rows {
				if row.queue == queue && ticket.Fields[row.field] == "" {
					dropped[row.name]++
				}
			}
		}
	}
	for _, row := range rows {
		assert.Equal(t, 2, dropped[row.name], row.name)
	}
}

// withoutStep takes a step out of a mapping, if it is there, and its name from where it is repeated.
func withoutStep(t *testing.T, mapping, step string) string {
	t.Helper()
	if before, after, found := strings.Cut(mapping, "  - name: "+step); found {
		next := regexp.MustCompile(`(?m)^(  - |[a-z])`).FindStringIndex(after)
		require.NotNil(t, next)
		mapping = before + after[next[0]:]
	}
	return regexp.MustCompile(`(?m)^  - `+step+`\b.*\n`).ReplaceAllString(mapping, "")
}

// A field that RT dropped because the queue didn't have it is filled in by a retry, once the queue has it.
func TestE2ERetryFillsInWhatWasDropped(t *testing.T) {
	rt := newTracker(t)
	before := rt.newest()
	// Whoever stands between plays the queue without a field of that name: what is sent under another one, RT drops.
	var renamed atomic.Bool
	renamed.Store(true)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if renamed.Load() {
			body = bytes.Replace(body, []byte(`"Agent":`), []byte(`"Nobody":`), 1)
		}
		on, err := http.NewRequestWithContext(r.Context(), r.Method, rt.url+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		on.Header = r.Header.Clone()
		resp, err := http.DefaultClient.Do(on)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(between.Close)
	s := rt.site(between.URL, "settle: 300ms", [2]string{"rt", "mapping: request-tracker"})
	s.start()
	id := uuid.NewString()
	for _, event := range callOf(t, id) {
		s.accepted(event)
	}
	_, d := s.ended(id, "rt", 1)
	require.Equal(t, connector.DeliveryDead, d.State)
	assert.Contains(t, d.Reason, `RT dropped the custom field "Agent"`)

	renamed.Store(false)
	s.succeeds("deliveries", "retry", id)
	s.done(id, "rt", 1)
	got := rt.tickets("Calls", before)
	require.Len(t, got, 1)
	assert.Equal(t, fieldsOf(id, connector.OutcomeConnected, "Agent", "6122312312", "Duration", "359"), got[rt.of(id, got)].Fields)
}

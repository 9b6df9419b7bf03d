//go:build e2e

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// These tests run wrapup against a real Redmine 5, which make e2e installs, seeds and starts.

// redmine is that Redmine, and the numbers it gave to what was made in it.
type redmine struct {
	t               *testing.T
	dir, url, key   string
	Params          map[string]any
	Callback        int
	Statuses, Users map[string]int
	nameOfUser      map[int]string
}

func newRedmine(t *testing.T) *redmine {
	t.Helper()
	r := &redmine{t: t, dir: os.Getenv("E2E_REDMINE_DIR"), nameOfUser: map[int]string{}}
	require.NotEmpty(t, r.dir, "E2E_REDMINE_DIR is not set: run make e2e, which starts a Redmine")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(r.dir, name))
		require.NoError(t, err)
		return strings.TrimSpace(string(b))
	}
	r.url, r.key = read("url"), read("key")
	require.NoError(t, json.Unmarshal([]byte(read("seeded.json")), r))
	for name, id := range r.Users {
		r.nameOfUser[id] = name
	}
	return r
}

// params are the params of a destination; more are set, or taken out where they are null.
func (r *redmine) params(more map[string]any) string {
	r.t.Helper()
	all := map[string]any{"status": r.Statuses["Closed"]}
	for _, m := range []map[string]any{r.Params, more} {
		for name, value := range m {
			all[name] = value
			if value == nil {
				delete(all, name)
			}
		}
	}
	b, err := json.Marshal(all)
	require.NoError(r.t, err)
	return string(b)
}

// site is a site whose destinations are Redmine, or what stands before it. Half of its agents are Ana, the others Budi.
func (r *redmine) site(url, correlation string, destinations ...[2]string) *site {
	r.t.Helper()
	for i := range destinations {
		destinations[i][1] = fmt.Sprintf("url: '%s', secrets: {key: {file: '%s'}}, %s", url, filepath.Join(r.dir, "key"), destinations[i][1])
	}
	s := quickSite(r.t, correlation, destinations...)
	table := "username,redmine_user\n6122312312," + strconv.Itoa(r.Users["ana"]) + "\n"
	for i := range 100 {
		table += fmt.Sprintf("%d,%d\n", 6122300000+i, r.Users[[]string{"ana", "budi"}[i%2]])
	}
	s.write("maps/agents.csv", table)
	return s
}

// issue is what an issue says. An empty custom field isn't in Fields.
type issue struct {
	Tracker, Status, Assignee, Subject, Description string
	Fields                                          map[string]string
}

// issues reads the issues that were made after another one, by their number.
func (r *redmine) issues(after int) map[int]issue {
	r.t.Helper()
	out := map[int]issue{}
	for {
		var found struct {
			Total  int `json:"total_count"`
			Issues []struct {
				ID                   int
				Tracker, Status      struct{ Name string }
				Assignee             struct{ ID int } `json:"assigned_to"`
				Subject, Description string
				Fields               []struct{ Name, Value string } `json:"custom_fields"`
			}
		}
		query := url.Values{"status_id": {"*"}, "limit": {"100"}, "sort": {"id"}, "offset": {strconv.Itoa(len(out))}, "issue_id": {fmt.Sprintf(">=%d", after+1)}}
		req, err := http.NewRequest(http.MethodGet, r.url+"/issues.json?"+query.Encode(), nil)
		require.NoError(r.t, err)
		req.Header.Set("X-Redmine-API-Key", r.key)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(r.t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(r.t, err)
		require.NoError(r.t, resp.Body.Close())
		require.Equal(r.t, 200, resp.StatusCode, "%s", body)
		require.NoError(r.t, json.Unmarshal(body, &found), "%s", body)
		for _, item := range found.Issues {
			is := issue{Tracker: item.Tracker.Name, Status: item.Status.Name, Assignee: r.nameOfUser[item.Assignee.ID],
				Subject: item.Subject, Description: strings.ReplaceAll(item.Description, "\r\n", "\n"), Fields: map[string]string{}}
			for _, field := range item.Fields {
				if field.Value != "" {
					is.Fields[field.Name] = field.Value
				}
			}
			out[item.ID] = is
		}
		if len(found.Issues) == 0 || len(out) >= found.Total {
			return out
		}
	}
}

// newest is the number of the newest issue: what a test makes has higher ones.
func (r *redmine) newest() (id int) {
	r.t.Helper()
	for n := range r.issues(0) {
		id = max(id, n)
	}
	return id
}

// only gives the one issue of a call in a tracker.
func (r *redmine) only(callID, tracker string, issues map[int]issue) (one issue) {
	r.t.Helper()
	n := 0
	for _, is := range issues {
		if is.Fields["Call UUID"] == callID && is.Tracker == tracker {
			one = is
			n++
		}
	}
	require.Equal(r.t, 1, n, "issues of call %s", callID)
	return one
}

// issueOf is the issue that has to come of a record; first is the revision that was sent first.
func (r *redmine) issueOf(rec, first *connector.Record) issue {
	number := func(rec *connector.Record) string { return string(cmp.Or(rec.PhoneE164, rec.Phone)) }
	at := func(rec *connector.Record, layout string) string { return rec.OccurredAt.Time().UTC().Format(layout) }
	talk := func(rec *connector.Record) int { return int(math.Round(rec.TalkSeconds.Seconds())) }
	fields := map[string]string{"Call UUID": rec.CallID, "Phone": number(rec), "Outcome": string(rec.Outcome), "Started": at(rec, "2006-01-02 15:04:05")}
	if rec.TalkSeconds.Known {
		fields["Duration"] = strconv.Itoa(talk(rec))
	}
	if rec.Agent != nil {
		fields["Agent"] = string(rec.Agent.Username)
	}
	talked, assignee := "", ""
	if first.TalkSeconds.Known {
		talked = fmt.Sprintf("%02d:%02d", talk(first)/60, talk(first)%60)
	}
	if first.Agent != nil {
		i, err := strconv.Atoi(string(first.Agent.Username))
		require.NoError(r.t, err)
		assignee = []string{"ana", "budi"}[i%2]
	}
	return issue{Tracker: "Call", Status: "Closed", Assignee: assignee, Subject: fmt.Sprintf("Call to %s (%s)", number(first), first.Outcome), Fields: fields,
		Description: fmt.Sprintf("Queue %s\nStart %s\nTalk %s\nCall %s", first.Queue, at(first, "2006-01-02T15:04:05Z"), talked, rec.CallID)}
}

// A dialer's calls, untidy as they come, are in Redmine as exactly one issue each, and each field of it is what it has to
// be; those that were abandoned are there as a call-back, too.
func TestE2ERedmineSimulatedCalls(t *testing.T) {
	r := newRedmine(t)
	s := r.site(r.url, "settle: 3s, ring_timeout: 5s, max_age: 6s", [2]string{"redmine", "mapping: redmine, params: " + r.params(nil)},
		[2]string{"callbacks", "mapping: callbacks, params: " + r.params(map[string]any{
			"tracker": r.Callback, "status": nil, "assignee": r.Users["budi"], "cf_agent": nil, "cf_duration": nil, "cf_recording": nil})})
	content, err := os.ReadFile("../../mappings/presets/redmine-callbacks.yaml")
	require.NoError(t, err)
	// The simulator's calls are of a day long past.
	s.write("maps/callbacks.yaml", strings.Replace(string(content), "skip_older_than: 24h", "skip_older_than: 36500d", 1))
	before := r.newest()
	s.start()
	calls, first := s.simulated("redmine")
	s.settleDown()
	got := r.issues(before)
	abandoned := 0
	for id, rec := range calls {
		if !assert.Equal(t, r.issueOf(rec, first[id]), r.only(id, "Call", got)) {
			why, _ := s.run("why", id)
			t.Log(why)
		}
		if rec.Outcome == connector.OutcomeAbandoned {
			abandoned++
			back := r.only(id, "Call-back", got)
			assert.Equal(t, []string{"New", "budi", "Call back " + back.Fields["Phone"]}, []string{back.Status, back.Assignee, back.Subject})
		}
	}
	for _, is := range got { // a call that was taken for abandoned at first
		if is.Tracker == "Call-back" && calls[is.Fields["Call UUID"]].Outcome != connector.OutcomeAbandoned {
			abandoned++
		}
	}
	assert.Len(t, got, len(calls)+abandoned)
}

// What comes after a call was given up amends its issue.
func TestE2ERedmineLaterRevision(t *testing.T) {
	r := newRedmine(t)
	before := r.newest()
	s := r.site(r.url, "settle: 300ms, ring_timeout: 1s, max_age: 1s", [2]string{"redmine", "mapping: redmine, params: " + r.params(nil)})
	s.start()
	id := uuid.NewString()
	e := callOf(t, id)
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
		s.done(id, "redmine", i+1)
		row.fields["Started"] = "2019-05-24 06:03:02"
		got := r.issues(before)
		require.Len(t, got, 1)
		is := r.only(id, "Call", got)
		assert.Equal(t, row.fields, is.Fields, "revision %d", i+1)
		assert.Equal(t, []string{"Call to +62812345613 (unknown)", "Closed", ""}, []string{is.Subject, is.Status, is.Assignee})
	}
}

// A kill -9 after Redmine has done what it was asked for, and before wrapup has heard so, makes no second issue.
func TestE2ERedmineKilledBeforeTheAnswer(t *testing.T) {
	r := newRedmine(t)
	before := r.newest()
	c := &cutter{to: r.url}
	between := httptest.NewServer(c)
	t.Cleanup(between.Close)
	s := r.site(between.URL, "settle: 300ms, ring_timeout: 1s, max_age: 1s", [2]string{"redmine", "mapping: redmine, params: " + r.params(nil)})
	c.kill = s.kill
	for _, cuts := range [][]string{
		{"POST /issues.json"},
		{"POST /issues.json", "GET /issues.json"},
		{"POST /issues.json", "GET /issues.json", "GET /issues/"},
	} {
		t.Run(strings.Join(cuts, ", "), func(t *testing.T) {
			id := uuid.NewString()
			e := callOf(t, id)
			c.passed = nil
			s.start()
			c.choose(cuts[0])
			s.accepted(e["2/1"], e["2/4"])
			for _, next := range append(cuts[1:], "") {
				c.cutOff(s)
				c.choose(next)
				s.start()
			}
			s.done(id, "redmine", 1)

			c.choose("PUT ") // and the same for an update
			s.accepted(e["2/3"])
			c.cutOff(s)
			c.choose("")
			s.start()
			s.done(id, "redmine", 2)

			want := fieldsOf(id, connector.OutcomeAbandoned, "Duration", "0", "Started", "2019-05-24 06:03:02")
			assert.Equal(t, want, r.only(id, "Call", r.issues(before)).Fields)
			assert.Equal(t, 1, strings.Count(strings.Join(c.passed, "\n"), "POST /issues.json 201"), c.passed)
			s.kill()
		})
	}
}

// What Redmine refuses is dead with its own sentence in why; what it drops without a word is noticed by the preset's check.
func TestE2ERedmineRefusedAndDropped(t *testing.T) {
	content, err := os.ReadFile("../../mappings/presets/redmine.yaml")
	require.NoError(t, err)
	preset := string(content)
	r := newRedmine(t)
	rows := []struct {
		name, old, wrong string // what is wrong with the mapping
		params           map[string]any
		reason           string
	}{
		{"list", `outcome == null ? null : call.outcome`, `outcome == null ? null : 'not ' + call.outcome`, nil, "Outcome is not included in the list"},
		{"number", `json(seconds(call.talk_seconds))`, `mmss(call.talk_seconds)`, nil, "Duration is not a number"},
		{"assignee", `tables.assignee[call.agent.username]`, `'` + strconv.Itoa(r.Users["stranger"]) + `'`, nil, "Assignee is invalid"},
		{"project", "", "", map[string]any{"project": "elsewhere"}, "Project cannot be blank"},
		{"tracker", "", "", map[string]any{"tracker": 99}, "Redmine dropped the tracker of the issue"},
		{"status", "", "", map[string]any{"status": 99}, "Redmine dropped the status of the issue"},
		{"field", "", "", map[string]any{"cf_agent": 99}, "Redmine dropped the custom field cf_agent of the issue"},
		{"uuid", "", "", map[string]any{"cf_call_uuid": 99}, "Redmine dropped the custom field cf_call_uuid of the issue"},
	}
	var destinations [][2]string
	for _, row := range rows {
		destinations = append(destinations, [2]string{row.name, "mapping: " + row.name + ", params: " + r.params(row.params)})
	}
	s := r.site(r.url, "settle: 300ms", destinations...)
	for _, row := range rows {
		require.Contains(t, preset, row.old)
		s.write("maps/"+row.name+".yaml", strings.Replace(preset, row.old, row.wrong, 1))
	}
	s.start()
	id := uuid.NewString()
	for _, event := range callOf(t, id) {
		s.accepted(event)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, d := s.ended(id, row.name, 1)
			assert.Equal(t, connector.DeliveryDead, d.State)
			assert.Contains(t, d.Reason, row.reason)
			why, _ := s.run("why", id)
			assert.Contains(t, why, row.reason)
		})
	}
}

// A wrong key pauses the destination and kills no call: with the right one they are logged.
func TestE2ERedmineWrongKey(t *testing.T) {
	r := newRedmine(t)
	before := r.newest()
	s := r.site(r.url, "settle: 300ms", [2]string{"redmine", "mapping: redmine, params: " + r.params(nil)})
	config, err := os.ReadFile(s.config)
	require.NoError(t, err)
	own := filepath.Join(s.dir, "key")
	s.write("wrapup.yaml", strings.ReplaceAll(string(config), filepath.Join(r.dir, "key"), own))
	s.write("key", "0000000000000000000000000000000000000000")
	s.start()
	id := uuid.NewString()
	for _, event := range callOf(t, id) {
		s.accepted(event)
	}
	s.slowly("the destination to be paused", func() bool {
		out, _ := s.run("destinations")
		return strings.Contains(out, "redmine is paused since") && strings.Contains(out, "answered 401")
	})
	list, _ := s.run("deliveries", "list")
	assert.NotContains(t, list, "dead")
	assert.Empty(t, r.issues(before))

	s.kill()
	s.write("key", r.key)
	s.start()
	s.done(id, "redmine", 1)
	assert.Equal(t, "ana", r.only(id, "Call", r.issues(before)).Assignee)
}

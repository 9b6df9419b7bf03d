//go:build e2e

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
)

// rtPatience is how long the tests wait for something that takes a real CRM seconds.
const rtPatience = 2 * time.Minute

// tracker is that Request Tracker.
type tracker struct {
	t                     *testing.T
	url, token, tokenFile string
}

func newTracker(t *testing.T) *tracker {
	t.Helper()
	r := &tracker{t: t, url: os.Getenv("E2E_RT_URL"), tokenFile: os.Getenv("E2E_RT_TOKEN_FILE")}
	require.NotEmpty(t, r.url, "E2E_RT_URL is not set: run make e2e, which starts a Request Tracker")
	token, err := os.ReadFile(r.tokenFile)
	require.NoError(t, err)
	r.token = strings.TrimSpace(string(token))
	return r
}

// get reads an answer of RT's into a value.
func (r *tracker) get(path string, query url.Values, into any) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.url+"/REST/2.0/"+path+"?"+query.Encode(), nil)
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "token "+r.token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	require.Equal(r.t, 200, resp.StatusCode, "%s: %s", path, body)
	require.NoError(r.t, json.Unmarshal(body, into), "%s: %s", path, body)
}

// ticket is what a ticket says. An empty custom field isn't in Fields.
type ticket struct {
	Subject, Status, Content string
	Fields                   map[string]string
}

// tickets reads the tickets of a queue that were made after another one, by their number.
func (r *tracker) tickets(queue string, after int) map[int]ticket {
	r.t.Helper()
	out := map[int]ticket{}
	for page := 1; ; page++ {
		var found struct {
			Pages float64
			Items []struct {
				ID              int `json:",string"`
				Subject, Status string
				CustomFields    []struct {
					Name   string
					Values []string
				}
			}
		}
		r.get("tickets", url.Values{"query": {fmt.Sprintf("Queue='%s' AND id > %d", queue, after)}, "fields": {"Subject,Status,CustomFields"},
			"page": {strconv.Itoa(page)}, "per_page": {"100"}}, &found)
		for _, item := range found.Items {
			ticket := ticket{Subject: item.Subject, Status: item.Status, Fields: map[string]string{}, Content: r.content(item.ID)}
			for _, field := range item.CustomFields {
				if len(field.Values) > 0 {
					ticket.Fields[field.Name] = strings.Join(field.Values, " and ")
				}
			}
			out[item.ID] = ticket
		}
		if float64(page) >= found.Pages {
			return out
		}
	}
}

// content is what a ticket was made with; a comment on it isn't part of that.
func (r *tracker) content(id int) string {
	r.t.Helper()
	var found struct{ Items []struct{ Content string } }
	r.get(fmt.Sprintf("ticket/%d/attachments", id), url.Values{"fields": {"Content"}}, &found)
	require.NotEmpty(r.t, found.Items, "ticket %d has no content", id)
	return found.Items[0].Content
}

// newest is the number of the newest ticket: what a test makes has higher ones.
func (r *tracker) newest() int {
	r.t.Helper()
	var found struct {
		Items []struct {
			ID int `json:",string"`
		}
	}
	r.get("tickets", url.Values{"query": {"id > 0"}, "orderby": {"id"}, "order": {"DESC"}, "per_page": {"1"}}, &found)
	if len(found.Items) == 0 {
		return 0
	}
	return found.Items[0].ID
}

// of gives the one ticket of a call.
func (r *tracker) of(callID string, tickets map[int]ticket) (id int) {
	r.t.Helper()
	for n, ticket := range tickets {
		if ticket.Fields["Call UUID"] == callID {
			require.Zero(r.t, id, "call %s has two tickets", callID)
			id = n
		}
	}
	require.NotZero(r.t, id, "call %s has no ticket", callID)
	return id
}

// ticketOf is the ticket that has to come of a record.
func ticketOf(rec *connector.Record) ticket {
	phone, at := string(cmp.Or(rec.PhoneE164, rec.Phone)), rec.OccurredAt.Time().UTC().Format("2006-01-02T15:04:05Z")
	fields := map[string]string{"Call UUID": rec.CallID, "Phone": phone, "Outcome": string(rec.Outcome), "Started": at}
	talk := ""
	if rec.TalkSeconds.Known {
		seconds := int(math.Round(rec.TalkSeconds.Seconds()))
		fields["Duration"], talk = strconv.Itoa(seconds), fmt.Sprintf("%02d:%02d", seconds/60, seconds%60)
	}
	if rec.Agent != nil {
		fields["Agent"] = string(rec.Agent.Username)
	}
	return ticket{Subject: fmt.Sprintf("Call to %s (%s)", phone, rec.Outcome), Status: "resolved", Fields: fields,
		Content: fmt.Sprintf("Queue %s\nStart %s\nTalk %s\n", rec.Queue, at, talk)}
}

// site is a site whose destinations are RT, or what stands before it.
func (r *tracker) site(url, correlation string, destinations ...[2]string) *site {
	r.t.Helper()
	for i := range destinations {
		destinations[i][1] = fmt.Sprintf("url: '%s', secrets: {token: {file: '%s'}}, %s", url, r.tokenFile, destinations[i][1])
	}
	return quickSite(r.t, correlation, destinations...)
}

// quickSite is a site that is quick where real ones are slow; each destination is a name and the rest of its settings.
func quickSite(t *testing.T, correlation string, destinations ...[2]string) *site {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "sources: [{kind: nxcloud-events}]\nqueues: {default: {region: ID}}\ncorrelation: {%s}\nmappings_dir: maps\ndestinations:\n", correlation)
	for _, d := range destinations {
		fmt.Fprintf(&b, "  - {name: %s, concurrency: 2, retry: {first: 100ms, max: 500ms}, %s}\n", d[0], d[1])
	}
	s := newSite(t, b.String())
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "maps"), 0o700))
	return s
}

// slowly waits for something that takes a CRM a while.
func (s *site) slowly(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(rtPatience); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			list, _ := s.run("deliveries", "list")
			s.t.Fatalf("waited in vain for %s; not done:\n%s\nthe log says:\n%s", what, list, s.log)
		}
	}
}

// story is what wrapup knows of a call.
func (s *site) story(uuid string) *admin.Story {
	s.t.Helper()
	out, _, _ := wrapup(s.t, "why", uuid, "-o", "json", "--config", s.config)
	story := &admin.Story{}
	require.NoError(s.t, json.Unmarshal([]byte(out), story), out)
	return story
}

// ended waits until a call has nothing more to come at a destination, from this many revisions on, and tells what became of it.
func (s *site) ended(uuid, destination string, revisions int) (call *admin.FinishedCall, delivery *admin.NamedDelivery) {
	s.t.Helper()
	s.slowly(fmt.Sprintf("the end of call %s at %s", uuid, destination), func() bool {
		story := s.story(uuid)
		if len(story.Pending) > 0 || len(story.Calls) == 0 {
			return false
		}
		call = &story.Calls[0]
		for i := range call.Deliveries {
			if call.Deliveries[i].Destination == destination {
				delivery = &call.Deliveries[i]
			}
		}
		return delivery != nil && delivery.Wanted >= revisions && delivery.State != connector.DeliveryWaiting
	})
	return call, delivery
}

// done waits until a call is delivered, and fails if it comes to another end.
func (s *site) done(uuid, destination string, revisions int) (call *admin.FinishedCall, delivery *admin.NamedDelivery) {
	s.t.Helper()
	call, delivery = s.ended(uuid, destination, revisions)
	if delivery.State != connector.DeliveryDone {
		why, _ := s.run("why", uuid)
		s.t.Fatalf("the delivery to %s is %s:\n%s", destination, delivery.State, why)
	}
	return call, delivery
}

// callOf gives the documented call's events under a uuid of its own, by their type and state.
func callOf(t *testing.T, uuid string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, body := range documented(t) {
		var e struct{ Type, State int }
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		out[fmt.Sprintf("%d/%d", e.Type, e.State)] = strings.ReplaceAll(body, documentedUUID, uuid)
	}
	return out
}

// fieldsOf are the custom fields of the documented call's ticket; more is what else it has, as name and value in turn.
func fieldsOf(uuid string, outcome connector.Outcome, more ...string) map[string]string {
	fields := map[string]string{"Call UUID": uuid, "Phone": "+62812345613", "Outcome": string(outcome), "Started": "2019-05-24T06:03:02Z"}
	for i := 0; i < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	return fields
}

// cutter stands between wrapup and a CRM, whose address is to, and hands everything on. But when the answer to a chosen request has come, it kills
// wrapup instead of handing that back, and nobody hears it.
type cutter struct {
	to     string
	kill   func()
	mu     sync.Mutex
	chosen string
	cut    chan struct{}
	passed []string
}

// choose says which request is the next to be cut off, by how its method and path begin.
func (c *cutter) choose(request string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chosen, c.cut = request, make(chan struct{})
}

// cutOff waits until the chosen request was cut off.
func (c *cutter) cutOff(s *site) {
	s.t.Helper()
	select {
	case <-c.cut:
	case <-time.After(rtPatience):
		s.t.Fatalf("waited in vain for the request to cut off; the log says:\n%s", s.log)
	}
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := r.Method + " " + r.URL.Path
	body, _ := io.ReadAll(r.Body)
	on, _ := http.NewRequest(r.Method, c.to+r.URL.RequestURI(), bytes.NewReader(body))
	on.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(on)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed = append(c.passed, fmt.Sprintf("%s %d", request, resp.StatusCode))
	if c.chosen != "" && strings.HasPrefix(request, c.chosen) {
		c.chosen = ""
		c.kill()
		close(c.cut)
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer)
}

// simulated lets the simulator call forty times, untidily, and waits until all is delivered. It gives what is known of each
// call, and the revision that was sent first.
func (s *site) simulated(destination string) (calls map[string]*connector.Record, first map[string]*connector.Record) {
	s.t.Helper()
	seed := cmp.Or(os.Getenv("E2E_SEED"), strconv.FormatInt(time.Now().Unix(), 10))
	s.t.Logf("E2E_SEED=%s plays these calls again", seed)
	expect := filepath.Join(s.dir, "expected.ndjson")
	out, errs, code := wrapup(s.t, "simulate", "--to", s.url(), "--expect", expect, "--seed", seed, "--region", "ID",
		"--calls", "40", "--rate", "20", "--speed", "180", "--answered", "0.6", "--abandoned", "0.1", "--transferred", "0.15", "--offline", "0.1",
		"--skewed", "0.05", "--reordered", "0.3", "--repeated", "0.1", "--no-hangup", "0.1", "--missing", "0.1", "--max-delay", "1s")
	require.Zero(s.t, code, out+errs)
	content, err := os.ReadFile(expect)
	require.NoError(s.t, err)
	calls, first = map[string]*connector.Record{}, map[string]*connector.Record{}
	for line := range strings.Lines(string(content)) {
		var rec connector.Record
		require.NoError(s.t, json.Unmarshal([]byte(line), &rec))
		calls[rec.CallID] = &rec
	}
	for id := range calls {
		call, delivery := s.done(id, destination, 1)
		first[id] = calls[id]
		if sent := delivery.Attempts[0].Revision; sent < delivery.Done {
			first[id] = call.Revision(sent)
		}
	}
	return calls, first
}

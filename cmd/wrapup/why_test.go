package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
)

// whyMapping logs a call in three steps as real CRMs want it: who is it, log it, with the agent's id.
const whyMapping = `
version: 1
tables: {owner: {file: agents.csv, key: username, value: id, missing: {hold: 24h, then: null}}}
each: {answers: {error: "${response.body.message}"}}
steps:
  - name: contact
    path: /search
    body: {phone: "${call.phone_e164}"}
    found: "${response.body.contact}"
  - name: log
    path: /log
    body: {call: "${call.call_id}", contact: "${saved.contact}", owner: "${tables.owner[call.agent.username]}"}
    answers: {duplicate: "${response.status == 409}"}
    save: {entry: "${response.body.id}"}
`

// whySite runs wrapup in front of a CRM that treats each call as its uuid says.
func whySite(t *testing.T) *site {
	var mu sync.Mutex
	entries := 4000
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		says := func(status int, text string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
		mu.Lock()
		entries++
		id := entries
		mu.Unlock()
		switch is := func(s string) bool { return strings.Contains(string(body), s) }; {
		case r.URL.Path == "/search" && is("+628110000011"):
			says(200, `{"contact":"contact-of-somebody-else"}`)
		case r.URL.Path == "/search":
			says(200, `{"contact":"contact-1"}`)
		case is("retried"):
			says(503, `{"message":"down for maintenance"}`)
		case is("refused"):
			says(422, `{"message":"the field owner is not allowed here"}`)
		case is("unsure"):
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		case is("twice"):
			says(409, `{"id":"entry-there-before"}`)
		default:
			says(200, fmt.Sprintf(`{"id":"entry-%d"}`, id))
		}
	}))
	t.Cleanup(crm.Close)
	s := newSite(t, fmt.Sprintf(`sources: [{kind: nxcloud-events}]
queues: {default: {region: ID}}
correlation: {settle: 100ms}
mappings_dir: mappings
destinations:
  - {name: desk, mapping: desk, url: "%[1]s", retry: {first: 1h, max: 1h}}
  - {name: hook, mapping: record, url: "%[1]s/hook", when: "${call.outcome == 'connected'}"}
  - {name: slow, mapping: record, url: "%[1]s/slow"}
`, crm.URL))
	s.write("mappings/desk.yaml", whyMapping)
	s.write("mappings/agents.csv", "username,id\n6122312312,77\n")
	s.start()
	s.succeeds("destinations", "pause", "slow", "--reason", "the vendor said so")
	return s
}

func dialled(uuid, phone string, extra ...string) []string {
	at := time.Now().Add(-time.Minute).Unix()
	event := `{"type":2,"state":%d,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x"}`
	events := []string{fmt.Sprintf(event, 1, uuid, phone, at)}
	for _, e := range extra {
		events = append(events, fmt.Sprintf(e, uuid, phone, at+10))
	}
	return append(events, fmt.Sprintf(event, 4, uuid, phone, at+20))
}

// firstLine gives the first line of what why says, once it is the wanted one.
func (s *site) firstLine(want string, args ...string) string {
	s.t.Helper()
	var out string
	deadline := time.Now().Add(patience)
	for {
		out, _ = s.run(append([]string{"why"}, args...)...)
		line, _, _ := strings.Cut(out, "\n")
		if strings.Contains(line, want) {
			return line
		}
		if time.Now().After(deadline) {
			require.Contains(s.t, line, want, out)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Each of the things that a salesperson reports as "not in the CRM" has its reason in the first line.
func TestWhyNamesTheReason(t *testing.T) {
	t.Parallel()
	s := whySite(t)
	part := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			s.t = t
			f(t)
		})
		s.t = t
	}
	answered := `{"type":2,"state":3,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x"}`
	joined := `{"type":1,"state":3,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x","username":"9999","sipid":"1","agentid":"a"}`

	part("the event never came", func(t *testing.T) {
		line := s.firstLine("No event of a call 11111111-never has come.", "11111111-never")
		assert.Contains(t, line, "Nothing was heard of the dialer since the daemon was started at")
		resp, err := http.Post("http://"+s.addr+"/callbacks/wrong", "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		s.accepted(dialled("heard", "8110000001")...)
		line = s.firstLine("The dialer was heard last at", "11111111-never")
		assert.Contains(t, line, "1 post(s) were refused, most of them from 127.0.0.1: ")
	})
	part("still open", func(t *testing.T) {
		s.accepted(dialled("22222222-open", "8110000002")[0])
		line := s.firstLine("The call is still open: 1 event(s) have come, and it is not finished yet: only its creation has come; it is finished 10m after it", "0811-0000-002")
		assert.Regexp(t, `at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC`, line)
	})
	part("skipped by a rule", func(*testing.T) {
		s.accepted(dialled("33333333-rule", "8110000003")...)
		s.firstLine("hook: skipped (the destination's condition is not met: call.outcome == 'connected')", "33333333-rule")
	})
	part("waiting for a retry", func(t *testing.T) {
		s.accepted(dialled("44444444-retried", "8110000004")...)
		line := s.firstLine("desk: not delivered yet after 1 failed attempt(s), tried again at ", "44444444-retried")
		assert.Contains(t, line, "down for maintenance")
	})
	part("the destination is paused", func(*testing.T) {
		s.firstLine("slow: not delivered yet, the destination is paused (the vendor said so)", "33333333-rule")
	})
	part("dead by a bad field", func(t *testing.T) {
		s.accepted(dialled("66666666-refused", "8110000006")...)
		line := s.firstLine("desk: dead (", "66666666-refused")
		assert.Contains(t, line, "the field owner is not allowed here")
	})
	part("the agent is not mapped and the call held", func(t *testing.T) {
		s.accepted(dialled("77777777-agent", "8110000007", answered, joined)...)
		line := s.firstLine("desk: not delivered yet, looked at again at ", "77777777-agent")
		assert.Contains(t, line, "held: ")
		assert.Contains(t, line, "9999")
	})
	part("maybe delivered", func(*testing.T) {
		s.accepted(dialled("88888888-unsure", "8110000008")...)
		s.firstLine("desk: parked (maybe delivered: ", "88888888-unsure")
	})
	part("merged as a duplicate", func(*testing.T) {
		s.accepted(dialled("99999999-twice", "8110000009")...)
		s.firstLine("desk: delivered, as a duplicate: it was there already (contact contact-1, entry entry-there-before)", "99999999-twice")
		again := dialled("99999999-redialled", "8110000009")
		s.accepted(again[0], strings.Replace(again[0], `"time":"`, `"time":"0`, 1), dialled("99999999-redialled", "8110000009",
			`{"type":2,"state":1,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x"}`)[1], again[1])
		s.firstLine("2 creations came under this uuid, and were merged as duplicates of one call", "99999999-redialled")
	})
	part("erased", func(*testing.T) {
		s.accepted(dialled("10101010-erased", "8110000010")...)
		s.firstLine("desk: delivered (", "10101010-erased")
		s.succeeds("erase", "--phone", "08110000010", "--yes")
		s.firstLine("The call was erased by a person at ", "10101010-erased")
		s.firstLine("The call was erased by a person at ", "+62 811 0000 010")
	})
	part("logged under another contact", func(*testing.T) {
		s.accepted(dialled("11111111-contact", "8110000011")...)
		line := s.firstLine("desk: delivered (contact contact-of-somebody-else, entry entry-", "11111111-contact")
		entry := line[strings.Index(line, "entry-"):]
		entry = entry[:strings.IndexByte(entry, ')')]
		s.firstLine(entry+" is the entry that desk has for the call 11111111-contact: ", entry)
		s.firstLine("contact-of-somebody-else is the contact that desk has for the call 11111111-contact: ", "contact-of-somebody-else")
	})
	part("quarantined", func(t *testing.T) {
		status, _ := s.post(`{"type":2,"state":1,"callid":"104906","uuid":"12121212-strange","callphone":"8110000012","time":"yesterday"}`)
		require.Equal(t, 400, status)
		s.firstLine("A post that names 12121212-strange was not understood, and is in quarantine since ", "12121212-strange")
		s.firstLine("A post that names 0811-0000-012 was not understood, and is in quarantine since ", "0811-0000-012")
	})
}

func TestWhyFindsCalls(t *testing.T) {
	s := whySite(t)
	s.accepted(dialled("aaaaaaaa-1", "8110000001")...)
	s.accepted(dialled("aaaaaaaa-2", "8110000001")...)
	s.accepted(dialled("bbbbbbbb-1", "+49 30 1234567")...)
	s.firstLine("desk: delivered", "aaaaaaaa-1")
	s.firstLine("desk: delivered", "aaaaaaaa-2")
	s.firstLine("desk: delivered", "bbbbbbbb-1")

	for _, number := range []string{"8110000001", "08110000001", "+628110000001", "0811 0000-001", "62 811 0000001"} {
		s.firstLine("Of 2 calls with this number, the newest (aaaaaaaa-", number)
	}
	s.firstLine("The call with this number (bbbbbbbb-1): The call is finished", "+49301234567")
	s.firstLine("The call is finished (unanswered)", "bbbb")
	assert.Contains(t, s.fails("why", "aaaa"), "Several calls' uuids begin with aaaa")
	assert.Contains(t, s.fails("why", "8110000001", "--as", "id"), "No event of a call 8110000001 has come.")
	out, code := s.run("why", "x", "--as", "name")
	assert.Equal(t, 2, code, out)
}

func (s *site) calls(args ...string) (ids []string) {
	s.t.Helper()
	var list []admin.ListedCall
	out := s.succeeds(append([]string{"calls", "-o", "json"}, args...)...)
	from := strings.IndexByte(out, '[')
	require.GreaterOrEqual(s.t, from, 0, out)
	require.NoError(s.t, json.NewDecoder(strings.NewReader(out[from:])).Decode(&list), out)
	for _, c := range list {
		ids = append(ids, c.CallID)
	}
	return ids
}

func TestCallsAndExport(t *testing.T) {
	t.Parallel()
	s := whySite(t)
	answered := `{"type":2,"state":3,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x"}`
	joined := `{"type":1,"state":3,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x","username":"=6122312312","sipid":"1","agentid":"a"}`
	for _, events := range [][]string{dialled("one", "8110000001"), dialled("refused", "8110000002"), dialled("three", "8110000003", answered, joined)} {
		s.accepted(events...)
		uuid := events[0][strings.Index(events[0], `"uuid":"`)+8:]
		s.firstLine("The call is finished", uuid[:strings.IndexByte(uuid, '"')])
	}
	s.accepted(dialled("open", "8110000004")[0])
	s.firstLine("desk: dead", "refused")

	assert.Equal(t, []string{"three", "refused", "one"}, s.calls())
	assert.Equal(t, []string{"open"}, s.calls("--open"))
	assert.Equal(t, []string{"refused"}, s.calls("--phone", "0811-0000-002"))
	assert.Equal(t, []string{"refused"}, s.calls("--state", "dead"))
	assert.Equal(t, []string{"refused", "one"}, s.calls("--state", "skipped", "--destination", "hook"))
	assert.Equal(t, []string{"three"}, s.calls("--outcome", "connected"))
	assert.Equal(t, []string{"three"}, s.calls("--agent", "=6122312312"))
	assert.Len(t, s.calls("--queue", "104906", "--since", "1h"), 3)
	assert.Empty(t, s.calls("--until", "1h"))
	assert.Empty(t, s.calls("--queue", "1"))
	out := s.succeeds("calls", "--limit", "2")
	assert.Contains(t, out, "+628110000003")
	assert.Contains(t, out, "desk: dead, hook: skipped, slow: waiting")
	after := strings.TrimSpace(out[strings.LastIndex(out, "--after ")+8:])
	assert.Equal(t, []string{"one"}, s.calls("--limit", "2", "--after", after))
	phone := s.succeeds("calls", "--phone", "8110000003", "--limit", "1")
	assert.NotContains(t, phone, "--after")

	for _, running := range []bool{true, false} {
		out = s.succeeds("export")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Len(t, lines, 4, out)
		assert.True(t, strings.HasPrefix(lines[0], "call_id,uuid,attempt,"))
		assert.True(t, strings.HasPrefix(lines[1], "one,one,1,1,104906,,8110000001,'+628110000001,unanswered,"), lines[1])
		assert.Contains(t, lines[3], ",'=6122312312,")
		assert.Contains(t, s.succeeds("export", "--raw"), ",=6122312312,")
		var r connector.Record
		out = s.succeeds("export", "--format", "jsonl", "--outcome", "connected")
		require.NoError(t, json.Unmarshal([]byte(out), &r), out)
		assert.Equal(t, "three", r.CallID)
		assert.Equal(t, out, s.succeeds("export", "-o", "jsonl", "--outcome", "connected"))
		var all []connector.Record
		require.NoError(t, json.Unmarshal([]byte(s.succeeds("export", "-o", "json")), &all))
		require.Len(t, all, 3)
		assert.Equal(t, r, all[2])
		assert.Equal(t, "[]\n", s.succeeds("export", "-o", "json", "--queue", "none"))
		if running {
			require.Zero(t, s.terminate())
		}
	}
	assert.Equal(t, []string{"open"}, s.calls("--open"))
	out, code := s.run("calls", "--outcome", "happy")
	assert.Equal(t, 2, code, out)
}

// redialled gives the events of a call that began so long ago, for a uuid that is used several times.
func redialled(uuid, phone string, ago time.Duration) []string {
	at := time.Now().Add(-ago).Unix()
	event := `{"type":2,"state":%d,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x"}`
	return []string{fmt.Sprintf(event, 1, uuid, phone, at), fmt.Sprintf(event, 4, uuid, phone, at+20)}
}

// Of several calls under one uuid the first line is about the one that was asked for, else about the newest.
func TestWhyOfARedial(t *testing.T) {
	t.Parallel()
	s := whySite(t)
	s.accepted(redialled("again-1", "8110000001", 30*time.Minute)...)
	first := s.firstLine("desk: delivered", "again-1")
	assert.True(t, strings.HasPrefix(first, "The call is finished"), first)
	s.accepted(redialled("again-1", "8110000011", 20*time.Minute)...)
	line := s.firstLine("Of 2 calls under this uuid, the newest: The call is finished (unanswered). desk: delivered (contact contact-of-somebody-else", "again-1")
	assert.True(t, strings.HasSuffix(line, "Earlier: wrapup why again-1 --attempt 1."), line)
	entry := first[strings.Index(first, "entry entry-")+6:]
	entry = entry[:strings.IndexByte(entry, ')')]
	var story admin.Story
	require.NoError(t, json.Unmarshal([]byte(s.succeeds("why", "again-1", "-o", "json")), &story))
	require.Len(t, story.Calls, 2)
	second := story.Calls[1].CallID
	require.NotEqual(t, "again-1", second)

	one, two := "Attempt 1 of 2 under the uuid again-1: The call is finished (unanswered). desk: delivered (", "Attempt 2 of 2 under the uuid again-1: The call is finished (unanswered). desk: delivered (contact contact-of-somebody-else"
	for _, asked := range []struct{ want, by string }{
		{one, "again-1 --attempt 1"}, {one, "agai --attempt 1"}, {one, "0811-0000-001"}, {one, entry},
		{two, "again-1 --attempt 2"}, {two, second},
	} {
		s.firstLine(asked.want, strings.Fields(asked.by)...)
	}
	assert.Contains(t, s.fails("why", "again-1", "--attempt", "3"), "there is no attempt 3 of the call again-1, but 2 under its uuid")

	// A third that is open.
	s.accepted(redialled("again-1", "8110000003", 10*time.Second)[0])
	line = s.firstLine("Of 3 calls under this uuid, the newest: The call is still open: ", "again-1")
	assert.Contains(t, line, "Earlier: wrapup why again-1 --attempt 1 or 2.")
	s.firstLine("The call with this number (again-1): Of 3 calls under this uuid, the newest: The call is still open: ", "0811-0000-003")
	s.firstLine("Attempt 3 of 3 under the uuid again-1: The call is still open: ", "again-1", "--attempt", "3")
	s.firstLine(strings.Replace(one, "1 of 2", "1 of 3", 1), entry)
}

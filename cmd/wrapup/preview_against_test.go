package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const againstMapping = `version: 1
steps:
  - name: contact
    path: /search
    body: {phone: "${call.phone_e164}"}
    found: "${response.body.contact}"
  - name: log
    path: /log
    body: {subject: "Call ${call.call_id}", contact: "${saved.contact}"}
    save: {entry: "${response.body.id}"}
`

// TestPreviewAgainst: an edited mapping is compared with the running one by real calls, and nothing is sent.
func TestPreviewAgainst(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	crm.answer = func(n int, w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"contact":"contact-%d","id":"entry-%d"}`, n, n)
	}
	s := newSite(t, fmt.Sprintf(`sources: [{kind: nxcloud-events}]
queues: {default: {region: ID}}
correlation: {settle: 100ms}
mappings_dir: mappings
destinations:
  - {name: desk, mapping: desk, url: "%[1]s"}
  - {name: hook, mapping: record, url: "%[1]s/hook", when: "${call.queue == 'none'}"}
`, crm.url()))
	s.write("mappings/desk.yaml", againstMapping)
	s.start()
	joined := `{"type":1,"state":3,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x","username":"6122312312","sipid":"1","agentid":"a"}`
	s.accepted(dialled("agent", "8110000101", joined)...)
	s.accepted(dialled("nobody", "8110000102")...)
	for _, event := range dialled("seven", "8110000103", joined) {
		s.accepted(strings.ReplaceAll(event, "104906", "7"))
	}
	s.accepted(dialled("erased", "8110000104")...)
	s.eventually("all to be delivered", func() bool { return len(s.calls()) == 4 && len(s.listed()) == 0 })
	s.succeeds("erase", "--phone", "8110000104", "--yes")
	sent := len(crm.requests())

	type result struct {
		Destination string
		Counts      map[string]int
		Assumed     []string
		Calls       []comparedCall
	}
	compared := func(code int, args ...string) (list []result, byCall map[string]comparedCall) {
		t.Helper()
		args = append([]string{"preview", "--against", "10", "-o", "json"}, args...)
		out, errs, got := wrapup(t, append(args, "--config", s.config)...)
		require.Equal(t, code, got, out+errs)
		require.NoError(t, json.Unmarshal([]byte(out), &list), out)
		byCall = map[string]comparedCall{}
		for _, r := range list {
			for _, c := range r.Calls {
				byCall[c.Call] = c
			}
		}
		return list, byCall
	}
	list, _ := compared(0)
	assert.Empty(t, list)
	out := s.succeeds("preview", "--against", "10")
	assert.Contains(t, out, "desk: its mapping is as the daemon runs it\nhook: its mapping is as the daemon runs it\n")

	s.write("mappings/desk.yaml", "# a remark\n"+againstMapping)
	list, _ = compared(0)
	require.Len(t, list, 1)
	assert.Equal(t, map[string]int{"same": 3}, list[0].Counts)
	assert.Empty(t, list[0].Assumed, "all of it was asked before")

	edited := strings.ReplaceAll(againstMapping, "path: /log", `path: "/log/${call.agent.username}"`)
	edited = strings.ReplaceAll(edited, `subject: "Call`, `subject: "A call`)
	s.write("mappings/desk.yaml", `when: "${call.queue != '7'}"`+"\n"+edited)
	check := func(args ...string) {
		t.Helper()
		list, calls := compared(1, args...)
		require.Len(t, list, 1)
		assert.Equal(t, map[string]int{"differs": 1, "now skipped": 1, "now fails": 1}, list[0].Counts)
		assert.Equal(t, "differs", calls["agent"].Result)
		assert.Equal(t, "now skipped", calls["seven"].Result)
		assert.Equal(t, "now fails", calls["nobody"].Result)
		assert.Contains(t, calls["nobody"].Reason, "call.agent.username is null: a path can't be made of it")
		diff := strings.Join(calls["agent"].Diff, "\n")
		assert.Contains(t, diff, "-    POST "+crm.url()+"/log\n+    POST "+crm.url()+"/log/6122312312")
		assert.Contains(t, diff, `-      "subject": "Call agent"`)
		assert.Contains(t, diff, `+      "subject": "A call agent"`)
		assert.Contains(t, diff, `"contact": "contact-`, "what was saved is the answer")
		assert.NotContains(t, diff, "«saved")
	}
	check()
	check("--destination", "desk")
	out, code := s.run("preview", "--against", "10")
	assert.Equal(t, 1, code)
	assert.Regexp(t, `(?m)\AThe last 3 calls, .*\ndesk, desk@[0-9a-f]{8} -> desk@[0-9a-f]{8}: 1 differs, 1 now skipped, 1 now fails\nhook: its mapping is as`, out)
	assert.Contains(t, out, "desk, call seven, revision 1, connected: now skipped\n")

	lookup := "  - {name: company, path: /company, found: \"${response.body.company}\"}\n  - name: log"
	s.write("mappings/desk.yaml", strings.Replace(againstMapping, "  - name: log", lookup, 1))
	list, _ = compared(0)
	assert.Equal(t, map[string]int{"differs": 3}, list[0].Counts)
	require.Len(t, list[0].Assumed, 1)
	assert.Contains(t, list[0].Assumed[0], "what the lookup company would find can't be known where it was never asked: something")

	s.write("answers.yaml", "- {status: 200, body: {contact: given}}\n- {status: 200, body: {company: acme}}\n- {status: 200, body: {id: 7}}\n")
	list, _ = compared(0, "--answers", s.dir+"/answers.yaml")
	assert.Equal(t, map[string]int{"differs": 3}, list[0].Counts)

	s.write("mappings/desk.yaml", "steps: [{name: log, path: /log, body: {x: \"${call.fone}\"}}]\n")
	out = s.fails("preview", "--against", "10")
	assert.Contains(t, out, "fone")

	// Without a daemon what is configured counts as running, and another file is looked at.
	require.Zero(t, s.terminate())
	s.write("mappings/desk.yaml", againstMapping)
	s.write("new.yaml", `when: "${call.queue != '7'}"`+"\n"+edited)
	assert.Contains(t, s.fails("preview", "--against", "10"), "so there is no running mapping: give --destination and, as --mapping, the edited file")
	check("--destination", "desk", "--mapping", s.dir+"/new.yaml")
	assert.Len(t, crm.requests(), sent, "nothing is sent")
}

func TestPreviewAgainstUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--against", "0"}, {"--against", "-1"}, {"--against", "9999"}, {"--against", "3", "--mapping", "desk"}, {"--against", "3", "--call", "x"},
		{"--against", "3", "--change", "outcome=busy"}, {"--against", "3", "--answers", "x", "--nothing-found"},
	} {
		_, errs, code := wrapup(t, append([]string{"preview"}, args...)...)
		assert.Equal(t, 2, code, "%v: %s", args, errs)
	}
}

func TestDiffLines(t *testing.T) {
	lines := func(s string) []string { return strings.Split(s, " ") }
	assert.Equal(t, []string{"  …", "  c", "  d", "- e", "+ E", "  f", "  g", "  …"}, diffLines(lines("a b c d e f g h i"), lines("a b c d E f g h i")))
	assert.Equal(t, []string{"- a", "+ b"}, diffLines(lines("a"), lines("b")))
	assert.Equal(t, []string{"+ a"}, diffLines(nil, lines("a")))
	assert.Empty(t, diffLines(nil, nil))
	assert.Len(t, diffLines(make([]string, mostDiffed+1), nil), 2)
}

package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestListsPage: each list gives all of what there is in pages, in the order of the whole, and narrowed.
func TestListsPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, `sources: [{kind: nxcloud-events}]
correlation: {settle: 100ms}
destinations:
  - {name: a, mapping: record, url: "http://127.0.0.1:1", retry: {first: 1h}}
  - {name: b, mapping: record, url: "http://127.0.0.1:1", retry: {first: 1h}}
  - {name: c, mapping: record, url: "http://127.0.0.1:1", retry: {first: 1h}}
`)
	s.start()
	for i := range 5 {
		s.accepted(fmt.Sprintf(`{"type":1,"state":%d,"callid":"7","username":"agent-%d","sipid":"%[2]d","agentid":"x%[2]d","time":"%[3]d"}`,
			2-i%2*2, i, time.Now().Unix()))
		for _, event := range dialled(fmt.Sprint("done-", i), "8110000100") {
			s.accepted(strings.ReplaceAll(event, "104906", fmt.Sprint("10490", i)))
		}
		status, _ := s.post(fmt.Sprintf(`{"type":2,"state":1,"uuid":"strange-%d","time":"yesterday"}`, i))
		require.Equal(t, 400, status)
	}
	s.eventually("all calls to be finished", func() bool { return len(s.calls()) == 5 })
	for i := range 5 {
		s.accepted(strings.Replace(dialled(fmt.Sprint("open-", i%3, i), "8110000100")[0], `"state":4`, `"state":1`, 1))
	}
	list := func(field string, args ...string) (names []string, next string) {
		t.Helper()
		out, errs, code := wrapup(t, append(args, "-o", "json", "--config", s.config)...)
		require.Zero(t, code, errs)
		out = regexp.MustCompile(`(?s)\A\{\s*"quarantined": (\[.*\]),?.*\}\s*\z`).ReplaceAllString(out, "$1")
		var rows []map[string]any
		require.NoError(t, json.Unmarshal([]byte(out), &rows), out)
		for _, row := range rows {
			names = append(names, fmt.Sprint(row[field]))
		}
		if _, after, ok := strings.Cut(errs, "--after "); ok {
			next = strings.TrimSpace(after)
		}
		return names, next
	}
	for _, c := range []struct {
		command, field string
		n              int
	}{
		{"agents", "username", 5}, {"queues", "queue", 5}, {"destinations", "destination", 3}, {"quarantine list", "id", 5},
		{"calls", "call_id", 5}, {"calls --open", "uuid", 5}, {"deliveries list --destination a", "uuid", 5},
	} {
		args := strings.Split(c.command, " ")
		all, next := list(c.field, args...)
		require.Len(t, all, c.n, "%s: %v", c.command, all)
		assert.Empty(t, next)
		var paged []string
		for more := ""; ; {
			page := append(slices.Clone(args), "--limit", "2")
			if more != "" {
				page = append(page, "--after", more)
			}
			part, next := list(c.field, page...)
			assert.LessOrEqual(t, len(part), 2)
			paged = append(paged, part...)
			if more = next; more == "" || len(paged) > c.n {
				break
			}
		}
		assert.Equal(t, all, paged, c.command)
	}
	only := func(want []string, field string, args ...string) {
		t.Helper()
		got, _ := list(field, args...)
		assert.Equal(t, want, got, args)
	}
	only([]string{"agent-0", "agent-2", "agent-4"}, "username", "agents", "--state", "ready")
	only([]string{"agent-3"}, "username", "agents", "--agent", "x3")
	only([]string{"104902"}, "queue", "queues", "--queue", "104902")
	only([]string{"b"}, "destination", "destinations", "--destination", "b")
	assert.Contains(t, s.succeeds("agents", "--agent", "nobody"), "There is no such agent.")
	assert.Contains(t, s.succeeds("queues", "--queue", "nothing"), "There is no such queue.")
	assert.Contains(t, s.fails("destinations", "--destination", "nowhere"), "there is none of that name")
	assert.Contains(t, s.fails("agents", "--after", "nobody"), "the list has no such place")
	for _, args := range [][]string{{"agents", "--state", "asleep"}, {"agents", "--limit", "-1"}, {"queues", "--limit", "-1"}, {"destinations", "--limit", "-1"},
		{"quarantine", "list", "--limit", "-1"}} {
		_, code := s.run(args...)
		assert.Equal(t, 2, code, args)
	}
}

//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/target/targettest"
)

// redmineAsk sends a request to a Redmine, and tells what it answers: the status, and of the body what doesn't depend on what
// else is there. Issue is the id of the one that it shows.
func redmineAsk(t *testing.T, client *http.Client, base, key, method, path, body string) (answer, issue string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Redmine-API-Key", key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	answer = fmt.Sprint(resp.StatusCode)
	if len(content) == 0 || resp.StatusCode == http.StatusBadRequest { // what is written there depends on the Accept header
		return answer, ""
	}
	type one struct {
		ID           json.Number
		Subject      string
		Description  string
		CustomFields []struct {
			Name  string
			Value *string
		} `json:"custom_fields"`
	}
	var got struct {
		Errors []string
		Issue  *one
		Issues []one
		Total  json.Number `json:"total_count"`
	}
	require.NoError(t, json.Unmarshal(content, &got), "%s %s: %s", method, path, content)
	switch {
	case got.Issue != nil:
		answer += " " + got.Issue.Subject
		for _, f := range got.Issue.CustomFields {
			if f.Value != nil && *f.Value != "" {
				answer += fmt.Sprintf(" %s=%s", strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(f.Name, " ", "_"), "cf_")), *f.Value)
			}
		}
		issue = got.Issue.ID.String()
	case got.Errors != nil:
		answer += " " + strings.Join(got.Errors, "; ")
	default:
		answer += fmt.Sprintf(" %d of %s", len(got.Issues), got.Total)
	}
	return answer, issue
}

// The fake that the presets are tested against answers as a real Redmine does, to what is right and what is wrong.
func TestE2ERedmineFakeIsLikeTheRealOne(t *testing.T) {
	r := newRedmine(t)
	fake := targettest.New(targettest.Redmine())
	defer fake.Close()
	near := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: fake.Dial}}
	far := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	// What stands in braces are numbers that each has for itself.
	numbers := [2][]string{{"{closed}", fmt.Sprint(r.Statuses["Closed"]), "{agent}", fmt.Sprint(r.Users["ana"]), "{stranger}", fmt.Sprint(r.Users["stranger"])},
		{"{closed}", targettest.RedmineClosed, "{agent}", targettest.RedmineAgent, "{stranger}", "999"}}
	for name, v := range r.Params {
		numbers[0] = append(numbers[0], "{"+name+"}", fmt.Sprint(v))
	}
	for name, v := range targettest.RedmineFields {
		numbers[1] = append(numbers[1], "{"+name+"}", v)
	}
	numbers[1] = append(numbers[1], "{project}", targettest.RedmineProject, "{tracker}", targettest.RedmineTracker)
	both := func(method, path, body string) (issue [2]string) {
		t.Helper()
		var answers [2]string
		for i, of := range numbers {
			as := strings.NewReplacer(of...)
			client, base, key := far, r.url, r.key
			if i == 1 {
				client, base, key = near, "http://redmine.example.com", targettest.Credential
			}
			answers[i], issue[i] = redmineAsk(t, client, base, key, method, as.Replace(path), as.Replace(body))
		}
		assert.Equal(t, answers[0], answers[1], "%s %s %s", method, path, body)
		return issue
	}
	uuid := fmt.Sprintf("fake-%d", r.newest())
	issue := both("POST", "/issues.json", `{"issue":{"project_id":"{project}","tracker_id":{tracker},"status_id":{closed},"subject":"one","description":"Call `+uuid+`","nope":1,`+
		`"assigned_to_id":{agent},"custom_fields":[{"id":{cf_call_uuid},"value":"`+uuid+`"},{"id":{cf_duration},"value":"7"},{"id":4711,"value":"x"}]}}`)
	require.NotContains(t, issue, "")
	for i := range numbers {
		numbers[i] = append(numbers[i], "{id}", issue[i])
	}
	list := func(more string) string {
		return "/issues.json?project_id={project}&tracker_id={tracker}&limit=2" + more
	}
	for _, row := range [][3]string{
		{"GET", "/issues/{id}.json", ""},
		{"PUT", "/issues/{id}.json", `{"issue":{"custom_fields":[{"id":{cf_phone},"value":"+62"},{"id":{cf_duration},"value":"8"}]}}`},
		{"GET", "/issues/{id}.json", ""},
		{"PUT", "/issues/{id}.json", `{"issue":{"custom_fields":[{"id":4711,"value":"x"}],"tracker_id":999}}`},
		{"PUT", "/issues/{id}.json", `{"issue":{"notes":"a"}}`},
		{"PUT", "/issues/{id}.json", `{"issue":{"custom_fields":[{"id":{cf_duration},"value":"7 s"}]}}`},
		{"PUT", "/issues/{id}.json", `{"issue":{"custom_fields":[{"id":{cf_outcome},"value":"connectd"}]}}`},
		{"PUT", "/issues/{id}.json", `{"issue":{"subject":""}}`},
		{"PUT", "/issues/{id}.json", `{"issue":{"assigned_to_id":{stranger}}}`},
		{"PUT", "/issues/999999.json", `{"issue":{"notes":"a"}}`},
		{"GET", "/issues/999999.json", ""},
		{"GET", list("&status_id=*&description=" + url.QueryEscape("~"+uuid)), ""},
		{"GET", list("&description=" + url.QueryEscape("~"+uuid)), ""},
		{"PUT", "/issues/{id}.json", `{"issue":{"status_id":{closed}}}`},
		{"GET", list("&status_id=*&description=" + url.QueryEscape("~"+uuid)), ""},
		{"GET", list("&description=" + url.QueryEscape("~"+uuid)), ""},
		{"GET", list("&status_id=*&description=" + url.QueryEscape("~"+uuid+"?")), ""},
		{"POST", "/issues.json", `{"issue":{"project_id":"{project}","tracker_id":{tracker}}}`},
		{"POST", "/issues.json", `{"issue":{"project_id":"{project}","tracker_id":{tracker},"subject":"` + strings.Repeat("x", 256) + `"}}`},
		{"POST", "/issues.json", `{"issue":{"project_id":"nope","tracker_id":{tracker},"subject":"a"}}`},
		{"POST", "/issues.json", `{"issue":{"tracker_id":{tracker},"subject":"a"}}`},
		{"POST", "/issues.json", `{"issue":{"project_id":"{project}","tracker_id":{tracker},"subject":"a","assigned_to_id":{stranger}}}`},
		{"POST", "/issues.json", `{"issue":{"project_id":"{project}","tracker_id":{tracker},"subject":"a","custom_fields":[{"id":{cf_duration},"value":"7 s"}]}}`},
		{"POST", "/issues.json", `{"iss`},
	} {
		both(row[0], row[1], row[2])
	}
	for _, path := range []string{"/issues/{id}.json", list("")} { // without the project, a real one answers with none
		bad, _ := redmineAsk(t, far, r.url, "no", "GET", strings.NewReplacer(numbers[0]...).Replace(path), "")
		worse, _ := redmineAsk(t, near, "http://redmine.example.com", "no", "GET", strings.NewReplacer(numbers[1]...).Replace(path), "")
		assert.Equal(t, bad, worse, path)
	}
}

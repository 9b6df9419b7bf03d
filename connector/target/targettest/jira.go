package targettest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The site behind Jira Service Management: its own user, an agent, a service desk with a request type, and a workflow.
const (
	JiraUser        = "wrapup@example.com"
	JiraAgent       = "5b10a2844c20165700ede21g"
	JiraProject     = "HELP"
	JiraDesk        = "10"
	JiraRequestType = "25"
	JiraDone        = "761" // the transition that ends in the status Resolved
	jiraIssues      = "issues"
	jiraLinks       = "links"
)

// Jira is Jira Service Management in the cloud, as far as requests go.
func Jira() *API {
	return &API{
		Name: "Jira Service Management", Doc: "developer.atlassian.com/cloud/jira/service-desk/rest, developer.atlassian.com/cloud/jira/platform/rest/v2",
		Knows: func(_ *Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte(JiraUser+":"+Credential))
		},
		AuthDoc:      "basic-auth-for-rest-apis: Basic, the account's address and an API token",
		Unauthorized: Reply{Status: 401, Body: Text("Client must be authenticated to access this resource.")},
		NotFound:     jiraFailed(404, "Issue does not exist or you do not have permission to see it."),
		Asks:         true,
		// platform/rate-limiting: 429 with Retry-After in seconds
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds())), "RateLimit-Reason": "jira-burst-based"},
				Body: Text("Rate limit exceeded")}
		},
		Limits:  map[string]string{"X-RateLimit-Limit": "350", "X-RateLimit-Remaining": "349", "X-RateLimit-Reset": "2026-03-02T10:00:00Z"}, // platform/rate-limiting
		Invalid: jiraInvalid,
		Lag:     2 * time.Minute, // search/jql: the search is eventually consistent; nobody says how long it takes (mem)
		Contact: func(phone string) map[string]any { return map[string]any{"displayName": "A person " + phone} },
		Routes: []Route{
			{Method: "POST", Path: "/rest/servicedeskapi/request", Doc: "api-group-request, create customer request", Write: true, Do: jiraRequest,
				Fields: []Field{
					{Name: "serviceDeskId", Required: true, Is: jiraOne(JiraDesk)}, {Name: "requestTypeId", Required: true, Is: jiraOne(JiraRequestType)},
					{Name: "requestFieldValues", Required: true, Doc: "only fields of the request type's form"},
					{Name: "requestFieldValues.summary", Required: true, Is: Like(`^[^\n]{1,255}$`, "one line of up to 255 characters")},
					{Name: "requestFieldValues.description", Is: Str(32767), Doc: "a text; jira.text.field.character.limit"},
					{Name: "requestFieldValues.labels", Is: List(Like(`^\S{1,255}$`, "a label without spaces, of up to 255 characters")), Doc: "on the form of this request type"},
					{Name: "raiseOnBehalfOf", Is: Str(0)}, {Name: "requestParticipants", Is: List(Str(0))}, {Name: "channel", Is: Str(0)},
				}},
			{Method: "GET", Path: "/rest/api/3/search/jql", Doc: "api-group-issue-search, search for issues using JQL enhanced search", Do: jiraSearch,
				Query: []Field{{Name: "jql", Required: true, Is: Like(`^project = "[A-Z]+" AND labels = "\S+"$`, "a bounded query by project and label")},
					{Name: "fields"}, {Name: "maxResults", Is: Like(`^\d+$`, "a number")}, {Name: "nextPageToken"}}},
			{Method: "GET", Path: "/rest/api/2/issue/{key}", Doc: "api-group-issues, get issue", Query: []Field{{Name: "fields"}, {Name: "expand"}}, Do: jiraGet},
			{Method: "PUT", Path: "/rest/api/2/issue/{key}", Doc: "api-group-issues, edit issue", Write: true, Do: jiraEdit,
				Query: []Field{{Name: "notifyUsers", Is: OneOf("true", "false")}},
				Fields: []Field{
					{Name: "fields.summary", Is: Filled}, {Name: "fields.description", Is: Str(32767)},
					{Name: "fields.assignee.accountId", Is: jiraOne(JiraAgent), Doc: "of a user who may be assigned"},
					{Name: "fields.labels", Is: List(Like(`^\S{1,255}$`, "a label without spaces"))},
					{Name: "update.labels[].add", Is: Like(`^\S{1,255}$`, "a label without spaces")}, {Name: "update.labels[].remove", Is: Filled, Doc: "one that isn't there is no error (mem)"},
				}},
			{Method: "POST", Path: "/rest/api/2/issue/{key}/remotelink", Doc: "api-group-issue-remote-links: a link of a globalId that is there is updated", Write: true, Do: jiraLink,
				Fields: []Field{{Name: "globalId", Is: Str(255)}, {Name: "relationship", Is: Str(0)}, {Name: "object", Required: true},
					{Name: "object.url", Required: true, Is: Like(`^https?://`, "a URL")}, {Name: "object.title", Required: true, Is: Filled}, {Name: "object.summary", Is: Str(0)}}},
			{Method: "POST", Path: "/rest/api/2/issue/{key}/transitions", Doc: "api-group-issues, transition issue: the id is a text", Write: true, Do: jiraTransition,
				Fields: []Field{{Name: "transition", Required: true}, {Name: "transition.id", Required: true, Is: Like(`^\d+$`, "the id of a transition, as a string")}}},
		},
		Entries: jiraEntries,
	}
}

func jiraOne(id string) Check {
	return func(v any) string {
		if v != id {
			return fmt.Sprintf("'%s' does not exist or is no string", Said(v))
		}
		return ""
	}
}

func jiraFailed(status int, message string) Reply {
	return Reply{Status: status, Body: map[string]any{"errorMessages": []any{message}, "errors": map[string]any{}}}
}

// jiraInvalid is an error of the service desk, which has one sentence, or of the platform, which has one for each field.
func jiraInvalid(route *Route, problems []Problem) Reply {
	said := func(p Problem) string {
		switch p.Kind {
		case Missing:
			return fmt.Sprintf("You must specify a %s of the issue.", p.Last())
		case Unknown, Refused:
			return fmt.Sprintf("Field '%s' cannot be set. It is not on the appropriate screen, or unknown.", p.Last())
		}
		return p.What
	}
	if strings.HasPrefix(route.Path, "/rest/servicedeskapi/") {
		return Reply{Status: 400, Body: map[string]any{"errorMessage": said(problems[0]), "i18nErrorMessage": map[string]any{"i18nKey": "sd.request.create.error", "parameters": []any{}}}}
	}
	errors := map[string]any{}
	for _, p := range problems {
		errors[p.Last()] = said(p)
	}
	return Reply{Status: 400, Body: map[string]any{"errorMessages": []any{}, "errors": errors}}
}

func jiraKey(r *Record) string { return JiraProject + "-" + r.ID }

func jiraIssue(f *Fake, r *Request) *Record {
	return f.Find(jiraIssues, strings.TrimPrefix(r.PathValue("key"), JiraProject+"-"))
}

func jiraRequest(f *Fake, r *Request) Reply {
	issue := mapOf(r.Map()["requestFieldValues"])
	issue["status"] = "Waiting for support"
	made := f.Add(jiraIssues, issue)
	return Reply{Status: 201, Body: map[string]any{"issueId": made.ID, "issueKey": jiraKey(made), "serviceDeskId": JiraDesk, "requestTypeId": JiraRequestType,
		"currentStatus": map[string]any{"status": "Waiting for support"}}}
}

var jiraLabel = regexp.MustCompile(`labels = "(\S+)"$`)

func jiraSearch(f *Fake, r *Request) Reply {
	issues, label := []any{}, jiraLabel.FindStringSubmatch(r.URL.Query().Get("jql"))[1]
	for _, issue := range f.Searched(jiraIssues) {
		if slices.Contains(listOf(issue.Fields["labels"]), any(label)) {
			issues = append(issues, map[string]any{"id": issue.ID, "key": jiraKey(issue), "fields": map[string]any{}})
		}
	}
	return Reply{Status: 200, Body: map[string]any{"issues": issues, "isLast": true}}
}

func jiraGet(f *Fake, r *Request) Reply {
	issue := jiraIssue(f, r)
	if issue == nil {
		return f.API.NotFound
	}
	category := "new"
	if issue.Fields["status"] == "Resolved" {
		category = "done" // api-group-status-categories: new, indeterminate, done
	}
	return Reply{Status: 200, Body: map[string]any{"id": issue.ID, "key": jiraKey(issue), "fields": map[string]any{
		"status": map[string]any{"name": issue.Fields["status"], "statusCategory": map[string]any{"key": category}}}}}
}

func jiraEdit(f *Fake, r *Request) Reply {
	issue := jiraIssue(f, r)
	if issue == nil {
		return f.API.NotFound
	}
	issue.Merge(mapOf(r.Map()["fields"]))
	labels := slices.Clone(listOf(issue.Fields["labels"]))
	for _, change := range listOf(Get(r.JSON, "update", "labels")) {
		label := Get(change, "add")
		labels = slices.DeleteFunc(labels, func(v any) bool { return v == label || v == Get(change, "remove") })
		if label != nil {
			labels = append(labels, label)
		}
	}
	issue.Fields["labels"] = labels
	return Reply{Status: 204}
}

func jiraLink(f *Fake, r *Request) Reply {
	issue := jiraIssue(f, r)
	if issue == nil {
		return f.API.NotFound
	}
	link := r.Map()
	link["issue"] = issue.ID
	for _, l := range f.All(jiraLinks) {
		if link["globalId"] != nil && l.Fields["globalId"] == link["globalId"] && l.Fields["issue"] == issue.ID {
			l.Merge(link)
			return Reply{Status: 200, Body: map[string]any{"id": l.Number()}}
		}
	}
	return Reply{Status: 201, Body: map[string]any{"id": f.Add(jiraLinks, link).Number()}}
}

func jiraTransition(f *Fake, r *Request) Reply {
	issue := jiraIssue(f, r)
	switch id := Get(r.JSON, "transition", "id"); {
	case issue == nil:
		return f.API.NotFound
	case id != JiraDone || issue.Fields["status"] == "Resolved": // api-group-issues, get transitions: each status has its own
		return jiraFailed(400, fmt.Sprintf("Transition id '%s' is not valid for this issue.", Said(id)))
	}
	issue.Merge(map[string]any{"status": "Resolved"})
	return Reply{Status: 204}
}

// JiraClose closes all issues, as the people do who work on them.
func JiraClose(f *Fake) {
	f.set(func() {
		for _, issue := range f.All(jiraIssues) {
			issue.Merge(map[string]any{"status": "Resolved"})
		}
	})
}

func jiraEntries(f *Fake) (entries []Entry) {
	for _, issue := range f.All(jiraIssues) {
		e := Entry{ID: issue.ID, Owner: Said(Get(issue.Fields["assignee"], "accountId")), Status: Said(issue.Fields["status"]), Phone: Said(issue.Fields["summary"]),
			Talk: -1, Text: Said(issue.Fields["summary"]) + "\n" + Said(issue.Fields["description"])}
		for _, l := range listOf(issue.Fields["labels"]) {
			if uuid, ok := strings.CutPrefix(Said(l), "call-"); ok && uuid != "back" {
				e.Call = uuid
			}
			if outcome, ok := strings.CutPrefix(Said(l), "outcome-"); ok {
				e.Status += " " + outcome
			}
		}
		for _, l := range f.All(jiraLinks) {
			if l.Fields["issue"] == issue.ID {
				e.Recording += Said(Get(l.Fields["object"], "url")) + "\n"
				e.Text += "\n" + Said(Get(l.Fields["object"], "title")) + Said(Get(l.Fields["object"], "summary"))
			}
		}
		entries = append(entries, e)
	}
	return entries
}

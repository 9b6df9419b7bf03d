package targettest

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The Redmine: a project with a tracker, a member who can be assigned, and the custom fields that its users were told to
// create.
const (
	RedmineProject = "calls"
	RedmineTracker = "4"
	RedmineClosed  = "5" // a status
	RedmineAgent   = "17"
	redmineIssues  = "issues"
	redmineNew     = "1"
)

// RedmineFields are the numbers of the custom fields, by the names that presets give them.
var RedmineFields = map[string]string{
	"cf_call_uuid": "12", "cf_phone": "13", "cf_agent": "14", "cf_outcome": "15", "cf_started": "16", "cf_duration": "17", "cf_recording": "18",
}

// Redmine is the REST API of Redmine 5, as far as issues go.
func Redmine() *API {
	return &API{
		Name: "Redmine", Doc: "redmine.org/projects/redmine/wiki/Rest_Issues; redmine/redmine, app/controllers/issues_controller.rb, app/models/issue.rb, app/models/issue_query.rb",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("X-Redmine-API-Key") == Credential },
		AuthDoc:      "wiki/Rest_api, authentication: X-Redmine-API-Key",
		Unauthorized: Reply{Status: 401}, // application_controller.rb, require_login: head only
		NotFound:     Reply{Status: 404},
		Asks:         true,
		// Redmine has no limit of its own; a web server before it may have one (nginx, limit_req_status 429)
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}, Body: Text("<html>429 Too Many Requests</html>")}
		},
		Invalid: redmineInvalid,
		Contact: func(phone string) map[string]any { return map[string]any{"phone": phone} }, // nobody looks there: Redmine has no customers
		Routes: []Route{
			{Method: "GET", Path: "/issues.json", Doc: "wiki/Rest_Issues, listing issues; query.rb, add_short_filter: ~ is contains", Do: redmineList,
				Query: []Field{{Name: "project_id"}, {Name: "tracker_id", Is: Like(`^\d+$`, "a number")}, {Name: "status_id", Is: Like(`^(open|closed|\*|\d+)$`, "open, closed, * or a number")},
					{Name: "description", Is: Like(`^~.`, "a text that is contained, after ~")}, {Name: "limit", Is: Like(`^\d+$`, "a number")}, {Name: "offset"}, {Name: "sort"}}},
			{Method: "GET", Path: "/issues/{id}", Doc: "wiki/Rest_Issues, showing an issue", Query: []Field{{Name: "include"}}, Do: func(f *Fake, r *Request) Reply {
				if i := redmineIssue(f, r); i != nil {
					return Reply{Status: 200, Body: map[string]any{"issue": redmineShown(i)}}
				}
				return f.API.NotFound
			}},
			{Method: "POST", Path: "/issues.json", Doc: "wiki/Rest_Issues, creating an issue; issue.rb, safe_attributes: what isn't allowed is dropped", Write: true, Drops: true,
				Fields: redmineFields(true), Do: func(f *Fake, r *Request) Reply {
					i := mapOf(r.Map()["issue"])
					redmineAllowed(i)
					if wrong := redmineCustomWrong(i); len(wrong) > 0 {
						return redmineErrors(wrong)
					}
					if i["status_id"] == nil {
						i["status_id"] = redmineNew // the tracker's default
					}
					made := f.Add(redmineIssues, i)
					return Reply{Status: 201, Header: map[string]string{"Location": "/issues/" + made.ID}, Body: map[string]any{"issue": redmineShown(made)}}
				}},
			{Method: "PUT", Path: "/issues/{id}", Doc: "wiki/Rest_Issues, updating an issue: 204 without a body", Write: true, Drops: true, Fields: redmineFields(false),
				Do: func(f *Fake, r *Request) Reply {
					issue := redmineIssue(f, r)
					if issue == nil {
						return f.API.NotFound
					}
					changes := mapOf(r.Map()["issue"])
					redmineAllowed(changes)
					if wrong := redmineCustomWrong(changes); len(wrong) > 0 {
						return redmineErrors(wrong)
					}
					if list, ok := changes["custom_fields"].([]any); ok { // those that aren't named keep their values
						for _, old := range listOf(issue.Fields["custom_fields"]) {
							if !slices.ContainsFunc(list, func(v any) bool { return Said(Get(v, "id")) == Said(Get(old, "id")) }) {
								list = append(list, old)
							}
						}
						changes["custom_fields"] = list
					}
					issue.Merge(changes)
					return Reply{Status: 204}
				}},
		},
		Entries: redmineEntries,
	}
}

// redmineFields are the attributes of an issue: wiki/Rest_Issues.
func redmineFields(create bool) []Field {
	return []Field{
		{Name: "issue", Required: true},
		{Name: "issue.project_id", Required: create, Is: redmineIs(RedmineProject)}, {Name: "issue.tracker_id", Is: Int}, {Name: "issue.status_id", Is: Int},
		{Name: "issue.subject", Required: create, Is: Like(`^.{1,255}$`, "a line of up to 255 characters"), Doc: "issue.rb, validates_presence_of, validates_length_of"},
		{Name: "issue.description", Is: Str(0)}, {Name: "issue.priority_id", Is: Int}, {Name: "issue.notes", Is: Str(0)},
		{Name: "issue.assigned_to_id", Is: redmineIs(RedmineAgent), Doc: "issue.rb, validate_issue: he must be assignable"},
		{Name: "issue.custom_fields[].id", Required: true, Is: Int}, {Name: "issue.custom_fields[].value", Required: true, Is: Str(0)},
	}
}

func redmineIs(id string) Check {
	return func(v any) string {
		if Said(v) != id {
			return "is invalid"
		}
		return ""
	}
}

// redmineInvalid is a list of sentences: issues_controller.rb, render_validation_errors. What they say was seen of Redmine 5.
func redmineInvalid(_ *Route, problems []Problem) Reply {
	errors := []any{}
	for _, p := range problems {
		name := strings.ToUpper(p.Last()[:1]) + p.Last()[1:]
		subject, _ := p.Value.(string)
		switch {
		case p.Field == "body": // seen: without a body
			return Reply{Status: 400}
		case p.Field == "issue.project_id": // seen: without a project, there is no tracker and no status either
			return redmineErrors([]any{"Project cannot be blank", "Tracker cannot be blank", "Status cannot be blank"})
		case p.Field == "issue.assigned_to_id":
			errors = append(errors, "Assignee is invalid")
		case p.Kind == Missing, p.Field == "issue.subject" && p.Kind == Invalid && subject == "":
			errors = append(errors, name+" cannot be blank")
		case p.Field == "issue.subject" && p.Kind == Invalid && utf8.RuneCountInString(subject) > 255:
			errors = append(errors, name+" is too long (maximum is 255 characters)")
		case p.Kind == Refused:
			errors = append(errors, name+" is invalid")
		default:
			errors = append(errors, name+" "+p.What)
		}
	}
	return redmineErrors(errors)
}

func redmineErrors(sentences []any) Reply {
	return Reply{Status: 422, Body: map[string]any{"errors": sentences}}
}

// redmineOutcomes are the values that the list Outcome was made with, as the preset says.
var redmineOutcomes = strings.Fields("connected abandoned unanswered busy no_answer rejected canceled failed unknown")

// redmineCustomWrong says what values the custom fields don't take: custom_field.rb, validate_field_value; the sentences were
// seen. An empty value is fine: none of the fields is required.
func redmineCustomWrong(issue map[string]any) (sentences []any) {
	for _, c := range listOf(issue["custom_fields"]) {
		value := Said(Get(c, "value"))
		_, err := strconv.Atoi(value)
		switch id := Said(Get(c, "id")); {
		case value == "":
		case id == RedmineFields["cf_duration"] && err != nil:
			sentences = append(sentences, "Duration is not a number")
		case id == RedmineFields["cf_outcome"] && !slices.Contains(redmineOutcomes, value):
			sentences = append(sentences, "Outcome is not included in the list")
		}
	}
	return sentences
}

// redmineAllowed drops what the issue can't have, without a word: another tracker, a status that the workflow doesn't allow,
// custom fields that its tracker hasn't.
func redmineAllowed(issue map[string]any) {
	if Said(issue["tracker_id"]) != RedmineTracker {
		delete(issue, "tracker_id")
	}
	if s := Said(issue["status_id"]); s != redmineNew && s != RedmineClosed {
		delete(issue, "status_id")
	}
	if list, ok := issue["custom_fields"].([]any); ok {
		issue["custom_fields"] = slices.DeleteFunc(list, func(v any) bool {
			for _, id := range RedmineFields {
				if Said(Get(v, "id")) == id {
					return false
				}
			}
			return true
		})
	}
}

func redmineIssue(f *Fake, r *Request) *Record {
	return f.Find(redmineIssues, strings.TrimSuffix(r.PathValue("id"), ".json"))
}

func redmineCustom(r *Record, id string) string {
	for _, c := range listOf(r.Fields["custom_fields"]) {
		if Said(Get(c, "id")) == id {
			return Said(Get(c, "value"))
		}
	}
	return ""
}

// redmineShown is an issue as app/views/issues/show.api.rsb has it: each custom field of the tracker is listed.
func redmineShown(r *Record) map[string]any {
	custom := []any{}
	byID := func(a, b string) int { return cmp.Compare(RedmineFields[a], RedmineFields[b]) }
	for _, name := range slices.SortedFunc(maps.Keys(RedmineFields), byID) {
		id := RedmineFields[name]
		custom = append(custom, map[string]any{"id": json.Number(id), "name": name, "value": redmineCustom(r, id)})
	}
	return map[string]any{"id": r.Number(), "subject": r.Fields["subject"], "description": r.Fields["description"], "custom_fields": custom,
		"tracker": map[string]any{"id": json.Number(cmp.Or(Said(r.Fields["tracker_id"]), "1")), "name": "Call"},
		"status":  map[string]any{"id": json.Number(Said(r.Fields["status_id"])), "name": "Status " + Said(r.Fields["status_id"])}}
}

func redmineList(f *Fake, r *Request) Reply {
	q, issues := r.URL.Query(), []any{}
	status := q.Get("status_id")
	for _, i := range f.All(redmineIssues) {
		closed := Said(i.Fields["status_id"]) == RedmineClosed
		switch { // issue_query.rb: without status_id it is the open ones
		case (status == "" || status == "open") && closed, status == "closed" && !closed,
			q.Has("tracker_id") && q.Get("tracker_id") != Said(i.Fields["tracker_id"]),
			q.Has("project_id") && q.Get("project_id") != Said(i.Fields["project_id"]),
			!strings.Contains(Said(i.Fields["description"]), strings.TrimPrefix(q.Get("description"), "~")):
			continue
		}
		issues = append(issues, redmineShown(i))
	}
	return Reply{Status: 200, Body: map[string]any{"issues": issues, "total_count": len(issues), "offset": 0, "limit": 25}}
}

func redmineEntries(f *Fake) (entries []Entry) {
	for _, i := range f.All(redmineIssues) {
		e := Entry{
			ID: i.ID, Call: redmineCustom(i, RedmineFields["cf_call_uuid"]), Owner: Said(i.Fields["assigned_to_id"]),
			Status: Said(i.Fields["status_id"]) + " " + redmineCustom(i, RedmineFields["cf_outcome"]), Phone: redmineCustom(i, RedmineFields["cf_phone"]),
			Recording: redmineCustom(i, RedmineFields["cf_recording"]), Talk: -1, Text: Said(i.Fields["subject"]) + "\n" + Said(i.Fields["description"]),
		}
		if t, err := time.Parse(time.DateTime, redmineCustom(i, RedmineFields["cf_started"])); err == nil {
			e.Started = t
		}
		if s, err := strconv.Atoi(redmineCustom(i, RedmineFields["cf_duration"])); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

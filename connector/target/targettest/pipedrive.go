package targettest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The account behind Pipedrive: a user who owns activities.
const (
	PipedriveUser       = "7"
	PipedriveSelf       = "1" // whose token it is
	PipedriveActivities = "activities"
)

// Pipedrive is version 2 of Pipedrive's API, as far as activities go.
func Pipedrive() *API {
	failed := func(status int, message string, header map[string]string) Reply { // core-api-concepts-responses
		return Reply{Status: status, Header: header, Body: map[string]any{"success": false, "error": message,
			"error_info": "Please check developers.pipedrive.com for more information about Pipedrive API.", "data": nil, "additional_data": nil}}
	}
	return &API{
		Name: "Pipedrive", Doc: "developers.pipedrive.com/docs/api/v1/Activities (v2); pipedrive/client-nodejs, src/versions/v2",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("x-api-token") == Credential },
		AuthDoc:      "core-api-concepts-authentication: the personal token in the header x-api-token",
		Unauthorized: failed(401, "unauthorized access", nil),
		NotFound:     failed(404, "Not found", nil),
		Asks:         true,
		// core-api-concepts-rate-limiting: 429, x-ratelimit-reset says in how many seconds; there is no Retry-After
		Busy: func(after time.Duration) Reply {
			return failed(429, "Request over limit", map[string]string{"x-ratelimit-remaining": "0", "x-ratelimit-reset": strconv.Itoa(int(after.Seconds()))})
		},
		Limits: map[string]string{"x-ratelimit-limit": "20", "x-ratelimit-remaining": "19", "x-ratelimit-reset": "2"}, // rate-limiting
		Invalid: func(_ *Route, problems []Problem) Reply {
			p := problems[0]
			message := fmt.Sprintf("Validation failed: %s: %s", p.Field, p.What)
			if p.Kind == Refused {
				message = fmt.Sprintf("Validation failed: %s: is not valid", p.Field)
			}
			return failed(400, message, nil)
		},
		Contact: func(phone string) map[string]any { // as a person types it
			n := National(phone)
			return map[string]any{"name": "A person", "phones": []any{phone[:3] + " " + n[:3] + "-" + n[3:]}}
		},
		Routes: []Route{
			{Method: "GET", Path: "/api/v2/persons/search", Doc: "docs/api/v1/Persons#searchPersons (v2)", Do: pipedriveSearch,
				Query: []Field{{Name: "term", Required: true, Is: Like(`^..+$`, "2 characters at least")},
					{Name: "fields", Is: OneOf("custom_fields", "email", "notes", "phone", "name")}, {Name: "exact_match", Is: OneOf("true", "false")},
					{Name: "organization_id"}, {Name: "include_fields"}, {Name: "limit", Is: Like(`^([1-9]\d?|100)$`, "a number up to 100")}, {Name: "cursor"}}},
			{Method: "POST", Path: "/api/v2/activities", Doc: "Activities#addActivity (v2)", Write: true, Fields: pipedriveFields(), Do: pipedriveAdd},
			{Method: "PATCH", Path: "/api/v2/activities/{id}", Doc: "Activities#updateActivity (v2)", Write: true, Fields: pipedriveFields(), Do: pipedriveUpdate},
			{Method: "GET", Path: "/api/v2/activities", Doc: "Activities#getActivities (v2)", Do: pipedriveList,
				Query: []Field{{Name: "filter_id"}, {Name: "ids"}, {Name: "owner_id"},
					{Name: "updated_since", Is: Like(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`, "RFC 3339 without fractions"), Doc: "getActivities: in the form 2025-01-01T10:20:00Z"},
					{Name: "updated_until", Is: Like(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`, "RFC 3339 without fractions")},
					{Name: "sort_by", Is: OneOf("id", "update_time", "add_time")}, {Name: "sort_direction", Is: OneOf("asc", "desc")}, {Name: "include_fields"},
					{Name: "limit", Is: Like(`^([1-9]\d?\d?)$`, "a number up to 500")}, {Name: "cursor"}}},
		},
		Entries: pipedriveEntries,
	}
}

// pipedriveFields are those of an activity: AddActivityRequest of client-nodejs v2; unknown ones fail the schema.
func pipedriveFields() []Field {
	return []Field{
		{Name: "subject", Is: Filled}, {Name: "type", Is: OneOf("call", "meeting", "task", "deadline", "email", "lunch"), Doc: "key_string of an activity type"},
		{Name: "owner_id", Is: func(v any) string {
			if Said(v) != PipedriveUser && Said(v) != PipedriveSelf {
				return "no such user"
			}
			return Int(v)
		}},
		{Name: "deal_id", Is: Int}, {Name: "lead_id", Is: Str(0)}, {Name: "org_id", Is: Int}, {Name: "project_id", Is: Int},
		{Name: "due_date", Is: Time("2006-01-02"), Doc: "YYYY-MM-DD"}, {Name: "due_time", Is: Time("15:04"), Doc: "HH:MM, UTC"},
		{Name: "duration", Is: Like(`^\d{2,}:[0-5]\d$`, "a duration in the form HH:MM")},
		{Name: "busy", Is: Bool}, {Name: "done", Is: Bool}, {Name: "location"}, {Name: "attendees"}, {Name: "priority", Is: Int},
		{Name: "participants[].person_id", Required: true, Is: Int, Doc: "persons are linked as participants; person_id is read only (v2 migration guide)"},
		{Name: "participants[].primary", Is: Bool},
		{Name: "public_description", Is: Str(0)}, {Name: "note", Is: Str(0), Doc: "HTML"},
	}
}

func pipedriveSearch(f *Fake, r *Request) Reply {
	q, items := r.URL.Query(), []any{}
	for _, c := range f.Searched(Contacts) {
		for _, phone := range listOf(c.Fields["phones"]) {
			if strings.Contains(Digits(Said(phone)), Digits(q.Get("term"))) { // a part of a number is enough
				items = append(items, map[string]any{"result_score": 0.4, "item": map[string]any{"id": c.Number(), "type": "person", "name": c.Fields["name"],
					"phones": c.Fields["phones"], "emails": []any{}, "owner": map[string]any{"id": 1}}})
				break
			}
		}
	}
	cursor := any(nil)
	if limit, err := strconv.Atoi(q.Get("limit")); err == nil && limit < len(items) {
		items, cursor = items[:limit], "more"
	}
	return Reply{Status: 200, Body: map[string]any{"success": true, "data": map[string]any{"items": items}, "additional_data": map[string]any{"next_cursor": cursor}}}
}

func pipedriveAdd(f *Fake, r *Request) Reply {
	a := r.Map()
	if a["owner_id"] == nil {
		a["owner_id"] = PipedriveSelf // addActivity: the user whose token it is
	}
	for _, p := range listOf(a["participants"]) {
		if f.Find(Contacts, Said(Get(p, "person_id"))) == nil {
			return f.API.Invalid(nil, []Problem{{Invalid, "participants", "no such person", nil}})
		}
	}
	return pipedriveDone(201, f.Add(PipedriveActivities, a))
}

func pipedriveUpdate(f *Fake, r *Request) Reply {
	a := f.Find(PipedriveActivities, r.PathValue("id"))
	if a == nil {
		return f.API.NotFound
	}
	a.Merge(r.Map())
	return pipedriveDone(200, a)
}

func pipedriveDone(status int, a *Record) Reply {
	return Reply{Status: status, Body: map[string]any{"success": true, "data": shown(a)}}
}

func pipedriveList(f *Fake, r *Request) Reply {
	q, data := r.URL.Query(), []any{}
	since, _ := time.Parse(time.RFC3339, q.Get("updated_since"))
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 100
	}
	for _, a := range f.All(PipedriveActivities) {
		if owner := q.Get("owner_id"); !a.At.Before(since) && (owner == "" || owner == Said(a.Fields["owner_id"])) {
			data = append(data, shown(a))
		}
	}
	if q.Get("sort_direction") == "desc" {
		slices.Reverse(data)
	}
	cursor := any(nil)
	if len(data) > limit {
		data, cursor = data[:limit], "more"
	}
	return Reply{Status: 200, Body: map[string]any{"success": true, "data": data, "additional_data": map[string]any{"next_cursor": cursor}}}
}

func pipedriveEntries(f *Fake) (entries []Entry) {
	for _, a := range f.All(PipedriveActivities) {
		e := Entry{
			ID: a.ID, Call: Said(a.Fields["public_description"]), Owner: Said(a.Fields["owner_id"]), Talk: -1,
			Status: Said(a.Fields["type"]), Phone: Said(a.Fields["subject"]), Recording: Said(a.Fields["note"]),
			Text: Said(a.Fields["subject"]) + "\n" + Said(a.Fields["note"]),
		}
		if a.Fields["done"] == true {
			e.Status += ", done"
		}
		for _, p := range listOf(a.Fields["participants"]) {
			e.Contact = strings.TrimPrefix(e.Contact+","+Said(Get(p, "person_id")), ",")
		}
		if t, err := time.Parse("2006-01-02 15:04", Said(a.Fields["due_date"])+" "+Said(a.Fields["due_time"])); err == nil {
			e.Started = t
		}
		if h, m, ok := strings.Cut(Said(a.Fields["duration"]), ":"); ok {
			hours, _ := strconv.Atoi(h)
			minutes, _ := strconv.Atoi(m)
			e.Talk = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		}
		entries = append(entries, e)
	}
	return entries
}

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

// The instance behind ServiceNow: its own user, an agent, and the columns of incidents that its users were told to create.
const (
	ServiceNowUser  = "wrapup"
	ServiceNowAgent = "681b365ec0a80164000fb0b05854a0cd"
	snowIncidents   = "incidents"
)

// ServiceNow is the Table API of ServiceNow, as far as incidents go.
func ServiceNow() *API {
	return &API{
		Name: "ServiceNow", Doc: "ServiceNow/ServiceNowDocs, markdown/api-reference/rest-apis/c_TableAPI.md, c_RESTAPI.md",
		Knows: func(_ *Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte(ServiceNowUser+":"+Credential))
		},
		AuthDoc:      "c_RESTAPI.md, authentication: Basic",
		Unauthorized: snowFailed(401, "User Not Authenticated", "Required to provide Auth information"),
		NotFound:     snowFailed(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval"),
		Asks:         true,
		// inbound REST API rate limiting: 429 with Retry-After in seconds
		Busy: func(after time.Duration) Reply {
			r := snowFailed(429, "Rate limit exceeded", "Rejected by rate limit rule")
			r.Header = map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds())), "X-RateLimit-Limit": "1000"}
			return r
		},
		Invalid: func(_ *Route, problems []Problem) Reply {
			p := problems[0]
			switch p.Kind {
			case Unknown:
				return snowFailed(400, "Invalid query", p.String())
			case Missing: // data policies: 403 (c_RESTAPI.md, HTTP response codes)
				return snowFailed(403, "Operation Failed", fmt.Sprintf("Data Policy Exception: The following fields are mandatory: %s", p.Last()))
			case Refused:
				return snowFailed(403, "Operation Failed", fmt.Sprintf("Data Policy Exception: The following fields are read only: %s", p.Last()))
			}
			return snowFailed(400, "Invalid value", p.String())
		},
		Contact: func(phone string) map[string]any {
			return map[string]any{"name": "A person", "phone": "", "mobile_phone": "0" + National(phone)} // as a person types it
		},
		Routes: []Route{
			{Method: "GET", Path: "/api/now/table/sys_user", Doc: "GET /now/table/{tableName}", Query: snowQuery(), Do: func(f *Fake, r *Request) Reply {
				return snowList(f, r, Contacts, "phone", "mobile_phone", "home_phone", "name", "email")
			}},
			{Method: "GET", Path: "/api/now/table/incident", Doc: "GET /now/table/{tableName}", Query: snowQuery(), Do: func(f *Fake, r *Request) Reply {
				return snowList(f, r, snowIncidents, "correlation_id", "number", "state")
			}},
			{Method: "POST", Path: "/api/now/table/incident", Doc: "POST /now/table/{tableName}; columns that aren't there are dropped (mem)", Write: true, Drops: true,
				Query: snowQuery()[1:], Fields: snowFields(true), Do: func(f *Fake, r *Request) Reply { return snowWrite(f, r, nil) }},
			{Method: "PATCH", Path: "/api/now/table/incident/{id}", Doc: "PATCH /now/table/{tableName}/{sys_id}", Write: true, Drops: true,
				Query: snowQuery()[1:], Fields: snowFields(false), Do: func(f *Fake, r *Request) Reply {
					if i := f.Find(snowIncidents, strings.TrimLeft(r.PathValue("id"), "0")); i != nil {
						return snowWrite(f, r, i)
					}
					return f.API.NotFound
				}},
		},
		Entries: snowEntries,
	}
}

func snowFailed(status int, message, detail string) Reply {
	return Reply{Status: status, Body: map[string]any{"error": map[string]any{"message": message, "detail": detail}, "status": "failure"}}
}

func snowQuery() []Field {
	return []Field{{Name: "sysparm_query"}, {Name: "sysparm_fields"}, {Name: "sysparm_limit", Is: Like(`^\d+$`, "a number")}, {Name: "sysparm_offset"},
		{Name: "sysparm_display_value", Is: OneOf("true", "false", "all")}, {Name: "sysparm_exclude_reference_link", Is: OneOf("true", "false")},
		{Name: "sysparm_input_display_value", Is: OneOf("true", "false")}, {Name: "sysparm_no_count", Is: OneOf("true", "false")}}
}

// snowFields are columns of incidents; what is sent are texts, as in all examples of c_TableAPI.md.
func snowFields(create bool) []Field {
	sysID := Like(`^[0-9a-f]{32}$`, "a sys_id")
	return []Field{
		{Name: "short_description", Required: create, Is: Str(160), Doc: "task: 160 characters; a data policy makes it mandatory"},
		{Name: "description", Is: Str(4000), Doc: "task: 4000 characters"},
		{Name: "caller_id", Is: sysID}, {Name: "assigned_to", Is: sysID}, {Name: "assignment_group", Is: sysID},
		{Name: "state", Is: OneOf("1", "2", "3", "6", "7", "8"), Doc: "incident: 1 new, 2 in progress, 3 on hold, 6 resolved, 7 closed, 8 canceled"},
		{Name: "close_code", Is: Str(40)}, {Name: "close_notes", Is: Str(4000)},
		{Name: "contact_type", Is: OneOf("phone", "email", "self-service", "chat", "walk-in")},
		{Name: "impact", Is: OneOf("1", "2", "3")}, {Name: "urgency", Is: OneOf("1", "2", "3")},
		{Name: "category", Is: Str(40)}, {Name: "correlation_id", Is: Str(100)}, {Name: "correlation_display", Is: Str(100)},
		{Name: "opened_at", Is: Time("2006-01-02 15:04:05"), Doc: "sysparm_input_display_value=false: GMT"},
		{Name: "work_notes", Is: Str(4000)}, {Name: "comments", Is: Str(4000)},
		{Name: "u_call_outcome", Is: Str(40), Doc: "a column of the account"}, {Name: "u_call_seconds", Is: Like(`^\d+$`, "an integer, as a string"), Doc: "an integer of the account"},
		{Name: "u_call_recording", Is: Str(1024), Doc: "a URL of the account"},
	}
}

// Operators available for filters and queries: ServiceNow's documentation.
var snowTerm = regexp.MustCompile(`^(\w+?)(=|LIKE|STARTSWITH|ENDSWITH|IN)(.*)$`)

// snowList obeys an encoded query; a term that is invalid is ignored, as sysparm_query says, and then all records are found.
func snowList(f *Fake, r *Request, collection string, columns ...string) Reply {
	q, result := r.URL.Query(), []any{}
	limit, err := strconv.Atoi(q.Get("sysparm_limit"))
	if err != nil {
		limit = 10000
	}
	for _, record := range f.Searched(collection) {
		all := true
		for _, and := range strings.Split(strings.ReplaceAll(q.Get("sysparm_query"), "^OR", "\x00"), "^") {
			some, valid := false, false
			for _, term := range strings.Split(and, "\x00") {
				m := snowTerm.FindStringSubmatch(term)
				if m == nil || !strings.Contains(" "+strings.Join(columns, " ")+" ", " "+m[1]+" ") {
					continue
				}
				valid = true
				v := Said(record.Fields[m[1]])
				some = some || map[string]bool{"=": v == m[3], "LIKE": strings.Contains(v, m[3]), "STARTSWITH": strings.HasPrefix(v, m[3]), "ENDSWITH": strings.HasSuffix(v, m[3]),
					"IN": slices.Contains(strings.Split(m[3], ","), v)}[m[2]]
			}
			all = all && (some || !valid)
		}
		if all && len(result) < limit {
			result = append(result, snowShown(record, q.Get("sysparm_fields")))
		}
	}
	return Reply{Status: 200, Header: map[string]string{"X-Total-Count": strconv.Itoa(len(result))}, Body: map[string]any{"result": result}}
}

// snowShown is a record with the columns that were asked for: those that aren't there are ignored (sysparm_fields).
func snowShown(r *Record, fields string) map[string]any {
	all := map[string]any{"sys_id": snowSysID(r), "number": "INC000" + r.ID}
	for name, v := range r.Fields {
		all[name] = v
	}
	if fields == "" {
		return all
	}
	some := map[string]any{}
	for _, name := range strings.Split(fields, ",") {
		if v, ok := all[name]; ok {
			some[name] = v
		}
	}
	return some
}

// snowSysID is a record's number as a sys_id: 32 hexadecimal digits.
func snowSysID(r *Record) string { return strings.Repeat("0", 32-len(r.ID)) + r.ID }

// snowWrite makes an incident, or changes one. A data policy wants to know how it was solved.
func snowWrite(f *Fake, r *Request, incident *Record) Reply {
	status := 200
	if incident == nil {
		incident, status = &Record{Fields: map[string]any{"state": "1"}}, 201
	}
	after := map[string]any{}
	merge(after, incident.Fields)
	merge(after, r.Map())
	if s := after["state"]; (s == "6" || s == "7") && (Said(after["close_code"]) == "" || Said(after["close_notes"]) == "") {
		return snowFailed(403, "Operation Failed", "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes") // seen in several integrations' documentation
	}
	if status == 201 {
		incident = f.Add(snowIncidents, after)
	} else {
		incident.Merge(r.Map())
	}
	return Reply{Status: status, Body: map[string]any{"result": snowShown(incident, r.URL.Query().Get("sysparm_fields"))}}
}

func snowEntries(f *Fake) (entries []Entry) {
	for _, i := range f.All(snowIncidents) {
		e := Entry{
			ID: i.ID, Call: Said(i.Fields["correlation_id"]), Contact: strings.TrimLeft(Said(i.Fields["caller_id"]), "0"), Owner: Said(i.Fields["assigned_to"]),
			Status: strings.TrimSpace(Said(i.Fields["state"]) + " " + Said(i.Fields["u_call_outcome"])), Phone: Said(i.Fields["short_description"]),
			Recording: Said(i.Fields["u_call_recording"]), Talk: -1, Text: Said(i.Fields["short_description"]) + "\n" + Said(i.Fields["description"]),
		}
		if t, err := time.Parse("2006-01-02 15:04:05", Said(i.Fields["opened_at"])); err == nil {
			e.Started = t
		}
		if s, err := strconv.Atoi(Said(i.Fields["u_call_seconds"])); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

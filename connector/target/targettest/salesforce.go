package targettest

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The org behind Salesforce: a user who owns tasks, and the fields of activities that its users were told to create.
const (
	SalesforceUser   = "005XX000001a2bCYAQ"
	SalesforceSelf   = "005XX000001a2bZYAQ" // whom the connected app runs as
	SalesforceClient = "3MVG9xyz"
	salesforceKey    = "Call_UUID__c"
	salesforceTasks  = "tasks"
	salesforceData   = "/services/data/v60.0/"
)

// Salesforce is the REST API of Salesforce, as far as tasks go.
func Salesforce() *API {
	return &API{
		Name: "Salesforce", Doc: "developer.salesforce.com: REST API guide, dome_upsert, dome_search, errorcodes; Object Reference, Task",
		Knows:        func(f *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+f.Token() },
		AuthDoc:      "REST API guide, intro_oauth_and_connected_apps: the access token is a bearer token",
		Unauthorized: salesforceFailed(401, "INVALID_SESSION_ID", "Session expired or invalid"), // errorcodes
		NotFound:     salesforceFailed(404, "NOT_FOUND", "The requested resource does not exist"),
		// errorcodes: over the allotment of 24 hours it is a 403, and nothing says for how long
		Busy: func(time.Duration) Reply {
			return salesforceFailed(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
		},
		Limits:  map[string]string{"Sforce-Limit-Info": "api-usage=18/5000"}, // headers_api_usage
		Invalid: salesforceInvalid,
		Lag:     time.Minute, // the index of SOSL trails behind; for how long isn't said (mem)
		Contact: func(phone string) map[string]any { // as a person types it
			n := National(phone)
			return map[string]any{"Phone": "(0" + n[:3] + ") " + n[3:]}
		},
		Routes: []Route{
			{
				Method: "POST", Path: "/services/oauth2/token", Doc: "Identify Your Users: OAuth 2.0 client credentials flow", Open: true,
				Media: "application/x-www-form-urlencoded",
				Fields: []Field{{Name: "grant_type", Required: true, Is: OneOf("client_credentials")}, {Name: "client_id", Required: true, Is: OneOf(SalesforceClient)},
					{Name: "client_secret", Required: true, Is: OneOf(Credential)}},
				Do: salesforceToken,
			},
			{Method: "GET", Path: salesforceData + "search/", Doc: "dome_search", Do: salesforceSearch,
				Query: []Field{{Name: "q", Required: true, Is: salesforceSOSL, Doc: "SOQL and SOSL reference: FIND {…} IN PHONE FIELDS RETURNING Object(fields)"}}},
			{Method: "GET", Path: salesforceData + "sobjects/Task/" + salesforceKey + "/{key}", Doc: "dome_sobject_rows_by_external_id; the database, not the index", Do: salesforceGet},
			{Method: "PATCH", Path: salesforceData + "sobjects/Task/" + salesforceKey + "/{key}", Write: true, Do: salesforceUpsert, Fields: salesforceFields(),
				Doc: "dome_upsert: 201 if it was created, 200 if it was there; the key is not to be repeated in the body"},
			{Method: "PATCH", Path: salesforceData + "sobjects/Task/{id}", Doc: "dome_update_fields: 204", Write: true, Do: salesforceUpdate, Fields: salesforceFields()},
		},
		Entries: salesforceEntries,
	}
}

// salesforceFailed is the shape of errors: a list.
func salesforceFailed(status int, code, message string, fields ...string) Reply {
	e := map[string]any{"errorCode": code, "message": message}
	if len(fields) > 0 {
		e["fields"] = fields
	}
	return Reply{Status: status, Body: []any{e}}
}

// salesforceFields are those of a task: Object Reference, Task; names that end in __c are the set-up's.
func salesforceFields() []Field {
	id := func(prefixes ...string) Check {
		return func(v any) string {
			if s, ok := v.(string); !ok || len(s) != 15 && len(s) != 18 || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) }) {
				return "id value of incorrect type"
			}
			return ""
		}
	}
	return []Field{
		{Name: "Subject", Is: Str(255)},
		{Name: "Status", Is: Filled, Doc: "a picklist of the org that isn't restricted"},
		{Name: "Priority", Is: OneOf("High", "Normal", "Low")},
		{Name: "ActivityDate", Is: Time("2006-01-02"), Doc: "a date without a time"},
		{Name: "WhoId", Is: Filled, Doc: "a contact or lead"}, {Name: "WhatId", Is: id("001", "006", "500")}, {Name: "OwnerId", Is: id("005", "00G")},
		{Name: "Description", Is: Str(32000)},
		{Name: "TaskSubtype", Is: OneOf("Task", "Email", "ListEmail", "Call", "Cadence", "LinkedIn"), Doc: "restricted picklist; Create without Update (mem)"},
		{Name: "CallType", Is: OneOf("Inbound", "Internal", "Outbound"), Doc: "restricted picklist"},
		{Name: "CallDurationInSeconds", Is: Int, Doc: "seconds"},
		{Name: "CallDisposition", Is: Str(255)}, {Name: "CallObject", Is: Str(255)},
		{Name: "Call_Start__c", Is: Like(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:?\d\d)$`, "a date and time"), Doc: "Date/Time; REST API guide: ISO 8601, milliseconds at most (mem)"},
		{Name: "Call_Recording__c", Is: Str(255), Doc: "URL: 255 characters"},
	}
}

func salesforceInvalid(route *Route, problems []Problem) Reply {
	p := problems[0]
	switch {
	case route != nil && route.Open:
		return Reply{Status: 400, Body: map[string]any{"error": "invalid_client_id", "error_description": p.Field + " " + p.What}}
	case p.Field == "q":
		return salesforceFailed(400, "MALFORMED_SEARCH", p.What)
	case p.Kind == Unknown:
		return salesforceFailed(400, "INVALID_FIELD", "No such column '"+p.Field+"' on sobject of type Task")
	case strings.HasPrefix(p.What, "longer"):
		return salesforceFailed(400, "STRING_TOO_LONG", p.Field+": data value too large: (max length)", p.Field)
	case p.Kind == Refused:
		return salesforceFailed(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Calls are closed for this user", p.Field)
	case strings.HasPrefix(p.What, "expected one of"):
		return salesforceFailed(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", p.Field+": bad value for restricted picklist field: "+Said(p.Value), p.Field)
	case strings.HasPrefix(p.What, "id value"):
		return salesforceFailed(400, "MALFORMED_ID", p.Field+": "+p.What+": "+Said(p.Value), p.Field)
	}
	return salesforceFailed(400, "JSON_PARSER_ERROR", p.Field+": "+p.What)
}

// salesforceToken has no expires_in: OAuth 2.0 client credentials flow, the response.
func salesforceToken(f *Fake, _ *Request) Reply {
	if f.Expired() {
		return Reply{Status: 400, Body: map[string]any{"error": "invalid_client", "error_description": "invalid client credentials"}}
	}
	return Reply{Status: 200, Body: map[string]any{"access_token": f.Token(), "token_type": "Bearer", "instance_url": "http://acme--na99.my.salesforce.com",
		"id": "http://login.salesforce.com/id/00Dxx0000001gEREAY/" + SalesforceSelf, "issued_at": strconv.FormatInt(time.Now().UnixMilli(), 10), "signature": "c2ln"}}
}

var (
	salesforceFind      = regexp.MustCompile(`^FIND \{((?:[^{}\\]|\\.)+)\} IN PHONE FIELDS RETURNING (.+)$`)
	salesforceReturning = regexp.MustCompile(`(\w+)\s*\(([^()]*)\)`)
	salesforceReserved  = regexp.MustCompile(`[?&|!{}\[\]()^~*:\\"'+-]`)
	salesforceEscaped   = regexp.MustCompile(`\\.`)
)

// salesforceSOSL says what is wrong with a search. SOSL reference, FIND: reserved characters are escaped, a term has two
// characters at least; WHERE stands behind the fields.
func salesforceSOSL(v any) string {
	m := salesforceFind.FindStringSubmatch(Said(v))
	if m == nil {
		return "expected FIND {…} IN PHONE FIELDS RETURNING …"
	}
	if salesforceReserved.MatchString(salesforceEscaped.ReplaceAllString(m[1], "")) {
		return "reserved characters must be escaped: " + m[1]
	}
	known := map[string][]string{
		"Contact": {"Id", "OwnerId", "Phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone"},
		"Lead":    {"Id", "OwnerId", "Phone", "MobilePhone", "IsConverted"},
	}
	for _, object := range salesforceReturning.FindAllStringSubmatch(m[2], -1) {
		columns, where, _ := strings.Cut(object[2], " WHERE ")
		for _, column := range append(strings.Split(columns, ","), strings.Fields(where + " Id")[0]) {
			if !slices.Contains(known[object[1]], strings.TrimSpace(column)) {
				return "No such column '" + column + "' on entity '" + object[1] + "'"
			}
		}
	}
	for _, term := range strings.Split(m[1], " OR ") {
		if len(term) < 2 {
			return "search term must be longer than one character"
		}
	}
	return ""
}

// salesforceSearch finds numbers that hold one of the terms. The real index is less generous; how it cuts numbers isn't said.
func salesforceSearch(f *Fake, r *Request) Reply {
	m := salesforceFind.FindStringSubmatch(r.URL.Query().Get("q"))
	found := []any{}
	for _, object := range salesforceReturning.FindAllStringSubmatch(m[2], -1) {
		columns, where, _ := strings.Cut(object[2], " WHERE ")
		for _, c := range f.Searched(Contacts) {
			lead := c.Fields["IsConverted"] != nil
			if lead != (object[1] == "Lead") || strings.Contains(where, "IsConverted = false") && c.Fields["IsConverted"] == true {
				continue
			}
			if !slices.ContainsFunc(strings.Split(m[1], " OR "), func(term string) bool {
				return strings.Contains(Digits(Said(c.Fields["Phone"])), Digits(term))
			}) {
				continue
			}
			one := map[string]any{"attributes": map[string]any{"type": object[1], "url": salesforceData + "sobjects/" + object[1] + "/" + c.ID}}
			for _, column := range strings.Split(columns, ",") {
				column = strings.TrimSpace(column)
				one[column] = c.Fields[column]
			}
			one["Id"] = c.ID
			found = append(found, one)
		}
	}
	return Reply{Status: 200, Body: map[string]any{"searchRecords": found}}
}

func salesforceKeyed(f *Fake, key string) *Record {
	i := slices.IndexFunc(f.All(salesforceTasks), func(t *Record) bool { return t.Fields[salesforceKey] == key })
	if i < 0 {
		return nil
	}
	return f.All(salesforceTasks)[i]
}

func salesforceGet(f *Fake, r *Request) Reply {
	t := salesforceKeyed(f, r.PathValue("key"))
	if t == nil {
		return f.API.NotFound
	}
	return Reply{Status: 200, Body: map[string]any{"attributes": map[string]any{"type": "Task"}, "Id": t.ID}}
}

func salesforceUpsert(f *Fake, r *Request) Reply {
	key := r.PathValue("key")
	if t := salesforceKeyed(f, key); t != nil {
		if reply := salesforceWrite(f, t, r.Map()); reply != nil {
			return *reply
		}
		return Reply{Status: 200, Body: map[string]any{"id": t.ID, "success": true, "errors": []any{}, "created": false}}
	}
	t := r.Map()
	if len([]rune(key)) > 36 {
		return salesforceFailed(400, "STRING_TOO_LONG", salesforceKey+": data value too large: (max length=36)", salesforceKey)
	}
	if reply := salesforceRefers(f, t); reply != nil {
		return *reply
	}
	t[salesforceKey] = key
	if t["OwnerId"] == nil {
		t["OwnerId"] = SalesforceSelf // Object Reference, Task: the user who creates it
	}
	return Reply{Status: 201, Body: map[string]any{"id": f.Add(salesforceTasks, t).ID, "success": true, "errors": []any{}, "created": true}}
}

func salesforceUpdate(f *Fake, r *Request) Reply {
	t := f.Find(salesforceTasks, r.PathValue("id"))
	if t == nil {
		return f.API.NotFound
	}
	if reply := salesforceWrite(f, t, r.Map()); reply != nil {
		return *reply
	}
	return Reply{Status: 204}
}

// salesforceWrite changes a task, as far as its fields can be changed.
func salesforceWrite(f *Fake, t *Record, changes map[string]any) *Reply {
	if _, ok := changes["TaskSubtype"]; ok {
		reply := salesforceFailed(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: TaskSubtype. Please check the security settings of this field", "TaskSubtype")
		return &reply
	}
	if reply := salesforceRefers(f, changes); reply != nil {
		return reply
	}
	t.Merge(changes)
	return nil
}

// salesforceRefers checks that whom a task refers to is there.
func salesforceRefers(f *Fake, t map[string]any) *Reply {
	for name, known := range map[string]bool{
		"WhoId":   t["WhoId"] == nil || f.Find(Contacts, Said(t["WhoId"])) != nil,
		"OwnerId": t["OwnerId"] == nil || t["OwnerId"] == SalesforceUser || t["OwnerId"] == SalesforceSelf,
	} {
		if !known {
			reply := salesforceFailed(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", name)
			return &reply
		}
	}
	return nil
}

func salesforceEntries(f *Fake) (entries []Entry) {
	for _, t := range f.All(salesforceTasks) {
		e := Entry{
			ID: t.ID, Call: Said(t.Fields[salesforceKey]), Contact: Said(t.Fields["WhoId"]), Owner: Said(t.Fields["OwnerId"]),
			Status: Said(t.Fields["Status"]) + ", " + Said(t.Fields["CallDisposition"]), Phone: Said(t.Fields["Subject"]),
			Recording: Said(t.Fields["Call_Recording__c"]), Talk: -1, Text: Said(t.Fields["Subject"]) + "\n" + Said(t.Fields["Description"]),
		}
		if at, err := time.Parse(time.RFC3339, Said(t.Fields["Call_Start__c"])); err == nil {
			e.Started = at
		}
		if s, err := strconv.Atoi(Said(t.Fields["CallDurationInSeconds"])); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		if t.Fields["TaskSubtype"] != "Call" {
			e.Status = "no call: " + e.Status
		}
		entries = append(entries, e)
	}
	return entries
}

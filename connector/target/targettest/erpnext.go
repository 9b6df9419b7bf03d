package targettest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The site behind ERPNext: a user whom calls can belong to, its time zone, and its collections.
const (
	ERPNextAgent = "jane@example.com"
	ERPNextZone  = "Asia/Jakarta" // System Settings; times are stored as they are there, without a zone
	ERPNextLeads = "leads"
	erpnextCalls = "calls"
)

// ERPNext is the REST API of Frappe, with the DocType Call Log of ERPNext.
func ERPNext() *API {
	filters := []Field{ // framework/user/en/api/rest and guides/integration/rest_api/listing_documents: JSON in the address
		{Name: "fields", Is: erpnextJSON}, {Name: "filters", Is: erpnextJSON}, {Name: "or_filters", Is: erpnextJSON},
		{Name: "limit_page_length", Is: Like(`^\d+$`, "a number"), Doc: "20 if it isn't said"}, {Name: "limit_start"}, {Name: "order_by"},
	}
	return &API{
		Name: "ERPNext",
		Doc: "docs.frappe.io/framework/user/en/api/rest; frappe/frappe, frappe/exceptions.py for the statuses of errors; " +
			"frappe/erpnext, erpnext/telephony/doctype/call_log/call_log.json and call_log.py",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "token "+Credential },
		AuthDoc:      "api/rest, Token Based Authentication: token api_key:api_secret",
		Unauthorized: erpnextFailed(401, "AuthenticationError", ""), // exceptions.py: 401
		NotFound:     erpnextFailed(404, "DoesNotExistError", ""),   // exceptions.py: 404
		Asks:         true,
		// frappe/rate_limiter.py: 429 as a page, with Retry-After in seconds
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}, Body: Text("Too Many Requests")}
		},
		Invalid: func(_ *Route, problems []Problem) Reply { // exceptions.py: a ValidationError is 417; base_document.py for the words
			p := problems[0]
			what := fmt.Sprintf("%s %s", p.Field, p.What)
			if p.Kind == Refused {
				what = fmt.Sprintf("%s cannot be \"%v\". It should be one of \"Ringing\", \"Completed\"", strings.ToUpper(p.Last()[:1])+p.Last()[1:], p.Value)
			}
			return erpnextFailed(417, "ValidationError", what)
		},
		Contact: func(phone string) map[string]any {
			return map[string]any{"phone_nos": []any{map[string]any{"phone": phone, "is_primary_mobile_no": json.Number("1")}}}
		},
		Routes: []Route{
			{Method: "GET", Path: "/api/resource/Contact", Doc: "api/rest, Listing Documents", Query: filters, Do: erpnextList(Contacts)},
			{Method: "GET", Path: "/api/resource/Lead", Doc: "api/rest, Listing Documents", Query: filters, Do: erpnextList(ERPNextLeads)},
			{Method: "GET", Path: "/api/resource/Contact/{name}", Doc: "api/rest, Read: with the rows of its tables", Do: func(f *Fake, r *Request) Reply {
				c := f.Find(Contacts, r.PathValue("name"))
				if c == nil {
					return f.API.NotFound
				}
				return erpnextDone(c)
			}},
			{Method: "POST", Path: "/api/resource/Call%20Log", Doc: "api/rest, Create; what is no field is dropped (base_document.py, get_valid_dict)",
				Write: true, Drops: true, Fields: erpnextFields(true), Do: erpnextCreate},
			{Method: "PUT", Path: "/api/resource/Call%20Log/{name}", Doc: "api/rest, Update: what isn't given stays; the rows of a table that is given take the place of those that are there",
				Write: true, Drops: true, Fields: erpnextFields(false), Do: erpnextUpdate},
		},
		Entries: erpnextEntries,
	}
}

// erpnextFields are those of a Call Log: call_log.json. Nothing is mandatory but the id, which is the name (autoname field:id).
func erpnextFields(create bool) []Field {
	moment := Time("2006-01-02 15:04:05")
	return []Field{
		{Name: "id", Required: create, Is: Str(140), Doc: "Data has 140 characters"},
		{Name: "from", Is: Str(140)}, {Name: "to", Is: Str(140)}, {Name: "medium", Is: Str(140)}, {Name: "recording_url", Is: Str(140)},
		{Name: "type", Is: OneOf("Incoming", "Outgoing")},
		{Name: "status", Is: OneOf("Ringing", "In Progress", "Completed", "Failed", "Busy", "No Answer", "Queued", "Canceled")},
		{Name: "duration", Is: Int, Doc: "call_log.json: in seconds"},
		{Name: "start_time", Is: moment, Doc: "Datetime: as the database writes it, in the zone of the site"}, {Name: "end_time", Is: moment},
		{Name: "summary", Is: Str(0)},
		{Name: "employee_user_id", Is: OneOf(ERPNextAgent), Doc: "call_log.json, since version 14: a link to a User, who must be there"},
		{Name: "customer", Is: Str(140)},
		{Name: "links[].link_doctype", Required: true, Is: Filled}, {Name: "links[].link_name", Required: true, Is: Filled},
	}
}

// erpnextFailed is an error: frappe/utils/response.py and app.py.
func erpnextFailed(status int, kind, what string) Reply {
	exception := "frappe.exceptions." + kind
	if what != "" {
		exception += ": " + what
	}
	return Reply{Status: status, Body: map[string]any{"exception": exception, "exc_type": kind}}
}

func erpnextDone(r *Record) Reply {
	doc := shown(r)
	delete(doc, "id")
	if id := r.Fields["id"]; id != nil {
		doc["id"] = id
	}
	doc["name"] = r.ID
	return Reply{Status: 200, Body: map[string]any{"data": doc}}
}

func erpnextJSON(v any) string {
	if !json.Valid([]byte(Said(v))) {
		return "expected JSON"
	}
	return ""
}

// erpnextList: conditions are [doctype, field, operator, value] or [field, operator, value].
func erpnextList(collection string) func(*Fake, *Request) Reply {
	return func(f *Fake, r *Request) Reply {
		q, data := r.URL.Query(), []any{}
		var all, some [][]string
		_ = json.Unmarshal([]byte(q.Get("filters")), &all) // it is JSON
		_ = json.Unmarshal([]byte(q.Get("or_filters")), &some)
		var fields []string
		_ = json.Unmarshal([]byte(q.Get("fields")), &fields)
		limit := 20
		if n, err := strconv.Atoi(q.Get("limit_page_length")); err == nil {
			limit = n
		}
		for _, c := range f.All(collection) {
			holds := func(condition []string) bool { return erpnextHolds(c, condition) }
			if slices.ContainsFunc(all, func(condition []string) bool { return !holds(condition) }) || len(some) > 0 && !slices.ContainsFunc(some, holds) {
				continue
			}
			row := map[string]any{"name": c.ID}
			for _, name := range fields {
				if name != "name" {
					row[name] = c.Fields[name]
				}
			}
			if data = append(data, row); limit > 0 && len(data) == limit {
				break
			}
		}
		return Reply{Status: 200, Body: map[string]any{"data": data}}
	}
}

func erpnextHolds(c *Record, condition []string) bool {
	n := len(condition)
	if n < 3 || condition[n-2] != "like" {
		return false
	}
	values := []string{Said(c.Fields[condition[n-3]])}
	if n == 4 && condition[0] == "Contact Phone" { // a field of a table of the document
		values = nil
		for _, row := range listOf(c.Fields["phone_nos"]) {
			values = append(values, Said(Get(row, condition[1])))
		}
	}
	return slices.ContainsFunc(values, func(v string) bool { return strings.HasSuffix(v, strings.TrimPrefix(condition[n-1], "%")) })
}

func erpnextCreate(f *Fake, r *Request) Reply {
	call := r.Map()
	id := Said(call["id"])
	if f.Find(erpnextCalls, id) != nil { // base_document.py, db_insert: the name is the primary key
		return erpnextFailed(409, "DuplicateEntryError", fmt.Sprintf("('Call Log', '%s', IntegrityError(1062, \"Duplicate entry '%s' for key 'PRIMARY'\"))", id, id))
	}
	// call_log.py, before_insert: the first contact whose number ends like this one is linked, whoever it is. Only then: a
	// number that comes later links nobody.
	number := Said(call["to"])
	if call["type"] == "Incoming" {
		number = Said(call["from"])
	}
	number = strings.TrimLeft(strings.TrimLeft(number, "+"), "0")
	for _, c := range f.All(Contacts) {
		if number != "" && erpnextHolds(c, []string{"Contact Phone", "phone", "like", "%" + number}) {
			call["links"] = append(listOf(call["links"]), map[string]any{"link_doctype": "Contact", "link_name": c.ID})
			break
		}
	}
	record := f.Add(erpnextCalls, call)
	record.ID = id
	return erpnextDone(record)
}

func erpnextUpdate(f *Fake, r *Request) Reply {
	call := f.Find(erpnextCalls, r.PathValue("name"))
	if call == nil {
		return f.API.NotFound
	}
	call.Merge(r.Map())
	return erpnextDone(call)
}

func erpnextEntries(f *Fake) (entries []Entry) {
	zone, _ := time.LoadLocation(ERPNextZone)
	for _, c := range f.All(erpnextCalls) {
		e := Entry{
			ID: c.ID, Call: Said(c.Fields["id"]), Owner: Said(c.Fields["employee_user_id"]), Status: Said(c.Fields["status"]), Phone: Said(c.Fields["to"]),
			Recording: Said(c.Fields["recording_url"]), Talk: -1, Text: Said(c.Fields["summary"]),
		}
		for _, l := range listOf(c.Fields["links"]) {
			e.Contact = strings.TrimPrefix(e.Contact+","+Said(Get(l, "link_name")), ",")
		}
		if t, err := time.ParseInLocation("2006-01-02 15:04:05", Said(c.Fields["start_time"]), zone); err == nil {
			e.Started = t
		}
		if s, err := strconv.Atoi(Said(c.Fields["duration"])); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

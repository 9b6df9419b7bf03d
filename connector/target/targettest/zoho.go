package targettest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The account behind Zoho CRM: a user who owns calls, and the client that wrapup is registered as.
const (
	ZohoUser    = "4150868000000225013"
	ZohoSelf    = "4150868000000225099" // who granted the access
	ZohoClient  = "1000.GMB0YULZHJK411248S8I5GZ4CHUEX0"
	ZohoRefresh = "1000.8cb99dxxxxxxxxxxxxx9be93.9b8xxxxxxxxxxxxxxxf"
	zohoCalls   = "calls"
	zohoUnique  = "Wrapup_UUID"
)

// Zoho is version 8 of Zoho CRM's API, as far as calls go.
func Zoho() *API {
	return &API{
		Name: "Zoho CRM", Doc: "zoho.com/crm/developer/docs/api/v8: insert-records, update-records, search-records, status-codes; help.zoho.com, Kaizen #38 (Calls)",
		Knows: func(f *Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Zoho-oauthtoken "+f.Token()
		},
		AuthDoc:      "insert-records, Header: the word before the token is Zoho-oauthtoken",
		Unauthorized: zohoWhole(401, "INVALID_TOKEN", "invalid oauth token"), // status-codes
		NotFound:     zohoWhole(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one"),
		Busy: func(time.Duration) Reply {
			return zohoWhole(429, "TOO_MANY_REQUESTS", "Too many requests fired in concurrency")
		}, // status-codes; no Retry-After
		Limits:  map[string]string{"X-API-CREDITS-REMAINING": "2500"}, // api-limits: once half of them are used
		Invalid: zohoInvalid,
		Lag:     time.Minute, // the index of searches trails behind; for how long isn't said (mem)
		Contact: func(phone string) map[string]any { return map[string]any{"Mobile": "0" + National(phone)} },
		Routes: []Route{
			{
				Method: "POST", Path: "/oauth/v2/token", Doc: "refresh: form or query; the refresh token stays good", Open: true,
				Media: "application/x-www-form-urlencoded",
				Fields: []Field{{Name: "grant_type", Required: true, Is: OneOf("refresh_token")}, {Name: "client_id", Required: true, Is: OneOf(ZohoClient)},
					{Name: "client_secret", Required: true, Is: OneOf(Credential)}, {Name: "refresh_token", Required: true, Is: OneOf(ZohoRefresh)}},
				Do: func(f *Fake, _ *Request) Reply {
					if f.Expired() {
						return Reply{Status: 200, Body: map[string]any{"error": "invalid_code"}} // a refusal is a 200: Weble/ZohoBooksApi#84
					}
					return Reply{Status: 200, Body: map[string]any{"access_token": f.Token(), "scope": "ZohoCRM.modules.ALL", "api_domain": "http://www.zohoapis.eu",
						"token_type": "Bearer", "expires_in": 3600}}
				},
			},
			{Method: "GET", Path: "/crm/v8/Contacts/search", Doc: "search-records; its scope is the module's, and ZohoSearch.securesearch.READ", Query: zohoQuery("Phone", "Mobile"), Do: func(f *Fake, r *Request) Reply { return zohoSearch(f, r, false) }},
			{Method: "GET", Path: "/crm/v8/Leads/search", Doc: "search-records; converted leads are left out unless converted says else", Query: zohoQuery("Phone", "Mobile"),
				Do: func(f *Fake, r *Request) Reply { return zohoSearch(f, r, true) }},
			{Method: "GET", Path: "/crm/v8/Calls/search", Doc: "search-records", Query: zohoQuery(zohoUnique), Do: func(f *Fake, r *Request) Reply {
				return zohoFound(f.Searched(zohoCalls), r)
			}},
			{Method: "POST", Path: "/crm/v8/Calls", Doc: "insert-records", Write: true, Do: zohoInsert, Fields: zohoFields(true)},
			{Method: "PUT", Path: "/crm/v8/Calls/{id}", Doc: "update-records", Write: true, Do: zohoUpdate, Fields: zohoFields(false)},
		},
		Entries: zohoEntries,
	}
}

// zohoWhole is the shape of what is wrong with a whole request.
func zohoWhole(status int, code, message string) Reply {
	return Reply{Status: status, Body: map[string]any{"code": code, "status": "error", "message": message, "details": map[string]any{}}}
}

// zohoOne is that of what is wrong with a record. The sources have 400, 202 and 207 for it; a 2xx is what is easily overlooked.
func zohoOne(code, message string, details map[string]any) Reply {
	return Reply{Status: 202, Body: map[string]any{"data": []any{map[string]any{"code": code, "status": "error", "message": message, "details": details}}}}
}

// zohoFields are those of a call: Kaizen #38; fields metadata of the module.
func zohoFields(create bool) []Field {
	picked := Str(120)
	id := Like(`^\d{15,20}$|^\d{4}$`, "bigint") // four digits are the fake's own
	fields := []Field{
		{Name: "data", Required: true, Is: atMost(100)}, {Name: "trigger", Is: List(OneOf("workflow", "approval", "blueprint", "pathfinder", "orchestration"))},
		{Name: "data[].Subject", Required: create, Is: Str(255)},
		{Name: "data[].Call_Type", Required: create, Is: OneOf("Outbound", "Inbound", "Missed"), Doc: "mandatory"},
		{Name: "data[].Call_Start_Time", Required: create, Is: Like(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$`, "datetime"), Doc: "mandatory; ISO 8601 with an offset, no fraction; whether Z is one isn't said"},
		{Name: "data[].Call_Duration", Required: create, Is: Like(`^\d+:[0-5]\d$`, "text"), Doc: "mandatory for a call that is over; Kaizen #38 has hh:mm, zoho.com/bigin/developer/docs/apis/calls-response and those who use it mm:ss: so does this"},
		{Name: "data[].Who_Id.id", Required: true, Is: id, Doc: "a contact"}, {Name: "data[].What_Id.id", Required: true, Is: id, Doc: "with $se_module"},
		{Name: "data[].$se_module", Is: OneOf("Leads", "Accounts", "Deals")},
		{Name: "data[].Owner.id", Required: true, Is: OneOf(ZohoUser, ZohoSelf)},
		{Name: "data[].Outgoing_Call_Status", Is: OneOf("Completed", "Scheduled", "Overdue", "Cancelled")},
		{Name: "data[].Call_Purpose", Is: picked}, {Name: "data[].Call_Result", Is: picked, Doc: "a picklist; a value that isn't in it is added"},
		{Name: "data[].Call_Agenda", Is: Str(255)}, {Name: "data[].Description", Is: Str(32000)},
		{Name: "data[].Dialled_Number", Is: Str(255)}, {Name: "data[].Caller_ID", Is: Str(255)},
		{Name: "data[].Voice_Recording__s", Is: Like(`^https?://`, "website")},
		{Name: "data[]." + zohoUnique, Is: Str(255), Doc: "the set-up's field, without duplicate values"},
	}
	return fields
}

func zohoInvalid(route *Route, problems []Problem) Reply {
	p := problems[0]
	switch {
	case route != nil && route.Open:
		return Reply{Status: 200, Body: map[string]any{"error": "invalid_client"}}
	case p.Field == "criteria":
		return Reply{Status: 400, Body: map[string]any{"code": "INVALID_QUERY", "status": "error", "message": "Invalid query formed", "details": map[string]any{"reason": p.What}}}
	case p.Kind == Missing:
		return zohoOne("MANDATORY_NOT_FOUND", "required field not found", map[string]any{"api_name": p.Last()})
	case p.Kind == Unknown: // dropped without a word by the real one (mem); a preset has no use for that
		return zohoOne("INVALID_DATA", "the field is not there", map[string]any{"api_name": p.Last()})
	}
	return zohoOne("INVALID_DATA", "invalid data", map[string]any{"api_name": p.Last(), "expected_data_type": p.What})
}

var (
	zohoTerm     = regexp.MustCompile(`\((\w+):equals:([^():,]+)\)`)
	zohoCriteria = regexp.MustCompile(`^\((?:\(\w+:equals:[^():,]+\))(?:(?:or|and)\(\w+:equals:[^():,]+\))*\)$`)
)

// zohoQuery is the search's. search-records: criteria as ((Field:operator:value)or(…)), 15 of them at most (10 in older
// versions); brackets and commas in values are escaped.
func zohoQuery(columns ...string) []Field {
	return []Field{{Name: "criteria", Required: true, Is: func(v any) string {
		switch s := Said(v); {
		case !zohoCriteria.MatchString(s):
			return "expected ((Field:equals:value)or(Field:equals:value))"
		case len(zohoTerm.FindAllString(s, -1)) > 10:
			return "more than 10 criteria"
		case slices.ContainsFunc(zohoTerm.FindAllStringSubmatch(s, -1), func(m []string) bool { return !slices.Contains(columns, m[1]) }):
			return "the field is not available for search"
		}
		return ""
	}}, {Name: "fields"}, {Name: "per_page", Is: Like(`^([1-9]\d?|1\d\d|200)$`, "200 at most")}, {Name: "page"}, {Name: "converted"}}
}

func zohoSearch(f *Fake, r *Request, leads bool) Reply {
	return zohoFound(slices.DeleteFunc(f.Searched(Contacts), func(c *Record) bool { return (c.Fields["lead"] == true) != leads }), r)
}

// zohoFound are those of the records that the criteria of a search find, with the fields that were asked for. search-records:
// equals finds what contains the value, too.
func zohoFound(records []*Record, r *Request) Reply {
	data := []any{}
	for _, c := range records {
		if slices.ContainsFunc(zohoTerm.FindAllStringSubmatch(r.URL.Query().Get("criteria"), -1), func(m []string) bool {
			return strings.Contains(Said(c.Fields[m[1]]), m[2])
		}) {
			one := map[string]any{"id": c.ID}
			for _, name := range strings.Split(r.URL.Query().Get("fields"), ",") {
				if v, ok := c.Fields[name]; ok {
					one[name] = v
				}
			}
			data = append(data, one)
		}
	}
	if len(data) == 0 {
		return Reply{Status: 204} // search-records: no body
	}
	return Reply{Status: 200, Body: map[string]any{"data": data, "info": map[string]any{"count": len(data), "more_records": false}}}
}

func zohoInsert(f *Fake, r *Request) Reply {
	if list := listOf(r.Map()["data"]); len(list) != 1 {
		return zohoWhole(400, "INVALID_DATA", "this fake takes one call at a time")
	}
	c := mapOf(listOf(r.Map()["data"])[0])
	if refused := zohoRelated(f, c); refused != nil {
		return *refused
	}
	for _, other := range f.All(zohoCalls) {
		if c[zohoUnique] != nil && other.Fields[zohoUnique] == c[zohoUnique] {
			return zohoOne("DUPLICATE_DATA", "duplicate data", map[string]any{"api_name": zohoUnique, "more_records": false,
				"duplicate_record": map[string]any{"id": other.ID, "module": map[string]any{"api_name": "Calls"}}})
		}
	}
	if c["Owner"] == nil {
		c["Owner"] = map[string]any{"id": ZohoSelf} // insert-records: the user whose token it is
	}
	return Reply{Status: 201, Body: zohoDone(f.Add(zohoCalls, c), "record added")}
}

// zohoRelated checks whom a call is of: Kaizen #38.
func zohoRelated(f *Fake, c map[string]any) *Reply {
	wrong := func(field string) *Reply {
		reply := zohoOne("INVALID_DATA", "the related id given seems to be invalid", map[string]any{"api_name": field})
		return &reply
	}
	who, what := f.Find(Contacts, Said(Get(c["Who_Id"], "id"))), f.Find(Contacts, Said(Get(c["What_Id"], "id")))
	switch {
	case c["Who_Id"] != nil && (who == nil || who.Fields["lead"] == true):
		return wrong("Who_Id")
	case c["What_Id"] != nil && (what == nil || what.Fields["lead"] != true || c["$se_module"] != "Leads"):
		return wrong("What_Id")
	case c["$se_module"] != nil && c["What_Id"] == nil:
		return wrong("$se_module")
	}
	return nil
}

func zohoDone(c *Record, message string) map[string]any {
	return map[string]any{"data": []any{map[string]any{"code": "SUCCESS", "status": "success", "message": message,
		"details": map[string]any{"id": c.ID, "Modified_Time": c.At.Format(time.RFC3339)}}}}
}

// zohoUpdate refuses what can't be changed once a call is over: Kaizen #38.
func zohoUpdate(f *Fake, r *Request) Reply {
	c, changes := f.Find(zohoCalls, r.PathValue("id")), mapOf(listOf(r.Map()["data"])[0])
	if c == nil {
		return zohoOne("INVALID_DATA", "the id given seems to be invalid", map[string]any{"api_name": "id"})
	}
	for _, name := range []string{"Call_Type", "Owner", "Call_Start_Time"} {
		if _, ok := changes[name]; ok {
			return zohoOne("INVALID_DATA", "invalid data", map[string]any{"api_name": name})
		}
	}
	if refused := zohoRelated(f, changes); refused != nil {
		return *refused
	}
	c.Merge(changes)
	return Reply{Status: 200, Body: zohoDone(c, "record updated")}
}

func zohoEntries(f *Fake) (entries []Entry) {
	for _, c := range f.All(zohoCalls) {
		e := Entry{
			ID: c.ID, Call: Said(c.Fields[zohoUnique]), Contact: Said(Get(c.Fields["Who_Id"], "id")) + Said(Get(c.Fields["What_Id"], "id")),
			Owner: Said(Get(c.Fields["Owner"], "id")), Phone: Said(c.Fields["Dialled_Number"]), Recording: Said(c.Fields["Voice_Recording__s"]), Talk: -1,
			Status: strings.TrimSuffix(Said(c.Fields["Call_Type"])+", "+Said(c.Fields["Outgoing_Call_Status"])+", "+Said(c.Fields["Call_Result"]), ", "),
			Text:   Said(c.Fields["Subject"]) + "\n" + Said(c.Fields["Description"]),
		}
		if at, err := time.Parse(time.RFC3339, Said(c.Fields["Call_Start_Time"])); err == nil {
			e.Started = at
		}
		if m, s, ok := strings.Cut(Said(c.Fields["Call_Duration"]), ":"); ok {
			e.Talk, _ = time.ParseDuration(m + "m" + s + "s") // the field's rule has seen to it
		}
		entries = append(entries, e)
	}
	return entries
}

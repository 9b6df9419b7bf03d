package targettest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The portal behind Bitrix24: an agent, the user whom other calls go to, and the company that was made for those of nobody.
const (
	Bitrix24User       = "1269"
	Bitrix24Other      = "17"
	Bitrix24Company    = "4711"
	bitrix24Activities = "activities"
)

// Bitrix24 is the REST API of Bitrix24 by an incoming webhook, as far as activities go.
func Bitrix24() *API {
	const at = "/rest/{user}/{code}/"
	return &API{
		Name: "Bitrix24", Doc: "bitrix24/b24restdocs: api-reference/crm/timeline/activities/activity-base, crm/duplicates, limits, _includes/system-errors",
		Knows: func(_ *Fake, r *http.Request) bool {
			return r.PathValue("user") == "1" && r.PathValue("code") == Credential
		},
		AuthDoc:      "local-integrations/local-webhooks: user and code of the webhook are in the path",
		Unauthorized: bitrix24Failed(401, "INVALID_CREDENTIALS", "Invalid request credentials"),
		NotFound:     bitrix24Failed(404, "ERROR_METHOD_NOT_FOUND", "Method not found!"),
		Busy:         func(time.Duration) Reply { return bitrix24Failed(503, "QUERY_LIMIT_EXCEEDED", "Too many requests") }, // limits: no Retry-After
		Invalid: func(_ *Route, problems []Problem) Reply { // crm-activity-add, "Possible error codes": sentences without a code
			p := problems[0]
			switch {
			case p.Kind == Refused:
				return bitrix24Failed(400, "", "The field "+p.Last()+" is closed for editing")
			case p.Last() == "SUBJECT":
				return bitrix24Failed(400, "", "The field SUBJECT is not defined or empty")
			case strings.HasPrefix(p.What, "more than"):
				return bitrix24Failed(400, "", "The only one communication is allowed for activity of specified type")
			}
			return bitrix24Failed(400, "", "The field "+p.Last()+" is not defined or invalid")
		},
		Contact: func(phone string) map[string]any { // as a person types it
			n := National(phone)
			return map[string]any{"PHONE": "0" + n[:3] + "-" + n[3:]}
		},
		Routes: []Route{
			{
				Method: "POST", Path: at + "crm.duplicate.findbycomm", Doc: "crm-duplicate-find-by-comm", Do: bitrix24Find,
				Fields: []Field{{Name: "type", Required: true, Is: OneOf("PHONE", "EMAIL")}, {Name: "values", Required: true, Is: atMost(20), Doc: "20 at most"},
					{Name: "entity_type", Is: OneOf("LEAD", "CONTACT", "COMPANY")}},
			},
			{
				Method: "POST", Path: at + "crm.activity.list", Doc: "crm-activity-list: filter and select by the fields of an activity; 50 a page", Do: bitrix24List,
				Fields: []Field{{Name: "filter.ORIGINATOR_ID", Is: Filled}, {Name: "filter.ORIGIN_ID", Is: Filled}, {Name: "filter.TYPE_ID"}, {Name: "filter.OWNER_ID"},
					{Name: "select", Is: List(OneOf("ID", "ORIGIN_ID", "ORIGINATOR_ID", "SUBJECT"))}, {Name: "order"}, {Name: "start", Is: Int}},
			},
			{
				Method: "POST", Path: at + "crm.activity.add", Doc: "crm-activity-add; what it doesn't know is dropped (mem)", Write: true, Drops: true, Do: bitrix24Add,
				Fields: bitrix24Fields(true),
			},
			{
				Method: "POST", Path: at + "crm.activity.update", Doc: "crm-activity-update", Write: true, Drops: true, Do: bitrix24Update,
				Fields: append(bitrix24Fields(false), Field{Name: "id", Required: true, Is: bitrix24Int}),
			},
		},
		Entries: bitrix24Entries,
	}
}

func bitrix24Failed(status int, code, sentence string) Reply {
	return Reply{Status: status, Body: map[string]any{"error": code, "error_description": sentence}}
}

// bitrix24Done is the shape of what went well; its time says how much of the method's time is used up: limits.
func bitrix24Done(result any) Reply {
	return Reply{Status: 200, Body: map[string]any{"result": result, "time": map[string]any{"start": 1772443078.910734, "operating": 0, "operating_reset_at": 1772443678}}}
}

// bitrix24Int is a number, which may be a text: data-types.
func bitrix24Int(v any) string {
	if s, ok := v.(string); ok {
		v = json.Number(s)
	}
	return Int(v)
}

// bitrix24Fields are those of an activity: crm-activity-add, crm-activity-fields.
func bitrix24Fields(create bool) []Field {
	date := Like(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$`, "ISO 8601 with an offset")
	return []Field{
		{Name: "fields", Required: true},
		{Name: "fields.SUBJECT", Required: create, Is: Filled},
		{Name: "fields.OWNER_ID", Required: create, Is: bitrix24Int}, {Name: "fields.OWNER_TYPE_ID", Required: create, Is: OneOf(1, 2, 3, 4), Doc: "data-types: 1 lead, 2 deal, 3 contact, 4 company"},
		{Name: "fields.TYPE_ID", Required: create, Is: OneOf(1, 2, 3, 4, 6), Doc: "crm.enum.activitytype: 2 is a call"},
		{Name: "fields.RESPONSIBLE_ID", Required: create, Is: func(v any) string {
			if !slices.Contains([]string{Bitrix24User, Bitrix24Other}, Said(v)) {
				return "no such user"
			}
			return ""
		}},
		{Name: "fields.COMMUNICATIONS", Required: create, Is: atMost(1), Doc: "crm-activity-add: one for a call"},
		{Name: "fields.COMMUNICATIONS[].VALUE", Required: true, Is: Filled}, {Name: "fields.COMMUNICATIONS[].TYPE", Is: OneOf("PHONE", "EMAIL")},
		{Name: "fields.COMMUNICATIONS[].ENTITY_ID", Is: bitrix24Int}, {Name: "fields.COMMUNICATIONS[].ENTITY_TYPE_ID", Is: OneOf(1, 3, 4)},
		{Name: "fields.DIRECTION", Is: OneOf(0, 1, 2), Doc: "crm.enum.activitydirection: 1 incoming, 2 outgoing"},
		{Name: "fields.START_TIME", Is: date}, {Name: "fields.END_TIME", Is: date}, {Name: "fields.COMPLETED", Is: OneOf("Y", "N")},
		{Name: "fields.DESCRIPTION", Is: Str(0)}, {Name: "fields.DESCRIPTION_TYPE", Is: OneOf(1, 2, 3), Doc: "crm.enum.contenttype: 1 plain text, 2 BBCode, 3 HTML"},
		{Name: "fields.PRIORITY", Is: OneOf(1, 2, 3)}, {Name: "fields.ORIGINATOR_ID", Is: Filled}, {Name: "fields.ORIGIN_ID", Is: Filled},
	}
}

// bitrix24Find compares numbers without what stands between their digits (mem). Nothing is a list, something a map.
func bitrix24Find(f *Fake, r *Request) Reply {
	found := map[string]any{}
	for _, c := range f.Searched(Contacts) {
		kind := "CONTACT"
		if c.Fields["lead"] == true {
			kind = "LEAD"
		}
		if asked := r.Map()["entity_type"]; asked != nil && asked != kind {
			continue
		}
		if slices.ContainsFunc(listOf(r.Map()["values"]), func(v any) bool { return Digits(Said(v)) == Digits(Said(c.Fields["PHONE"])) }) {
			found[kind] = append(listOf(found[kind]), c.Number())
		}
	}
	if len(found) == 0 {
		return bitrix24Done([]any{})
	}
	return bitrix24Done(found)
}

func bitrix24List(f *Fake, r *Request) Reply {
	result := []any{}
	for _, a := range f.All(bitrix24Activities) {
		fits := true
		for name, v := range mapOf(r.Map()["filter"]) {
			fits = fits && Said(a.Fields[name]) == Said(v)
		}
		if fits && len(result) < 50 {
			result = append(result, map[string]any{"ID": a.ID, "ORIGIN_ID": a.Fields["ORIGIN_ID"]})
		}
	}
	reply := bitrix24Done(result)
	mapOf(reply.Body)["total"] = len(result)
	return reply
}

func bitrix24Add(f *Fake, r *Request) Reply {
	a := mapOf(r.Map()["fields"])
	kind, owner := Said(a["OWNER_TYPE_ID"]), f.Find(Contacts, Said(a["OWNER_ID"]))
	known := kind == "4" && Said(a["OWNER_ID"]) == Bitrix24Company || owner != nil && kind == map[bool]string{true: "1", false: "3"}[owner.Fields["lead"] == true]
	if c := listOf(a["COMMUNICATIONS"]); !known || len(c) != 1 || Said(Get(c[0], "ENTITY_ID")) != Said(a["OWNER_ID"]) || Said(Get(c[0], "ENTITY_TYPE_ID")) != kind {
		return bitrix24Failed(400, "", "Could not build binding. Please ensure that owner info and communications are defined correctly")
	}
	return bitrix24Done(f.Add(bitrix24Activities, a).Number())
}

// bitrix24Update leaves what can't be changed: crm-activity-fields, "immutable".
func bitrix24Update(f *Fake, r *Request) Reply {
	a, changes := f.Find(bitrix24Activities, Said(r.Map()["id"])), mapOf(r.Map()["fields"])
	if a == nil {
		return bitrix24Failed(400, "", "Activity is not found")
	}
	for _, name := range []string{"OWNER_ID", "OWNER_TYPE_ID", "TYPE_ID"} {
		delete(changes, name)
	}
	a.Merge(changes)
	return bitrix24Done(true)
}

func bitrix24Entries(f *Fake) (entries []Entry) {
	for _, a := range f.All(bitrix24Activities) {
		e := Entry{
			ID: a.ID, Call: Said(a.Fields["ORIGIN_ID"]), Contact: Said(a.Fields["OWNER_ID"]), Owner: Said(a.Fields["RESPONSIBLE_ID"]),
			Status: "type " + Said(a.Fields["TYPE_ID"]) + ", direction " + Said(a.Fields["DIRECTION"]) + ", completed " + Said(a.Fields["COMPLETED"]),
			Phone:  Said(Get(listOf(a.Fields["COMMUNICATIONS"])[0], "VALUE")), Recording: Said(a.Fields["DESCRIPTION"]), Talk: -1,
			Text: Said(a.Fields["SUBJECT"]) + "\n" + Said(a.Fields["DESCRIPTION"]),
		}
		if Said(a.Fields["OWNER_TYPE_ID"]) == "4" {
			e.Contact = "" // the company that is nobody
		}
		if at, err := time.Parse(time.RFC3339, Said(a.Fields["START_TIME"])); err == nil {
			e.Started = at
		}
		entries = append(entries, e)
	}
	return entries
}

package targettest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The account behind Kommo: a user, whose token it is, and the contact that was made for calls of nobody.
const (
	KommoUser    = "504141"
	KommoSelf    = "504000"
	KommoContact = "167353"
	KommoNotes   = "notes"
)

// Kommo is version 4 of the API of Kommo, which was amoCRM, as far as the notes of calls go.
func Kommo() *API {
	return &API{
		Name: "Kommo", Doc: "amocrm.ru/developers/content/crm_platform/events-and-notes, contacts-api; amocrm/amocrm-api-php: NoteModel, NoteType/CallNote, NotesFilter, EntityNotes",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+Credential },
		AuthDoc:      "developers.kommo.com/docs/long-lived-token: a bearer token",
		Unauthorized: kommoFailed(401, "Unauthorized", ""),
		NotFound:     kommoFailed(404, "Not Found", ""),
		Busy:         func(time.Duration) Reply { return kommoFailed(429, "Too Many Requests", "") }, // docs/limitations: 7 a second; no Retry-After
		Invalid: func(_ *Route, problems []Problem) Reply {
			errors := []any{}
			for _, p := range problems {
				code, detail := "InvalidType", "This value is not valid: "+p.What
				switch p.Kind {
				case Missing:
					code, detail = "FieldMissing", "This field is missing."
				case Unknown:
					code, detail = "NotSupportedField", "This field was not expected."
				case Refused:
					code, detail = "NotSupportedChoice", "The value you selected is not a valid choice."
				}
				errors = append(errors, map[string]any{"code": code, "path": strings.TrimPrefix(p.Field, "[]."), "detail": detail})
			}
			reply := kommoFailed(400, "Bad Request", "Request validation failed")
			mapOf(reply.Body)["validation-errors"] = []any{map[string]any{"request_id": "0", "errors": errors}}
			return reply
		},
		Contact: func(phone string) map[string]any { // as a person types it
			n := National(phone)
			return map[string]any{"custom_fields_values": []any{map[string]any{"field_id": 571611, "field_code": "PHONE",
				"values": []any{map[string]any{"value": phone[:3] + " " + n[:3] + "-" + n[3:], "enum_code": "WORK"}}}}}
		},
		Routes: []Route{
			{Method: "GET", Path: "/api/v4/contacts", Doc: "contacts-api: query looks through all fields; 204 if there is nobody", Do: kommoContacts,
				Query: []Field{{Name: "query", Required: true, Is: Filled}, {Name: "limit", Is: Like(`^([1-9]\d?|1\d\d|2[0-4]\d|250)$`, "250 at most")}, {Name: "page"}, {Name: "with"}}},
			{Method: "GET", Path: "/api/v4/contacts/notes", Doc: "events-and-notes: the notes of all contacts; 204 if there are none", Do: kommoList,
				Query: []Field{{Name: "filter[note_type]"}, {Name: "filter[updated_at][from]", Is: Like(`^\d+$`, "seconds since 1970")},
					{Name: "order[updated_at]", Is: OneOf("asc", "desc")}, {Name: "order[id]", Is: OneOf("asc", "desc")},
					{Name: "limit", Is: Like(`^([1-9]\d?|1\d\d|2[0-4]\d|250)$`, "250 at most")}, {Name: "page"}}},
			{Method: "POST", Path: "/api/v4/contacts/{contact}/notes", Doc: "events-and-notes, notes-add: a list", Write: true, Do: kommoAdd, Fields: kommoFields("[].")},
			{Method: "PATCH", Path: "/api/v4/contacts/{contact}/notes/{id}", Doc: "events-and-notes, note-edit: params are replaced as a whole (mem)", Write: true, Do: kommoEdit, Fields: kommoFields("")},
		},
		Entries: kommoEntries,
	}
}

func kommoFailed(status int, title, detail string) Reply {
	return Reply{Status: status, Body: map[string]any{"title": title, "type": "https://httpstatus.es/" + strconv.Itoa(status), "status": status, "detail": detail}}
}

// kommoFields are those of a note of a call: NoteModel::toApi, CallNote::toApi; the documentation's samples have uniq, duration,
// source, link and phone. Whether one without a link is taken isn't said (mem: it is, as by POST /api/v4/calls).
func kommoFields(at string) []Field {
	user := func(v any) string {
		if n, ok := v.(json.Number); !ok || n.String() != KommoUser && n.String() != KommoSelf {
			return "no such user"
		}
		return ""
	}
	return []Field{
		{Name: at + "note_type", Required: true, Is: OneOf("call_out", "call_in")},
		{Name: at + "params", Required: true},
		{Name: at + "params.uniq", Is: Filled}, {Name: at + "params.duration", Required: true, Is: Int, Doc: "seconds"},
		{Name: at + "params.source", Required: true, Is: Filled}, {Name: at + "params.phone", Required: true, Is: Filled},
		{Name: at + "params.link", Is: Like(`^https?://`, "an address")}, {Name: at + "params.call_result", Is: Str(0)},
		{Name: at + "params.call_status", Is: OneOf(1, 2, 3, 4, 5, 6, 7), Doc: "calls-api: 1 left a message, 2 call back later, 3 not there, 4 talked, 5 wrong number, 6 not reached, 7 busy"},
		{Name: at + "params.call_responsible", Is: func(v any) string {
			if _, ok := v.(string); ok {
				return "" // a name
			}
			return user(v)
		}},
		{Name: at + "responsible_user_id", Is: user}, {Name: at + "created_by", Is: user}, {Name: at + "request_id"},
		{Name: at + "created_at", Is: Int, Doc: "seconds since 1970"}, {Name: at + "updated_at", Is: Int},
	}
}

// kommoContacts is fuzzy: a part of a number is enough (mem).
func kommoContacts(f *Fake, r *Request) Reply {
	found := []any{}
	for _, c := range f.Searched(Contacts) {
		values := listOf(Get(listOf(c.Fields["custom_fields_values"])[0], "values"))
		if strings.Contains(Digits(Said(Get(values[0], "value"))), Digits(r.URL.Query().Get("query"))) {
			found = append(found, shown(c))
		}
	}
	return kommoPage(r, "contacts", found)
}

func kommoPage(r *Request, name string, found []any) Reply {
	if len(found) == 0 {
		return Reply{Status: 204}
	}
	links := map[string]any{"self": map[string]any{"href": "https://acme.kommo.com" + r.URL.String()}}
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && limit < len(found) {
		found, links["next"] = found[:limit], map[string]any{"href": "https://acme.kommo.com" + r.URL.String() + "&page=2"}
	}
	return Reply{Status: 200, Header: map[string]string{"Content-Type": "application/hal+json"}, Body: map[string]any{"_page": 1, "_links": links, "_embedded": map[string]any{name: found}}}
}

func kommoList(f *Fake, r *Request) Reply {
	q, found := r.URL.Query(), []any{}
	since, _ := strconv.ParseInt(q.Get("filter[updated_at][from]"), 10, 64)
	for _, n := range f.All(KommoNotes) {
		if kind := q.Get("filter[note_type]"); n.At.Unix() >= since && (kind == "" || kind == n.Fields["note_type"]) {
			note := shown(n)
			note["updated_at"] = n.At.Unix()
			found = append(found, note)
		}
	}
	if q.Get("order[updated_at]") == "desc" || q.Get("order[id]") == "desc" {
		slices.Reverse(found)
	}
	return kommoPage(r, KommoNotes, found)
}

func kommoAdd(f *Fake, r *Request) Reply {
	id := r.PathValue("contact")
	if id != KommoContact && f.Find(Contacts, id) == nil {
		return f.API.NotFound
	}
	notes := []any{}
	for _, n := range listOf(r.JSON) {
		note := mapOf(n)
		requested := note["request_id"]
		delete(note, "request_id")
		note["entity_id"] = json.Number(id)
		if note["responsible_user_id"] == nil {
			note["responsible_user_id"] = json.Number(KommoSelf)
		}
		notes = append(notes, map[string]any{"id": f.Add(KommoNotes, note).Number(), "entity_id": json.Number(id), "request_id": requested})
	}
	return Reply{Status: 200, Body: map[string]any{"_embedded": map[string]any{KommoNotes: notes}}}
}

func kommoEdit(f *Fake, r *Request) Reply {
	n := f.Find(KommoNotes, r.PathValue("id"))
	if n == nil || Said(n.Fields["entity_id"]) != r.PathValue("contact") {
		return f.API.NotFound
	}
	delete(n.Fields, "params")
	n.Merge(r.Map())
	return Reply{Status: 200, Body: map[string]any{"id": n.Number(), "entity_id": n.Fields["entity_id"], "updated_at": n.At.Unix()}}
}

func kommoEntries(f *Fake) (entries []Entry) {
	for _, n := range f.All(KommoNotes) {
		params := n.Fields["params"]
		e := Entry{
			ID: n.ID, Call: Said(Get(params, "uniq")), Contact: strings.TrimSuffix(Said(n.Fields["entity_id"]), KommoContact), Owner: Said(n.Fields["responsible_user_id"]),
			Status: Said(n.Fields["note_type"]) + " " + Said(Get(params, "call_status")), Phone: Said(Get(params, "phone")), Recording: Said(Get(params, "link")),
			Talk: -1, Text: Said(Get(params, "call_result")),
		}
		if s, err := strconv.ParseInt(Said(n.Fields["created_at"]), 10, 64); err == nil {
			e.Started = time.Unix(s, 0).UTC()
		}
		if s, err := strconv.Atoi(Said(Get(params, "duration"))); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

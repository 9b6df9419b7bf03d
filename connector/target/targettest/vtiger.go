package targettest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// The instance behind Vtiger: a user, the one for calls of nobody, and the field for the uuid.
const (
	VtigerUser   = "19x5"
	VtigerNobody = "19x1"
	VtigerField  = "cf_events_calluuid"
	VtigerLogin  = "wrapup@example.com"
	vtigerEvents = "events"
	vtigerPrefix = "12x" // the module Contacts: a record's id has that of its module before it
)

// Vtiger is the REST API of Vtiger Cloud, as far as events go. What its manual doesn't say is from the open edition, whose web
// services have the same operations: its error codes, the query language, and which fields are mandatory (mem).
func Vtiger() *API {
	const root = "/restapi/v1/vtiger/default/"
	return &API{
		Name: "Vtiger", Doc: "help.vtiger.com/article/147111249, Rest API Manual; vtigercrm, include/Webservices (Create, Revise, Query, WebServiceErrorCode)",
		Knows: func(_ *Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte(VtigerLogin+":"+Credential))
		},
		AuthDoc:      "Rest API Manual, Authentication: Basic, user and access key",
		Unauthorized: vtigerFailed(401, "AUTHENTICATION_FAILURE", "Invalid username or password"), // (mem)
		NotFound:     vtigerFailed(404, "UNKNOWN_OPERATION", "Unknown operation requested"),
		Busy:         func(time.Duration) Reply { return vtigerFailed(429, "LIMIT_EXCEEDED", "API limit exceeded") }, // calls a day and user; how it is said (mem)
		Invalid: func(_ *Route, problems []Problem) Reply {
			return vtigerFailed(400, "MANDATORY_FIELDS_MISSING", problems[0].String())
		},
		Contact: func(phone string) map[string]any { return map[string]any{"mobile": "0" + National(phone)} }, // as a person types it
		Routes: []Route{
			{Method: "GET", Path: root + "query", Doc: "Rest API Manual, Query; Webservices/Query.php", Query: []Field{{Name: "query", Required: true,
				Is: Like(`^SELECT [\w, ]+ FROM (Contacts|Events) WHERE `+vtigerTerm+`( or `+vtigerTerm+`)*( LIMIT \d+)?;$`, "a query: SELECT … FROM … WHERE …;")}}, Do: vtigerQuery},
			{Method: "POST", Path: root + "create", Doc: "Rest API Manual, Create: elementType, and the record as JSON", Write: true, Media: vtigerMedia,
				Fields: []Field{{Name: "elementType", Required: true, Is: OneOf("Events")}, {Name: "element", Required: true}}, Do: vtigerCreate},
			{Method: "POST", Path: root + "revise", Doc: "Rest API Manual, Revise: what isn't named stays", Write: true, Media: vtigerMedia,
				Fields: []Field{{Name: "element", Required: true}}, Do: vtigerRevise},
		},
		Entries: vtigerEntries,
	}
}

const (
	vtigerMedia = "application/x-www-form-urlencoded" // Rest API Manual, Introduction: form-encoded request bodies
	vtigerTerm  = `(\w+) ?(=|LIKE) ?'([^']*)'`
)

var vtigerPattern = regexp.MustCompile(vtigerTerm)

func vtigerFailed(status int, code, message string) Reply { // Rest API Manual, Response: 400 where it failed
	return Reply{Status: status, Body: map[string]any{"success": false, "error": map[string]any{"code": code, "message": message}}}
}

func vtigerDone(result any) Reply {
	return Reply{Status: 200, Body: map[string]any{"success": true, "result": result}}
}

// vtigerFields are those of an event: the module Events of vtigercrm; which are mandatory (mem).
func vtigerFields(create bool) []Field {
	return []Field{
		{Name: "id"}, {Name: "subject", Required: create, Is: Str(255)},
		{Name: "activitytype", Required: create, Is: OneOf("Call", "Meeting", "Mobile Call")}, {Name: "eventstatus", Required: create, Is: OneOf("Planned", "Held", "Not Held")},
		{Name: "assigned_user_id", Required: create, Is: OneOf(VtigerUser, VtigerNobody), Doc: "Create.php: Cannot assign record to the given user"},
		{Name: "date_start", Required: create, Is: Time(time.DateOnly)}, {Name: "time_start", Required: create, Is: Time(time.TimeOnly)},
		{Name: "due_date", Required: create, Is: Time(time.DateOnly)}, {Name: "time_end", Required: create, Is: Time(time.TimeOnly)},
		{Name: "duration_hours", Required: create, Is: Int}, {Name: "duration_minutes", Is: Int},
		{Name: "contact_id", Is: Like(`^12x\d+$`, "the id of a contact, with that of its module before it")}, {Name: "description", Is: Str(0)},
		{Name: VtigerField, Is: Str(100), Doc: "a text field of the instance"},
	}
}

// vtigerElement reads a record, and applies the rules to it. What is no field is dropped (data/CRMEntity.php).
func vtigerElement(f *Fake, r *Request, create bool) (map[string]any, *Reply) {
	d := json.NewDecoder(bytes.NewReader([]byte(Said(r.Map()["element"]))))
	d.UseNumber()
	var element map[string]any
	if err := d.Decode(&element); err != nil {
		refused := vtigerFailed(400, "INVALID_DATA", "element is no JSON: "+err.Error())
		return nil, &refused
	}
	if problems := (&Route{Fields: vtigerFields(create), Drops: true}).broken(element, f.refuse); len(problems) > 0 {
		code := map[string]string{Missing: "MANDATORY_FIELDS_MISSING"}[problems[0].Kind]
		if code == "" {
			code = "INVALID_DATA"
		}
		refused := vtigerFailed(400, code, problems[0].String())
		return nil, &refused
	}
	if id, _ := strings.CutPrefix(Said(element["contact_id"]), vtigerPrefix); id != "" && f.Find(Contacts, id) == nil {
		refused := vtigerFailed(400, "REFERENCE_INVALID", "Invalid reference specified for contact_id") // Create.php
		return nil, &refused
	}
	return element, nil
}

func vtigerCreate(f *Fake, r *Request) Reply {
	element, refused := vtigerElement(f, r, true)
	if refused != nil {
		return *refused
	}
	return vtigerDone(vtigerShown(f.Add(vtigerEvents, element), "18x"))
}

func vtigerRevise(f *Fake, r *Request) Reply {
	element, refused := vtigerElement(f, r, false)
	if refused != nil {
		return *refused
	}
	id, _ := strings.CutPrefix(Said(element["id"]), "18x")
	e := f.Find(vtigerEvents, id)
	if e == nil {
		return vtigerFailed(400, "RECORD_NOT_FOUND", "Record you are trying to access is not found")
	}
	delete(element, "id")
	e.Merge(element)
	return vtigerDone(vtigerShown(e, "18x"))
}

func vtigerShown(r *Record, prefix string) map[string]any {
	m := map[string]any{"id": prefix + r.ID}
	for name, v := range r.Fields {
		if name != "id" {
			m[name] = v
		}
	}
	return m
}

func vtigerQuery(f *Fake, r *Request) Reply {
	query, found := r.URL.Query().Get("query"), []any{}
	collection, prefix := Contacts, vtigerPrefix
	if strings.Contains(query, " FROM Events ") {
		collection, prefix = vtigerEvents, "18x"
	}
	for _, record := range f.Searched(collection) {
		for _, term := range vtigerPattern.FindAllStringSubmatch(query, -1) {
			v, ok := record.Fields[term[1]]
			if end, wild := strings.CutPrefix(term[3], "%"); ok && (Said(v) == term[3] || term[2] == "LIKE" && wild && strings.HasSuffix(Said(v), end)) {
				found = append(found, vtigerShown(record, prefix))
				break
			}
		}
	}
	var limit int
	if _, after, ok := strings.Cut(query, " LIMIT "); ok {
		if _, err := fmt.Sscan(strings.TrimSuffix(after, ";"), &limit); err == nil && limit < len(found) {
			found = found[:limit]
		}
	}
	return vtigerDone(found)
}

func vtigerEntries(f *Fake) (entries []Entry) {
	for _, c := range f.All(vtigerEvents) {
		e := Entry{
			ID: c.ID, Call: Said(c.Fields[VtigerField]), Owner: Said(c.Fields["assigned_user_id"]), Status: Said(c.Fields["eventstatus"]),
			Phone: Said(c.Fields["subject"]), Recording: Said(c.Fields["description"]), Talk: -1,
			Text: Said(c.Fields["subject"]) + "\n" + Said(c.Fields["description"]),
		}
		e.Contact, _ = strings.CutPrefix(Said(c.Fields["contact_id"]), vtigerPrefix)
		if t, err := time.Parse(time.DateTime, Said(c.Fields["date_start"])+" "+Said(c.Fields["time_start"])); err == nil { // in the user's zone, which is UTC
			e.Started = t
		}
		entries = append(entries, e)
	}
	return entries
}

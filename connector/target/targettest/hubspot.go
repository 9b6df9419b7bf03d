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

// The account behind HubSpot: an owner, and the call property that its users were told to create.
const (
	HubSpotOwner  = "11349275"
	hubspotUnique = "call_uuid"
	hubspotCalls  = "calls"
)

// HubSpot is the CRM API of HubSpot, as far as calls go.
func HubSpot() *API {
	properties := hubspotProperties()
	return &API{
		Name: "HubSpot",
		Doc:  "developers.hubspot.com/docs/guides/api/crm/engagements/calls; HubSpot-public-api-spec-collection, calls and contacts v3",
		Knows: func(_ *Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Bearer "+Credential
		},
		AuthDoc: "docs/guides/apps/private-apps: the token of a private app is a bearer token",
		Unauthorized: Reply{Status: 401, Body: map[string]any{"status": "error", "category": "INVALID_AUTHENTICATION",
			"message": "Authentication credentials not found. This API supports OAuth 2.0 authentication", "correlationId": hubspotCorrelation}},
		NotFound: Reply{Status: 404, Body: map[string]any{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "resource not found", "correlationId": hubspotCorrelation}},
		// usage-guidelines: 429 with errorType RATE_LIMIT and the policy's name; Retry-After is not promised
		Busy: func(time.Duration) Reply {
			return Reply{Status: 429, Body: map[string]any{"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING",
				"message": "You have reached your ten_secondly_rolling limit.", "correlationId": hubspotCorrelation}}
		},
		Limits:  map[string]string{"X-HubSpot-RateLimit-Max": "100", "X-HubSpot-RateLimit-Remaining": "99", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}, // usage-guidelines
		Invalid: hubspotInvalid,
		Lag:     10 * time.Second, // docs/api-reference/crm/search-the-crm: new and changed objects appear after some moments
		Contact: func(phone string) map[string]any { // as a person types it; HubSpot computes the searchable one
			return map[string]any{"phone": "0" + National(phone), "hs_searchable_calculated_phone_number": National(phone)}
		},
		Routes: []Route{
			{
				Method: "POST", Path: "/crm/v3/objects/contacts/search", Doc: "docs/api-reference/crm/search-the-crm",
				Fields: []Field{
					{Name: "limit", Is: Int, Doc: "200 at most"},
					{Name: "after", Is: Str(0)}, {Name: "query", Is: Str(3000)},
					{Name: "properties", Is: List(Str(0))}, {Name: "sorts"},
					{Name: "filterGroups", Is: atMost(5), Doc: "search-the-crm: at most 5 groups, 6 filters in each, 18 in total"},
					{Name: "filterGroups[].filters", Required: true, Is: atMost(6)},
					{Name: "filterGroups[].filters[].propertyName", Required: true, Is: OneOf("phone", "mobilephone", "hs_searchable_calculated_phone_number",
						"hs_searchable_calculated_mobile_number", "hs_searchable_calculated_international_phone_number", "email")},
					{Name: "filterGroups[].filters[].operator", Required: true, Is: OneOf("EQ", "NEQ", "CONTAINS_TOKEN", "HAS_PROPERTY")},
					{Name: "filterGroups[].filters[].value", Is: Str(0)},
				},
				Do: hubspotSearch,
			},
			{
				Method: "POST", Path: "/crm/v3/objects/calls/batch/upsert", Doc: "calls v3 spec, batch upsert: idProperty is a property with unique values, never hs_object_id",
				Write: true, Do: hubspotUpsert,
				Fields: append([]Field{
					{Name: "inputs", Required: true, Is: atMost(100), Doc: "calls v3 spec: 100 inputs"},
					{Name: "inputs[].id", Required: true, Is: Filled},
					{Name: "inputs[].idProperty", Is: OneOf(hubspotUnique), Doc: "the set-up's property; without one the id would be HubSpot's own"},
					{Name: "inputs[].properties", Required: true},
				}, hubspotUnder("inputs[].properties.", properties, true)...),
			},
			{
				Method: "PATCH", Path: "/crm/v3/objects/calls/{id}", Doc: "calls v3 spec, update: 200; 404 for an id that isn't there",
				Write: true, Do: hubspotUpdate,
				Fields: append([]Field{{Name: "properties", Required: true}}, hubspotUnder("properties.", properties, false)...),
			},
			{
				Method: "PUT", Path: "/crm/objects/2026-03/calls/{id}/associations/default/contacts/{contact}",
				Doc: "associations 2026-03 spec, default association: no body, 200, may be repeated", Write: true, Do: hubspotLink,
			},
		},
		Entries: hubspotEntries,
	}
}

const hubspotCorrelation = "aeb5f871-7f07-4993-9211-075dc63e7cbf"

// hubspotProperties are the properties of calls: engagements/calls, "Properties"; the spec has all values as strings.
func hubspotProperties() []Field {
	digits := Like(`^\d+$`, "digits, as a string")
	return []Field{
		{Name: "hs_timestamp", Required: true, Is: Like(`^\d+$|^\d{4}-\d\d-\d\dT[\d:.]+Z$`, "milliseconds since 1970, or ISO 8601 in UTC, as a string")},
		{Name: "hs_call_title", Is: Str(0)}, {Name: "hs_call_body", Is: Str(0)},
		{Name: "hs_call_direction", Is: OneOf("INBOUND", "OUTBOUND")},
		{Name: "hs_call_duration", Is: digits, Doc: "milliseconds"},
		{Name: "hs_call_from_number", Is: Str(0)}, {Name: "hs_call_to_number", Is: Str(0)},
		{Name: "hs_call_recording_url", Is: Like(`^https://`, "an https:// address"), Doc: "engagements/calls: https, .mp3 or .wav"},
		{Name: "hs_call_status", Is: OneOf("BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER", "QUEUED", "RINGING")},
		{Name: "hs_call_disposition", Is: Like(`^[0-9a-f-]{36}$`, "the GUID of an outcome")},
		{Name: "hubspot_owner_id", Is: OneOf(HubSpotOwner), Doc: "the id of an owner of the portal, as a string"},
		{Name: "hs_activity_type", Is: Str(0)}, {Name: "hs_call_source", Is: OneOf("INTEGRATIONS_PLATFORM")},
	}
}

func hubspotUnder(path string, properties []Field, create bool) []Field {
	var under []Field
	for _, p := range properties {
		p.Name, p.Required = path+p.Name, p.Required && create
		under = append(under, p)
	}
	return under
}

// hubspotInvalid is the shape of a validation error: one message that quotes the problems as JSON.
func hubspotInvalid(_ *Route, problems []Problem) Reply {
	var list []map[string]any
	for _, p := range problems {
		what, code := p.Last()+" "+p.What, "INVALID_OPTION"
		switch p.Kind {
		case Unknown:
			what, code = fmt.Sprintf("Property %q does not exist", p.Last()), "PROPERTY_DOESNT_EXIST"
		case Missing:
			what, code = fmt.Sprintf("Some required properties were not set: %s", p.Last()), "REQUIRED_PROPERTY"
		case Refused:
			what, code = fmt.Sprintf("%v was not a valid value for %s", p.Value, p.Last()), "INVALID_OPTION"
		}
		list = append(list, map[string]any{"isValid": false, "message": what, "error": code, "name": p.Last()})
	}
	quoted, _ := json.Marshal(list) // of texts
	return Reply{Status: 400, Body: map[string]any{"status": "error", "category": "VALIDATION_ERROR", "correlationId": hubspotCorrelation,
		"message": "Property values were not valid: " + string(quoted)}}
}

func hubspotSearch(f *Fake, r *Request) Reply {
	found := []any{}
	for _, c := range f.Searched(Contacts) {
		for _, g := range listOf(r.Map()["filterGroups"]) { // any of the groups, each filter in it
			all := true
			for _, filter := range listOf(Get(g, "filters")) {
				all = all && Get(filter, "operator") == "EQ" && c.Fields[Said(Get(filter, "propertyName"))] == Get(filter, "value")
			}
			if all {
				shown := map[string]any{}
				for _, name := range listOf(r.Map()["properties"]) {
					shown[Said(name)] = c.Fields[Said(name)]
				}
				found = append(found, map[string]any{"id": c.ID, "properties": shown})
				break
			}
		}
	}
	total := len(found)
	if limit, err := strconv.Atoi(Said(r.Map()["limit"])); err == nil && limit < total {
		found = found[:limit]
	}
	return Reply{Status: 200, Body: map[string]any{"total": total, "results": found}}
}

func hubspotUpsert(f *Fake, r *Request) Reply {
	results := []any{}
	for _, in := range listOf(r.Map()["inputs"]) {
		id, properties := Said(Get(in, "id")), mapOf(Get(in, "properties"))
		if Get(in, "idProperty") == nil {
			return Reply{Status: 400, Body: map[string]any{"status": "error", "category": "VALIDATION_ERROR", "correlationId": hubspotCorrelation,
				"message": "idProperty is required for upsert; hs_object_id is not supported"}} // calls v3 spec
		}
		at := slices.IndexFunc(f.All(hubspotCalls), func(c *Record) bool { return c.Fields[hubspotUnique] == id })
		if at < 0 {
			properties[hubspotUnique] = id
			c := f.Add(hubspotCalls, properties)
			results = append(results, map[string]any{"id": c.ID, "new": true, "properties": properties})
			continue
		}
		c := f.All(hubspotCalls)[at]
		c.Merge(properties)
		results = append(results, map[string]any{"id": c.ID, "new": false, "properties": c.Fields})
	}
	return Reply{Status: 200, Body: map[string]any{"status": "COMPLETE", "results": results}}
}

func hubspotUpdate(f *Fake, r *Request) Reply {
	c := f.Find(hubspotCalls, r.PathValue("id"))
	if c == nil {
		return f.API.NotFound
	}
	c.Merge(mapOf(r.Map()["properties"]))
	return Reply{Status: 200, Body: map[string]any{"id": c.ID, "properties": c.Fields, "archived": false}}
}

func hubspotLink(f *Fake, r *Request) Reply {
	c, contact := f.Find(hubspotCalls, r.PathValue("id")), f.Find(Contacts, r.PathValue("contact"))
	if c == nil || contact == nil {
		return f.API.NotFound
	}
	c.Link(contact.ID)
	return Reply{Status: 200, Body: map[string]any{"status": "COMPLETE", "results": []any{}}}
}

func hubspotEntries(f *Fake) (entries []Entry) {
	for _, c := range f.All(hubspotCalls) {
		e := Entry{
			ID: c.ID, Call: Said(c.Fields[hubspotUnique]), Contact: strings.Join(c.Links, ","), Owner: Said(c.Fields["hubspot_owner_id"]),
			Status: Said(c.Fields["hs_call_status"]), Phone: Said(c.Fields["hs_call_to_number"]), Recording: Said(c.Fields["hs_call_recording_url"]),
			Talk: -1, Text: Said(c.Fields["hs_call_title"]) + "\n" + Said(c.Fields["hs_call_body"]),
		}
		if ms, err := strconv.ParseInt(Said(c.Fields["hs_timestamp"]), 10, 64); err == nil {
			e.Started = time.UnixMilli(ms).UTC()
		}
		if ms, err := strconv.ParseInt(Said(c.Fields["hs_call_duration"]), 10, 64); err == nil {
			e.Talk = time.Duration(ms) * time.Millisecond
		}
		entries = append(entries, e)
	}
	return entries
}

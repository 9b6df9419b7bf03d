package targettest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The system behind SuiteCRM: an OAuth client, and a user.
const (
	SuiteClient = "e6e0af95-4772-5773-ae70-5ae70f931feb"
	SuiteUser   = "11a71596-83e7-624d-c792-5ab9006dd493"
	suiteCalls  = "calls"
)

// SuiteCRM is the V8 API of SuiteCRM 7 and 8, as far as calls go. Its errors are all 400, whatever is wrong.
func SuiteCRM() *API {
	return &API{
		Name: "SuiteCRM", Doc: "salesagility/SuiteCRM, Api/V8 (Config/routes.php, Service/ModuleService.php, Param, JsonApi) and modules/Calls; SuiteDocs, developer/API/version-8",
		Knows: func(f *Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Bearer "+f.Token()
		},
		AuthDoc: "json-api-new.adoc, Authentication: an access token of /Api/access_token is a bearer token",
		// league/oauth2-server, ResourceServerMiddleware
		Unauthorized: Reply{Status: 401, Body: map[string]any{"error": "access_denied", "hint": "Access token is invalid",
			"error_description": "The resource owner or authorization server denied the request.", "message": "The resource owner or authorization server denied the request."}},
		NotFound: Reply{Status: 404, Body: map[string]any{"message": "Not found"}},
		Busy:     func(time.Duration) Reply { return Reply{Status: 429} }, // of the web server: SuiteCRM knows no limit
		Invalid: func(_ *Route, problems []Problem) Reply {
			p := problems[0]
			switch p.Kind {
			case Unknown:
				return suiteRefused("Property %s in Call module is invalid", p.Last()) // Param/Options/Attributes.php
			case Missing:
				return suiteRefused(`The required option "%s" is missing.`, p.Last()) // symfony/options-resolver
			}
			return suiteRefused(`The option "%s" with value "%v" is invalid.`, p.Last(), p.Value)
		},
		Contact: func(phone string) map[string]any { return map[string]any{"phone_mobile": "0" + National(phone)} }, // as a person types it
		Routes: []Route{
			{
				Method: "POST", Path: "/Api/access_token", Doc: "json-api-new.adoc, Authentication; league/oauth2-server", Open: true, Media: "application/x-www-form-urlencoded",
				Fields: []Field{{Name: "grant_type", Required: true, Is: OneOf("client_credentials", "password")}, {Name: "client_id", Required: true},
					{Name: "client_secret", Required: true}, {Name: "scope"}, {Name: "username"}, {Name: "password"}},
				Do: func(f *Fake, r *Request) Reply {
					if f.Expired() || r.Map()["client_id"] != SuiteClient || r.Map()["client_secret"] != Credential {
						return Reply{Status: 401, Body: map[string]any{"error": "invalid_client", "error_description": "Client authentication failed", "message": "Client authentication failed"}}
					}
					return Reply{Status: 200, Body: map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": f.Token()}}
				},
			},
			{Method: "GET", Path: "/Api/V8/module/Contacts", Doc: "routes.php, Get module records", Query: suiteQuery(), Do: suiteList},
			{Method: "POST", Path: "/Api/V8/module", Doc: "ModuleService.php, createRecord: 201", Write: true, Media: suiteMedia, Fields: suiteFields(), Do: suiteCreate},
			{Method: "PATCH", Path: "/Api/V8/module", Doc: "ModuleService.php, updateRecord: 201, the id in the body", Write: true, Media: suiteMedia, Fields: suiteFields(), Do: suiteUpdate},
			{Method: "POST", Path: "/Api/V8/module/Calls/{id}/relationships/contacts", Doc: "routes.php, Create relationship by link: 201; modules/Calls/vardefs.php has the link", Write: true, Media: suiteMedia,
				Fields: []Field{{Name: "data.type", Required: true, Is: OneOf("Contacts")}, {Name: "data.id", Required: true, Is: Filled}}, Do: suiteLink},
		},
		Entries: suiteEntries,
	}
}

const suiteMedia = "application/vnd.api+json" // BaseController.php, MEDIA_TYPE

func suiteRefused(detail string, a ...any) Reply { // JsonApi/Response/ErrorResponse.php: a map, no list
	return Reply{Status: 400, Body: map[string]any{"errors": map[string]any{"status": 400, "title": nil, "detail": fmt.Sprintf(detail, a...)}}}
}

// suiteFields are those of a call: modules/Calls/vardefs.php. No attribute may be blank (Param/Options/Attributes.php).
func suiteFields() []Field {
	field := func(name string, is Check) Field {
		return Field{Name: "data.attributes." + name, Is: func(v any) string {
			if v == nil || v == "" || v == false {
				return "should not be blank"
			}
			return is(v)
		}}
	}
	return []Field{
		{Name: "data.type", Required: true, Is: OneOf("Calls")},
		{Name: "data.id", Is: Like(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`, "a UUID"), Doc: "Param/CreateModuleDataParams.php"},
		field("name", Str(50)), field("status", OneOf("Planned", "Held", "Not Held")), field("direction", OneOf("Inbound", "Outbound")),
		field("date_start", Time(time.DateTime)), field("date_end", Time(time.DateTime)),
		field("duration_hours", Int), field("duration_minutes", Int), field("description", Str(0)),
		field("parent_type", OneOf("Accounts", "Contacts", "Leads", "Opportunities", "Cases")), field("parent_id", Filled),
		field("assigned_user_id", OneOf(SuiteUser)),
	}
}

// suiteQuery are the parameters of a list: Param/Options (Fields, Filter, Page), JsonApi/Repository/Filter.php.
func suiteQuery() []Field {
	q := []Field{
		{Name: "fields[Contacts]", Is: Like(`^[a-z_0-9]+(,[a-z_0-9]+)*$`, "fields, separated by commas")}, {Name: "page[number]"},
		{Name: "page[size]", Is: Like(`^\d+$`, "a number")}, {Name: "filter[operator]", Is: OneOf("or", "and", "OR", "AND")},
	}
	for _, name := range suitePhones {
		for _, operator := range []string{"eq", "like"} {
			q = append(q, Field{Name: fmt.Sprintf("filter[%s][%s]", name, operator), Is: Filled})
		}
	}
	return q
}

var suitePhones = []string{"phone_mobile", "phone_work", "phone_home", "phone_other"}

// suiteList compares literally, as SQL does: what people typed is what is stored.
func suiteList(f *Fake, r *Request) Reply {
	q, data := r.URL.Query(), []any{}
	either := strings.EqualFold(q.Get("filter[operator]"), "or")
	for _, c := range f.Searched(Contacts) {
		fits := []bool{}
		for _, name := range suitePhones {
			if v := q.Get("filter[" + name + "][eq]"); v != "" {
				fits = append(fits, c.Fields[name] == v)
			}
			if v := q.Get("filter[" + name + "][like]"); v != "" {
				fits = append(fits, strings.HasPrefix(v, "%") && strings.HasSuffix(Said(c.Fields[name]), v[1:]) || c.Fields[name] == v)
			}
		}
		if either && slices.Contains(fits, true) || !either && !slices.Contains(fits, false) {
			attributes := map[string]any{}
			for name := range strings.SplitSeq(q.Get("fields[Contacts]"), ",") {
				attributes[name] = Said(c.Fields[name])
			}
			data = append(data, map[string]any{"type": "Contact", "id": c.ID, "attributes": attributes, "relationships": map[string]any{}})
		}
	}
	if size, err := strconv.Atoi(q.Get("page[size]")); err == nil && size < len(data) {
		data = data[:size]
	}
	return Reply{Status: 200, Body: map[string]any{"data": data}}
}

func suiteCreate(f *Fake, r *Request) Reply {
	id, attributes := Said(Get(r.JSON, "data", "id")), mapOf(Get(r.JSON, "data", "attributes"))
	if id != "" && suiteFind(f, id) != nil {
		return suiteRefused("Bean %s with id %s is already exist", "Calls", id) // createRecord, also of one that was deleted
	}
	if attributes["status"] == nil {
		attributes["status"] = "Planned" // vardefs.php, default
	}
	attributes["id"] = id
	return suiteDone(f.Add(suiteCalls, attributes))
}

// suiteFind finds a call by the id that its maker chose.
func suiteFind(f *Fake, id string) *Record {
	for _, c := range f.All(suiteCalls) {
		if c.Fields["id"] == id {
			return c
		}
	}
	return nil
}

func suiteUpdate(f *Fake, r *Request) Reply {
	c := suiteFind(f, Said(Get(r.JSON, "data", "id")))
	if c == nil {
		return suiteRefused("%s module with id %v is not found", "Calls", Get(r.JSON, "data", "id"))
	}
	c.Merge(mapOf(Get(r.JSON, "data", "attributes")))
	return suiteDone(c)
}

func suiteDone(c *Record) Reply {
	return Reply{Status: 201, Body: map[string]any{"data": map[string]any{"type": "Call", "id": c.Fields["id"], "attributes": c.Fields, "relationships": map[string]any{}}}}
}

func suiteLink(f *Fake, r *Request) Reply {
	c, contact := suiteFind(f, r.PathValue("id")), f.Find(Contacts, Said(Get(r.JSON, "data", "id")))
	if c == nil || contact == nil {
		return suiteRefused("%s module with id %s is not found", "Calls", r.PathValue("id"))
	}
	c.Link(contact.ID) // data/Relationships/SugarRelationship.php, addRow: one that is there is updated (mem)
	return Reply{Status: 201, Body: map[string]any{"meta": map[string]any{"message": "Contact with id " + contact.ID + " has been added to Call"}}}
}

// suiteEntries knows a contact by the relationship: modules/Contacts/metadata/subpaneldefs.php shows the history by it.
func suiteEntries(f *Fake) (entries []Entry) {
	for _, c := range f.All(suiteCalls) {
		e := Entry{
			ID: c.ID, Call: Said(c.Fields["id"]), Contact: strings.Join(c.Links, ","), Owner: Said(c.Fields["assigned_user_id"]),
			Status: Said(c.Fields["status"]), Phone: Said(c.Fields["name"]), Recording: Said(c.Fields["description"]), Talk: -1,
			Text: Said(c.Fields["name"]) + "\n" + Said(c.Fields["description"]),
		}
		if parent := Said(c.Fields["parent_id"]); parent != "" && parent != e.Contact {
			e.Contact += "," + parent
		}
		if t, err := time.Parse(time.DateTime, Said(c.Fields["date_start"])); err == nil { // UTC, as the user's zone is
			e.Started = t
		}
		hours, _ := strconv.Atoi(Said(c.Fields["duration_hours"]))
		if minutes, err := strconv.Atoi(Said(c.Fields["duration_minutes"])); err == nil {
			e.Talk = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		}
		entries = append(entries, e)
	}
	return entries
}

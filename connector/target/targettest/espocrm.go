package targettest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The site behind EspoCRM: a user, the one for calls of nobody, and what is logged.
const (
	EspoUser   = "65f0a1b2c3d4e5f60"
	EspoNobody = "65f0a1b2c3d4e5f61"
	espoCalls  = "calls"
)

// EspoCRM is the API of EspoCRM 8 and 9, as far as calls go.
func EspoCRM() *API {
	return &API{
		Name: "EspoCRM", Doc: "espocrm/documentation, docs/development/api.md, api/crud.md, api-search-params.md; espocrm/espocrm, entityDefs/Call.json",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("X-Api-Key") == Credential },
		AuthDoc:      "api.md, Authentication by API Key: the header X-Api-Key",
		Unauthorized: Reply{Status: 401},
		NotFound:     Reply{Status: 404, Header: map[string]string{"X-Status-Reason": "Record not found"}},
		Busy:         func(time.Duration) Reply { return Reply{Status: 429} }, // of the web server: EspoCRM knows no limit
		Invalid: func(_ *Route, problems []Problem) Reply {
			p := problems[0]
			rule := map[string]string{Missing: "required", Invalid: "valid", Refused: "valid"}[p.Kind]
			if p.Kind == Unknown || strings.HasPrefix(p.Field, "where") { // Where/Checker.php: a bare 400 with a reason
				return Reply{Status: 400, Header: map[string]string{"X-Status-Reason": "Bad where item"}}
			}
			return espoInvalid(p.Last(), rule)
		},
		Contact: func(phone string) map[string]any { return map[string]any{"name": "A person", "phoneNumber": phone} }, // phone-numbers.md: stored in the international format
		Routes: []Route{
			{Method: "GET", Path: "/api/v1/Contact", Doc: "crud.md, List", Query: espoQuery("phoneNumber"),
				Do: func(f *Fake, r *Request) Reply { return espoList(f, r, Contacts) }},
			{Method: "GET", Path: "/api/v1/Call", Doc: "crud.md, List", Query: espoQuery("cCallUuid"),
				Do: func(f *Fake, r *Request) Reply { return espoList(f, r, espoCalls) }},
			{Method: "POST", Path: "/api/v1/Call", Doc: "crud.md, Create: 200 with the record; what is no attribute is dropped, as is id", Write: true, Drops: true,
				Fields: espoFields(true), Do: espoCreate},
			{Method: "PUT", Path: "/api/v1/Call/{id}", Doc: "crud.md, Update: 200 with the record", Write: true, Drops: true,
				Fields: espoFields(false), Do: espoUpdate},
		},
		Entries: espoEntries,
	}
}

// espoInvalid is how a validation fails: Espo/Core/FieldValidation; the body names the field and the rule.
func espoInvalid(field, rule string) Reply {
	return Reply{Status: 400, Header: map[string]string{"X-Status-Reason": fmt.Sprintf("Field validation failure; entityType: Call, field: %s, type: %s.", field, rule)},
		Body: map[string]any{"messageTranslation": map[string]any{"label": "validationFailure", "scope": nil, "data": map[string]any{"field": field, "type": rule}}}}
}

// espoFields are those of a call: entityDefs/Call.json; times are UTC (api.md, "Date and time values").
func espoFields(create bool) []Field {
	at := Time(time.DateTime)
	return []Field{
		{Name: "name", Required: create, Doc: "Call.json: pattern $noBadCharacters, without <, > and =; a varchar has 100 characters unless it says otherwise",
			Is: func(v any) string {
				if what := Str(100)(v); what != "" {
					return what
				}
				return Like(`^[^<>=]+$`, "no <, > or =")(v)
			}},
		{Name: "status", Is: OneOf("Planned", "Held", "Not Held")}, {Name: "direction", Is: OneOf("Outbound", "Inbound")},
		{Name: "dateStart", Required: create, Is: at}, {Name: "dateEnd", Required: create, Is: at},
		{Name: "description", Is: Str(0)},
		{Name: "parentType", Is: OneOf("Account", "Lead", "Contact", "Opportunity", "Case")}, {Name: "parentId", Is: Filled},
		{Name: "contactsIds", Is: List(Filled)}, {Name: "leadsIds", Is: List(Filled)}, {Name: "usersIds", Is: List(Filled)}, {Name: "teamsIds", Is: List(Filled)},
		{Name: "assignedUserId", Required: create, Is: OneOf(EspoUser, EspoNobody), Doc: "Call.json: assignedUser is required; Record/Defaults/DefaultPopulator.php fills it in for none who may assign"},
		{Name: "cCallUuid", Is: Str(100), Doc: "a varchar of the site; entity-manager.md: custom fields have the prefix c"},
		{Name: "cTalkSeconds", Is: Int, Doc: "an integer of the site"}, {Name: "cRecording", Is: Like(`^https?://`, "a URL"), Doc: "a URL of the site"},
	}
}

// espoQuery are the parameters of a list with one condition: api-search-params.md.
func espoQuery(attributes ...any) []Field {
	return []Field{
		{Name: "maxSize", Is: Like(`^(\d\d?|1\d\d|200)$`, "a number up to 200")}, {Name: "offset"}, {Name: "orderBy"}, {Name: "order", Is: OneOf("asc", "desc")},
		{Name: "select", Is: Like(`^[\w,]+$`, "attributes, separated by commas, no spaces")},
		{Name: "where[0][type]", Required: true, Is: OneOf("equals")},
		{Name: "where[0][attribute]", Required: true, Is: OneOf(attributes...)},
		{Name: "where[0][value]", Required: true, Is: Filled},
	}
}

func espoList(f *Fake, r *Request, collection string) Reply {
	q, list := r.URL.Query(), []any{}
	for _, record := range f.Searched(collection) {
		if record.Fields[q.Get("where[0][attribute]")] == q.Get("where[0][value]") { // PhoneNumber converter, "=": the number as it is stored
			shown := map[string]any{"id": record.ID}
			for name := range strings.SplitSeq(q.Get("select"), ",") {
				if v, ok := record.Fields[name]; ok {
					shown[name] = v
				}
			}
			list = append(list, shown)
		}
	}
	total := len(list)
	if most, err := strconv.Atoi(q.Get("maxSize")); err == nil && most < total {
		list = list[:most]
	}
	return Reply{Status: 200, Body: map[string]any{"total": total, "list": list}}
}

// espoCheck are the rules between fields.
func espoCheck(f *Fake, c map[string]any) *Reply {
	refuse := func(field, rule string) *Reply { r := espoInvalid(field, rule); return &r }
	if end := Said(c["dateEnd"]); end != "" && end < Said(c["dateStart"]) {
		return refuse("dateEnd", "afterOrEqual") // Call.json: after dateStart, afterOrEqual
	}
	if (c["parentType"] == nil) != (c["parentId"] == nil) {
		return refuse("parent", "valid")
	}
	contacts := listOf(c["contactsIds"])
	if c["parentType"] == "Contact" {
		contacts = append(slices.Clone(contacts), c["parentId"])
	}
	for _, id := range contacts {
		if f.Find(Contacts, Said(id)) == nil {
			return &Reply{Status: 404} // Record/Access/LinkCheck.php: what is linked must be there
		}
	}
	return nil
}

func espoCreate(f *Fake, r *Request) Reply {
	c := r.Map()
	if refused := espoCheck(f, c); refused != nil {
		return *refused
	}
	for name, v := range map[string]any{"status": "Planned", "direction": "Outbound"} { // Call.json, defaults
		if c[name] == nil {
			c[name] = v
		}
	}
	return espoDone(f.Add(espoCalls, c))
}

func espoUpdate(f *Fake, r *Request) Reply {
	c := f.Find(espoCalls, r.PathValue("id"))
	if c == nil {
		return f.API.NotFound
	}
	c.Merge(r.Map())
	return espoDone(c)
}

func espoDone(c *Record) Reply {
	m := shown(c)
	m["id"] = c.ID // a text
	return Reply{Status: 200, Body: m}
}

func espoEntries(f *Fake) (entries []Entry) {
	for _, c := range f.All(espoCalls) {
		e := Entry{
			ID: c.ID, Call: Said(c.Fields["cCallUuid"]), Owner: Said(c.Fields["assignedUserId"]), Status: Said(c.Fields["status"]),
			Phone: Said(c.Fields["name"]), Recording: Said(c.Fields["cRecording"]), Talk: -1,
			Text: Said(c.Fields["name"]) + "\n" + Said(c.Fields["description"]),
		}
		ids := []string{}
		for _, id := range append([]any{c.Fields["parentId"]}, listOf(c.Fields["contactsIds"])...) {
			if id != nil && !slices.Contains(ids, Said(id)) {
				ids = append(ids, Said(id))
			}
		}
		e.Contact = strings.Join(ids, ",")
		if t, err := time.Parse(time.DateTime, Said(c.Fields["dateStart"])); err == nil {
			e.Started = t
		}
		if s, err := strconv.Atoi(Said(c.Fields["cTalkSeconds"])); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

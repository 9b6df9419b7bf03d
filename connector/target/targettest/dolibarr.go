package targettest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The system behind Dolibarr: a user who owns events, and the one for calls of nobody.
const (
	DolibarrUser   = "7"
	DolibarrNobody = "3"
	dolibarrEvents = "events"
)

// Dolibarr is the REST API of Dolibarr 13 and later, as far as events go.
func Dolibarr() *API {
	const root = "/api/index.php/"
	return &API{
		Name: "Dolibarr", Doc: "Dolibarr/dolibarr, comm/action/class (api_agendaevents, actioncomm), societe/class/api_contacts, api/class (api, api_access), core/lib/functions.lib.php",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("DOLAPIKEY") == Credential },
		AuthDoc:      "api_access.class.php: the header DOLAPIKEY; a key that isn't known is a 401",
		Unauthorized: dolibarrFailed(401, "Unauthorized: Error user not valid (not found with api key or bad status or bad validity dates) (conf->entity=1)"),
		NotFound:     dolibarrFailed(404, "Not Found"),
		Busy:         func(time.Duration) Reply { return Reply{Status: 429} }, // of the web server: Dolibarr knows no limit
		Invalid: func(route *Route, problems []Problem) Reply {
			p := problems[0]
			switch {
			case p.Field == "sqlfilters":
				return dolibarrFailed(400, "Bad Request: Error when validating parameter sqlfilters -> Bad syntax of the search string")
			case p.Last() == "userownerid" && p.Kind == Missing:
				return dolibarrFailed(500, "Internal Server Error: Error creating event", "ErrorActionCommPropertyUserowneridNotDefined")
			case route.Method == http.MethodPost:
				return dolibarrFailed(500, "Internal Server Error: Error creating event", p.Last()+": "+p.What)
			}
			return dolibarrFailed(500, "Internal Server Error", p.Last()+": "+p.What)
		},
		Contact: func(phone string) map[string]any {
			return map[string]any{"phone_mobile": "0" + National(phone), "socid": "55"}
		}, // as a person types it
		Routes: []Route{
			{Method: "GET", Path: root + "contacts", Doc: "api_contacts.class.php, index", Do: dolibarrContacts, Query: dolibarrQuery("thirdparty_ids", "category", "includecount", "properties")},
			{Method: "GET", Path: root + "agendaevents", Doc: "api_agendaevents.class.php, index", Do: dolibarrList, Query: dolibarrQuery("user_ids", "properties")},
			{Method: "POST", Path: root + "agendaevents", Doc: "api_agendaevents.class.php, post: 200, the id as it is", Write: true, Fields: dolibarrFields(true), Do: dolibarrCreate},
			{Method: "PUT", Path: root + "agendaevents/{id}", Doc: "api_agendaevents.class.php, put: 200, the event; false where it failed", Write: true, Fields: dolibarrFields(false), Do: dolibarrUpdate},
		},
		Entries: dolibarrEntries,
	}
}

// dolibarrFailed is the shape of Restler's errors; details stand in it under numbers.
func dolibarrFailed(status int, message string, details ...string) Reply {
	e := map[string]any{"code": status, "message": message}
	for i, d := range details {
		e[strconv.Itoa(i)] = d
	}
	return Reply{Status: status, Body: map[string]any{"error": e}}
}

// dolibarrFields are those of an event: actioncomm.class.php, create and update.
func dolibarrFields(create bool) []Field {
	return []Field{
		{Name: "userownerid", Required: create, Is: OneOf(json.Number(DolibarrUser), json.Number(DolibarrNobody)), Doc: "create: ErrorActionCommPropertyUserowneridNotDefined"},
		{Name: "type_code", Required: create, Is: OneOf("AC_TEL", "AC_FAX", "AC_EMAIL", "AC_RDV", "AC_OTH"), Doc: "create: type_id or type_code must be set; llx_c_actioncomm has the codes"},
		{Name: "label", Is: Like(`^[^<>]{0,128}$`, "128 characters, no HTML"), Doc: "create cuts it; api.class.php, _checkValForAPI: alphanohtml"},
		{Name: "note_private", Is: Str(0), Doc: "HTML"},
		{Name: "datep", Is: dolibarrTime}, {Name: "datef", Is: dolibarrTime},
		{Name: "percentage", Is: Int, Doc: "100 is done, 0 to do, -1 not applicable"},
		{Name: "ref_ext", Is: Str(255)}, {Name: "socid"}, {Name: "contact_id", Is: Int, Doc: "deprecated: the contact's tab shows what is in socpeopleassigned"},
		{Name: "socpeopleassigned", Doc: "create: the keys are the ids of contacts", Is: func(v any) string {
			if _, ok := v.(map[string]any); !ok {
				return "expected a map by the ids of contacts"
			}
			return ""
		}},
		{Name: "fulldayevent", Is: Int}, {Name: "transparency", Is: Int}, {Name: "location", Is: Str(128)},
	}
}

// dolibarrTime is seconds since 1970; what has milliseconds would be in a far future.
func dolibarrTime(v any) string {
	n, ok := v.(json.Number)
	s, err := strconv.ParseInt(n.String(), 10, 64)
	if !ok || err != nil || s > 4e9 {
		return "expected seconds since 1970"
	}
	return ""
}

// dolibarrCriterion is one of a filter: functions.lib.php, forgeSQLFromUniversalSearchCriteria.
const dolibarrCriterion = `\(t\.([a-z_0-9]+):(=|like):'([^'()]*)'\)`

func dolibarrQuery(more ...string) []Field {
	q := []Field{
		{Name: "sqlfilters", Is: Like(`^`+dolibarrCriterion+`( (and|or) `+dolibarrCriterion+`)*$`, "(t.field:=:'value'), joined by and, or")},
		{Name: "sortfield"}, {Name: "sortorder", Is: OneOf("ASC", "DESC")}, {Name: "limit", Is: Like(`^\d+$`, "a number")}, {Name: "page"},
	}
	for _, name := range more {
		q = append(q, Field{Name: name})
	}
	return q
}

// dolibarrFinds says whether a filter, of alternatives, finds a record. Columns gives the property of each column.
func dolibarrFinds(r *Request, c *Record, columns map[string]string) bool {
	all := dolibarrPattern.FindAllStringSubmatch(r.URL.Query().Get("sqlfilters"), -1)
	for _, of := range all {
		v, ok := c.Fields[columns[of[1]]]
		if !ok {
			continue
		}
		if end, wild := strings.CutPrefix(of[3], "%"); of[2] == "like" && wild && strings.HasSuffix(Said(v), end) || Said(v) == of[3] {
			return true
		}
	}
	return len(all) == 0
}

var dolibarrPattern = regexp.MustCompile(dolibarrCriterion)

func dolibarrFound(r *Request, list []any) Reply {
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && limit > 0 && limit < len(list) {
		list = list[:limit]
	}
	return Reply{Status: 200, Body: list} // an empty list; before version 15 a 404
}

// dolibarrContacts knows the columns of llx_socpeople, and the properties of class Contact, which have other names.
func dolibarrContacts(f *Fake, r *Request) Reply {
	list := []any{}
	for _, c := range f.Searched(Contacts) {
		if dolibarrFinds(r, c, map[string]string{"phone": "phone_pro", "phone_mobile": "phone_mobile", "phone_perso": "phone_perso"}) {
			m := map[string]any{"id": c.ID}
			for _, name := range []string{"phone_pro", "phone_mobile", "phone_perso", "socid"} {
				m[name] = c.Fields[name]
			}
			list = append(list, m)
		}
	}
	return dolibarrFound(r, list)
}

func dolibarrList(f *Fake, r *Request) Reply {
	list := []any{}
	for _, c := range f.Searched(dolibarrEvents) {
		if dolibarrFinds(r, c, map[string]string{"ref_ext": "ref_ext", "label": "label"}) {
			list = append(list, map[string]any{"id": c.ID, "label": c.Fields["label"], "datep": c.Fields["datep"]}) // ref_ext is not shown: _cleanObjectDatas
		}
	}
	return dolibarrFound(r, list)
}

func dolibarrCreate(f *Fake, r *Request) Reply {
	e := r.Map()
	for id := range mapOf(e["socpeopleassigned"]) {
		if f.Find(Contacts, id) == nil {
			return dolibarrFailed(500, "Internal Server Error: Error creating event", fmt.Sprintf("fk_element %s: Cannot add or update a child row", id))
		}
	}
	return Reply{Status: 200, Body: f.Add(dolibarrEvents, e).Number()}
}

func dolibarrUpdate(f *Fake, r *Request) Reply {
	e := f.Find(dolibarrEvents, r.PathValue("id"))
	if e == nil {
		return dolibarrFailed(404, "Not Found: actioncomm not found")
	}
	change := r.Map()
	delete(change, "ref_ext") // actioncomm.class.php, update: doesn't write it
	e.Merge(change)
	return Reply{Status: 200, Body: map[string]any{"id": e.ID, "label": e.Fields["label"]}}
}

func dolibarrEntries(f *Fake) (entries []Entry) {
	for _, c := range f.All(dolibarrEvents) {
		e := Entry{
			ID: c.ID, Call: Said(c.Fields["ref_ext"]), Owner: Said(c.Fields["userownerid"]),
			Status: fmt.Sprintf("%s %s", Said(c.Fields["type_code"]), Said(c.Fields["percentage"])), Phone: Said(c.Fields["label"]),
			Recording: Said(c.Fields["note_private"]), Talk: -1, Text: Said(c.Fields["label"]) + "\n" + Said(c.Fields["note_private"]),
		}
		for id := range mapOf(c.Fields["socpeopleassigned"]) {
			e.Contact = strings.TrimPrefix(e.Contact+","+id, ",")
		}
		if s, err := strconv.ParseInt(Said(c.Fields["datep"]), 10, 64); err == nil {
			e.Started = time.Unix(s, 0).UTC()
		}
		entries = append(entries, e)
	}
	return entries
}

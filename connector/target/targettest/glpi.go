package targettest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The account behind GLPI: the application's token, and a technician.
const (
	GLPIApp       = "f7g3csp8mgatg5ebc5elnazakw20i9fyev1qopya7"
	GLPIAgent     = "7"
	glpiTickets   = "tickets"
	glpiFollowups = "followups"
)

// GLPI is the first of GLPI's APIs, apirest.php, as far as tickets go.
func GLPI() *API {
	return &API{
		Name: "GLPI", Doc: "glpi-project/glpi, apirest.md; src/Ticket.php and src/User.php, rawSearchOptions",
		Knows: func(f *Fake, r *http.Request) bool {
			return r.Header.Get("Session-Token") == f.Token() && r.Header.Get("App-Token") == GLPIApp
		},
		AuthDoc:      "apirest.md, init session: a session's token, got with a user's token; App-Token with each call",
		Unauthorized: glpiFailed(401, "ERROR_SESSION_TOKEN_INVALID", "session_token seems invalid"), // apirest.md, errors
		NotFound:     glpiFailed(404, "ERROR_ITEM_NOT_FOUND", "Item not found"),
		Asks:         true,
		// GLPI has no limit of its own; a web server before it may have one (nginx, limit_req_status 429)
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}, Body: Text("<html>429 Too Many Requests</html>")}
		},
		Invalid: func(_ *Route, problems []Problem) Reply {
			p := problems[0]
			switch p.Kind {
			case Missing:
				return glpiFailed(400, "ERROR_GLPI_ADD", "Mandatory fields are not filled. Please correct: "+p.Last())
			case Refused:
				return glpiFailed(400, "ERROR_GLPI_ADD", "You don't have permission to perform this action. ("+p.Last()+")")
			}
			return glpiFailed(400, "ERROR", p.String())
		},
		Contact: func(phone string) map[string]any {
			return map[string]any{"1": "a.person", "6": "", "10": "", "11": phone}
		},
		Routes: []Route{
			{Method: "GET", Path: "/apirest.php/initSession", Doc: "apirest.md, init session", Open: true, Do: glpiLogin},
			{Method: "GET", Path: "/apirest.php/search/User", Doc: "apirest.md, search items; User: 2 id, 6 phone, 10 phone2, 11 mobile", Query: glpiCriteria(4), Do: glpiUsers},
			{Method: "GET", Path: "/apirest.php/Ticket", Doc: "apirest.md, get all items: searchText has a column's name as its key; what contains the text is found",
				Query: []Field{{Name: "searchText[externalid]"}, {Name: "range", Is: Like(`^\d+-\d+$`, "a range such as 0-1")}, {Name: "get_hateoas"}},
				Do:    func(f *Fake, r *Request) Reply { return glpiItems(f, r, glpiTickets, "externalid") }},
			{Method: "GET", Path: "/apirest.php/ITILFollowup", Doc: "apirest.md, get all items",
				Query: []Field{{Name: "searchText[content]"}, {Name: "range", Is: Like(`^\d+-\d+$`, "a range such as 0-1")}, {Name: "get_hateoas"}},
				Do:    func(f *Fake, r *Request) Reply { return glpiItems(f, r, glpiFollowups, "content") }},
			{Method: "POST", Path: "/apirest.php/Ticket", Doc: "apirest.md, add items; what isn't a column is ignored", Write: true, Drops: true, Fields: glpiFields(true),
				Do: func(f *Fake, r *Request) Reply {
					t := mapOf(r.Map()["input"])
					if id := Said(t["_users_id_requester"]); id != "" && f.Find(Contacts, id) == nil {
						return glpiFailed(400, "ERROR_GLPI_ADD", "")
					}
					if t["status"] == nil {
						t["status"] = "1"
					}
					return Reply{Status: 201, Body: map[string]any{"id": f.Add(glpiTickets, t).Number(), "message": ""}}
				}},
			{Method: "PUT", Path: "/apirest.php/Ticket/{id}", Doc: "apirest.md, update items", Write: true, Drops: true, Fields: glpiFields(false),
				Do: func(f *Fake, r *Request) Reply {
					t := f.Find(glpiTickets, r.PathValue("id"))
					if t == nil {
						return f.API.NotFound
					}
					t.Merge(mapOf(r.Map()["input"]))
					return Reply{Status: 200, Body: []any{map[string]any{t.ID: true, "message": ""}}}
				}},
			{Method: "POST", Path: "/apirest.php/ITILFollowup", Doc: "apirest.md, add items", Write: true, Drops: true,
				Fields: []Field{{Name: "input", Required: true}, {Name: "input.itemtype", Required: true, Is: OneOf("Ticket", "Change", "Problem")},
					{Name: "input.items_id", Required: true, Is: Int}, {Name: "input.content", Required: true, Is: Filled}, {Name: "input.is_private", Is: OneOf(0, 1)}},
				Do: func(f *Fake, r *Request) Reply {
					return Reply{Status: 201, Body: map[string]any{"id": f.Add(glpiFollowups, mapOf(r.Map()["input"])).Number(), "message": ""}}
				}},
		},
		Entries: glpiEntries,
	}
}

func glpiFailed(status int, code, message string) Reply {
	return Reply{Status: status, Body: []any{code, message}}
}

// glpiFields are columns of tickets, and what Ticket::add reads besides.
func glpiFields(create bool) []Field {
	return []Field{
		{Name: "input", Required: true},
		{Name: "input.name", Required: create, Is: Str(255), Doc: "varchar(255)"}, {Name: "input.content", Required: create, Is: Filled, Doc: "HTML; the default template demands it"},
		{Name: "input.type", Is: OneOf(1, 2), Doc: "1 incident, 2 request"},
		{Name: "input.status", Is: OneOf(1, 2, 3, 4, 5, 6), Doc: "CommonITILObject: 1 new, 2 assigned, 3 planned, 4 waiting, 5 solved, 6 closed"},
		{Name: "input.urgency", Is: OneOf(1, 2, 3, 4, 5)}, {Name: "input.impact", Is: OneOf(1, 2, 3, 4, 5)}, {Name: "input.priority", Is: OneOf(1, 2, 3, 4, 5, 6)},
		{Name: "input.externalid", Is: Str(255)}, {Name: "input.itilcategories_id", Is: Int}, {Name: "input.entities_id", Is: Int}, {Name: "input.requesttypes_id", Is: Int},
		{Name: "input._users_id_requester", Is: Int}, {Name: "input._groups_id_assign", Is: Int},
		{Name: "input._users_id_assign", Is: func(v any) string {
			if Said(v) != GLPIAgent {
				return "there is no such user"
			}
			return Int(v)
		}},
	}
}

func glpiLogin(f *Fake, r *Request) Reply {
	switch {
	case r.Header.Get("App-Token") != GLPIApp:
		return glpiFailed(400, "ERROR_WRONG_APP_TOKEN_PARAMETER", "parameter app_token seems wrong")
	case f.Expired() || r.Header.Get("Authorization") != "user_token "+Credential:
		return glpiFailed(401, "ERROR_GLPI_LOGIN_USER_TOKEN", "parameter user_token seems invalid")
	}
	return Reply{Status: 200, Body: map[string]any{"session_token": f.Token()}}
}

// glpiCriteria are the parameters of a search with so many criteria.
func glpiCriteria(n int) []Field {
	fields := []Field{{Name: "range", Is: Like(`^\d+-\d+$`, "a range such as 0-1")}}
	for i := range n {
		c := fmt.Sprintf("criteria[%d]", i)
		fields = append(fields, Field{Name: c + "[field]", Is: Like(`^\d+$`, "the number of a search option")}, Field{Name: c + "[value]"}, Field{Name: c + "[link]", Is: OneOf("AND", "OR")},
			Field{Name: c + "[searchtype]", Is: OneOf("contains"), Doc: "issue 1586 of glpi: equals finds no texts"}, Field{Name: fmt.Sprintf("forcedisplay[%d]", i), Is: Like(`^\d+$`, "the number of a search option")})
	}
	return fields
}

func glpiUsers(f *Fake, r *Request) Reply {
	q, data := r.URL.Query(), []any{}
	for _, u := range f.Searched(Contacts) {
		hit := false
		for i := range 4 { // all of ours are alternatives
			c := fmt.Sprintf("criteria[%d]", i)
			if value := q.Get(c + "[value]"); value != "" && (i == 0 || q.Get(c+"[link]") == "OR") {
				hit = hit || strings.Contains(Said(u.Fields[q.Get(c+"[field]")]), value)
			}
		}
		if hit {
			row := map[string]any{"1": u.Fields["1"], "2": u.Number(), "80": "Root entity"}
			for i := range 4 {
				if o := q.Get(fmt.Sprintf("forcedisplay[%d]", i)); o != "" && o != "2" {
					row[o] = u.Fields[o]
				}
			}
			data = append(data, row)
		}
	}
	if len(data) == 0 {
		return Reply{Status: 200, Body: map[string]any{"totalcount": 0, "count": 0}} // there is no data, then
	}
	return Reply{Status: 200, Body: map[string]any{"totalcount": len(data), "count": len(data), "data": data}}
}

func glpiItems(f *Fake, r *Request, collection, column string) Reply {
	items := []any{}
	for _, i := range f.All(collection) {
		if strings.Contains(Said(i.Fields[column]), r.URL.Query().Get("searchText["+column+"]")) {
			items = append(items, shown(i))
		}
	}
	return Reply{Status: 200, Body: items}
}

func glpiEntries(f *Fake) (entries []Entry) {
	for _, t := range f.All(glpiTickets) {
		e := Entry{
			ID: t.ID, Call: Said(t.Fields["externalid"]), Contact: Said(t.Fields["_users_id_requester"]), Owner: Said(t.Fields["_users_id_assign"]),
			Status: Said(t.Fields["status"]), Phone: Said(t.Fields["name"]), Recording: Said(t.Fields["content"]), Talk: -1,
			Text: Said(t.Fields["name"]) + "\n" + Said(t.Fields["content"]),
		}
		said := []string{}
		for _, u := range f.All(glpiFollowups) {
			text := Said(u.Fields["content"])
			if Said(u.Fields["items_id"]) != t.ID {
				continue
			}
			if slices.Contains(said, text) {
				e.Call = "said twice: " + text // nobody wants to read a follow-up twice
			}
			said = append(said, text)
			e.Recording += text
			e.Text += "\n" + text
		}
		entries = append(entries, e)
	}
	return entries
}

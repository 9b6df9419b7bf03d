package targettest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The account behind Zammad: an agent, a group, and the attributes that its users were told to create.
const (
	ZammadAgent   = "8"
	ZammadGroup   = "Calls"
	zammadTickets = "tickets"
	zammadNobody  = "1" // the user "-" is owner of what nobody owns
)

// Zammad is the REST API of Zammad, as far as tickets go.
func Zammad() *API {
	return &API{
		Name: "Zammad", Doc: "zammad/zammad-documentation, api/*; zammad/zammad, app/controllers/tickets_controller.rb",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "Token token="+Credential },
		AuthDoc:      "api/intro.rst, authentication: Token token=…",
		Unauthorized: zammadFailed(401, "Invalid token!"), // handles_errors.rb: error, error_human
		NotFound:     zammadFailed(404, "No route matches"),
		Asks:         true,
		// Zammad has no limit of its own; a web server before it may have one (nginx, limit_req_status 429)
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}, Body: Text("<html>429 Too Many Requests</html>")}
		},
		Invalid: zammadInvalid,
		Lag:     time.Minute, // lib/search_index_backend.rb: what is new is indexed by a job in the background
		Contact: func(phone string) map[string]any {
			return map[string]any{"login": "auto-1", "firstname": "A", "lastname": "person", "phone": phone, "mobile": ""}
		},
		Routes: []Route{
			{Method: "GET", Path: "/api/v1/users/search", Doc: "api/user.rst, search", Do: zammadUsers,
				Query: []Field{{Name: "query", Required: true, Is: Like(`^[0-9A-Za-z]+$`, "a word: + and - are operators of the search"), Doc: "lib/search_index_backend.rb: query_string of Elasticsearch"},
					{Name: "limit", Is: Like(`^\d+$`, "a number")}, {Name: "expand", Is: OneOf("true", "false")}, {Name: "per_page"}, {Name: "page"}}},
			{Method: "GET", Path: "/api/v1/tickets/search", Do: zammadSearch,
				Doc: "app/models/concerns/can_search.rb: a condition without a query is asked of the database, which is up to date; lib/selector/sql.rb: operators",
				Query: []Field{{Name: "condition[ticket.call_uuid][operator]", Required: true, Is: OneOf("is", "contains", "starts with", "ends with")},
					{Name: "condition[ticket.call_uuid][value]", Required: true}, {Name: "expand", Is: OneOf("true", "false")}, {Name: "limit", Is: Like(`^\d+$`, "a number")}}},
			{Method: "POST", Path: "/api/v1/tickets", Doc: "api/ticket/index.rst, create; can_cleanup_param.rb: unknown attributes are dropped", Write: true, Drops: true,
				Fields: zammadFields(true), Do: zammadCreate},
			{Method: "PUT", Path: "/api/v1/tickets/{id}", Doc: "api/ticket/index.rst, update", Write: true, Drops: true, Fields: zammadFields(false), Do: zammadUpdate},
		},
		Entries: zammadEntries,
	}
}

func zammadFailed(status int, message string) Reply {
	return Reply{Status: status, Body: map[string]any{"error": message, "error_human": message}}
}

// zammadFields are the attributes of a ticket: api/ticket/index.rst, create; the words of refusals are from ticket_spec.rb.
func zammadFields(create bool) []Field {
	return []Field{
		{Name: "title", Required: create, Is: Str(250), Doc: "db/migrate, create_ticket: 250 characters, not null"},
		{Name: "group", Required: create, Is: zammadNamed(ZammadGroup), Doc: "ticket_spec.rb 01.01, 01.02"},
		{Name: "state", Is: zammadNamed("new", "open", "pending reminder", "pending close", "closed", "merged"), Doc: "api/ticket/states.rst"},
		{Name: "priority", Is: zammadNamed("1 low", "2 normal", "3 high"), Doc: "api/ticket/priorities.rst"},
		{Name: "owner_id", Is: func(v any) string {
			if Said(v) != ZammadAgent && Said(v) != zammadNobody {
				return fmt.Sprintf("Invalid value for param 'owner_id': %s", Said(v))
			}
			return Int(v)
		}, Doc: "ticket_spec.rb 01.05 to 01.08"},
		{Name: "customer_id"}, // a number, or guess:…
		{Name: "customer.login", Is: Filled}, {Name: "customer.firstname", Is: Str(100)}, {Name: "customer.lastname", Is: Str(100)},
		{Name: "customer.phone", Is: Str(100)}, {Name: "customer.mobile", Is: Str(100)}, {Name: "customer.email", Is: Like(`.@.`, "an email address")},
		{Name: "tags", Is: Str(0), Doc: "tickets_controller.rb, create: tags are a text with commas"},
		{Name: "article", Required: create},
		{Name: "article.body", Required: true, Is: Str(0), Doc: "creates_ticket_articles.rb: body is required"},
		{Name: "article.subject", Is: Str(0)}, {Name: "article.content_type", Is: OneOf("text/html", "text/plain")}, {Name: "article.internal", Is: Bool},
		{Name: "article.type", Is: zammadNamed("note", "phone", "email", "web", "sms")}, {Name: "article.sender", Is: zammadNamed("Agent", "Customer", "System")},
		{Name: "article.time_unit"}, {Name: "article.origin_by_id", Is: Int},
		{Name: "call_uuid", Is: Str(120), Doc: "a text attribute of the account"}, {Name: "call_outcome", Is: Str(120), Doc: "a text attribute of the account"},
		{Name: "call_talk_seconds", Is: Int, Doc: "an integer attribute of the account"},
		{Name: "call_recording", Is: Str(500), Doc: "a text attribute of the account, of up to 500 characters"},
	}
}

// zammadNamed is a relation that is said by name: can_associations.rb.
func zammadNamed(names ...any) Check {
	return func(v any) string {
		if OneOf(names...)(v) != "" {
			return fmt.Sprintf("No lookup value found for %q", Said(v))
		}
		return ""
	}
}

// zammadInvalid is the shape of handles_errors.rb: one sentence.
func zammadInvalid(_ *Route, problems []Problem) Reply {
	p := problems[0]
	switch {
	case p.Kind == Missing && p.Last() == "body", p.Kind == Missing && p.Last() == "article":
		return zammadFailed(422, `Need at least article: { body: "some text" }`)
	case p.Kind == Missing:
		return zammadFailed(422, strings.ToUpper(p.Last()[:1])+p.Last()[1:]+" can't be blank")
	case p.Kind == Refused:
		return zammadFailed(422, fmt.Sprintf("Invalid value for field '%s'!", p.Last()))
	}
	return zammadFailed(422, p.What+" ("+p.Field+")")
}

// zammadUsers finds whose texts have a word that begins so: that is what both the index (which knows beginnings of words)
// and the database without one (which knows parts of texts) find.
func zammadUsers(f *Fake, r *Request) Reply {
	users := []any{}
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 10
	}
	for _, u := range f.Searched(Contacts) {
		hit := false
		for _, v := range u.Fields {
			words := strings.FieldsFunc(strings.ToLower(Said(v)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
			hit = hit || slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, strings.ToLower(r.URL.Query().Get("query"))) })
		}
		if hit && len(users) < limit {
			users = append(users, shown(u))
		}
	}
	return Reply{Status: 200, Body: users}
}

func zammadSearch(f *Fake, r *Request) Reply {
	q, found, ids, assets := r.URL.Query(), []any{}, []any{}, map[string]any{}
	value := q.Get("condition[ticket.call_uuid][value]")
	for _, t := range f.All(zammadTickets) {
		uuid := Said(t.Fields["call_uuid"])
		hit := map[string]bool{"is": uuid == value, "contains": strings.Contains(uuid, value), "starts with": strings.HasPrefix(uuid, value),
			"ends with": strings.HasSuffix(uuid, value)}
		if hit[q.Get("condition[ticket.call_uuid][operator]")] {
			found, ids = append(found, shown(t)), append(ids, t.Number())
			assets[t.ID] = shown(t)
		}
	}
	if q.Get("expand") == "true" {
		return Reply{Status: 200, Body: found}
	}
	return Reply{Status: 200, Body: map[string]any{"tickets": ids, "tickets_count": len(ids), "assets": map[string]any{"Ticket": assets}}}
}

// zammadCreate finds or makes the customer: tickets_controller.rb, create. A customer is found by email or login, not by phone.
func zammadCreate(f *Fake, r *Request) Reply {
	t := r.Map()
	customer, given := t["customer"].(map[string]any)
	switch id := Said(t["customer_id"]); {
	case id != "" && f.Find(Contacts, id) == nil:
		return zammadFailed(422, "Invalid value for param 'customer_id': "+id)
	case id != "":
	case !given || len(customer) == 0:
		return zammadFailed(422, "Attribute 'customer_id' required!") // db/migrate, create_ticket: not null
	default:
		for _, u := range f.All(Contacts) {
			for _, by := range []string{"email", "login"} {
				if customer[by] != nil && strings.EqualFold(Said(u.Fields[by]), Said(customer[by])) {
					id = u.ID
				}
			}
		}
		if id == "" {
			id = f.Add(Contacts, customer).ID
		}
		t["customer_id"] = f.Find(Contacts, id).Number()
	}
	delete(t, "customer")
	if t["state"] == nil {
		t["state"] = "new" // api/ticket/states.rst: default_create
	}
	return Reply{Status: 201, Body: shown(f.Add(zammadTickets, t))}
}

func zammadUpdate(f *Fake, r *Request) Reply {
	t := f.Find(zammadTickets, r.PathValue("id"))
	if t == nil {
		return zammadFailed(404, "Couldn't find Ticket with 'id'="+r.PathValue("id"))
	}
	changes := r.Map()
	if a, ok := changes["article"]; ok {
		changes["articles"] = append(listOf(t.Fields["articles"]), a)
		delete(changes, "article")
	}
	t.Merge(changes)
	return Reply{Status: 200, Body: shown(t)}
}

func zammadEntries(f *Fake) (entries []Entry) {
	for _, t := range f.All(zammadTickets) {
		e := Entry{
			ID: t.ID, Call: Said(t.Fields["call_uuid"]), Contact: Said(t.Fields["customer_id"]), Owner: Said(t.Fields["owner_id"]),
			Status: strings.TrimSpace(Said(t.Fields["state"]) + " " + Said(t.Fields["call_outcome"])), Phone: Said(t.Fields["title"]),
			Recording: Said(t.Fields["call_recording"]), Talk: -1,
			Text: Said(t.Fields["title"]) + "\n" + Said(Get(t.Fields["article"], "body")),
		}
		for _, a := range listOf(t.Fields["articles"]) {
			e.Text += "\n" + Said(Get(a, "body"))
		}
		if e.Owner == zammadNobody {
			e.Owner = ""
		}
		if s, err := strconv.Atoi(Said(t.Fields["call_talk_seconds"])); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

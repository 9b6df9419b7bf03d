package targettest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The account behind Freshdesk: an agent, and the ticket fields that its users were told to create.
const (
	FreshdeskAgent   = "4300"
	freshdeskTickets = "tickets"
	freshdeskNotes   = "notes"
)

// Freshdesk is version 2 of Freshdesk's API, as far as tickets go.
func Freshdesk() *API {
	return &API{
		Name: "Freshdesk", Doc: "developers.freshdesk.com/api",
		Knows: func(_ *Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte(Credential+":X"))
		},
		AuthDoc:      "#authentication: Basic, the API key as user, any password",
		Unauthorized: Reply{Status: 401, Body: map[string]any{"code": "invalid_credentials", "message": "You have to be logged in to perform this action."}}, // #error
		NotFound:     Reply{Status: 404},
		Asks:         true,
		// #ratelimit: 429 with Retry-After in seconds
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))},
				Body: map[string]any{"message": "You have exceeded the limit of requests per minute"}}
		},
		Limits:  map[string]string{"X-RateLimit-Total": "200", "X-RateLimit-Remaining": "150", "X-RateLimit-Used-CurrentRequest": "1"}, // #ratelimit
		Invalid: freshdeskInvalid,
		Lag:     3 * time.Minute, // #filter_tickets: what was just created or updated takes a few minutes to be found
		Contact: func(phone string) map[string]any {
			return map[string]any{"name": "A person", "phone": nil, "mobile": "0" + National(phone)} // as a person types it
		},
		Routes: []Route{
			{Method: "GET", Path: "/api/v2/search/contacts", Doc: "#filter_contacts", Query: freshdeskQuery("phone", "mobile", "email"),
				Do: func(f *Fake, r *Request) Reply { return freshdeskSearch(f, r, Contacts) }},
			{Method: "GET", Path: "/api/v2/search/tickets", Doc: "#filter_tickets: custom fields are named cf_…",
				Query: freshdeskQuery("cf_call_uuid", "status", "tag"),
				Do:    func(f *Fake, r *Request) Reply { return freshdeskSearch(f, r, freshdeskTickets) }},
			{Method: "POST", Path: "/api/v2/tickets", Doc: "#create_ticket", Write: true, Fields: freshdeskFields(true), Do: freshdeskCreate},
			{Method: "PUT", Path: "/api/v2/tickets/{id}", Doc: "#update_ticket", Write: true, Fields: freshdeskFields(false), Do: freshdeskUpdate},
			{Method: "POST", Path: "/api/v2/tickets/{id}/notes", Doc: "#add_note_to_a_ticket", Write: true, Do: freshdeskNote,
				Fields: []Field{{Name: "body", Required: true, Is: Filled}, {Name: "private", Is: Bool}, {Name: "incoming", Is: Bool},
					{Name: "user_id", Is: Int}, {Name: "notify_emails", Is: List(Str(0))}}},
		},
		Entries: freshdeskEntries,
	}
}

// freshdeskFields are the fields of a ticket: #ticket_attributes, #create_ticket.
func freshdeskFields(create bool) []Field {
	return []Field{
		{Name: "subject", Required: create, Is: Filled}, {Name: "description", Required: create, Is: Filled, Doc: "HTML"},
		{Name: "status", Required: create, Is: OneOf(2, 3, 4, 5), Doc: "#ticket_properties: 2 open, 3 pending, 4 resolved, 5 closed"},
		{Name: "priority", Required: create, Is: OneOf(1, 2, 3, 4)},
		{Name: "source", Is: OneOf(1, 2, 3, 7, 9, 10), Doc: "#ticket_properties: 3 is phone"},
		{Name: "name", Is: Str(0)}, {Name: "requester_id", Is: Int}, {Name: "email", Is: Like(`.@.`, "an email address")},
		{Name: "phone", Is: Str(0)}, {Name: "unique_external_id", Is: Str(0)},
		{Name: "responder_id", Is: func(v any) string {
			if n, ok := v.(json.Number); !ok || n.String() != FreshdeskAgent {
				return "There is no agent matching the given responder_id"
			}
			return ""
		}},
		{Name: "group_id", Is: Int}, {Name: "type", Is: Str(0)}, {Name: "company_id", Is: Int}, {Name: "product_id", Is: Int},
		{Name: "tags", Is: List(Str(32)), Doc: "#create_ticket: a tag has 32 characters at most"},
		{Name: "due_by", Is: Time(time.RFC3339)}, {Name: "fr_due_by", Is: Time(time.RFC3339)},
		{Name: "custom_fields.cf_call_uuid", Is: Str(255), Doc: "a text field of the account"},
		{Name: "custom_fields.cf_call_outcome", Is: Str(255), Doc: "a text field of the account"},
		{Name: "custom_fields.cf_talk_seconds", Is: Int, Doc: "a number field of the account"},
		{Name: "custom_fields.cf_recording", Is: Str(0), Doc: "a text field of the account"},
	}
}

// freshdeskInvalid is the shape of #error: a list of fields with a code each.
func freshdeskInvalid(_ *Route, problems []Problem) Reply {
	errors := []any{}
	for _, p := range problems {
		message, code := p.What, "invalid_value"
		switch p.Kind {
		case Unknown:
			message, code = "Unexpected/invalid field in request", "invalid_field"
		case Missing:
			message, code = "It should be a/an String", "missing_field"
		case Refused:
			message = "It should be one of these values: '2,3,4,5,6,7'"
		}
		errors = append(errors, map[string]any{"field": p.Last(), "message": message, "code": code})
	}
	return Reply{Status: 400, Body: map[string]any{"description": "Validation failed", "errors": errors}}
}

// freshdeskQuery is the one parameter of a search: terms in double quotes, 512 characters at most.
func freshdeskQuery(fields ...string) []Field {
	term := `(` + strings.Join(fields, "|") + `):('[^'"]*'|\d+)`
	return []Field{{Name: "query", Required: true, Is: func(v any) string {
		if len(Said(v)) > 512 { // #filter_contacts, #filter_tickets
			return "longer than 512 characters"
		}
		return Like(`^"`+term+`( (OR|AND) `+term+`)*"$`, `a query in double quotes, such as "phone:'+49…' OR mobile:'+49…'"`)(v)
	}}, {Name: "page", Is: Like(`^([1-9]|10)$`, "a page from 1 to 10")}}
}

var freshdeskTerm = regexp.MustCompile(`(\w+):'([^']*)'`)

func freshdeskSearch(f *Fake, r *Request, collection string) Reply {
	results := []any{}
	for _, record := range f.Searched(collection) {
		for _, term := range freshdeskTerm.FindAllStringSubmatch(r.URL.Query().Get("query"), -1) { // all of ours are alternatives
			if record.Fields[term[1]] == term[2] || Get(record.Fields["custom_fields"], term[1]) == term[2] {
				results = append(results, shown(record))
				break
			}
		}
	}
	return Reply{Status: 200, Body: map[string]any{"total": len(results), "results": results}}
}

// freshdeskCreate finds or makes the requester: #create_ticket has what each of the fields that say who it is does.
func freshdeskCreate(f *Fake, r *Request) Reply {
	t := r.Map()
	requester, refused := freshdeskRequester(f, t)
	if refused != nil {
		return *refused
	}
	for _, name := range []string{"name", "phone", "email", "unique_external_id"} {
		delete(t, name)
	}
	t["requester_id"] = requester
	return Reply{Status: 201, Body: shown(f.Add(freshdeskTickets, t))}
}

func freshdeskRequester(f *Fake, t map[string]any) (json.Number, *Reply) {
	refuse := func(field, message, code string) (json.Number, *Reply) {
		return "", &Reply{Status: 400, Body: map[string]any{"description": "Validation failed",
			"errors": []any{map[string]any{"field": field, "message": message, "code": code}}}}
	}
	if id := t["requester_id"]; id != nil {
		if f.Find(Contacts, Said(id)) == nil {
			return refuse("requester_id", "There is no contact matching the given requester_id", "invalid_value")
		}
		return json.Number(Said(id)), nil
	}
	for _, by := range []string{"email", "phone", "unique_external_id"} {
		v := t[by]
		if v == nil {
			continue
		}
		for _, c := range f.All(Contacts) { // the first that has it, whoever else has it, too
			if c.Fields[by] == v || by == "phone" && c.Fields["mobile"] == v {
				return c.Number(), nil
			}
		}
		if by == "phone" && t["name"] == nil && t["email"] == nil {
			return refuse("name", "It should be a/an String", "missing_field") // #create_ticket: phone without email needs a name
		}
		return f.Add(Contacts, map[string]any{"name": t["name"], by: v}).Number(), nil
	}
	return refuse("requester_id", "One of requester_id, phone, email, twitter_id, facebook_id, unique_external_id is required", "missing_field")
}

func freshdeskUpdate(f *Fake, r *Request) Reply {
	t := f.Find(freshdeskTickets, r.PathValue("id"))
	if t == nil {
		return f.API.NotFound
	}
	t.Merge(r.Map())
	return Reply{Status: 200, Body: shown(t)}
}

func freshdeskNote(f *Fake, r *Request) Reply {
	t := f.Find(freshdeskTickets, r.PathValue("id"))
	if t == nil {
		return f.API.NotFound
	}
	r.Map()["ticket_id"] = t.Number()
	return Reply{Status: 201, Body: shown(f.Add(freshdeskNotes, r.Map()))}
}

func freshdeskEntries(f *Fake) (entries []Entry) {
	for _, t := range f.All(freshdeskTickets) {
		custom := t.Fields["custom_fields"]
		e := Entry{
			ID: t.ID, Call: Said(Get(custom, "cf_call_uuid")), Contact: Said(t.Fields["requester_id"]), Owner: Said(t.Fields["responder_id"]),
			Status: fmt.Sprintf("%s %s", Said(t.Fields["status"]), Said(Get(custom, "cf_call_outcome"))),
			Phone:  Said(t.Fields["subject"]), Recording: Said(Get(custom, "cf_recording")), Talk: -1,
			Text: Said(t.Fields["subject"]) + "\n" + Said(t.Fields["description"]),
		}
		for _, n := range f.All(freshdeskNotes) {
			if n.Fields["ticket_id"] == t.Number() {
				e.Text += "\n" + Said(n.Fields["body"])
			}
		}
		if s, err := strconv.Atoi(Said(Get(custom, "cf_talk_seconds"))); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

package targettest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The account behind Zendesk: two agents, its own user, and the ticket fields that its users were told to create.
const (
	ZendeskAgent      = "235323"
	ZendeskOther      = "235324" // whom calls go to that no agent was on
	ZendeskUser       = "wrapup@example.com/token"
	zendeskSelf       = "235300" // whose key it is
	ZendeskOutcome    = "360001"
	ZendeskTalk       = "360002"
	ZendeskRecording  = "360003"
	ZendeskTickets    = "tickets"
	zendeskKeys       = "keys" // idempotency keys: the key, the body, the ticket
	zendeskKeyMinutes = 120    // how long a key is remembered; the documentation has no figure (mem)
)

// Zendesk is the ticketing API of Zendesk Support, as far as tickets go.
func Zendesk() *API {
	return &API{
		Name: "Zendesk", Doc: "developer.zendesk.com/api-reference/ticketing/tickets/tickets",
		Knows: func(_ *Fake, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte(ZendeskUser+":"+Credential))
		},
		AuthDoc:      "introduction/security-and-auth: Basic, email/token and the API token",
		Unauthorized: Reply{Status: 401, Body: map[string]any{"error": "Couldn't authenticate you"}},
		NotFound:     Reply{Status: 404, Body: map[string]any{"error": "RecordNotFound", "description": "Not found"}},
		Asks:         true,
		// account-configuration/usage_limits: 429 with Retry-After in seconds, a text
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))},
				Body: Text("Number of allowed API requests per minute exceeded")}
		},
		Limits:  map[string]string{"X-Rate-Limit": "700", "X-Rate-Limit-Remaining": "699", "ratelimit-reset": "41"}, // usage_limits
		Invalid: zendeskInvalid,
		Lag:     2 * time.Minute, // ticketing/ticket-management/search: what is new is found after a few minutes
		Contact: func(phone string) map[string]any {
			n := National(phone) // as a person types it: not all accounts validate numbers
			return map[string]any{"name": "A person", "phone": strings.TrimSuffix(phone, n) + " " + n[:3] + "-" + n[3:], "role": "end-user"}
		},
		Routes: []Route{
			{Method: "GET", Path: "/api/v2/users/search", Doc: "ticketing/users/users, search users; 100 a page",
				Query: []Field{{Name: "query", Is: Like(`^role:end-user phone:\*?\d+$`, "a query such as role:end-user phone:*151…: digits alone, without the +"),
					Doc: "documentation/voice/talk-partner-edition/retrieving-the-zendesk-user-id-of-a-caller; facetoe/zenpy 426: with a + nobody is found"}, {Name: "external_id"}, {Name: "per_page"}, {Name: "page"}},
				Do: zendeskUsers},
			{Method: "GET", Path: "/api/v2/users/show_many", Doc: "ticketing/users/users, show many users: those who are there, and no trace of the others",
				Query: []Field{{Name: "external_ids", Required: true, Is: Filled}}, Do: func(f *Fake, r *Request) Reply {
					users := []any{}
					for _, u := range f.All(Contacts) {
						if id := Said(u.Fields["external_id"]); id != "" && slices.Contains(strings.Split(r.URL.Query().Get("external_ids"), ","), id) {
							users = append(users, shown(u))
						}
					}
					return Reply{Status: 200, Body: map[string]any{"users": users, "count": len(users)}}
				}},
			{Method: "POST", Path: "/api/v2/users/create_or_update", Doc: "ticketing/users/users, create or update user: known by email or external id", Write: true, Drops: true,
				Fields: []Field{{Name: "user", Required: true}, {Name: "user.name", Required: true, Is: Filled}, {Name: "user.external_id", Is: Str(255)},
					{Name: "user.role", Is: OneOf("end-user", "agent", "admin")}, {Name: "user.phone", Is: Like(`^\+\d{8,15}$`, "a number in E.164 format"),
						Doc: "documentation/voice/talk-partner-edition/creating-a-user-profile-in-support-for-a-caller: accounts may validate numbers"}},
				Do: zendeskUser},
			{Method: "GET", Path: "/api/v2/tickets", Doc: "tickets, list tickets: external_id lists those that have it; whether it trails behind isn't said (mem: it doesn't)",
				Query: []Field{{Name: "external_id"}, {Name: "per_page"}, {Name: "page"}}, Do: zendeskList},
			{Method: "POST", Path: "/api/v2/tickets", Doc: "tickets, create ticket; unknown attributes are ignored", Write: true, Drops: true,
				Fields: zendeskFields(true), Do: zendeskCreate},
			{Method: "PUT", Path: "/api/v2/tickets/{id}", Doc: "tickets, update ticket", Write: true, Drops: true, Fields: zendeskFields(false), Do: zendeskUpdate},
		},
		Entries: zendeskEntries,
	}
}

// zendeskFields are the attributes of a ticket: tickets, "JSON format".
func zendeskFields(create bool) []Field {
	return []Field{
		{Name: "ticket", Required: true},
		{Name: "ticket.subject", Is: Str(150), Doc: "ticket fields: a subject has 150 characters at most"},
		{Name: "ticket.comment", Required: create, Doc: "create ticket: comment is required"},
		{Name: "ticket.comment.body", Is: Filled}, {Name: "ticket.comment.html_body", Is: Filled}, {Name: "ticket.comment.public", Is: Bool},
		{Name: "ticket.comment.author_id", Is: Int},
		{Name: "ticket.requester_id", Is: Int}, {Name: "ticket.submitter_id", Is: Int}, {Name: "ticket.group_id", Is: Int}, {Name: "ticket.organization_id", Is: Int},
		{Name: "ticket.requester.name", Required: true, Is: Filled, Doc: "create ticket with a new requester: a name of one character at least"},
		{Name: "ticket.requester.email", Is: Like(`.@.`, "an email address")},
		{Name: "ticket.assignee_id", Is: func(v any) string {
			if !slices.Contains([]string{ZendeskAgent, ZendeskOther}, Said(v)) {
				return "Assignee: is not an agent"
			}
			return Int(v)
		}},
		{Name: "ticket.external_id", Is: Str(255)}, {Name: "ticket.tags", Is: List(Like(`^\S+$`, "a tag without spaces"))},
		{Name: "ticket.status", Is: OneOf("new", "open", "pending", "hold", "solved", "closed")},
		{Name: "ticket.priority", Is: OneOf("urgent", "high", "normal", "low")},
		{Name: "ticket.type", Is: OneOf("problem", "incident", "question", "task")},
		{Name: "ticket.custom_fields[].id", Required: true, Is: Int}, {Name: "ticket.custom_fields[].value", Required: true},
	}
}

// zendeskInvalid is RecordInvalid: details by attribute.
func zendeskInvalid(_ *Route, problems []Problem) Reply {
	details := map[string]any{}
	for _, p := range problems {
		what, code := p.What, "InvalidValue"
		switch p.Kind {
		case Missing:
			what, code = "cannot be blank", "BlankValue"
		case Refused:
			what = "is not included in the list"
		}
		name := strings.ToUpper(p.Last()[:1]) + p.Last()[1:]
		details[p.Last()] = []any{map[string]any{"description": fmt.Sprintf("%s: %s", name, what), "error": code}}
	}
	return Reply{Status: 422, Body: map[string]any{"error": "RecordInvalid", "description": "Record validation errors", "details": details}}
}

var zendeskPhone = regexp.MustCompile(`phone:(\S+)`)

func zendeskUsers(f *Fake, r *Request) Reply {
	users := []any{}
	if m := zendeskPhone.FindStringSubmatch(r.URL.Query().Get("query")); m != nil {
		for _, u := range f.Searched(Contacts) {
			phone, asked := Digits(Said(u.Fields["phone"])), m[1]
			if phone == asked || strings.HasPrefix(asked, "*") && strings.HasSuffix(phone, asked[1:]) {
				users = append(users, shown(u))
			}
		}
	}
	return Reply{Status: 200, Body: map[string]any{"users": users, "count": len(users), "next_page": nil}}
}

func zendeskUser(f *Fake, r *Request) Reply {
	user := mapOf(r.Map()["user"])
	for _, u := range f.All(Contacts) {
		if id := Said(user["external_id"]); id != "" && Said(u.Fields["external_id"]) == id {
			u.Merge(user)
			return Reply{Status: 200, Body: map[string]any{"user": shown(u)}}
		}
	}
	return Reply{Status: 201, Body: map[string]any{"user": shown(f.Add(Contacts, user))}}
}

func zendeskList(f *Fake, r *Request) Reply {
	tickets := []any{}
	for _, t := range f.All(ZendeskTickets) {
		if id := r.URL.Query().Get("external_id"); id == "" || t.Fields["external_id"] == id {
			tickets = append(tickets, shown(t))
		}
	}
	return Reply{Status: 200, Body: map[string]any{"tickets": tickets, "count": len(tickets), "next_page": nil}}
}

// zendeskCreate obeys the Idempotency-Key: ticketing/introduction, "Idempotency".
func zendeskCreate(f *Fake, r *Request) Reply {
	key := r.Header.Get("Idempotency-Key")
	for _, k := range f.All(zendeskKeys) {
		if key == "" || k.Fields["key"] != key || time.Since(k.At) > zendeskKeyMinutes*time.Minute {
			continue
		}
		if k.Fields["body"] != string(r.Raw) {
			return Reply{Status: 400, Body: map[string]any{"error": "IdempotentRequestError",
				"description": "The request parameters do not match those of the original request with this idempotency key"}}
		}
		return Reply{Status: 201, Header: map[string]string{"x-idempotency-lookup": "hit"},
			Body: map[string]any{"ticket": shown(f.Find(ZendeskTickets, Said(k.Fields["ticket"])))}}
	}
	t := mapOf(r.Map()["ticket"])
	if reply := zendeskBase(t); reply != nil {
		return *reply
	}
	id := Said(t["requester_id"])
	if id != "" && f.Find(Contacts, id) == nil {
		return zendeskInvalid(nil, []Problem{{Invalid, "requester", "is invalid", nil}})
	}
	if requester, ok := t["requester"].(map[string]any); ok && id == "" { // a new one: phones are not matched
		id = f.Add(Contacts, requester).ID
	}
	delete(t, "requester")
	if id == "" {
		id = zendeskSelf // create ticket: without a requester it is the authenticated user
	}
	t["requester_id"] = id
	ticket := f.Add(ZendeskTickets, t)
	f.Add(zendeskKeys, map[string]any{"key": key, "body": string(r.Raw), "ticket": ticket.ID})
	return Reply{Status: 201, Header: map[string]string{"x-idempotency-lookup": "miss", "Location": "/api/v2/tickets/" + ticket.ID},
		Body: map[string]any{"ticket": shown(ticket)}}
}

// zendeskBase checks what depends on more than one attribute: a solved ticket has an assignee.
func zendeskBase(t map[string]any) *Reply {
	if slices.Contains([]any{"solved", "closed"}, t["status"]) && t["assignee_id"] == nil {
		return &Reply{Status: 422, Body: map[string]any{"error": "RecordInvalid", "description": "Record validation errors",
			"details": map[string]any{"base": []any{map[string]any{"description": "Assignee: is required when solving a ticket"}}}}}
	}
	return nil
}

func zendeskUpdate(f *Fake, r *Request) Reply {
	t := f.Find(ZendeskTickets, r.PathValue("id"))
	if t == nil {
		return f.API.NotFound
	}
	if t.Fields["status"] == "closed" { // managing-tickets: a closed one can't be changed; the words are seen in the tests of several clients
		return Reply{Status: 422, Body: map[string]any{"error": "RecordInvalid", "description": "Record validation errors",
			"details": map[string]any{"status": []any{map[string]any{"description": "Status: closed prevents ticket update"}}}}}
	}
	changes := mapOf(r.Map()["ticket"])
	if list, ok := changes["custom_fields"].([]any); ok { // those that aren't named keep their values
		for _, old := range listOf(t.Fields["custom_fields"]) {
			if !slices.ContainsFunc(list, func(v any) bool { return Get(v, "id") == Get(old, "id") }) {
				list = append(list, old)
			}
		}
		changes["custom_fields"] = list
	}
	if comment, ok := changes["comment"]; ok {
		changes["comments"] = append(listOf(t.Fields["comments"]), comment)
		delete(changes, "comment")
	}
	t.Merge(changes)
	if reply := zendeskBase(t.Fields); reply != nil {
		return *reply
	}
	return Reply{Status: 200, Body: map[string]any{"ticket": shown(t)}}
}

func zendeskEntries(f *Fake) (entries []Entry) {
	for _, t := range f.All(ZendeskTickets) {
		custom := map[string]string{}
		for _, c := range listOf(t.Fields["custom_fields"]) {
			custom[Said(Get(c, "id"))] = Said(Get(c, "value"))
		}
		e := Entry{
			ID: t.ID, Call: Said(t.Fields["external_id"]), Contact: Said(t.Fields["requester_id"]), Owner: Said(t.Fields["assignee_id"]),
			Status: strings.TrimSpace(Said(t.Fields["status"]) + " " + custom[ZendeskOutcome]), Phone: Said(t.Fields["subject"]),
			Recording: custom[ZendeskRecording], Talk: -1,
			Text: Said(t.Fields["subject"]) + "\n" + Said(Get(t.Fields["comment"], "body")) + Said(Get(t.Fields["comment"], "html_body")),
		}
		if e.Contact == zendeskSelf {
			e.Contact = "" // nobody's
		}
		if s, err := strconv.Atoi(custom[ZendeskTalk]); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		for _, c := range listOf(t.Fields["comments"]) {
			e.Text += "\n" + Said(Get(c, "body"))
		}
		entries = append(entries, e)
	}
	return entries
}

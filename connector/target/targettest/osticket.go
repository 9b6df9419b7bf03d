package targettest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The account behind osTicket: an agent, a help topic, and the fields of its form "Ticket Details".
const (
	OsTicketAgent   = "4"
	OsTicketTopic   = "3"
	osTicketTickets = "tickets"
)

// OsTicket is the API of osTicket: tickets can be created, and that is all.
func OsTicket() *API {
	return &API{
		Name: "osTicket", Doc: "osTicket/osTicket, setup/doc/api.md, setup/doc/api/tickets.md; include/api.tickets.php, include/class.api.php",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("X-API-Key") == Credential },
		AuthDoc:      "setup/doc/api.md, authentication: X-API-Key, bound to the sender's address",
		Unauthorized: Reply{Status: 401, Body: Text("API key not found/active or source IP not authorized")}, // class.api.php, requireApiKey
		NotFound:     Reply{Status: 404, Body: Text("URL not supported")},
		Asks:         true,
		// osTicket has no limit of its own; a web server before it may have one (nginx, limit_req_status 429)
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}, Body: Text("<html>429 Too Many Requests</html>")}
		},
		// api.tickets.php, createTicket: what the forms refuse is a 500, a text
		Invalid: func(_ *Route, problems []Problem) Reply {
			p := problems[0]
			switch p.Kind {
			case Missing:
				return osTicketFailed(strings.ToUpper(p.Last()[:1]) + p.Last()[1:] + " is a required field")
			case Refused:
				return osTicketFailed("Invalid value for " + p.Last())
			}
			return osTicketFailed(p.What + " (" + p.Field + ")")
		},
		Contact: func(phone string) map[string]any {
			return map[string]any{"name": "A person", "email": "person@example.com", "phone": phone}
		},
		Routes: []Route{{
			Method: "POST", Path: "/api/tickets.json", Doc: "tickets.md, fields; api.tickets.php, validate: what is unknown is logged and let through", Write: true, Drops: true,
			Fields: []Field{
				{Name: "email", Required: true, Is: Like(`^[^@\s]+@[^@\s]+$`, "an email address"), Doc: "tickets.md; class.validator.php, is_email"},
				{Name: "name", Required: true, Is: Filled}, {Name: "subject", Required: true, Is: Filled},
				{Name: "message", Required: true, Is: Filled, Doc: "tickets.md: plain text, unless it begins with data:"},
				{Name: "phone", Is: Like(`^\+?[0-9() .-]{7,20}$`, "a valid phone number"), Doc: "class.validator.php, is_phone"},
				{Name: "alert", Is: Bool}, {Name: "autorespond", Is: Bool}, {Name: "source", Is: OneOf("Web", "Email", "Phone", "API", "Other"), Doc: "class.ticket.php, getSources"},
				{Name: "topicId", Is: Like(`^\d+$`, "the id of a topic"), Doc: "class.ticket.php, create: is_numeric"}, {Name: "priority"}, {Name: "ip"}, {Name: "attachments"},
				{Name: "staffId", Is: Int, Doc: "class.ticket.php, create: assigns the ticket; in no documentation"},
				{Name: "statusId", Is: OneOf(1, 2, 3), Doc: "class.ticket.php, create: 1 open, 2 resolved, 3 closed in a new osTicket; in no documentation"},
				{Name: "call_uuid", Is: Str(0), Doc: "a field of the account's form"}, {Name: "call_outcome", Is: Str(0), Doc: "a field of the account's form"},
				{Name: "call_seconds", Is: Str(0), Doc: "a field of the account's form"}, {Name: "call_recording", Is: Str(0), Doc: "a field of the account's form"},
			},
			Do: func(f *Fake, r *Request) Reply {
				t := f.Add(osTicketTickets, r.Map())
				return Reply{Status: 201, Header: map[string]string{"Content-Type": "text/html; charset=UTF-8"}, Body: Text("7421" + t.ID)} // class.http.php, response
			},
		}},
		Entries: func(f *Fake) (entries []Entry) {
			for _, t := range f.All(osTicketTickets) {
				e := Entry{
					ID: t.ID, Call: Said(t.Fields["call_uuid"]), Owner: Said(t.Fields["staffId"]), Status: strings.TrimSpace(Said(t.Fields["statusId"]) + " " + Said(t.Fields["call_outcome"])),
					Phone: Said(t.Fields["phone"]), Recording: Said(t.Fields["call_recording"]), Talk: -1, Text: Said(t.Fields["subject"]) + "\n" + Said(t.Fields["message"]),
				}
				for _, u := range f.All(Contacts) {
					if u.Fields["email"] == t.Fields["email"] { // class.user.php, fromVars: users are found by their address alone
						e.Contact = u.ID
					}
				}
				if s, err := strconv.Atoi(Said(t.Fields["call_seconds"])); err == nil {
					e.Talk = time.Duration(s) * time.Second
				}
				entries = append(entries, e)
			}
			return entries
		},
	}
}

func osTicketFailed(why string) Reply {
	return Reply{Status: 500, Body: Text("Unable to create new ticket :" + why)}
}

package targettest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The Request Tracker: a queue, and the collection with which a test says what custom fields it lacks (field name: true).
const (
	RTQueue   = "Calls"
	RTLacks   = "fields that the queue lacks"
	rtTickets = "tickets"
)

// RequestTracker is REST 2.0 of Request Tracker 5, as far as tickets go. "Seen" is what a Request Tracker 5.0.3 of Debian 12
// answered to the same request: the end-to-end tests ask both the same, and compare.
func RequestTracker() *API {
	return &API{
		Name: "Request Tracker", Doc: "docs.bestpractical.com/rt/5.0/RT/REST2.html; bestpractical/rt, lib/RT/REST2; seen",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "token "+Credential },
		AuthDoc:      "RT/REST2, Authentication; Middleware/Auth.pm, login_from_authtoken",
		Unauthorized: rtSays(401, "Unauthorized"), // seen: a wrong token, and none
		NotFound:     rtSays(404, "Not Found"),    // seen: a ticket that isn't there, and an address that isn't
		Asks:         true,
		// RT has no limit of its own; a web server before it may have one (nginx, limit_req_status 429)
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}, Body: Text("<html>429 Too Many Requests</html>")}
		},
		Invalid: rtInvalid,
		Contact: func(phone string) map[string]any { return map[string]any{"MobilePhone": phone} }, // nobody finds him by it, see the end of Users.pm
		Routes: []Route{
			{Method: "GET", Path: "/REST/2.0/tickets", Doc: "RT/REST2, Searching for tickets: TicketSQL", Do: rtSearch, Query: []Field{
				{Name: "query", Required: true, Is: rtSQL}, {Name: "per_page", Is: Like(`^([1-9]\d?|100)$`, "1 to 100"), Doc: "Collection.pm, setup_paging: else it is 20"},
				{Name: "page"}, {Name: "fields"}, {Name: "orderby"}, {Name: "order"}}},
			{Method: "GET", Path: "/REST/2.0/ticket/{id}", Doc: "RT/REST2, Tickets", Query: []Field{{Name: "fields"}}, Do: func(f *Fake, r *Request) Reply {
				if t := f.Find(rtTickets, r.PathValue("id")); t != nil {
					return Reply{Status: 200, Body: rtShown(t)}
				}
				return f.API.NotFound
			}},
			{Method: "POST", Path: "/REST/2.0/ticket", Doc: "RT/REST2, Creating a ticket; Resource/Ticket.pm, create_record", Write: true,
				Drops: true, Fields: rtFields(true), Do: rtCreate}, // seen: 201 whatever is unknown
			{Method: "PUT", Path: "/REST/2.0/ticket/{id}", Doc: "RT/REST2, Updating a ticket; Record/Writable.pm, update_record", Write: true,
				Drops: true, Fields: rtFields(false), Do: rtUpdate},
			{Method: "POST", Path: "/REST/2.0/ticket/{id}/comment", Doc: "RT/REST2, Replying/Commenting; Resource/Message.pm", Write: true, Drops: true,
				Fields: []Field{{Name: "Content", Is: Str(0)}, {Name: "ContentType", Required: true, Is: OneOf("text/plain", "text/html"), Doc: "Message.pm, from_json"}, {Name: "TimeTaken"}},
				Do:     rtComment},
		},
		Entries: rtEntries,
	}
}

// rtField is a custom field of the queue, as the preset asks for it: of which type, and what it takes.
type rtField struct {
	takes *regexp.Regexp
	// refusal is what an update says to another value.
	refusal string
	time    bool
}

var (
	rtFreeform = rtField{takes: regexp.MustCompile(`^.+$`)}
	rtCustom   = map[string]rtField{
		"Call UUID": rtFreeform, "Phone": rtFreeform, "Agent": rtFreeform,
		// RT::CustomField, ValidateValue; seen
		"Outcome": {takes: regexp.MustCompile(`^(connected|abandoned|unanswered|busy|no_answer|rejected|canceled|failed|unknown)$`), refusal: "Invalid value for custom field"},
		// RT::Date, the format "sql", in the time zone of the user, which is UTC; seen: what isn't read as one is dropped at the
		// creation, and empties the field in an update
		"Started": {takes: regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`), time: true},
		// RT::CustomField, MatchPattern; seen
		"Duration": {takes: regexp.MustCompile(`^\d+$`), refusal: `Could not add a new value to custom field 'Duration': Input must match ^\d+$`},
	}
	rtStatuses = []any{"new", "open", "stalled", "resolved", "rejected", "deleted"} // RT_Config.pm, Lifecycles, default
)

// rtFields are those of a ticket that anybody asks for: RT/REST2, Creating a ticket.
func rtFields(create bool) []Field {
	fields := []Field{
		{Name: "Queue", Required: create, Is: Filled, Doc: "Resource/Ticket.pm, validate_input: 400"},
		{Name: "Subject", Is: Str(0), Doc: "seen: cut after 200 characters, line breaks taken out"}, {Name: "Status", Is: OneOf(rtStatuses...), Doc: "seen"},
		{Name: "Content", Is: Str(0)}, {Name: "ContentType", Is: OneOf("text/plain", "text/html")}, {Name: "Priority", Is: Int}, {Name: "Owner"},
	}
	for name := range rtCustom {
		fields = append(fields, Field{Name: "CustomFields." + name}) // what they take, Do says: a wrong value is no error to RT
	}
	return fields
}

func rtSays(status int, message string) Reply { // REST2/Util.pm, error_as_json
	return Reply{Status: status, Body: map[string]any{"message": message}}
}

// rtInvalid is one sentence, in a creation; an update answers 200 with a list of them, and nothing else tells that it is refused.
func rtInvalid(route *Route, problems []Problem) Reply {
	p := problems[0]
	message := p.What
	switch {
	case p.Field == "query" && p.Kind == Missing: // seen: no hits, without a word
		return rtHits(nil)
	case p.Field == "query":
		message += " at lib/RT/Tickets.pm line 3187.\n" // seen
	case p.Field == "Queue" && p.Kind == Missing:
		message = "Could not create ticket. Queue not set" // seen
	case p.Last() == "Status" && route.Method == http.MethodPut:
		message = fmt.Sprintf("Ticket 1: Status '%v' isn't a valid status for this ticket.", p.Value) // seen
	case p.Last() == "Status":
		message = fmt.Sprintf("Status '%v' isn't a valid status for tickets in this queue.", p.Value) // seen
	case p.Last() == "ContentType" && p.Kind == Missing:
		message = "ContentType is a required field for application/json" // seen
	case p.Field == "body":
		message = "JSON parse error: malformed JSON string" // seen
	}
	if route.Method == http.MethodPut && p.Field != "body" {
		return Reply{Status: 200, Body: []any{message}}
	}
	return rtSays(400, message)
}

var (
	rtTerm  = `(\w+|CF\.\{([^}]+)\})\s*(=|!=|>|<|LIKE)\s*('(?:[^'\\]|\\.)*'|\d+)`
	rtWhole = regexp.MustCompile(`^` + rtTerm + `(\s+AND\s+` + rtTerm + `)*$`)
	rtTerms = regexp.MustCompile(rtTerm)
)

// rtSQL says what is wrong with a search in TicketSQL: docs.bestpractical.com/rt/5.0/query_builder.html; seen: each is a 400.
func rtSQL(v any) string {
	query, _ := v.(string)
	if !rtWhole.MatchString(query) {
		return "Incomplete query, last element (OPERATOR) is not close paren or value in '" + query + "'"
	}
	for _, term := range rtTerms.FindAllStringSubmatch(query, -1) {
		if name := term[1]; term[2] == "" && !slices.Contains([]string{"Queue", "Status", "Subject", "id", "Priority"}, name) {
			return "Unknown field: " + name
		}
	}
	return ""
}

// rtSearch finds tickets at once: RT searches its database. A queue or a custom field that isn't there is no error: seen.
func rtSearch(f *Fake, r *Request) Reply {
	var found []*Record
	for _, t := range f.All(rtTickets) {
		fits := true
		for _, term := range rtTerms.FindAllStringSubmatch(r.URL.Query().Get("query"), -1) {
			name, value := term[1], regexp.MustCompile(`\\(.)`).ReplaceAllString(strings.Trim(term[4], "'"), "$1")
			is := Said(t.Fields[name])
			if term[2] != "" {
				is = rtValue(t, term[2])
			}
			fits = fits && term[3] == "=" && is == value
		}
		if fits {
			found = append(found, t)
		}
	}
	limit := 20
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil {
		limit = n
	}
	return rtHits(found[:min(limit, len(found))])
}

func rtHits(found []*Record) Reply {
	items := []any{}
	for _, t := range found {
		items = append(items, rtRef(t))
	}
	return Reply{Status: 200, Body: map[string]any{"items": items, "count": len(items), "total": len(items), "page": 1}}
}

func rtRef(t *Record) map[string]any { // REST2/Util.pm, expand_uid; seen: the id is a text here, and a number in a ticket
	return map[string]any{"type": "ticket", "id": t.ID, "_url": "http://rt.example.com/REST/2.0/ticket/" + t.ID}
}

// rtCreate takes what it can, and answers 201 whatever it dropped.
func rtCreate(f *Fake, r *Request) Reply {
	fields := r.Map()
	if fields["Queue"] != RTQueue {
		return rtSays(403, fmt.Sprintf("No permission to create tickets in the queue '%v'", fields["Queue"])) // seen, for an unknown one, too
	}
	custom := map[string]any{}
	for name, v := range mapOf(fields["CustomFields"]) {
		if !rtLacks(f, name) && rtCustom[name].takes.MatchString(Said(v)) {
			custom[name] = Said(v) // seen: a number, too
		}
	}
	fields["CustomFields"] = custom
	subject := []rune(strings.ReplaceAll(Said(fields["Subject"]), "\n", ""))
	fields["Subject"] = string(subject[:min(200, len(subject))])
	fields["Status"] = cmp.Or(Said(fields["Status"]), "new")
	delete(fields, "Owner") // seen: one who may not own tickets is dropped
	made := f.Add(rtTickets, fields)
	return Reply{Status: 201, Header: map[string]string{"Location": "/REST/2.0/ticket/" + made.ID}, Body: rtRef(made)}
}

// rtUpdate answers 200 with a sentence for each thing that it did, or didn't do; with none for what is as it was, and for a
// custom field that isn't there. All seen.
func rtUpdate(f *Fake, r *Request) Reply {
	t := f.Find(rtTickets, r.PathValue("id"))
	if t == nil {
		return rtSays(404, "Resource does not exist; use POST to create") // seen
	}
	sentences := []any{}
	for _, name := range []string{"Subject", "Status"} {
		v, given := r.Map()[name]
		if old := Said(t.Fields[name]); given && Said(v) != old {
			sentences = append(sentences, fmt.Sprintf("Ticket %s: %s changed from '%s' to '%v'", t.ID, name, old, v))
			t.Fields[name] = v
		}
	}
	changes := mapOf(r.Map()["CustomFields"])
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		old, v, field := rtValue(t, name), Said(changes[name]), rtCustom[name]
		into := mapOf(t.Fields["CustomFields"])
		switch {
		case rtLacks(f, name) || old == v && v != "":
			continue
		case changes[name] == nil && old != "":
			sentences = append(sentences, old+" is no longer a value for custom field "+name)
			delete(into, name)
			continue
		case field.time && !field.takes.MatchString(v):
			v = "Not set"
		case v != "" && !field.takes.MatchString(v):
			sentences = append(sentences, field.refusal)
			continue
		}
		if old == "" {
			sentences = append(sentences, name+" "+v+" added")
		} else {
			sentences = append(sentences, name+" "+old+" changed to "+v)
		}
		into[name] = v
	}
	return Reply{Status: 200, Body: sentences}
}

func rtComment(f *Fake, r *Request) Reply {
	t := f.Find(rtTickets, r.PathValue("id"))
	if t == nil {
		return rtSays(400, "Permission Denied") // seen
	}
	t.Fields["Comments"] = Said(t.Fields["Comments"]) + "\n" + Said(r.Map()["Content"])
	return Reply{Status: 201, Header: map[string]string{"Location": "/REST/2.0/transaction/7"}, Body: []any{"Comments added"}} // seen
}

// rtLacks says that the queue has no custom field of that name.
func rtLacks(f *Fake, name string) bool {
	_, known := rtCustom[name]
	return !known || slices.ContainsFunc(f.All(RTLacks), func(r *Record) bool { return r.Fields[name] == true })
}

func rtValue(t *Record, name string) string { return Said(Get(t.Fields["CustomFields"], name)) }

// rtShown is a ticket as REST2/Util.pm, serialize_record, has it: each custom field of the queue is listed, a time in UTC; seen.
func rtShown(t *Record) map[string]any {
	custom := []any{}
	for _, name := range slices.Sorted(maps.Keys(rtCustom)) {
		values := []any{}
		if v := rtValue(t, name); v != "" {
			if at, err := time.Parse(time.DateTime, v); err == nil {
				v = at.Format(time.RFC3339)
			}
			values = append(values, v)
		}
		custom = append(custom, map[string]any{"type": "customfield", "name": name, "values": values})
	}
	return map[string]any{"id": t.Number(), "Subject": t.Fields["Subject"], "Status": t.Fields["Status"], "CustomFields": custom,
		"Queue": map[string]any{"type": "queue", "id": "3"}, "Owner": map[string]any{"type": "user", "id": "Nobody"}, "Requestor": []any{}}
}

// rtEntries has the custom field Agent as the owner, which is who took the call.
func rtEntries(f *Fake) (entries []Entry) {
	for _, t := range f.All(rtTickets) {
		text := Said(t.Fields["Subject"]) + "\n" + Said(t.Fields["Content"]) + Said(t.Fields["Comments"])
		e := Entry{ID: t.ID, Call: rtValue(t, "Call UUID"), Owner: rtValue(t, "Agent"), Status: Said(t.Fields["Status"]) + " " + rtValue(t, "Outcome"),
			Phone: rtValue(t, "Phone"), Recording: text, Talk: -1, Text: text}
		if at, err := time.Parse(time.DateTime, rtValue(t, "Started")); err == nil {
			e.Started = at
		}
		if s, err := strconv.Atoi(rtValue(t, "Duration")); err == nil {
			e.Talk = time.Duration(s) * time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

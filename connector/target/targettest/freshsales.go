package targettest

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// FreshsalesNobody is the contact that was made for calls of nobody.
const (
	FreshsalesNobody = "70004711"
	freshsalesNotes  = "notes"
)

// Freshsales is the API of Freshsales (Freshworks CRM), as far as notes of contacts go. What its documentation doesn't show
// is from several public programs that use it: "programs".
func Freshsales() *API {
	const root = "/crm/sales/api"
	return &API{
		Name: "Freshsales", Doc: "developers.freshworks.com/crm/api",
		Knows:   func(_ *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "Token token="+Credential },
		AuthDoc: "#authentication: Token token=KEY",
		// (mem), as are the words of NotFound and Busy
		Unauthorized: Reply{Status: 401, Body: map[string]any{"login": "failed", "message": "The credentials are wrong"}},
		NotFound:     freshsalesFailed(404, "Not found"),
		// crmsupport.freshworks.com, 50000005599: 1000 to 5000 requests an hour and account, 429; no word of Retry-After
		Busy: func(time.Duration) Reply { return freshsalesFailed(429, "Too many requests") },
		Invalid: func(_ *Route, problems []Problem) Reply { // programs: a 400, and a list of sentences
			var says []any
			for _, p := range problems {
				says = append(says, strings.ToUpper(p.Last()[:1])+p.Last()[1:]+" "+p.What)
			}
			return freshsalesFailed(400, says...)
		},
		Contact: func(phone string) map[string]any {
			return map[string]any{"first_name": "A person", "mobile_number": phone}
		},
		Routes: []Route{
			{Method: "GET", Path: root + "/lookup", Doc: "#lookup: records whose field has exactly this value", Do: freshsalesLookup, Query: []Field{
				{Name: "q", Required: true, Is: Filled}, {Name: "f", Required: true, Is: OneOf("email", "mobile_number", "work_number"), Doc: "programs for the numbers"},
				{Name: "entities", Required: true, Is: OneOf("contact")}}},
			{Method: "POST", Path: root + "/notes", Doc: "#create_note", Write: true, Do: freshsalesNote, Fields: []Field{
				{Name: "note", Required: true}, {Name: "note.description", Required: true, Is: Filled, Doc: "programs: HTML"},
				{Name: "note.targetable_type", Required: true, Is: OneOf("Contact", "SalesAccount", "Deal")}, {Name: "note.targetable_id", Required: true, Is: Int}}},
		},
		Entries: freshsalesEntries,
	}
}

func freshsalesFailed(status int, says ...any) Reply {
	return Reply{Status: status, Body: map[string]any{"errors": map[string]any{"code": status, "message": says}}}
}

// freshsalesLookup finds whole contacts. Without a hit the list is empty: programs.
func freshsalesLookup(f *Fake, r *Request) Reply {
	found := []any{}
	for _, c := range f.Searched(Contacts) {
		if Said(c.Fields[r.URL.Query().Get("f")]) == r.URL.Query().Get("q") {
			found = append(found, shown(c))
		}
	}
	return Reply{Status: 200, Body: map[string]any{"contacts": map[string]any{"contacts": found, "meta": map[string]any{"total": len(found)}}}}
}

// freshsalesNote makes a note. One that is sent again is one more: no field is unique.
func freshsalesNote(f *Fake, r *Request) Reply {
	note := mapOf(r.Map()["note"])
	if id := Said(note["targetable_id"]); id != FreshsalesNobody && f.Find(Contacts, id) == nil {
		return f.API.NotFound
	}
	return Reply{Status: 201, Body: map[string]any{"note": shown(f.Add(freshsalesNotes, note))}} // programs: 200 or 201
}

var (
	freshsalesTitle = regexp.MustCompile(`^Call to (\S+) \((\w+)\)`)
	freshsalesUUID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// freshsalesEntries reads the text of the notes: they have no other field.
func freshsalesEntries(f *Fake) (entries []Entry) {
	for _, n := range f.All(freshsalesNotes) {
		text := html.UnescapeString(strings.ReplaceAll(Said(n.Fields["description"]), "<br>", "\n"))
		e := Entry{ID: n.ID, Call: freshsalesUUID.FindString(text), Contact: strings.TrimSuffix(Said(n.Fields["targetable_id"]), FreshsalesNobody),
			Recording: text, Talk: -1, Text: text}
		if title := freshsalesTitle.FindStringSubmatch(text); title != nil {
			e.Phone, e.Status = title[1], title[2]
		}
		line := func(name string) string {
			lines := strings.Split(text, "\n")
			if i := slices.IndexFunc(lines, func(s string) bool { return strings.HasPrefix(s, name+" ") }); i >= 0 {
				return strings.TrimPrefix(lines[i], name+" ")
			}
			return ""
		}
		if at, err := time.Parse(time.RFC3339, line("Start")); err == nil {
			e.Started = at
		}
		if talk, err := time.Parse("04:05", line("Talk")); err == nil {
			e.Talk = time.Duration(talk.Minute())*time.Minute + time.Duration(talk.Second())*time.Second
		}
		entries = append(entries, e)
	}
	return entries
}

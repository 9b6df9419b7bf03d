package targettest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The collections of a workspace of Twenty.
const (
	twentyNotes   = "notes"
	twentyTargets = "noteTargets"
)

// Twenty is the REST API of Twenty, with its standard objects for notes.
func Twenty() *API {
	uuid := Like(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, "a UUID")
	note := []Field{ // modules/note/standard-objects/note.workspace-entity.ts
		{Name: "title", Is: Str(0)}, {Name: "position"},
		{Name: "bodyV2.markdown", Is: Str(0), Doc: "note.workspace-entity.ts: rich text, as Markdown or as blocknote's JSON"}, {Name: "bodyV2.blocknote", Is: Str(0)},
	}
	upsert := []Field{{Name: "upsert", Is: OneOf("true", "false"), Doc: "input-request-parsers/upsert-parser-utils"}, {Name: "depth", Is: OneOf("0", "1")}}
	return &API{
		Name:         "Twenty",
		Doc:          "twentyhq/twenty, packages/twenty-server/src/engine/api/rest; docs.twenty.com, REST API",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+Credential },
		AuthDoc:      "docs, REST API: an API key as a bearer token",
		Unauthorized: twentyFailed(401, "UnauthorizedException", "Token invalid."),
		NotFound:     twentyFailed(404, "NotFoundException", "Record not found"),
		// docs, API limits: 100 requests a minute; nothing says for how long to wait
		Busy:    func(time.Duration) Reply { return twentyFailed(429, "ThrottlerException", "Limit reached") },
		Invalid: twentyInvalid,
		Contact: func(phone string) map[string]any { // shared/types, phones: the national part stands apart from the calling code
			n := National(phone)
			return map[string]any{"name": map[string]any{"firstName": "A", "lastName": "Person"},
				"phones": map[string]any{"primaryPhoneNumber": n, "primaryPhoneCallingCode": strings.TrimSuffix(phone, n), "additionalPhones": []any{}}}
		},
		Routes: []Route{
			{Method: "GET", Path: "/rest/people", Doc: "rest-api-find-many.handler.ts; filter-parser-utils/parse-base-filter.util.ts", Do: twentyPeople,
				Query: []Field{{Name: "filter", Is: Like(`^phones\.primaryPhoneNumber\[eq\]:"\d+"$`, `a filter such as phones.primaryPhoneNumber[eq]:"151…"`)},
					{Name: "limit", Is: Like(`^([1-5]?\d|60)$`, "a number up to 60"), Doc: "docs: 60 records a request"}, {Name: "depth", Is: OneOf("0", "1")}, {Name: "order_by"}}},
			{Method: "POST", Path: "/rest/notes", Doc: "rest-api-create-one.handler.ts", Write: true, Query: upsert,
				Fields: append([]Field{{Name: "id", Is: uuid, Doc: "rest-api-create-one.handler.ts: an id may be given"}}, note...), Do: twentyCreate(twentyNotes, "createNote")},
			{Method: "GET", Path: "/rest/notes/{id}", Doc: "rest-api-find-one.handler.ts", Query: []Field{{Name: "depth", Is: OneOf("0", "1")}}, Do: func(f *Fake, r *Request) Reply {
				n := f.Find(twentyNotes, r.PathValue("id"))
				if n == nil {
					return f.API.NotFound
				}
				return Reply{Status: 200, Body: map[string]any{"data": map[string]any{"note": twentyShown(n)}}}
			}},
			{Method: "PATCH", Path: "/rest/notes/{id}", Doc: "rest-api-update-one.handler.ts", Write: true, Query: upsert[1:], Fields: note, Do: func(f *Fake, r *Request) Reply {
				n := f.Find(twentyNotes, r.PathValue("id"))
				if n == nil {
					return f.API.NotFound
				}
				n.Merge(r.Map())
				return Reply{Status: 200, Body: map[string]any{"data": map[string]any{"updateNote": twentyShown(n)}}}
			}},
			{Method: "POST", Path: "/rest/noteTargets", Doc: "rest-api-create-one.handler.ts; note-target.workspace-entity.ts: personId, in newer versions targetPersonId", Write: true, Query: upsert,
				Fields: []Field{{Name: "id", Is: uuid}, {Name: "noteId", Is: uuid}, {Name: "targetPersonId", Is: Filled}, {Name: "targetCompanyId", Is: Filled}},
				Do:     twentyCreate(twentyTargets, "createNoteTarget")},
		},
		Entries: twentyEntries,
	}
}

// twentyFailed is the shape of an error: engine/api/rest/utils, rest-api-exception.filter.ts.
func twentyFailed(status int, name string, messages ...any) Reply {
	return Reply{Status: status, Body: map[string]any{"statusCode": status, "error": name, "messages": messages}}
}

// twentyInvalid: what isn't a field of the object is refused, in the words of data-arg-processor.service.ts.
func twentyInvalid(_ *Route, problems []Problem) Reply {
	var messages []any
	for _, p := range problems {
		switch p.Kind {
		case Unknown:
			messages = append(messages, fmt.Sprintf("Object note doesn't have any \"%s\" field.", p.Last()))
		default:
			messages = append(messages, fmt.Sprintf("Invalid value for field \"%s\": %s", p.Last(), p.What))
		}
	}
	return twentyFailed(400, "BadRequestException", messages...)
}

func twentyShown(r *Record) map[string]any {
	m := shown(r)
	m["id"], m["updatedAt"] = r.ID, r.At.UTC().Format("2006-01-02T15:04:05.000Z")
	return m
}

var twentyNumber = regexp.MustCompile(`"(\d+)"`)

func twentyPeople(f *Fake, r *Request) Reply {
	people := []any{}
	for _, c := range f.All(Contacts) {
		if m := twentyNumber.FindStringSubmatch(r.URL.Query().Get("filter")); m == nil || m[1] == Get(c.Fields["phones"], "primaryPhoneNumber") {
			people = append(people, twentyShown(c))
		}
	}
	total := len(people)
	if r.URL.Query().Get("limit") == "2" && total > 2 {
		people = people[:2]
	}
	return Reply{Status: 200, Body: map[string]any{"data": map[string]any{"people": people}, "totalCount": total, "pageInfo": map[string]any{"hasNextPage": total > len(people)}}}
}

// twentyCreate: an id that is there already is refused, or with upsert written over.
func twentyCreate(collection, name string) func(*Fake, *Request) Reply {
	return func(f *Fake, r *Request) Reply {
		fields := r.Map()
		id := Said(fields["id"])
		record := f.Find(collection, id)
		switch {
		case record != nil && r.URL.Query().Get("upsert") != "true":
			return twentyFailed(400, "BadRequestException", "Record already exists") // rest-api-create-one.handler.ts
		case record != nil:
			record.Merge(fields)
		case collection == twentyTargets && f.Find(twentyNotes, Said(fields["noteId"])) == nil: // a foreign key of the database
			return twentyFailed(400, "QueryFailedError", "insert or update on table \"noteTarget\" violates foreign key constraint")
		default:
			record = f.Add(collection, fields)
			if id != "" {
				record.ID = id
			}
		}
		return Reply{Status: 201, Body: map[string]any{"data": map[string]any{name: twentyShown(record)}}}
	}
}

// TwentyEdit has somebody write in all notes.
func TwentyEdit(f *Fake, text string) {
	f.set(func() {
		for _, n := range f.All(twentyNotes) {
			n.Merge(map[string]any{"bodyV2": map[string]any{"markdown": text}})
		}
	})
}

func twentyEntries(f *Fake) (entries []Entry) {
	for _, n := range f.All(twentyNotes) {
		title, body := Said(n.Fields["title"]), Said(Get(n.Fields["bodyV2"], "markdown"))
		e := Entry{ID: n.ID, Call: n.ID, Status: statusIn.FindString(title), Phone: title, Recording: body, Talk: -1, Text: title + "\n" + body}
		for _, t := range f.All(twentyTargets) {
			if t.Fields["noteId"] == n.ID {
				e.Contact = strings.TrimPrefix(e.Contact+","+Said(t.Fields["targetPersonId"]), ",")
			}
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	return entries
}

package targettest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The environment behind Dynamics 365: a user who owns calls, and the application user.
const (
	DynamicsUser   = "9a8b7c6d-1111-4222-8333-444455556666"
	DynamicsSelf   = "0e0e0e0e-1111-4222-8333-444455556666" // whose application it is
	DynamicsTenant = "contoso.onmicrosoft.com"
	DynamicsClient = "11112222-bbbb-3333-cccc-4444dddd5555"
	dynamicsCalls  = "calls"
	dynamicsData   = "/api/data/v9.2/"
	dynamicsIDs    = "5a1e0000-0000-4000-8000-%012s" // the GUID of a contact; the fake's own ids are numbers
)

// Dynamics is the Web API of Dataverse, as far as the phone calls of Dynamics 365 go.
func Dynamics() *API {
	return &API{
		Name: "Dynamics 365", Doc: "learn.microsoft.com/power-apps/developer/data-platform/webapi: update-delete-entities, compose-http-requests-handle-errors; reference/entities/phonecall",
		Knows:        func(f *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+f.Token() },
		AuthDoc:      "authenticate-oauth: the access token of Entra ID is a bearer token",
		Unauthorized: Reply{Status: 401, Header: map[string]string{"WWW-Authenticate": "Bearer authorization_uri=https://login.microsoftonline.com/"}},
		NotFound:     dynamicsFailed(404, "0x80060888", "Resource not found for the segment"),
		Asks:         true,
		// api-limits: 429 with Retry-After in seconds
		Busy: func(after time.Duration) Reply {
			reply := dynamicsFailed(429, "0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds.")
			reply.Header = map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}
			return reply
		},
		Limits:  map[string]string{"x-ms-ratelimit-burst-remaining-xrm-requests": "5990", "x-ms-ratelimit-time-remaining-xrm-requests": "1199.9"}, // api-limits
		Invalid: dynamicsInvalid,
		Contact: func(phone string) map[string]any { return map[string]any{"mobilephone": "0" + National(phone)} },
		Routes: []Route{
			{
				Method: "POST", Path: "/" + DynamicsTenant + "/oauth2/v2.0/token", Doc: "identity platform: v2-oauth2-client-creds-grant-flow", Open: true,
				Media: "application/x-www-form-urlencoded",
				Fields: []Field{{Name: "grant_type", Required: true, Is: OneOf("client_credentials")}, {Name: "client_id", Required: true, Is: OneOf(DynamicsClient)},
					{Name: "client_secret", Required: true, Is: OneOf(Credential)},
					{Name: "scope", Required: true, Is: Like(`^https://[\w.]+\.dynamics\.com/\.default$`, "the environment's address and /.default")}},
				Do: func(f *Fake, _ *Request) Reply {
					if f.Expired() {
						return Reply{Status: 401, Body: map[string]any{"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys are expired.", "error_codes": []any{7000222}}}
					}
					return Reply{Status: 200, Body: map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": f.Token()}}
				},
			},
			{Method: "GET", Path: dynamicsData + "contacts", Doc: "query-data-web-api; $filter compares texts as they are stored", Do: dynamicsProtocol(dynamicsContacts),
				Query: []Field{{Name: "$select", Is: Like(`^(contactid|fullname|_ownerid_value|telephone1|telephone2|mobilephone)(,(contactid|fullname|telephone1|telephone2|mobilephone))*$`, "columns of contacts")},
					{Name: "$filter", Required: true, Is: Like(`^`+dynamicsTerm+`( or `+dynamicsTerm+`)*$`, "column eq 'value' or …")}, {Name: "$top", Is: Like(`^[1-9]\d*$`, "a number")}}},
			{Method: "PATCH", Path: dynamicsData + "{call}", Doc: "update-delete-entities, upsert: it is created or updated; If-None-Match: * and If-Match: * allow one of both", Write: true,
				Fields: dynamicsFields(), Do: dynamicsProtocol(dynamicsUpsert)},
		},
		Entries: dynamicsEntries,
	}
}

const dynamicsTerm = `(?:telephone1|telephone2|mobilephone) eq '(?:[^']|'')*'`

func dynamicsFailed(status int, code, message string) Reply {
	return Reply{Status: status, Body: map[string]any{"error": map[string]any{"code": code, "message": message}}}
}

// dynamicsFields are the columns of a phone call, and how it is bound to other rows: reference/entities/phonecall, "Writable
// attributes"; webapi/reference/phonecall has the names that they are bound by. Parties may be missing: execute-batch-operations
// has a call without any.
func dynamicsFields() []Field {
	date := Like(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`, "Edm.DateTimeOffset")
	bind := func(set string) Check {
		return Like(`^/`+set+`\([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\)$`, "a reference such as /"+set+"(guid)")
	}
	const parties = "phonecall_activity_parties[]."
	return []Field{
		{Name: "subject", Is: Str(200)}, {Name: "phonenumber", Is: Str(200)}, {Name: "description", Is: Str(2000)},
		{Name: "category", Is: Str(250)}, {Name: "subcategory", Is: Str(250)},
		{Name: "directioncode", Is: Bool, Doc: "true is outgoing"}, {Name: "leftvoicemail", Is: Bool}, {Name: "prioritycode", Is: OneOf(0, 1, 2)},
		{Name: "actualdurationminutes", Is: Int, Doc: "minutes"}, {Name: "actualstart", Is: date}, {Name: "actualend", Is: date},
		{Name: "scheduledstart", Is: date}, {Name: "scheduledend", Is: date},
		{Name: "statecode", Is: OneOf(0, 1, 2)}, {Name: "statuscode", Is: OneOf(1, 2, 3, 4)},
		{Name: "regardingobjectid_contact_phonecall@odata.bind", Is: bind("contacts")}, {Name: "ownerid@odata.bind", Is: bind("systemusers")},
		{Name: parties + "participationtypemask", Required: true, Is: OneOf(1, 2), Doc: "activityparty: 1 is the sender, 2 whom it is to"},
		{Name: parties + "partyid_contact@odata.bind", Is: bind("contacts")}, {Name: parties + "partyid_systemuser@odata.bind", Is: bind("systemusers")},
	}
}

func dynamicsInvalid(route *Route, problems []Problem) Reply {
	p := problems[0]
	switch {
	case route != nil && route.Open:
		return Reply{Status: 400, Body: map[string]any{"error": "invalid_request", "error_description": "AADSTS900144: " + p.Field + " " + p.What}}
	case p.Kind == Unknown:
		return dynamicsFailed(400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'phonecalls'. An undeclared property '"+p.Last()+"' was found")
	case strings.HasPrefix(p.What, "longer"):
		return dynamicsFailed(400, "0x80044331", "A validation error occurred. The length of the '"+p.Last()+"' attribute of the 'phonecall' entity exceeded the maximum allowed length")
	case p.Kind == Refused:
		return dynamicsFailed(400, "0x80040265", "Our rule: "+p.Last()+" must not be set by integrations")
	}
	return dynamicsFailed(400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'phonecalls'. "+p.Last()+": "+p.What)
}

// dynamicsProtocol asks for the headers that each request must have: compose-http-requests-handle-errors, "HTTP headers".
func dynamicsProtocol(do func(*Fake, *Request) Reply) func(*Fake, *Request) Reply {
	return func(f *Fake, r *Request) Reply {
		for name, want := range map[string]string{"Accept": "application/json", "OData-Version": "4.0", "OData-MaxVersion": "4.0"} {
			if r.Header.Get(name) != want {
				return dynamicsFailed(400, "0x80060888", "The header "+name+" must be "+want)
			}
		}
		return do(f, r)
	}
}

var dynamicsTerms = regexp.MustCompile(`(\w+) eq '((?:[^']|'')*)'`)

func dynamicsContacts(f *Fake, r *Request) Reply {
	value := []any{}
	for _, c := range f.Searched(Contacts) {
		if slices.ContainsFunc(dynamicsTerms.FindAllStringSubmatch(r.URL.Query().Get("$filter"), -1), func(m []string) bool { return c.Fields[m[1]] == m[2] }) {
			value = append(value, map[string]any{"@odata.etag": `W/"501097"`, "contactid": fmt.Sprintf(dynamicsIDs, c.ID)})
		}
	}
	if top, err := strconv.Atoi(r.URL.Query().Get("$top")); err == nil && top < len(value) {
		value = value[:top]
	}
	return Reply{Status: 200, Body: map[string]any{"@odata.context": "…$metadata#contacts(contactid)", "value": value}}
}

var dynamicsKey = regexp.MustCompile(`^phonecalls\(([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\)$`)

func dynamicsUpsert(f *Fake, r *Request) Reply {
	m := dynamicsKey.FindStringSubmatch(r.PathValue("call"))
	if m == nil {
		return f.API.NotFound
	}
	body := r.Map()
	if refused := dynamicsBound(f, body); refused != nil {
		return *refused
	}
	i := slices.IndexFunc(f.All(dynamicsCalls), func(c *Record) bool { return c.Fields["activityid"] == m[1] })
	switch {
	case i >= 0 && r.Header.Get("If-None-Match") == "*": // update-delete-entities, "Prevent update in upsert"
		return dynamicsFailed(412, "0x80040237", "A record with matching key values already exists.")
	case i >= 0:
		if refused := dynamicsChange(f.All(dynamicsCalls)[i], body); refused != nil {
			return *refused
		}
	case r.Header.Get("If-Match") == "*": // "Prevent create in upsert"
		return dynamicsFailed(404, "0x80040217", "phonecall With Id = "+m[1]+" Does Not Exist")
	case body["statecode"] != nil: // reference/entities/phonecall: IsValidForCreate false
		return dynamicsFailed(400, "0x80048408", Said(body["statecode"])+" is not a valid state code on create")
	default:
		body["activityid"], body["statecode"], body["statuscode"] = m[1], 0, 1
		if body["ownerid@odata.bind"] == nil {
			body["ownerid@odata.bind"] = "/systemusers(" + DynamicsSelf + ")" // the user that asks
		}
		f.Add(dynamicsCalls, body)
	}
	return Reply{Status: 204, Header: map[string]string{"OData-EntityId": "https://" + r.Host + dynamicsData + m[0], "OData-Version": "4.0"}}
}

// dynamicsChange updates a call. Reference/entities/phonecall: completed and canceled ones are read-only, only their state can
// be changed; update-delete-entities: with a state goes the status that belongs to it.
func dynamicsChange(c *Record, body map[string]any) *Reply {
	if Said(c.Fields["statecode"]) != "0" && body["statecode"] == nil {
		reply := dynamicsFailed(400, "0x80040203", "The phone call is completed or canceled and cannot be changed.")
		return &reply
	}
	if state := body["statecode"]; state != nil {
		if belongs := map[string]string{"0": "1", "1": "24", "2": "3"}[Said(state)]; body["statuscode"] == nil || !strings.Contains(belongs, Said(body["statuscode"])) {
			reply := dynamicsFailed(400, "0x80048408", Said(body["statuscode"])+" is not a valid status code for state code "+Said(state))
			return &reply
		}
	}
	c.Merge(body)
	return nil
}

// dynamicsBound checks that what a call is bound to is there.
func dynamicsBound(f *Fake, body map[string]any) *Reply {
	binds := []any{body["regardingobjectid_contact_phonecall@odata.bind"], body["ownerid@odata.bind"]}
	for _, p := range listOf(body["phonecall_activity_parties"]) {
		binds = append(binds, Get(p, "partyid_contact@odata.bind"), Get(p, "partyid_systemuser@odata.bind"))
	}
	for _, bind := range binds {
		known := bind == nil || bind == "/systemusers("+DynamicsUser+")" || bind == "/systemusers("+DynamicsSelf+")" || slices.ContainsFunc(f.All(Contacts), func(c *Record) bool {
			return bind == "/contacts("+fmt.Sprintf(dynamicsIDs, c.ID)+")"
		})
		if !known {
			reply := dynamicsFailed(404, "0x80040217", "Entity With Id = "+Said(bind)+" Does Not Exist")
			return &reply
		}
	}
	return nil
}

func dynamicsEntries(f *Fake) (entries []Entry) {
	id := func(bind any) string { // of /contacts(guid)
		_, guid, _ := strings.Cut(strings.TrimSuffix(Said(bind), ")"), "(")
		var own string
		if n, _ := fmt.Sscanf(guid, "5a1e0000-0000-4000-8000-%s", &own); n == 1 {
			return strings.TrimLeft(own, "0")
		}
		return guid
	}
	for _, c := range f.All(dynamicsCalls) {
		e := Entry{
			ID: c.ID, Call: Said(c.Fields["activityid"]), Contact: id(c.Fields["regardingobjectid_contact_phonecall@odata.bind"]),
			Owner: id(c.Fields["ownerid@odata.bind"]), Phone: Said(c.Fields["phonenumber"]), Recording: Said(c.Fields["description"]), Talk: -1,
			Status: fmt.Sprintf("%v/%v %v", c.Fields["statecode"], c.Fields["statuscode"], c.Fields["subcategory"]),
			Text:   Said(c.Fields["subject"]) + "\n" + Said(c.Fields["description"]),
		}
		for _, p := range listOf(c.Fields["phonecall_activity_parties"]) {
			if to := id(Get(p, "partyid_contact@odata.bind")); to != "" && to != e.Contact {
				e.Contact += "," + to
			}
		}
		if at, err := time.Parse(time.RFC3339, Said(c.Fields["actualstart"])); err == nil {
			e.Started = at
		}
		if m, err := strconv.Atoi(Said(c.Fields["actualdurationminutes"])); err == nil {
			e.Talk = time.Duration(m) * time.Minute
		}
		entries = append(entries, e)
	}
	return entries
}

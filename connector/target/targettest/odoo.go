package targettest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The database behind Odoo: wrapup's own user, and a salesperson.
const (
	OdooDatabase = "acme"
	OdooSelf     = "2"
	OdooUser     = "6"
	odooCalls    = "crm.phonecall"
)

// OdooRPC is Odoo's JSON-RPC, until version 18 the only one, with OCA's module crm_phonecall.
func OdooRPC() *API {
	failed := func(name, message string) Reply { // odoo/http.py, JsonRPCDispatcher.handle_error: each error is a 200
		return Reply{Status: 200, Body: map[string]any{"jsonrpc": "2.0", "id": json.Number("1"), "error": map[string]any{"code": json.Number("200"),
			"message": "Odoo Server Error", "data": map[string]any{"name": name, "debug": "Traceback (most recent call last): …", "message": message,
				"arguments": []any{message}, "context": map[string]any{}}}}}
	}
	do := func(method string) func(*Fake, *Request) Reply {
		return func(f *Fake, r *Request) Reply {
			args := listOf(Get(r.JSON, "params", "args"))
			if args[0] != OdooDatabase {
				return failed("psycopg2.OperationalError", fmt.Sprintf("database %q does not exist", args[0]))
			}
			if Said(args[1]) != OdooSelf || args[2] != Credential {
				return failed("odoo.exceptions.AccessDenied", "Access Denied")
			}
			named := map[string]any{}
			for i, v := range listOf(args[5]) {
				if i >= len(odooParams[method]) {
					return failed("builtins.TypeError", method+"() takes fewer positional arguments")
				}
				named[odooParams[method][i]] = v
			}
			if len(args) == 7 {
				maps.Copy(named, mapOf(args[6]))
			}
			result, err := odooMethods[method](f, named)
			if err != nil {
				return failed(err.name, err.message)
			}
			return Reply{Status: 200, Body: map[string]any{"jsonrpc": "2.0", "id": json.Number("1"), "result": result}}
		}
	}
	envelope := []Field{ // external_rpc_api.rst, "Calling methods", as JSON-RPC 2.0
		{Name: "jsonrpc", Required: true, Is: OneOf("2.0")}, {Name: "method", Required: true, Is: OneOf("call")}, {Name: "id"},
		{Name: "params", Required: true}, {Name: "params.service", Required: true, Is: OneOf("object")},
		{Name: "params.method", Required: true, Is: OneOf("execute_kw")},
		{Name: "params.args", Required: true, Doc: "execute_kw: database, uid, key, model, method, positional arguments, keyword arguments",
			Is: func(v any) string {
				list := listOf(v)
				if len(list) < 6 || len(list) > 7 || Int(list[1]) != "" || listOf(list[5]) == nil {
					return "expected database, uid (an integer), key, model, method, a list of arguments, and keyword arguments"
				}
				return ""
			}},
	}
	api := odoo(failed("odoo.exceptions.AccessDenied", "Access Denied")) // res_users.py, check: a wrong key is AccessDenied, in a 200
	api.Name, api.Doc = "Odoo JSON-RPC", "odoo/documentation, external_rpc_api.rst; odoo/odoo, odoo/http.py, odoo/models.py (load); OCA/crm, crm_phonecall"
	api.Knows = func(*Fake, *http.Request) bool { return true }
	api.AuthDoc = "external_rpc_api.rst: the key stands among the arguments, where the password would"
	api.Invalid = func(_ *Route, problems []Problem) Reply { return failed("builtins.TypeError", problems[0].String()) }
	api.Operation = func(_ *http.Request, body []byte) string {
		var of struct{ Params struct{ Args []any } }
		if json.Unmarshal(body, &of) != nil || len(of.Params.Args) < 5 {
			return ""
		}
		return fmt.Sprint(of.Params.Args[3], ".", of.Params.Args[4])
	}
	for _, of := range odooRoutes() {
		of.Operation = strings.ReplaceAll(of.Path, "/", ".")
		_, method, _ := strings.Cut(of.Path, "/")
		of.Path, of.Fields, of.Do = "/jsonrpc", envelope, do(method)
		api.Routes = append(api.Routes, of)
	}
	return api
}

// OdooJSON2 is Odoo's JSON-2, of version 19 and later.
func OdooJSON2() *API {
	failed := func(status int, name, message string) Reply { // odoo/http.py, Json2Dispatcher.handle_error
		return Reply{Status: status, Body: map[string]any{"name": name, "message": message, "arguments": []any{message}, "context": map[string]any{},
			"debug": "Traceback (most recent call last): …"}}
	}
	api := odoo(failed(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey"))
	api.Name, api.Doc = "Odoo JSON-2", "odoo/documentation, external_api.rst (19.0); odoo/odoo, addons/rpc/controllers/json2.py, odoo/http.py, odoo/models.py (load)"
	api.Knows = func(_ *Fake, r *http.Request) bool {
		scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		return strings.EqualFold(scheme, "bearer") && key == Credential && r.Header.Get("X-Odoo-Database") == OdooDatabase
	}
	api.AuthDoc = "external_api.rst: Authorization bearer; X-Odoo-Database where a host has several databases, as this one has"
	api.Invalid = func(_ *Route, problems []Problem) Reply { // json2.py: arguments that the method doesn't take are a 422
		return failed(422, "werkzeug.exceptions.UnprocessableEntity", fmt.Sprintf("got an unexpected keyword argument '%s'", problems[0].Field))
	}
	for _, of := range odooRoutes() {
		_, method, _ := strings.Cut(of.Path, "/")
		of.Path = "/json/2/" + of.Path
		of.Fields = []Field{{Name: "ids", Is: List(Int)}, {Name: "context", Is: odooContext}}
		for _, name := range odooParams[method] {
			if name != "ids" {
				of.Fields = append(of.Fields, Field{Name: name})
			}
		}
		of.Do = func(f *Fake, r *Request) Reply {
			result, err := odooMethods[method](f, r.Map())
			if err != nil {
				return failed(err.status, err.name, err.message)
			}
			return Reply{Status: 200, Body: result} // external_api.rst: the method's value, without an envelope
		}
		api.Routes = append(api.Routes, of)
	}
	return api
}

// odoo is what both have.
func odoo(unauthorized Reply) *API {
	return &API{
		Unauthorized: unauthorized,
		NotFound:     Reply{Status: 404, Body: map[string]any{"name": "werkzeug.exceptions.NotFound", "message": "the model or method does not exist"}},
		Busy:         func(time.Duration) Reply { return Reply{Status: 429, Body: Text("Too Many Requests")} }, // of Odoo Online (mem)
		Contact: func(phone string) map[string]any { // as Odoo formats what people type
			n := National(phone)
			return map[string]any{"name": "A person", "phone": phone[:3] + " " + n[:3] + "-" + n[3:]}
		},
		Entries: odooEntries,
	}
}

// odooRoutes are the methods, by model and name.
func odooRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "res.partner/search_read", Doc: "orm.rst, search_read"},
		{Method: "POST", Path: "crm.phonecall/load", Doc: "odoo/models.py, load", Write: true},
		{Method: "POST", Path: "crm.phonecall/write", Doc: "orm.rst, write", Write: true},
	}
}

// odooParams are the names of the methods' arguments: odoo/models.py.
var odooParams = map[string][]string{
	"search_read": {"domain", "fields", "offset", "limit", "order"},
	"load":        {"fields", "data"},
	"write":       {"ids", "vals"},
}

// odooError is an exception: odoo/exceptions.py has the statuses.
type odooError struct {
	status        int
	name, message string
}

var odooMethods = map[string]func(*Fake, map[string]any) (any, *odooError){
	"search_read": odooSearch, "load": odooLoad, "write": odooWrite,
}

func odooContext(v any) string {
	if tz := Get(v, "tz"); tz != nil && tz != "UTC" {
		return "a time zone that this fake doesn't know"
	}
	return ""
}

// odooSearch finds partners by phone: addons/phone_validation, _search_phone_mobile_search. A number with + or 00 finds both
// ways of writing it, in whichever way it is parted.
func odooSearch(f *Fake, args map[string]any) (any, *odooError) {
	for _, name := range listOf(args["fields"]) {
		if !slices.Contains([]any{"id", "name", "phone", "user_id", "parent_id", "email"}, name) {
			return nil, &odooError{422, "builtins.ValueError", fmt.Sprintf("Invalid field '%s' on model 'res.partner'", name)}
		}
	}
	found := []any{}
	for _, p := range f.Searched(Contacts) {
		all := true
		for _, leaf := range listOf(args["domain"]) {
			of := listOf(leaf)
			if len(of) != 3 || of[0] != "phone_mobile_search" || of[1] != "=" || len(Said(of[2])) < 3 {
				return nil, &odooError{422, "builtins.ValueError", fmt.Sprintf("Invalid domain term %v", leaf)}
			}
			written := odooParted.ReplaceAllString(Said(p.Fields["phone"]), "")
			term, international := strings.CutPrefix(Said(of[2]), "+")
			all = all && (written == Said(of[2]) || international && written == "00"+term)
		}
		if all {
			found = append(found, map[string]any{"id": p.Number(), "name": p.Fields["name"]})
		}
	}
	if limit, err := strconv.Atoi(Said(args["limit"])); err == nil && limit > 0 && limit < len(found) {
		found = found[:limit]
	}
	return found, nil
}

var odooParted = regexp.MustCompile(`[\s\\./()\-]`)

// odooZone is the time zone of wrapup's user, where nobody set it to UTC.
var odooZone = time.FixedZone("Asia/Jakarta", 7*60*60)

// odooLoad creates or updates by external id: odoo/models.py, load. What is wrong is said in messages, with ids false.
func odooLoad(f *Fake, args map[string]any) (any, *odooError) {
	columns, ids := listOf(args["fields"]), []any{}
	for i, row := range listOf(args["data"]) {
		cells, values, external := listOf(row), map[string]any{}, ""
		problem := ""
		if len(cells) != len(columns) {
			problem = "a row has as many values as there are fields"
		}
		for at, cell := range cells {
			if problem != "" {
				break
			}
			column := Said(columns[at])
			text, ok := cell.(string)
			switch {
			case !ok:
				problem = fmt.Sprintf("the value of '%s' is no text", column) // ir_fields.py reads texts
			case column == f.refuse:
				problem = fmt.Sprintf("Value '%s' not found in selection field '%s'", text, column)
			case column == "id":
				if external = text; strings.Count(text, ".") > 1 || strings.Contains(text, " ") {
					problem = "External IDs cannot contain spaces" // ir_model.py, name_nospaces
				}
			default:
				values[strings.TrimSuffix(column, "/.id")], problem = odooCell(f, column, text, args)
			}
		}
		if problem == "" && Said(values["name"]) == "" {
			problem = "Missing required value for the field 'Call Summary' (name)"
		}
		if problem != "" {
			return map[string]any{"ids": false, "nextrow": json.Number("0"), "messages": []any{map[string]any{"type": "error", "message": problem,
				"record": json.Number(strconv.Itoa(i)), "rows": map[string]any{"from": json.Number("0"), "to": json.Number("0")}}}}, nil
		}
		at := slices.IndexFunc(f.All(odooCalls), func(c *Record) bool { return external != "" && c.Fields["xml_id"] == external })
		if at >= 0 {
			odooChange(f.All(odooCalls)[at], values)
			ids = append(ids, f.All(odooCalls)[at].Number())
			continue
		}
		for name, v := range map[string]any{"state": "open", "direction": "out", "user_id": OdooSelf} { // crm_phonecall.py, defaults
			if _, given := values[name]; !given {
				values[name] = v
			}
		}
		values["xml_id"] = external
		ids = append(ids, f.Add(odooCalls, values).Number())
	}
	return map[string]any{"ids": ids, "messages": []any{}, "nextrow": json.Number("0")}, nil
}

// odooCell reads a cell: addons/base/models/ir_fields.py. An empty one is False.
func odooCell(f *Fake, column, text string, args map[string]any) (any, string) {
	if text == "" {
		return nil, ""
	}
	switch column {
	case "name", "description", "partner_phone", "partner_mobile":
		return text, ""
	case "state", "direction":
		if !slices.Contains(odooSelection[column], text) {
			return nil, fmt.Sprintf("Value '%s' not found in selection field '%s'", text, column)
		}
		return text, ""
	case "duration":
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return nil, fmt.Sprintf("'%s' does not seem to be a number for field 'Duration'", text)
		}
		return json.Number(text), ""
	case "date": // ir_fields.py, _str_to_datetime: in the zone of the context, else in the user's
		zone := odooZone
		if Get(args["context"], "tz") == "UTC" {
			zone = time.UTC
		}
		t, err := time.ParseInLocation(time.DateTime, text, zone)
		if err != nil {
			return nil, fmt.Sprintf("'%s' does not seem to be a valid datetime for field 'Date'", text)
		}
		return t.UTC().Format(time.DateTime), ""
	case "partner_id/.id":
		if f.Find(Contacts, text) == nil {
			return nil, fmt.Sprintf("No matching record found for database id '%s' in field 'Contact'", text)
		}
		return text, ""
	case "user_id/.id":
		if text != OdooUser && text != OdooSelf {
			return nil, fmt.Sprintf("No matching record found for database id '%s' in field 'Responsible'", text)
		}
		return text, ""
	}
	return nil, fmt.Sprintf("Unknown field '%s'", column) // (mem)
}

// odooSelection are the values of selections: crm_phonecall.py.
var odooSelection = map[string][]string{"state": {"open", "cancel", "pending", "done"}, "direction": {"in", "out"}}

// odooChange is write of crm_phonecall.py: a call that is set to done without a duration gets one by the clock.
func odooChange(c *Record, values map[string]any) {
	if _, given := values["duration"]; values["state"] == "done" && !given {
		t, _ := time.Parse(time.DateTime, Said(c.Fields["date"]))
		values["duration"] = json.Number(fmt.Sprint(time.Since(t).Minutes()))
	}
	c.Merge(values)
}

func odooWrite(f *Fake, args map[string]any) (any, *odooError) {
	values := mapOf(args["vals"])
	for name, v := range values {
		switch is, known := odooFields[name]; {
		case name == f.refuse:
			return nil, &odooError{422, "odoo.exceptions.ValidationError", name + " is refused"}
		case !known:
			return nil, &odooError{500, "builtins.ValueError", fmt.Sprintf("Invalid field '%s' on model 'crm.phonecall'", name)}
		case is(v) != "":
			return nil, &odooError{500, "builtins.ValueError", fmt.Sprintf("Wrong value for crm.phonecall.%s: %s", name, is(v))}
		}
	}
	for _, id := range listOf(args["ids"]) {
		c := f.Find(odooCalls, Said(id))
		if c == nil {
			return nil, &odooError{404, "odoo.exceptions.MissingError", "Record does not exist or has been deleted."}
		}
		odooChange(c, values)
	}
	return true, nil
}

// odooFields are those of a phone call that can be written: crm_phonecall.py.
var odooFields = map[string]Check{
	"name": Filled, "description": Str(0), "partner_phone": Str(0), "partner_mobile": Str(0), "date": Time(time.DateTime),
	"state": OneOf("open", "cancel", "pending", "done"), "direction": OneOf("in", "out"), "partner_id": Int, "user_id": Int,
	"duration": func(v any) string {
		if _, ok := v.(json.Number); !ok {
			return "expected a number"
		}
		return ""
	},
}

func odooEntries(f *Fake) (entries []Entry) {
	for _, c := range f.All(odooCalls) {
		e := Entry{
			ID: c.ID, Contact: Said(c.Fields["partner_id"]), Owner: Said(c.Fields["user_id"]), Status: Said(c.Fields["state"]),
			Phone: Said(c.Fields["partner_phone"]), Recording: Said(c.Fields["description"]), Talk: -1,
			Text: Said(c.Fields["name"]) + "\n" + Said(c.Fields["description"]),
		}
		_, e.Call, _ = strings.Cut(Said(c.Fields["xml_id"]), ".call-")
		if t, err := time.Parse(time.DateTime, Said(c.Fields["date"])); err == nil {
			e.Started = t
		}
		if minutes, err := strconv.ParseFloat(Said(c.Fields["duration"]), 64); err == nil { // crm_phonecall.py: minutes, with a fraction
			e.Talk = time.Duration(minutes * float64(time.Minute))
		}
		entries = append(entries, e)
	}
	return entries
}

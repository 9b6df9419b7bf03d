package targettest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Record is something that a fake keeps: a contact, a ticket, a call.
type Record struct {
	ID     string
	At     time.Time // when it was written last
	Fields map[string]any
	Links  []string // with what it was linked: ids of contacts
}

// Exchange is one request and the answer to it.
type Exchange struct {
	At     time.Time
	Method string
	// Path of the address, and its Query.
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
	// Write says that it changed something, or would have.
	Write bool
	// Problems are the rules that it broke, Status and Answer what came of it. Lost says that the answer was.
	Problems []Problem
	Status   int
	Answer   []byte
	Lost     bool
}

// Fake serves an API. It may be told to be in trouble; all its methods are safe for concurrent use, but what an API's Do is
// given is locked already.
type Fake struct {
	API *API

	mu       sync.Mutex
	records  map[string][]*Record
	next     int
	log      []Exchange
	expired  bool
	limited  int
	writes   bool // only writes are limited
	patience time.Duration
	lose     int // the write whose answer is lost, counted from 1; 0 is none
	drop     int // the write that is lost itself, likewise
	slow     time.Duration
	fail     int // the write that is answered with a 500, likewise
	failDone bool
	refuse   string
	tokens   int
	pipe     *pipe
}

// New makes a Fake; Close ends it.
func New(api *API) *Fake {
	f := &Fake{API: api, records: map[string][]*Record{}, next: 1000}
	f.pipe = serve(f.handler())
	return f
}

// Expire makes the credential one that is no good any more; Renew makes it good again.
func (f *Fake) Expire() { f.set(func() { f.expired = true }) }

// Renew is the end of Expire.
func (f *Fake) Renew() { f.set(func() { f.expired = false }) }

// Stale ends the token that was given out last, if the API gives out tokens: another one can be had.
func (f *Fake) Stale() { f.set(func() { f.tokens++ }) }

// Limit answers the next n requests that the limit is reached, and asks for so much patience.
func (f *Fake) Limit(n int, patience time.Duration) {
	f.set(func() { f.limited, f.writes, f.patience = n, false, patience })
}

// LimitWrites is Limit for the next n requests that would change something.
func (f *Fake) LimitWrites(n int, patience time.Duration) {
	f.set(func() { f.limited, f.writes, f.patience = n, true, patience })
}

// Lose does the n-th write from now on, and cuts the connection instead of answering.
func (f *Fake) Lose(n int) { f.set(func() { f.lose = n }) }

// Drop cuts the connection at the n-th write from now on, and doesn't do it: whoever asked can't tell that from Lose.
func (f *Fake) Drop(n int) { f.set(func() { f.drop = n }) }

// Fail answers the n-th write from now on with a 500, after it is done or in its place: whoever asked can't tell.
func (f *Fake) Fail(n int, done bool) { f.set(func() { f.fail, f.failDone = n, done }) }

// Slow does the next write only after that time, whether anybody waits for the answer or not.
func (f *Fake) Slow(d time.Duration) { f.set(func() { f.slow = d }) }

// Refuse refuses a field from now on, whatever is in it; "" is none.
func (f *Fake) Refuse(field string) { f.set(func() { f.refuse = field }) }

// Know makes n contacts with that phone number, and gives their ids.
func (f *Fake) Know(phone string, n int) (ids []string) {
	f.set(func() {
		for range n {
			ids = append(ids, f.Add(Contacts, f.API.Contact(phone)).ID)
			f.records[Contacts][len(f.records[Contacts])-1].At = time.Time{} // known to searches
		}
	})
	return ids
}

// Keep puts a record there that somebody else has made.
func (f *Fake) Keep(collection string, fields map[string]any) {
	f.set(func() { f.Add(collection, fields) })
}

// Change writes fields over those of all records of a collection, as somebody in the system does it.
func (f *Fake) Change(collection string, fields map[string]any) {
	f.set(func() {
		for _, r := range f.records[collection] {
			r.Merge(fields)
		}
	})
}

// Count is how many records a collection has.
func (f *Fake) Count(collection string) (n int) {
	f.set(func() { n = len(f.records[collection]) })
	return n
}

// Log is what was asked so far.
func (f *Fake) Log() (log []Exchange) {
	f.set(func() { log = append(log, f.log...) })
	return log
}

// Entries is what was logged so far.
func (f *Fake) Entries() (entries []Entry) {
	f.set(func() { entries = f.API.Entries(f) })
	return entries
}

func (f *Fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// Contacts is the collection of contacts.
const Contacts = "contacts"

// All are the records of a collection, the oldest first. It is for an API's functions, as are those that follow.
func (f *Fake) All(collection string) []*Record { return f.records[collection] }

// Searched are those that a search finds: the API's lag behind.
func (f *Fake) Searched(collection string) (found []*Record) {
	for _, r := range f.records[collection] {
		if time.Since(r.At) >= f.API.Lag {
			found = append(found, r)
		}
	}
	return found
}

// Find gives a record by its id, nil if there is none.
func (f *Fake) Find(collection, id string) *Record {
	for _, r := range f.records[collection] {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Add keeps a new record under an id of its own, a number.
func (f *Fake) Add(collection string, fields map[string]any) *Record {
	f.next++
	r := &Record{ID: strconv.Itoa(f.next), At: time.Now(), Fields: fields}
	f.records[collection] = append(f.records[collection], r)
	return r
}

// Merge writes fields over those of a record, as a PATCH does: null empties one.
func (r *Record) Merge(fields map[string]any) {
	r.At = time.Now()
	merge(r.Fields, fields)
}

// Link links a record with a contact, once.
func (r *Record) Link(contact string) {
	if !slices.Contains(r.Links, contact) {
		r.Links = append(r.Links, contact)
	}
}

func merge(into, from map[string]any) {
	for name, v := range from {
		inner, isMap := v.(map[string]any)
		old, wasMap := into[name].(map[string]any)
		switch {
		case isMap && wasMap:
			merge(old, inner)
		case v == nil:
			delete(into, name)
		default:
			into[name] = v
		}
	}
}

// shown is a record as most APIs show one: its fields, and its id as a number.
func shown(r *Record) map[string]any {
	m := maps.Clone(r.Fields)
	m["id"] = r.Number()
	return m
}

// Number is the record's id as a number of JSON.
func (r *Record) Number() json.Number { return json.Number(r.ID) }

// Token is the access token that is good now, for an API that gives out tokens.
func (f *Fake) Token() string { return "token-" + strconv.Itoa(f.tokens) }

// Expired says whether the credential is no good any more: an API that gives out tokens gives none then.
func (f *Fake) Expired() bool { return f.expired }

func (f *Fake) handler() http.Handler {
	mux := http.NewServeMux()
	at := map[string][]*Route{}
	for i := range f.API.Routes {
		route := &f.API.Routes[i]
		at[route.Method+" "+route.Path] = append(at[route.Method+" "+route.Path], route)
	}
	for pattern, routes := range at {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, routes) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, nil) })
	return mux
}

// route is the one of the routes at an address that a request means, nil if there is none.
func (f *Fake) route(routes []*Route, r *http.Request, body []byte) *Route {
	operation := ""
	if f.API.Operation != nil {
		operation = f.API.Operation(r, body)
	}
	for _, route := range routes {
		if route.Operation == operation {
			return route
		}
	}
	return nil
}

// serve answers one request; there may be no route for it.
func (f *Fake) serve(w http.ResponseWriter, r *http.Request, routes []*Route) {
	body, _ := io.ReadAll(r.Body) // what broke off is no JSON
	route := f.route(routes, r, body)
	if route != nil && route.Write {
		var slow time.Duration
		f.set(func() { slow, f.slow = f.slow, 0 })
		time.Sleep(slow)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	x := Exchange{At: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(), Body: body,
		Write: route != nil && route.Write}
	if x.Write && f.drop > 0 {
		if f.drop--; f.drop == 0 {
			x.Lost = true
			f.log = append(f.log, x)
			panic(http.ErrAbortHandler) // net/http cuts the connection without a word
		}
	}
	fails := false
	if x.Write && f.fail > 0 {
		f.fail--
		fails = f.fail == 0
	}
	reply := failed
	if !fails || f.failDone {
		reply = f.answer(&Request{Request: r, Raw: body}, route, &x)
	}
	done := x.Write && reply.Status/100 == 2
	if fails && done {
		reply = failed
	}
	x.Status = reply.Status
	var content []byte
	switch b := reply.Body.(type) {
	case nil:
	case Text:
		content = []byte(b)
	default:
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		_ = e.Encode(b) // made of what JSON can say
		content = bytes.TrimSpace(text.Bytes())
		w.Header().Set("Content-Type", "application/json")
	}
	x.Answer = content
	if done && f.lose > 0 {
		f.lose--
		x.Lost = f.lose == 0
	}
	f.log = append(f.log, x)
	if x.Lost {
		panic(http.ErrAbortHandler) // net/http cuts the connection without a word
	}
	for name, v := range f.API.Limits {
		w.Header().Set(name, v)
	}
	for name, v := range reply.Header {
		w.Header().Set(name, v)
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write(content) // whoever asked is gone
}

// failed is the answer of a server that failed: not the API's own, which would say more than anybody knows.
var failed = Reply{Status: http.StatusInternalServerError, Body: Text("<html><body>Internal Server Error</body></html>")}

// answer finds the first thing that is wrong with a request, in the order in which servers look; else it does what is asked.
func (f *Fake) answer(r *Request, route *Route, x *Exchange) Reply {
	if f.limited > 0 && (!f.writes || x.Write) {
		f.limited--
		return f.API.Busy(f.patience)
	}
	if route == nil {
		x.Problems = []Problem{{Unknown, r.Method + " " + r.URL.Path, "is no address of this API", nil}}
		return f.API.NotFound
	}
	if !route.Open && (f.expired || !f.API.Knows(f, r.Request)) {
		return f.API.Unauthorized
	}
	media := route.Media
	if media == "" && len(route.Fields) > 0 {
		media = "application/json"
	}
	if media != "" {
		if got, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); got != media {
			x.Problems = []Problem{{Invalid, "Content-Type", "expected " + media, got}}
			return Reply{Status: http.StatusUnsupportedMediaType, Body: map[string]any{"message": "Unsupported Media Type"}}
		}
	}
	problems := route.brokenQuery(r.URL.Query())
	switch {
	case media == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(r.Raw))
		if err != nil {
			problems = append(problems, Problem{Invalid, "body", "is no form: " + err.Error(), nil})
			break
		}
		fields := map[string]any{}
		for name := range form {
			fields[name] = form.Get(name)
		}
		r.JSON = fields
		problems = append(problems, route.broken(r.JSON, f.refuse)...)
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		d := json.NewDecoder(bytes.NewReader(r.Raw))
		d.UseNumber()
		if err := d.Decode(&r.JSON); err != nil {
			problems = append(problems, Problem{Invalid, "body", "is no JSON: " + err.Error(), nil})
			break
		}
		problems = append(problems, route.broken(r.JSON, f.refuse)...)
	}
	x.Problems = problems
	if len(problems) > 0 {
		return f.API.Invalid(route, problems)
	}
	return route.Do(f, r)
}

package targettest

import (
	"net/http"
	"time"
)

// Credential is the secret that a fake knows its caller by: a key, a token, a password.
const Credential = "c0rrect-h0rse"

// API is one API, as its documentation has it.
type API struct {
	Name string
	// Doc is where the rules are from that have no line of their own.
	Doc string
	// Knows says whether a request shows the credential, AuthDoc where that is from. Expiry is not its matter.
	Knows   func(f *Fake, r *http.Request) bool
	AuthDoc string
	// Unauthorized is the answer to a request that doesn't show it, NotFound that to an address that isn't there.
	Unauthorized, NotFound Reply
	// Busy is the answer to a request over the limit; it asks for so much patience, where the API has a way to say so.
	Busy func(after time.Duration) Reply
	// Limits are the headers of each answer that tell how much may be asked.
	Limits map[string]string
	// Invalid is the answer to a body that breaks rules, in the API's own shape and words.
	Invalid func(route *Route, problems []Problem) Reply
	// Asks says that Busy does say for how long to wait.
	Asks bool
	// Lag is how long searches trail behind writes: see Fake.Searched.
	Lag    time.Duration
	Routes []Route
	// Operation says which of several routes at one address a request means: of an API that has its method in the body, or in a
	// parameter. Nil where the address says it.
	Operation func(r *http.Request, body []byte) string
	// Contact gives the fields of a contact with a phone number, as the API stores it.
	Contact func(phone string) map[string]any
	// Entries reads what was logged, in neutral form.
	Entries func(f *Fake) []Entry
}

// Route is one request that the API takes.
type Route struct {
	// Method and Path as in a pattern of http.ServeMux; what isn't fixed stands in braces.
	Method, Path string
	// Operation is what API.Operation says of its requests.
	Operation string
	// Doc is where the route and its fields are from.
	Doc string
	// Media is the content type of the body; "" is JSON where there are Fields.
	Media string
	// Fields of the body, Query of the address. What isn't listed is unknown.
	Fields, Query []Field
	// Drops says that unknown fields of the body are dropped without a word; else they are refused.
	Drops bool
	// Open says that it takes no credential, or its own: a route that gives out tokens.
	Open bool
	// Write says that it changes something: its answer may be lost.
	Write bool
	// Do does it. The body has passed the rules.
	Do func(f *Fake, r *Request) Reply
}

// Field is a rule for a field.
type Field struct {
	// Name is the way to it: "ticket.tags[]" is each item of the list "tags" of "ticket".
	Name     string
	Required bool
	// Is says what is wrong with a value, "" if nothing is; nil is anything, whatever is inside.
	Is Check
	// Doc is where the rule is from; "" is the route's.
	Doc string
}

// Request is a request that has come in.
type Request struct {
	*http.Request
	// Raw is the body, JSON what it says (a map, a list; a form is a map of texts), nil if there is none.
	Raw  []byte
	JSON any
}

// Map is the body as a map; empty if it is none.
func (r *Request) Map() map[string]any {
	m, _ := r.JSON.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	return m
}

// Reply is an answer: its Body is JSON unless it is a Text.
type Reply struct {
	Status int
	Header map[string]string
	Body   any
}

// Text is a body that is no JSON.
type Text string

// Entry is one log entry of a call, whatever the API calls it.
type Entry struct {
	// ID of the entry; Call is the call's uuid as it stands in the field that is for it.
	ID, Call string
	// Contact and Owner are ids; "" is nobody.
	Contact, Owner string
	// Status is the system's own word for the outcome.
	Status string
	Phone  string
	// Recording is the link to it, or the text that holds the link.
	Recording string
	// Started is zero and Talk is negative where the API has no place for them, or nothing was said.
	Started time.Time
	Talk    time.Duration
	// Text is what people read: subject and description.
	Text string
}

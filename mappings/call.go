package mappings

import (
	"fmt"
	"net/http"
	"time"

	"wrapup/connector"
)

// Call is what one rendering looks at: a call, and how far its log at one destination has come.
type Call struct {
	// Record is the revision to be sent.
	Record *connector.Record
	// Sent is the revision that was last sent in full, nil if none was: then the log is still to be created.
	Sent *connector.Record
	// Progress is what was kept after the steps so far.
	Progress Progress
	// MaybeSent names the steps whose request may have been sent before without an answer that could be read: only then
	// are they looked for in the CRM (finds) before they are sent again.
	MaybeSent []string
	// Untold says that it isn't known what was sent: each step that isn't done may have been.
	Untold bool
	// Begun says that something was created already, should Progress not say so.
	Begun bool
	// Repeated says that the next request may have been sent before, if it isn't known which step's.
	Repeated bool
	// Session holds the values that the session's login saved, nil if there was none yet.
	Session map[string]any
	// Auth holds what the token answer of auth.oauth2 says, nil if there was none yet.
	Auth map[string]any
	// Held says for each thing that the call has been waiting for (see Hold.On) for how long it has.
	Held map[string]time.Duration
	// Age is the time since the call ended.
	Age time.Duration
	// Now is the time of day. It is needed only for answers that say until when to wait.
	Now time.Time
}

// ActionKind says what is to be done next.
type ActionKind int

// The kinds of action.
const (
	ActionSend     ActionKind = iota // send Action.Request, and hand its answer to Judge
	ActionFinished                   // all steps are done: the revision is sent in full
	ActionSkip                       // the mapping doesn't want this call
	ActionHold                       // nothing can be sent yet: look again within Action.Hold
	ActionSession                    // log in first: send Action.Request, and hand its answer to JudgeSession
	ActionAuth                       // get a token first, as Mapping.OAuth2 says
)

// String names the kind.
func (k ActionKind) String() string {
	return [...]string{"send", "finished", "skip", "hold", "session", "auth"}[k]
}

// Action is what is to be done next for a call.
type Action struct {
	Kind ActionKind
	// Step names the step that the request belongs to.
	Step    string
	Request Request
	Repeat  Repeat
	// Rate is the step's own limit, on top of the mapping's; the zero Rate is none.
	Rate Rate
	// Lookup says that the request only asks.
	Lookup bool
	// Finds names the step that a lookup looks for, and Lag how long after that was sent the CRM's search can say so.
	Finds string
	Lag   time.Duration
	// NotThere says that a lookup of this attempt didn't find what this step would create: it may be sent, though it
	// may have been sent before.
	NotThere bool
	// Findable says that a lookup of the mapping can find out whether this step was done.
	Findable bool
	// Reason says in words why a call is skipped or held.
	Reason string
	Hold   Hold
}

// Hold says what a held call waits for.
type Hold struct {
	// On names it: the lookup's step, or "tables." and the table's name. Each is waited for by a clock of its own.
	On string
	// For is how long it waits at most, from now on.
	For time.Duration
	// Then says what comes after that: continue, skip_call, null or dead.
	Then string
	// Table and Key are set if a table doesn't know the key yet: the call goes on as soon as it does.
	Table, Key string
}

// Rate is how many requests there may be in some time. The zero Rate is no limit.
type Rate struct {
	N   int
	Per time.Duration
}

// Repeat says whether a request may be sent again after an answer was lost. The zero Repeat says never.
type Repeat struct {
	// Safe says always.
	Safe bool
	// Within says for so long after it was first sent.
	Within time.Duration
}

// Request is one HTTP request, rendered in full.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Cut says that the body is incomplete.
	Cut bool
}

// Verdict is what the mapping makes of an answer.
type Verdict int

// The verdicts.
const (
	VerdictByStatus  Verdict = iota // the mapping has no say: the status table decides
	VerdictDone                     // the step is done
	VerdictDead                     // the CRM will never take this record as it is
	VerdictRetry                    // the same request again, later
	VerdictReauth                   // renew the credentials once, then pause the destination
	VerdictAmbiguous                // it may be done: the answer can't be read
)

// String names the verdict.
func (v Verdict) String() string {
	return [...]string{"by status", "done", "dead", "retry", "reauth", "ambiguous"}[v]
}

// Judgement is what an answer means.
type Judgement struct {
	Verdict Verdict
	// After is how long a retry has to wait; 0 leaves it to the schedule.
	After time.Duration
	// Progress is what is to be kept if the step counts as done, by this verdict or by its status.
	Progress Progress
	// Duplicate says that the log was there already.
	Duplicate bool
	// NotFound says that a lookup found nothing.
	NotFound bool
	// Message is the CRM's own sentence about it, if the mapping finds one.
	Message string
	// Warning is to be shown although the step is done.
	Warning string
	// Notes says which expressions could not be evaluated, and so counted as false.
	Notes []string
}

// RenderError says that a request can't be made for this record: it is dead until the record or the mapping changes.
type RenderError struct {
	// Step and Field name the place in the mapping; Step is empty for what stands outside of the steps.
	Step, Field string
	// Err says what is wrong.
	Err error
}

// Error gives "step log: path: call.order_id is null".
func (e *RenderError) Error() string {
	if e.Step == "" {
		return fmt.Sprintf("%s: %v", e.Field, e.Err)
	}
	return fmt.Sprintf("step %s: %s: %v", e.Step, e.Field, e.Err)
}

// Unwrap gives what is wrong.
func (e *RenderError) Unwrap() error { return e.Err }

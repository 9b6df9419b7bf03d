package mappings

import (
	"fmt"
	"net/http"
	"slices"
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
	// Repeated says that the next request may have been sent before.
	Repeated bool
}

// Progress is what is kept with a call for one destination.
type Progress struct {
	// Done names the steps that succeeded for the revision under way.
	Done []string `json:"done,omitempty"`
	// Saved holds the values that steps saved.
	Saved map[string]any `json:"saved,omitempty"`
}

// with gives the progress once the step is done. It leaves p as it is.
func (p Progress) with(step string) Progress {
	if !slices.Contains(p.Done, step) {
		p.Done = append(slices.Clone(p.Done), step)
	}
	return p
}

// ActionKind says what is to be done next.
type ActionKind int

// The kinds of action.
const (
	ActionSend     ActionKind = iota // send Action.Request
	ActionFinished                   // all steps are done: the revision is sent in full
	ActionSkip                       // the mapping doesn't want this call
)

// Action is what is to be done next for a call.
type Action struct {
	Kind ActionKind
	// Step names the step that the request belongs to.
	Step    string
	Request Request
	Repeat  Repeat
	// Reason says in words why a call is skipped.
	Reason string
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

// Judgement is what an answer means.
type Judgement struct {
	Verdict Verdict
	// After is how long a retry has to wait; 0 leaves it to the schedule.
	After time.Duration
	// Progress is what is to be kept if the step counts as done, by this verdict or by its status.
	Progress Progress
	// Message is the CRM's own sentence about it, if the mapping finds one.
	Message string
	// Warning is to be shown although the step is done.
	Warning string
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

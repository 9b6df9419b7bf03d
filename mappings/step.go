package mappings

import (
	"time"
)

// step is one request.
type step struct {
	name string
	when *template
	// forEach gives the items to try, one after the other; nil if the step has none.
	forEach *template
	method  string
	path    *template
	// query has what each step inherits and the step's own, which wins.
	query   []tree
	headers []header
	content content
	repeat  Repeat
	rate    Rate
	// found makes the step a lookup: its value is kept under the step's name.
	found    *template
	notFound notFound
	// finds names the step that the lookup looks for, and findsAs what it would have saved and the lookup finds.
	finds, findsAs string
	lag            time.Duration
	save           []variable
	answers        answers
	// reads and saves say that an answer can't be judged, or what it gives not be kept, without its body.
	reads, keeps bool
	// readsText says that it looks at the body as text.
	readsText bool
}

// notFound is what becomes of a call if a lookup finds nothing.
type notFound struct {
	hold time.Duration
	then string
}

// What comes after a lookup that found nothing, or a key that a table doesn't know.
const (
	thenContinue = "continue"
	thenSkip     = "skip_call"
	thenDead     = "dead"
	thenNull     = "null"
)

// answers say what a step's answers mean; each may be nil.
type answers struct {
	reauth, duplicate, permanent, success, warn, err *template
	retry                                            []retryRule
}

// retryRule is a condition under which a request is sent again later.
type retryRule struct {
	when *template
	// after is how long to wait: a number of seconds, a time or a date; nil leaves it to the schedule.
	after *template
}

// maxItems is how many items a step may try.
const maxItems = 100

// items gives what a step with for_each tries; ok is false if there is no for_each.
func (s *step) items(in *scope) (list []any, ok bool, err error) {
	if s.forEach == nil {
		return nil, false, nil
	}
	v, err := s.forEach.value(in)
	if err != nil {
		return nil, true, err
	}
	switch v := v.(type) {
	case nil:
		return nil, true, nil
	case []any:
		if len(v) > maxItems {
			return nil, true, s.forEach.fail(errTooManyItems)
		}
		return v, true, nil
	}
	return nil, true, s.forEach.fail(errNoList(v))
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"wrapup/configs"
	"wrapup/connector/target"
	"wrapup/mappings"
	problem "wrapup/mappings/source"
)

// preview is what would happen to a call.
type preview struct {
	Mapping     string   `json:"mapping"`
	Version     string   `json:"version"`
	From        string   `json:"from"`
	Destination string   `json:"destination,omitempty"`
	Call        string   `json:"call_id"`
	Revision    int      `json:"revision"`
	Outcome     string   `json:"outcome"`
	Record      string   `json:"record"`
	Assumed     []string `json:"assumed"`
	Steps       []shown  `json:"steps"`
	// Ended is finished, skipped, held, dead, paused, retried, unsure, or unanswered.
	Ended string `json:"ended"`
	// Reason says why, or what of it.
	Reason string `json:"reason"`
	// Unused counts the answers that were left.
	Unused int `json:"unused_answers,omitempty"`
	// Changes says in words in what the later revision differs, Update what is sent for it.
	Changes string   `json:"changes,omitempty"`
	Update  *preview `json:"update,omitempty"`
	failed  bool
	// saved is what was known before.
	saved map[string]any
	// warnings are what is doubtful in the mapping.
	warnings problem.Problems
}

// shown is one exchange: a request and what its answer means, or a wait for something.
type shown struct {
	Step string `json:"step"`
	// Kind is send, session, auth, or hold.
	Kind    string      `json:"kind"`
	Lookup  bool        `json:"lookup,omitempty"`
	Repeat  string      `json:"repeat,omitempty"`
	Method  string      `json:"method,omitempty"`
	URL     string      `json:"url,omitempty"`
	Headers http.Header `json:"headers,omitempty"`
	// Body is JSON as it is, anything else as a text in JSON.
	Body json.RawMessage `json:"body,omitempty"`
	// Status is that of the answer, 0 if there was none or it is assumed.
	Status  int             `json:"status,omitempty"`
	Answer  string          `json:"answer,omitempty"`
	Verdict string          `json:"verdict,omitempty"`
	Because string          `json:"because,omitempty"`
	After   string          `json:"after,omitempty"`
	Warning string          `json:"warning,omitempty"`
	Notes   []string        `json:"notes,omitempty"`
	Saved   json.RawMessage `json:"saved,omitempty"`
	// Reason says why a call is held.
	Reason string `json:"reason,omitempty"`
}

func (p *preview) assume(what string) { p.Assumed = append(p.Assumed, what) }

// exchanges takes what was played with so many answers, none if they were assumed.
func (p *preview) exchanges(list []mappings.Exchange, m *bound, answers int) {
	p.Steps, p.Unused = []shown{}, answers
	authorized := p.Destination != ""
	saved := maps.Clone(p.saved)
	if saved == nil {
		saved = map[string]any{}
	}
	for _, e := range list {
		if e.Err != nil || e.Action.Kind == mappings.ActionFinished || e.Action.Kind == mappings.ActionSkip {
			continue
		}
		p.Steps = append(p.Steps, show(e, m, saved))
		authorized = authorized || e.Action.Request.Header.Get("Authorization") != ""
		if e.Answer != nil {
			p.Unused--
		}
	}
	if !authorized && len(p.Steps) > 0 {
		p.assume("no auth: that is the destination's (--destination shows it)")
	}
	last := list[len(list)-1]
	p.Ended, p.Reason = ending(last, m)
	p.failed = last.Err != nil
	if p.failed && len(p.Steps) > 0 && answers == 0 {
		p.Reason += " (an assumed answer may be the cause: --answers takes real ones)"
	}
}

// ending says how it ended.
func ending(e mappings.Exchange, m *bound) (how, why string) {
	a := e.Action
	switch {
	case e.Err != nil:
		return "dead", "the request can't be made for this call: " + readable(e.Err.Error())
	case a.Kind == mappings.ActionFinished:
		return "finished", "the call is logged in full"
	case a.Kind == mappings.ActionSkip:
		return "skipped", a.Reason
	case a.Kind == mappings.ActionHold:
		return "held", holdInWords(a)
	case e.Judgement == nil:
		return "unanswered", "no answer is given for this request"
	}
	v := judged(e)
	switch why := v.Reason; v.Kind {
	case target.Done:
		return "unanswered", "it does not come to an end"
	case target.Dead:
		return "dead", "refused: " + why
	case target.Down:
		return "paused", "the destination would be paused, and the call wait: " + why
	case target.Retry:
		return "retried", "the same request would be sent again later: " + why
	default:
		return "unsure", "it may have been done: " + why + "; the request " + repeatInWords(a, m)
	}
}

// judged gives what an answer means, by the mapping or else by its status, and why.
func judged(e mappings.Exchange) target.Verdict {
	kind, why, after := target.Done, "", time.Duration(0)
	j := e.Judgement
	if e.Answer != nil {
		v := target.Judge(&target.Answer{Status: e.Answer.Status, Header: e.Answer.Header}, nil, time.Time{})
		kind, why, after = v.Kind, v.Reason, v.After
		if e.Answer.Status == 0 {
			kind, why = target.Unsure, "no answer came"
		}
	}
	switch j.Verdict {
	case mappings.VerdictDone:
		kind = target.Done
	case mappings.VerdictDead:
		kind = target.Dead
	case mappings.VerdictRetry:
		kind = target.Retry
	case mappings.VerdictReauth:
		kind = target.Down
	case mappings.VerdictAmbiguous:
		if e.Answer != nil && e.Answer.Status != 0 {
			if j.Message == "" {
				why += " with a body that can't be read"
			}
		}
		kind = target.Unsure
	}
	switch {
	case j.Duplicate:
		why = "it was there already"
	case j.NotFound:
		why = "nothing was found"
	}
	switch {
	case j.Message != "":
		why += ": " + j.Message
	case j.Verdict == mappings.VerdictDead:
		why += ", which the mapping takes for a refusal"
	}
	return target.Verdict{Kind: kind, Reason: why, After: max(after, j.After)}
}

// show gives an exchange as it is shown. Saved is what was known before.
func show(e mappings.Exchange, m *bound, saved map[string]any) shown {
	a := e.Action
	s := shown{Step: a.Step, Kind: a.Kind.String(), Lookup: a.Lookup}
	switch a.Kind {
	case mappings.ActionHold:
		s.Reason = holdInWords(a)
		return s
	case mappings.ActionAuth:
		s.Reason = "a token is asked for first, as auth.oauth2 says"
		if m.destination != nil {
			s.Reason = "the token, once for all calls while it is good"
			s.asks(m.destination)
		}
		return s
	}
	s.Method, s.URL, s.Repeat = a.Request.Method, readable(a.Request.URL), repeatInWords(a, m)
	s.Headers = readableHeaders(a.Request.Header)
	s.authenticate(m.destination)
	s.Body = bodyOf(a.Request.Body)
	if e.Judgement == nil {
		return s
	}
	v := judged(e)
	s.Verdict, s.Because, s.Warning, s.Notes = v.Kind.String(), v.Reason, e.Judgement.Warning, e.Judgement.Notes
	if v.After > 0 {
		s.After = configs.Duration(v.After).String()
	}
	if e.Answer != nil {
		s.Status, s.Answer = e.Answer.Status, string(e.Answer.Body)
	}
	fresh := map[string]any{}
	for name, value := range e.Judgement.Progress.Saved {
		if old, known := saved[name]; v.Kind == target.Done && (!known || encode(old) != encode(value)) {
			fresh[name], saved[name] = value, value
		}
	}
	if len(fresh) > 0 {
		s.Saved = json.RawMessage(encode(fresh))
	}
	return s
}

// bodyOf gives a body for machines.
func bodyOf(body []byte) json.RawMessage {
	switch {
	case body == nil:
		return nil
	case json.Valid(body):
		return json.RawMessage(readable(string(body)))
	}
	return json.RawMessage(encode(readable(strings.ToValidUTF8(string(body), "�"))))
}

// bodyText gives a body for people.
func bodyText(body json.RawMessage) string {
	var text string
	var pretty bytes.Buffer
	switch {
	case json.Unmarshal(body, &text) == nil:
		return text
	case json.Indent(&pretty, body, "", "  ") == nil:
		return pretty.String()
	}
	return ""
}

var escapedPlaceholder = regexp.MustCompile(`%C2%AB[^«»&=/? ]*?%C2%BB`)

// readable gives placeholders back the form in which people know them, where a URL has escaped them.
func readable(s string) string {
	return escapedPlaceholder.ReplaceAllStringFunc(s, func(p string) string {
		if plain, err := url.QueryUnescape(p); err == nil {
			return plain
		}
		return p
	})
}

// encode gives a value as JSON for comparing and showing.
func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// repeatInWords says what happens to a request after a lost answer.
func repeatInWords(a mappings.Action, m *bound) string {
	switch {
	case a.Repeat.Safe:
		return "may be sent again"
	case !slices.Contains(m.Doubles(), a.Step):
		return "is sent again if a lookup doesn't find what it did"
	case m.retries:
		return "is sent again after a lost answer, and may then be done twice"
	case a.Repeat.Within > 0:
		return "may be sent again for " + configs.Duration(a.Repeat.Within).String()
	}
	return "is not sent again after a lost answer: the call is parked"
}

func holdInWords(a mappings.Action) string {
	then := map[string]string{"continue": "goes on without it", "null": "goes on without it", "skip_call": "is skipped", "dead": "is dead"}
	return fmt.Sprintf("%s; the call waits for %s at most, and then %s", a.Reason, configs.Duration(a.Hold.For), then[a.Hold.Then])
}

// printPreview writes a preview for people.
func printPreview(w io.Writer, p *preview) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Mapping %s", p.Mapping)
	if p.Version != "" {
		fmt.Fprintf(&b, ", version %s", printable(p.Version))
	}
	fmt.Fprintf(&b, " (%s)", p.From)
	if p.Destination != "" {
		fmt.Fprintf(&b, ", destination %s", p.Destination)
	}
	fmt.Fprintf(&b, "\nCall %s, revision %d, %s (%s)\nNothing is sent.", printable(p.Call), p.Revision, p.Outcome, p.Record)
	if len(p.Assumed) > 0 {
		b.WriteString(" Assumed:")
		for _, what := range p.Assumed {
			b.WriteString("\n  - " + printable(what))
		}
	}
	b.WriteString("\n")
	p.print(&b)
	if u := p.Update; u != nil {
		fmt.Fprintf(&b, "\nThen revision %d, %s: %s\n", u.Revision, u.Outcome, printable(u.Changes))
		u.print(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// print writes the steps and how they ended.
func (p *preview) print(b *strings.Builder) {
	for i := range p.Steps {
		fmt.Fprintf(b, "\n%d. ", i+1)
		p.Steps[i].print(b)
	}
	fmt.Fprintf(b, "\n%s: %s\n", p.Ended, printable(p.Reason))
	if p.Unused > 0 {
		fmt.Fprintf(b, "%d of the answers were not needed.\n", p.Unused)
	}
}

func (s *shown) print(b *strings.Builder) {
	switch s.Kind {
	case "hold":
		fmt.Fprintf(b, "held: %s\n", printable(s.Reason))
		return
	case "auth":
		b.WriteString(s.Reason + "\n")
		if s.Method == "" {
			return
		}
	case "session":
		b.WriteString("the login, once for all calls\n")
	default:
		b.WriteString(s.Step + " (")
		if s.Lookup {
			b.WriteString("lookup; ")
		}
		b.WriteString(s.Repeat + ")\n")
	}
	s.printRequest(b)
	if s.Kind == "auth" {
		return
	}
	b.WriteString("\n")
	if s.Verdict == "" {
		return
	}
	if s.Answer != "" {
		fmt.Fprintf(b, "   answer  %s\n", printable(s.Answer))
	}
	line := s.Verdict
	switch {
	case s.Because != "":
		line += " (" + s.Because + ")"
	case s.Status == 0:
		line += " (assumed)"
	}
	if s.After != "" {
		line += ", again after " + s.After
	}
	fmt.Fprintf(b, "   verdict %s\n", printable(line))
	if s.Warning != "" {
		fmt.Fprintf(b, "   warning %s\n", printable(s.Warning))
	}
	for _, note := range s.Notes {
		fmt.Fprintf(b, "   note    %s\n", printable(note))
	}
	if s.Saved != nil {
		fmt.Fprintf(b, "   saved   %s\n", printable(string(s.Saved)))
	}
}

// printRequest writes what would be sent.
func (s *shown) printRequest(b *strings.Builder) {
	fmt.Fprintf(b, "   %s %s\n", s.Method, printable(s.URL))
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		fmt.Fprintf(b, "   %s: %s\n", name, printable(strings.Join(s.Headers[name], ", ")))
	}
	if text := bodyText(s.Body); text != "" {
		b.WriteString("\n")
		for line := range strings.SplitSeq(text, "\n") {
			b.WriteString("   " + printable(line) + "\n")
		}
	}
}

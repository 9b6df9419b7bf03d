package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/mappings"
	problem "wrapup/mappings/source"
)

// mostAgainst is the most calls that are compared.
const mostAgainst = 1000

// What becomes of a call by the edited mapping, next to the running one.
const (
	comparedSame    = "same"
	comparedDiffers = "differs"
	comparedSkipped = "now skipped"
	comparedSent    = "now sent"
	comparedFails   = "now fails"
	comparedMended  = "no longer fails"
)

// comparison is a destination's mapping, the running and the edited one, over the last calls.
type comparison struct {
	Destination string `json:"destination"`
	Running     string `json:"running"`
	Edited      string `json:"edited"`
	// Assumed is what can't be known.
	Assumed []string `json:"assumed"`
	// Counts the calls by what becomes of them.
	Counts map[string]int `json:"counts"`
	Calls  []comparedCall `json:"calls"`

	running, edited *bound
}

// comparedCall is one call.
type comparedCall struct {
	Call     string `json:"call_id"`
	Revision int    `json:"revision"`
	Outcome  string `json:"outcome"`
	Result   string `json:"result"`
	Reason   string `json:"reason,omitempty"`
	// Diff has the lines of both, those of the running mapping alone after "-", those of the edited one after "+".
	Diff []string `json:"diff,omitempty"`
}

func (a *app) previewAgainst(c *cobra.Command, p previewing, asJSON bool) error {
	if p.against == 0 {
		return usageError{errors.New("--against 0: expected at least 1")}
	}
	var answers []mappings.Answer
	if p.answers != "" {
		var err error
		if answers, err = readAnswers(p.answers); err != nil {
			return err
		}
	}
	list, untouched, err := a.compared(c.Context(), p)
	if err != nil {
		return err
	}
	calls, err := a.lastCalls(c.Context(), p.against)
	if err != nil {
		return err
	}
	failed := false
	for i := range list {
		for n := range calls {
			if isTerminal(a.err) {
				fmt.Fprintf(a.err, "\r%s: %d of %s", list[i].Destination, n+1, amount(len(calls), "call"))
			}
			list[i].compare(p, &calls[n], answers)
		}
		if isTerminal(a.err) {
			fmt.Fprintln(a.err)
		}
		failed = failed || list[i].Counts[comparedFails] > 0
	}
	if asJSON {
		err = printJSON(c.OutOrStdout(), list)
	} else {
		err = printComparisons(c.OutOrStdout(), list, untouched, len(calls))
	}
	if err == nil && failed {
		return errReported
	}
	return err
}

// compared binds both mappings of each destination that is to be compared, and names those that nobody has edited.
func (a *app) compared(ctx context.Context, p previewing) (list []comparison, untouched []string, err error) {
	fresh, err := a.loadWith(nil)
	if err != nil {
		return nil, nil, err
	}
	replaced := map[string][]byte{}
	if p.mapping != "" {
		found, _, err := a.mappingToPreview(p)
		if err != nil {
			return nil, nil, err
		}
		d, err := destinationOf(fresh, p.destination)
		if err != nil {
			return nil, nil, err
		}
		if d.MappingSource == nil || found.name == builtIn {
			return nil, nil, errors.New("the mapping record is built in: it can't be compared with a file")
		}
		replaced[d.MappingFile] = found.src
	} else if p.destination != "" {
		if _, err := destinationOf(fresh, p.destination); err != nil {
			return nil, nil, err
		}
	}
	running, err := a.runningMappings(ctx, fresh, p.mapping != "")
	if err != nil {
		return nil, nil, err
	}
	edited := fresh
	if len(replaced) > 0 {
		if edited, err = a.loadWith(replaced); err != nil {
			return nil, nil, fmt.Errorf("the edited mapping: %w", err)
		}
	}
	list = []comparison{}
	for i := range edited.Destinations {
		d := &edited.Destinations[i]
		r, ok := running[d.Name]
		switch {
		case p.destination != "" && d.Name != p.destination:
			continue
		case !ok:
			return nil, nil, fmt.Errorf("destination %s is new to the daemon: there is nothing to compare it with (wrapup preview --destination %[1]s)", d.Name)
		case r.Stamp == d.Compiled.Stamp():
			untouched = append(untouched, d.Name)
			continue
		case r.Text == "" || d.MappingSource == nil:
			return nil, nil, fmt.Errorf("destination %s changes from %s to %s, of which one is built in: look at each by itself (wrapup preview --destination %[1]s)",
				d.Name, r.Stamp, d.Compiled.Stamp())
		}
		before, err := a.loadWith(map[string][]byte{d.MappingFile: []byte(r.Text)})
		if err != nil {
			return nil, nil, fmt.Errorf("the running mapping of %s doesn't go with wrapup.yaml as it is now: %w", d.Name, err)
		}
		old, err := destinationOf(before, d.Name)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, comparison{
			Destination: d.Name, Running: r.Stamp, Edited: d.Compiled.Stamp(), Assumed: []string{}, Counts: map[string]int{}, Calls: []comparedCall{},
			running: &bound{Mapping: old.Compiled, destination: old, retries: old.Ambiguous == "retry"},
			edited:  &bound{Mapping: d.Compiled, destination: d, retries: d.Ambiguous == "retry"},
		})
	}
	return list, untouched, nil
}

// loadWith reads the configuration without its secrets, with other texts in the place of some files.
func (a *app) loadWith(texts map[string][]byte) (*configs.Config, error) {
	c, problems := configs.Load(configs.Input{Path: a.config, Environ: a.environ, Flags: a.flags, Placeholders: true,
		ReadFile: func(name string) ([]byte, error) {
			if text, ok := texts[name]; ok {
				return text, nil
			}
			return os.ReadFile(name)
		}})
	if c == nil {
		return nil, withoutWarnings(problems)
	}
	return c, nil
}

func destinationOf(c *configs.Config, name string) (*configs.Destination, error) {
	for i := range c.Destinations {
		if c.Destinations[i].Name == name {
			return &c.Destinations[i], nil
		}
	}
	known := destinationNames(c)
	return nil, fmt.Errorf("unknown destination %q%s: there are %s", name, problem.Suggest(name, known), strings.Join(known, ", "))
}

// runningMappings asks the daemon by what it delivers. Where none runs, and another file is to be looked at, what is
// configured is what will run.
func (a *app) runningMappings(ctx context.Context, c *configs.Config, otherwise bool) (map[string]admin.RunningMapping, error) {
	client := admin.NewClient(c.Admin.Socket)
	defer client.Close()
	list, err := client.Mappings(ctx)
	switch {
	case nobodyAnswers(err) && otherwise:
		list = runningMappings(c)
	case nobodyAnswers(err):
		return nil, fmt.Errorf("no daemon answers at %s, so there is no running mapping: give --destination and, as --mapping, the edited file", c.Admin.Socket)
	case err != nil:
		return nil, err
	}
	by := map[string]admin.RunningMapping{}
	for _, m := range list {
		by[m.Destination] = m
	}
	return by, nil
}

// runningMappings are the mappings of a configuration that is in use.
func runningMappings(c *configs.Config) (list []admin.RunningMapping) {
	for i := range c.Destinations {
		d := &c.Destinations[i]
		list = append(list, admin.RunningMapping{Destination: d.Name, Stamp: d.Compiled.Stamp(), Text: string(d.MappingSource)})
	}
	return list
}

// lastCalls gives the last calls that were finished, but those that were erased, the newest first, whole.
func (a *app) lastCalls(ctx context.Context, n int) (calls []admin.FinishedCall, err error) {
	return calls, a.ask(ctx, func(ctx context.Context, s asked) error {
		var lines []admin.ListedCall
		if _, err := eachCall(ctx, s, admin.CallQuery{}, n, func(page *admin.CallPage) error {
			lines = append(lines, page.Calls...)
			return nil
		}); err != nil {
			return err
		}
		for i := range lines {
			story, err := s.Story(ctx, lines[i].UUID)
			if err != nil {
				return err
			}
			for j := range story.Calls {
				if c := &story.Calls[j]; c.CallID == lines[i].CallID && c.Erased == nil {
					calls = append(calls, *c)
				}
			}
		}
		return nil
	})
}

// compare renders a call by both mappings.
func (c *comparison) compare(p previewing, call *admin.FinishedCall, answers []mappings.Answer) {
	p.known = c.known(p, call)
	running, edited := c.render(p, c.running, call, answers), c.render(p, c.edited, call, answers)
	record := call.Record()
	one := comparedCall{Call: call.CallID, Revision: record.Revision, Outcome: string(record.Outcome), Result: comparedSame}
	before, after := running.requests(), edited.requests()
	switch {
	case edited.failed && !running.failed:
		one.Result, one.Reason = comparedFails, edited.why()
	case running.failed && !edited.failed:
		one.Result, one.Reason = comparedMended, running.why()
	case edited.Ended == "skipped" && running.Ended != "skipped":
		one.Result, one.Reason = comparedSkipped, edited.Reason
	case running.Ended == "skipped" && edited.Ended != "skipped":
		one.Result, one.Reason = comparedSent, "before it was skipped: "+running.Reason
	case !slices.Equal(before, after) || running.Ended != edited.Ended:
		one.Result = comparedDiffers
	}
	if one.Result != comparedSame && !slices.Equal(before, after) {
		one.Diff = diffLines(before, after)
	}
	c.Counts[one.Result]++
	c.Calls = append(c.Calls, one)
}

// known is what is known of a call's answers: what was saved when it was delivered.
func (c *comparison) known(p previewing, call *admin.FinishedCall) *mappings.Known {
	known := &mappings.Known{Found: func(string) bool { return !p.nothingFound }}
	for i := range call.Deliveries {
		d := &call.Deliveries[i]
		if d.Destination != c.Destination || d.Done == 0 && len(d.Progress) == 0 {
			continue
		}
		var progress mappings.Progress
		if decoder := json.NewDecoder(bytes.NewReader(d.Progress)); len(d.Progress) > 0 {
			decoder.UseNumber()
			if decoder.Decode(&progress) != nil {
				continue
			}
		}
		known.Saved = progress.Saved
		known.Found = func(step string) bool {
			if _, ok := progress.Saved[step]; ok {
				return true
			}
			if d.Done > 0 && c.running.HasStep(step) {
				return false // it was asked, and nothing was kept of it
			}
			c.assume(fmt.Sprintf("what the lookup %s would find can't be known where it was never asked: %s (--nothing-found turns it round)",
				step, map[bool]string{true: "nothing", false: "something"}[p.nothingFound]))
			return !p.nothingFound
		}
		return known
	}
	if p.answers == "" {
		c.assume("calls that were not delivered: each request succeeds, and what only an answer can tell stands in « »")
	}
	return known
}

func (c *comparison) assume(what string) {
	if !slices.Contains(c.Assumed, what) {
		c.Assumed = append(c.Assumed, what)
	}
}

// render plays a call, and the last revision after it if there was one.
func (c *comparison) render(p previewing, m *bound, call *admin.FinishedCall, answers []mappings.Answer) *preview {
	if m.SkipOlderThan() > 0 {
		c.assume("the calls have just ended, so that skip_older_than lets them pass")
	}
	revisions := make([]*connector.Record, len(call.Revisions))
	for i := range call.Revisions {
		revisions[i] = &call.Revisions[i].Record
	}
	first, later := revisions[len(revisions)-1], (*laterRevision)(nil)
	if n := len(revisions); n > 1 {
		first, later = revisions[n-2], &laterRevision{revisions[n-1], "as it came"}
	}
	to := &preview{Destination: c.Destination, Call: call.CallID, Revision: first.Revision, Outcome: string(first.Outcome)}
	list, end := p.play(m, mappings.Call{Record: first, Now: first.OccurredAt.Time().Add(time.Hour)}, answers)
	to.exchanges(list, m, len(answers))
	if later != nil {
		p.playUpdate(to, m, end, later, answers)
	}
	return to
}

// why says how it ended, of the later revision if there is one.
func (p *preview) why() string {
	if p.Update != nil && p.Update.failed {
		return p.Update.Reason
	}
	return p.Reason
}

// requests gives what would be sent as lines.
func (p *preview) requests() (lines []string) {
	for i := range p.Steps {
		s := p.Steps[i]
		s.Repeat, s.Verdict, s.Saved = "", "", nil
		var b strings.Builder
		s.printRequest(&b)
		lines = append(lines, s.Step+":")
		lines = append(lines, strings.Split(strings.TrimRight(b.String(), "\n"), "\n")...)
	}
	if p.Ended != "finished" {
		lines = append(lines, p.Ended+": "+p.Reason)
	}
	if u := p.Update; u != nil {
		lines = append(lines, fmt.Sprintf("then revision %d:", u.Revision))
		lines = append(lines, u.requests()...)
	}
	return lines
}

// shownCalls is how many calls are shown line by line of each destination.
const shownCalls = 10

func printComparisons(w io.Writer, list []comparison, untouched []string, calls int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "The last %s, by the running mapping and by the edited one. Nothing is sent.\n", amount(calls, "call"))
	for i := range list {
		c := &list[i]
		fmt.Fprintf(&b, "%s, %s -> %s: %s\n", printable(c.Destination), printable(c.Running), printable(c.Edited), c.sum())
		for _, what := range c.Assumed {
			fmt.Fprintf(&b, "  assumed: %s\n", printable(what))
		}
	}
	for _, name := range untouched {
		fmt.Fprintf(&b, "%s: its mapping is as the daemon runs it\n", printable(name))
	}
	for i := range list {
		left := shownCalls
		for n := range list[i].Calls {
			if call := &list[i].Calls[n]; call.Result != comparedSame {
				if left--; left < 0 {
					continue
				}
				call.print(&b, list[i].Destination)
			}
		}
		if left < 0 {
			fmt.Fprintf(&b, "\n%s: changed too: %s (-o json has all)\n", printable(list[i].Destination), amount(-left, "more call"))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *comparison) sum() string {
	var parts []string
	for _, result := range []string{comparedSame, comparedDiffers, comparedSkipped, comparedSent, comparedFails, comparedMended} {
		if n := c.Counts[result]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, result))
		}
	}
	if parts == nil {
		return "there is no call to compare by"
	}
	return strings.Join(parts, ", ")
}

func (c *comparedCall) print(b *strings.Builder, destination string) {
	fmt.Fprintf(b, "\n%s, call %s, revision %d, %s: %s\n", printable(destination), printable(c.Call), c.Revision, c.Outcome, c.Result)
	if c.Reason != "" {
		fmt.Fprintf(b, "  %s\n", printable(c.Reason))
	}
	for _, line := range c.Diff {
		fmt.Fprintf(b, "  %s\n", printable(line))
	}
}

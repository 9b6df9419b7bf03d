package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
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

// unknownURL stands for the address of a mapping that has none of its own.
const unknownURL = "https://crm.example.com"

// previewing is what a preview is asked for.
type previewing struct {
	mapping, destination  string
	record, call, answers string
	dir, url              string
	params, changes       []string
	nothingFound, update  bool
	// against is how many of the last calls are rendered by the running mapping and the edited one; 0 is none.
	against int
	// known is what is known of the answers; nil where none of them is.
	known *mappings.Known
}

func (a *app) preview() *cobra.Command {
	var p previewing
	format := output("text")
	c := &cobra.Command{
		Use:   "preview",
		Short: "Show what a mapping would send for a call, and send nothing",
		Long: `Preview shows the requests that would be sent for a call, step by step, as they would go out: method, URL, headers
and body. It sends nothing and reads no secret: what is secret, and what only an answer can tell, stands in « ».

Without --answers each request is assumed to succeed and each lookup to find something (or nothing, with
--nothing-found). With --answers they are judged as real ones would be. The file holds a list, in YAML or JSON:

  - {status: 200, body: {results: [{id: "201"}]}}
  - {status: 429, headers: {Retry-After: "10"}}
  - {status: 502, text: Bad gateway}
  - {}                                              # no answer came

--update shows after that what is sent for a later revision of the call: with --call the last that there was, else one in
which a recording has come, or what --change says.

--against N takes the last N calls that were finished, renders each by the mapping that the daemon runs and by the edited
one, and shows what would change: for all destinations whose mapping was edited since the daemon has read it, or for one
with --destination; then --mapping can name another file that is to take its place. Both are bound to the destination as
wrapup.yaml has it now, and read the tables as they are now. Nothing is asked of a CRM: what lookups and steps have saved
when the call was delivered is taken as the answer; what was never asked, such as a new lookup, can't be known and is
assumed as said above.

It exits with 1 if a request can't be made for this call, of --against: by the edited mapping alone.`,
		Example: `  wrapup preview --mapping hubspot
  wrapup preview --mapping ./desk.yaml --param group=7 --answers answers.yaml
  wrapup preview --mapping hubspot --change outcome=abandoned --change agent=null
  wrapup preview --destination crm --call 5c6f5869-752d-46fd-8ac0-797f83222279
  wrapup preview --against 100
  wrapup preview --against 50 --destination crm --mapping ./new-desk.yaml`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.usage(); err != nil {
				return usageError{err}
			}
			if c.Flags().Changed("against") {
				return a.previewAgainst(c, p, format == "json")
			}
			shown, err := a.previewed(c.Context(), p)
			if err != nil {
				return err
			}
			if len(shown.warnings) > 0 {
				if _, err := fmt.Fprintln(c.ErrOrStderr(), shown.warnings.Detailed()); err != nil {
					return err
				}
			}
			if format == "json" {
				err = printJSON(c.OutOrStdout(), shown)
			} else {
				err = printPreview(c.OutOrStdout(), shown)
			}
			if err == nil && shown.failed {
				return errReported
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&p.mapping, "mapping", "", "a mapping: its `name`, or a file")
	f.StringVar(&p.destination, "destination", "", "the mapping of this `destination`, with its settings")
	f.StringVar(&p.record, "record", "", "the call: a `file` with a record or with what why -o json prints; - is standard input")
	f.StringVar(&p.call, "call", "", "the call with this `uuid`, as the daemon or its store knows it")
	f.StringVar(&p.answers, "answers", "", "a `file` with what the CRM answers")
	f.BoolVar(&p.nothingFound, "nothing-found", false, "without answers: assume that lookups find nothing")
	f.StringArrayVar(&p.params, "param", nil, "a parameter of the mapping, as `name=value`; may be repeated")
	f.BoolVar(&p.update, "update", false, "also what is sent for a later revision")
	f.StringArrayVar(&p.changes, "change", nil, "what differs in the later revision, as `field=value`; may be repeated, implies --update")
	f.IntVar(&p.against, "against", 0, "compare the running and the edited mapping by the last so `many` calls")
	f.StringVar(&p.url, "url", "", "the `address` of the API, if the mapping has none or another one")
	f.StringVar(&p.dir, "mappings-dir", "", "the `folder` of your own mappings; otherwise the one that the configuration names")
	f.VarP(&format, "output", "o", "text or json")
	return c
}

func (p previewing) usage() error {
	switch {
	case p.answers != "" && p.nothingFound:
		return errors.New("--nothing-found is for previews without --answers")
	case p.against < 0 || p.against > mostAgainst:
		return fmt.Errorf("--against %d: expected 1 to %d", p.against, mostAgainst)
	case p.against > 0 && (p.record+p.call+p.url+p.dir != "" || len(p.params)+len(p.changes) > 0 || p.update):
		return errors.New("--against takes real calls and the destinations' settings: it goes with --destination, --mapping, --answers and --nothing-found alone")
	case p.against > 0 && p.mapping != "" && p.destination == "":
		return errors.New("--against with --mapping needs the --destination that the mapping is for")
	case p.against > 0:
		return nil
	case (p.mapping == "") == (p.destination == ""):
		return errors.New("preview takes either --mapping or --destination (see wrapup preview --help)")
	case p.record != "" && p.call != "":
		return errors.New("preview takes either --record or --call")
	case p.url != "" && !isAddress(p.url):
		return errors.New("--url: expected https:// (or http://) and a host")
	case p.destination != "" && (p.url != "" || len(p.params) > 0 || p.dir != ""):
		return errors.New("--url, --param and --mappings-dir go with --mapping: a destination has its own")
	}
	return nil
}

func isAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// bound is a mapping that is ready to be previewed.
type bound struct {
	*mappings.Mapping
	from string
	// destination is the one whose mapping it is, nil if there is none; its secrets say where they would stand.
	destination *configs.Destination
	// retries says that a request is sent again although that may do it twice.
	retries bool
	assumed []string
	// warnings are what is doubtful in the mapping.
	warnings problem.Problems
}

// previewed plays the delivery of a call.
func (a *app) previewed(ctx context.Context, p previewing) (*preview, error) {
	m, err := a.boundDestination(p.destination)
	if p.mapping != "" {
		m, err = a.boundMapping(p)
	}
	if err != nil {
		return nil, err
	}
	revisions, what, err := a.recordToPreview(ctx, p)
	if err != nil {
		return nil, err
	}
	record, later := revisions[len(revisions)-1], (*laterRevision)(nil)
	if p.update || len(p.changes) > 0 {
		if record, later, err = p.later(revisions); err != nil {
			return nil, err
		}
	}
	call := mappings.Call{Record: record, Now: record.OccurredAt.Time().Add(time.Hour)}
	shown := &preview{
		Mapping: m.Name(), Version: m.Version(), From: m.from, Destination: p.destination,
		Call: record.CallID, Revision: record.Revision, Outcome: string(record.Outcome), Record: what, Assumed: m.assumed,
		warnings: m.warnings,
	}
	if m.SkipOlderThan() > 0 {
		shown.assume("the call has just ended, so that skip_older_than lets it pass")
	}
	var answers []mappings.Answer
	if p.answers == "" {
		found := "each lookup finds something"
		if p.nothingFound {
			found = "no lookup finds anything"
		}
		shown.assume("each request succeeds, " + found + " (--answers takes real answers)")
	} else if answers, err = readAnswers(p.answers); err != nil {
		return nil, err
	}
	list, end := p.play(m, call, answers)
	shown.exchanges(list, m, len(answers))
	if later != nil {
		p.playUpdate(shown, m, end, later, answers)
	}
	return shown, nil
}

// play plays one revision, with the answers or, if there is no file of them, with what is assumed.
func (p previewing) play(m *bound, call mappings.Call, answers []mappings.Answer) (list []mappings.Exchange, end mappings.Call) {
	if p.answers == "" && p.known != nil {
		return mappings.RehearseKnown(m.Mapping, call, *p.known)
	}
	if p.answers == "" {
		return mappings.Rehearse(m.Mapping, call, !p.nothingFound)
	}
	return mappings.Play(m.Mapping, call, answers)
}

// boundDestination gives the mapping of a destination, with its settings but its secrets.
func (a *app) boundDestination(name string) (*bound, error) {
	if name == "" {
		return nil, nil
	}
	c, problems := configs.Load(configs.Input{Path: a.config, Environ: a.environ, Flags: a.flags, Placeholders: true})
	if c == nil {
		return nil, withoutWarnings(problems)
	}
	var known []string
	for i := range c.Destinations {
		d := &c.Destinations[i]
		if d.Name == name {
			from := d.MappingFile
			if from == builtIn {
				from = "built in"
			}
			return &bound{Mapping: d.Compiled, from: from, destination: d, retries: d.Ambiguous == "retry",
				warnings: warningsOf(problems, func(p problem.Problem) bool { return p.File == d.MappingFile })}, nil
		}
		known = append(known, d.Name)
	}
	return nil, fmt.Errorf("unknown destination %q%s: there are %s", name, problem.Suggest(name, known), strings.Join(known, ", "))
}

// boundMapping gives a mapping for no destination: what that would bring is given on the command line, or assumed.
func (a *app) boundMapping(p previewing) (*bound, error) {
	found, dir, err := a.mappingToPreview(p)
	if err != nil {
		return nil, err
	}
	summary := mappings.SummarizeRecord()
	if found.name != builtIn {
		var problems problem.Problems
		if summary, problems = mappings.Summarize(found.file, found.src); summary == nil {
			return nil, withoutWarnings(problems)
		}
	}
	m := &bound{from: found.from}
	opts := mappings.Options{URL: p.url, Params: map[string]any{}, Secrets: map[string]string{}}
	if opts.URL == "" && !summary.HasURL {
		opts.URL = unknownURL
		m.assumed = append(m.assumed, "the url is "+unknownURL+" (--url says another one)")
	}
	for _, name := range summary.Secrets {
		opts.Secrets[name] = "«secrets." + name + "»"
	}
	for _, param := range p.params {
		name, text, ok := strings.Cut(param, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("--param %s: expected name=value", param)}
		}
		if opts.Params[name], err = configs.ParamValue(text); err != nil {
			return nil, usageError{fmt.Errorf("--param %s: %w", name, err)}
		}
	}
	var missing []string
	opts.ReadFile = func(name string) ([]byte, error) {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, name)
		}
		src, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && !slices.Contains(missing, file) {
			missing = append(missing, file)
		}
		return src, err
	}
	if found.name == builtIn {
		var problems problem.Problems
		m.Mapping, problems = mappings.Record(opts)
		return m, withoutWarnings(problems)
	}
	compiled, problems := mappings.Compile(found.file, found.src, opts)
	if compiled == nil && len(missing) > 0 && !slices.ContainsFunc(problems, func(p problem.Problem) bool {
		return !p.Warning && !strings.HasPrefix(p.Path, "tables.")
	}) {
		opts.Unbound = true
		compiled, problems = mappings.Compile(found.file, found.src, opts)
		m.assumed = append(m.assumed, fmt.Sprintf("tables are empty whose file is not there: %s", strings.Join(missing, ", ")))
	}
	m.Mapping = compiled
	m.warnings = warningsOf(problems, func(p problem.Problem) bool { // a file that isn't there is among what is assumed
		return len(missing) == 0 || !strings.HasPrefix(p.Path, "tables.")
	})
	return m, withHints(problems)
}

// warningsOf gives the warnings that matter here.
func warningsOf(problems problem.Problems, matters func(problem.Problem) bool) problem.Problems {
	return slices.DeleteFunc(slices.Clone(problems), func(p problem.Problem) bool { return !p.Warning || !matters(p) })
}

// withoutWarnings gives what is wrong, nil if nothing is.
func withoutWarnings(problems problem.Problems) error {
	return slices.DeleteFunc(slices.Clone(problems), func(p problem.Problem) bool { return p.Warning }).Err()
}

// withHints speaks of the command line where that stands for a destination.
func withHints(problems problem.Problems) error {
	for i, p := range problems {
		if name, ok := strings.CutPrefix(p.What, "the destination must give the param "); ok {
			problems[i].What = "the param " + name + " is missing: --param " + name + "=…"
		}
		if rest, ok := strings.CutPrefix(p.What, "the destination gives the param "); ok {
			problems[i].What = "--param gives " + rest
		}
	}
	return withoutWarnings(problems)
}

// mappingToPreview finds a mapping by its name or file, and the folder of its tables.
func (a *app) mappingToPreview(p previewing) (*foundMapping, string, error) {
	if strings.ContainsAny(p.mapping, `/\`) || strings.HasSuffix(p.mapping, mappingSuffix) {
		src, err := os.ReadFile(p.mapping)
		dir := filepath.Dir(p.mapping)
		if p.dir != "" {
			dir = p.dir
		}
		return &foundMapping{"", p.mapping, p.mapping, src}, dir, err
	}
	l, err := a.library(p.dir)
	if err != nil {
		return nil, "", err
	}
	found, err := l.find(p.mapping)
	return found, l.dir, err
}

// recordToPreview gives the call's revisions, and says in words which they are.
func (a *app) recordToPreview(ctx context.Context, p previewing) (revisions []*connector.Record, what string, err error) {
	var content []byte
	switch {
	case p.call != "":
		err = a.ask(ctx, func(ctx context.Context, s asked) error {
			story, err := s.Story(ctx, p.call)
			if err == nil {
				revisions, err = revisionsOf(story)
			}
			return err
		})
		return revisions, "its newest record", err
	case p.record == "-":
		content, err = io.ReadAll(os.Stdin)
		what = "the record from standard input"
	case p.record != "":
		content, err = os.ReadFile(p.record)
		what = "the record in " + p.record
	default:
		content, err = demoFiles.ReadFile("demo/record.json")
		what = "the call in the dialer's documentation"
	}
	if err != nil {
		return nil, "", err
	}
	if revisions, err = parseRecord(content); err != nil {
		return nil, "", fmt.Errorf("%s: %w", what, err)
	}
	return revisions, what, nil
}

// revisionsOf gives the revisions of the last call of a story, the newest last.
func revisionsOf(s *admin.Story) (revisions []*connector.Record, err error) {
	if len(s.Calls) == 0 || len(s.Calls[len(s.Calls)-1].Revisions) == 0 {
		return nil, errors.New(strings.TrimSuffix(answer(s), "."))
	}
	last := &s.Calls[len(s.Calls)-1]
	for i := range last.Revisions {
		revisions = append(revisions, &last.Revisions[i].Record)
	}
	return revisions, nil
}

// parseRecord reads a record, or the revisions of a story.
func parseRecord(content []byte) ([]*connector.Record, error) {
	var story admin.Story
	if err := json.Unmarshal(content, &story); err == nil && len(story.Calls) > 0 {
		return revisionsOf(&story)
	}
	r := new(connector.Record)
	if err := json.Unmarshal(content, r); err != nil {
		return nil, fmt.Errorf("no record: %w", err)
	}
	if r.CallID == "" || !r.OccurredAt.Known() {
		return nil, errors.New("no record: it has no call_id or no occurred_at")
	}
	return []*connector.Record{r}, nil
}

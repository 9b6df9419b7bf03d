package mappings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"

	"wrapup/connector"
)

// revision is one revision of a call in a golden file, and the answers to its requests.
type revision struct {
	// Record holds what differs from the documented record.
	Record    map[string]any
	MaybeSent []string `yaml:"maybe_sent"`
	Repeated  bool
	Age       string
	Answers   []cannedAnswer
}

// cannedAnswer is what a CRM says. Without a status it says nothing: the answer is lost.
type cannedAnswer struct {
	Status  int
	Headers map[string]string
	Body    any
	Text    string
	Cut     bool
}

func (a cannedAnswer) answer(t *testing.T) Answer {
	t.Helper()
	got := Answer{Status: a.Status, Header: http.Header{}, Cut: a.Cut, Body: []byte(a.Text)}
	for name, value := range a.Headers {
		got.Header.Set(name, value)
	}
	if a.Body != nil {
		b, err := json.Marshal(a.Body)
		require.NoError(t, err)
		got.Body = b
	}
	return got
}

// TestPlay takes a mapping ("mapping": a file in testdata/examples or the name of a preset), what a destination brings, and
// calls, each with its revisions and the CRM's answers. It shows the requests and what the answers mean.
func TestPlay(t *testing.T) {
	eachGolden(t, "play", func(t *testing.T, in map[string]string) string {
		m := playedMapping(t, strings.TrimSpace(in["mapping"]), in["mapping.yaml"], settings(t, in["destination"]))
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(in)) {
			if !strings.HasPrefix(name, "call ") {
				continue
			}
			var revisions []revision
			require.NoError(t, yaml.Load([]byte(in[name]), &revisions), name)
			fmt.Fprintf(&b, "##### %s\n\n", name)
			play(t, &b, m, revisions)
		}
		return b.String()
	})
}

func playedMapping(t *testing.T, name, src string, opts Options) *Mapping {
	t.Helper()
	opts.ReadFile = func(name string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata", "examples", name)) }
	text, preset := Preset(name)
	switch {
	case src != "":
		text, name = []byte(src), "mapping.yaml"
	case !preset:
		var err error
		text, err = os.ReadFile(filepath.Join("testdata", "examples", name))
		require.NoError(t, err)
	}
	m, problems := Compile(name, text, opts)
	require.NoError(t, problems.Err())
	require.Empty(t, problems)
	return m
}

// play writes the transcript of a call with its revisions.
func play(t *testing.T, b *strings.Builder, m *Mapping, revisions []revision) {
	t.Helper()
	var c Call
	for i, r := range revisions {
		changes := maps.Clone(r.Record)
		if changes == nil {
			changes = map[string]any{}
		}
		changes["revision"] = i + 1
		b2, err := json.Marshal(changes)
		require.NoError(t, err)
		if i > 0 {
			c.Sent = c.Record
			c.Record = copyOf(t, c.Record)
			require.NoError(t, json.Unmarshal(b2, c.Record))
		} else {
			c.Record = example(t, string(b2))
		}
		c.MaybeSent, c.Repeated, c.Now = r.MaybeSent, r.Repeated, time.Date(2019, 5, 24, 7, 0, 0, 0, time.UTC)
		if r.Age != "" {
			c.Age, _ = duration(r.Age)
		}
		var answers []Answer
		for _, a := range r.Answers {
			answers = append(answers, a.answer(t))
		}
		list, end := Play(m, c, answers)
		writeExchanges(t, b, list)
		if last := list[len(list)-1]; i < len(revisions)-1 && last.Action.Kind != ActionFinished {
			b.WriteString("(no further)\n\n")
			return
		}
		c = end
		c.Progress = throughJSON(t, c.Progress)
	}
}

func copyOf(t *testing.T, r *connector.Record) *connector.Record {
	t.Helper()
	b, err := json.Marshal(r)
	require.NoError(t, err)
	again := new(connector.Record)
	require.NoError(t, json.Unmarshal(b, again))
	return again
}

// throughJSON gives the progress as it comes back from where it was stored.
func throughJSON(t *testing.T, p Progress) Progress {
	t.Helper()
	b, err := json.Marshal(p)
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var again Progress
	require.NoError(t, d.Decode(&again))
	return again
}

func writeExchanges(t *testing.T, b *strings.Builder, list []Exchange) {
	t.Helper()
	shown := map[string]bool{}
	for _, e := range list {
		a := e.Action
		switch {
		case e.Err != nil:
			fmt.Fprintf(b, "error: %s\n\n", e.Err)
		case a.Kind == ActionHold:
			fmt.Fprintf(b, "hold: %s (for %s, then %s)\n\n", a.Reason, a.Hold.For, a.Hold.Then)
		case a.Kind == ActionSkip:
			fmt.Fprintf(b, "skip: %s\n\n", a.Reason)
		case a.Kind == ActionSend, a.Kind == ActionSession:
			writeRequestOnce(b, a, shown)
			writeAnswer(t, b, e)
		default:
			fmt.Fprintf(b, "%s\n\n", a.Kind)
		}
	}
}

// writeRequestOnce writes a request, but not twice in a transcript.
func writeRequestOnce(b *strings.Builder, a Action, shown map[string]bool) {
	fmt.Fprintf(b, "--> %s: %s %s\n", a.Step, a.Request.Method, a.Request.URL)
	var details strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.Request.Header)) {
		if v := strings.Join(a.Request.Header[name], " | "); name != "Content-Type" || v != "application/json" {
			fmt.Fprintf(&details, "    %s: %s\n", name, v)
		}
	}
	var indented bytes.Buffer
	if json.Indent(&indented, a.Request.Body, "    ", "  ") == nil {
		fmt.Fprintf(&details, "    %s\n", indented.Bytes())
	} else if len(a.Request.Body) > 0 {
		fmt.Fprintf(&details, "    %s\n", a.Request.Body)
	}
	key := a.Step + a.Request.URL + details.String()
	if shown[key] && details.Len() > 0 {
		b.WriteString("    (as before)\n")
	} else {
		b.WriteString(details.String())
	}
	shown[key] = true
	if a.Lag > 0 || a.Finds != "" || a.NotThere {
		fmt.Fprintf(b, "    (finds %q, lag %s, not there: %t)\n", a.Finds, a.Lag, a.NotThere)
	}
}

func writeAnswer(t *testing.T, b *strings.Builder, e Exchange) {
	t.Helper()
	if e.Answer == nil {
		fmt.Fprintf(b, "    (no answer left)\n\n")
		return
	}
	j := e.Judgement
	fmt.Fprintf(b, "<-- %d %s\n    %s", e.Answer.Status, strings.TrimSpace(string(e.Answer.Body)), j.Verdict)
	if j.Duplicate {
		b.WriteString(", a duplicate")
	}
	if j.NotFound {
		b.WriteString(", not found")
	}
	if j.After > 0 {
		fmt.Fprintf(b, ", after %s", j.After)
	}
	if j.Message != "" {
		fmt.Fprintf(b, "\n    message: %s", j.Message)
	}
	if j.Warning != "" {
		fmt.Fprintf(b, "\n    warning: %s", j.Warning)
	}
	for _, n := range j.Notes {
		fmt.Fprintf(b, "\n    note: %s", n)
	}
	if j.Verdict == VerdictDone && len(j.Progress.Saved) > 0 {
		saved, err := json.Marshal(j.Progress.Saved)
		require.NoError(t, err)
		fmt.Fprintf(b, "\n    saved %s", saved)
	}
	b.WriteString("\n\n")
}

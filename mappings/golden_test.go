package mappings

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"

	"wrapup/connector"
	"wrapup/mappings/source"
)

var update = flag.Bool("update", false, "write what the tests get as what they want")

// exampleRecord is the record that the design documents.
const exampleRecord = `{
  "call_id": "5c6f5869-752d-46fd-8ac0-797f83222279", "uuid": "5c6f5869-752d-46fd-8ac0-797f83222279",
  "attempt": 1, "revision": 1, "sources": ["nxcloud-events"], "flags": [],
  "direction": "outbound", "queue": "104906", "queue_name": null,
  "phone": "812345613", "phone_e164": "+62812345613", "country_code": "ID", "displayed_number": null,
  "outcome": "connected", "hangup_cause": null, "hangup_by": null, "disposition": null, "late_connect": false,
  "occurred_at": "2019-05-24T06:03:02.655356Z", "started_at": "2019-05-24T06:03:02.655356Z",
  "answered_at": "2019-05-24T06:03:13.055398Z", "bridged_at": "2019-05-24T06:03:13.395365Z",
  "ended_at": "2019-05-24T06:09:12.815399Z",
  "ring_seconds": 10.400042, "wait_seconds": 0.339967, "talk_seconds": 359.420034,
  "billsec": 359.760001, "duration_seconds": 370.160043,
  "recording_url": null, "order_id": null,
  "agent":  {"username": "6122312312", "sip_id": "1049002", "agent_id": "88e64026-d56b-4dc5-829c-7a7a9f2a1485",
             "joined_at": "2019-05-24T06:03:13.395365Z", "left_at": "2019-05-24T06:09:12.815399Z",
             "talk_seconds": 359.420034, "idle_seconds": 66.960001},
  "agents": [{"username": "6122312312", "sip_id": "1049002", "agent_id": "88e64026-d56b-4dc5-829c-7a7a9f2a1485",
             "joined_at": "2019-05-24T06:03:13.395365Z", "left_at": "2019-05-24T06:09:12.815399Z",
             "talk_seconds": 359.420034, "idle_seconds": 66.960001}]
}`

// example gives the documented record, with the fields of changes (JSON) in place of its own.
func example(t *testing.T, changes string) *connector.Record {
	t.Helper()
	r := new(connector.Record)
	require.NoError(t, json.Unmarshal([]byte(exampleRecord), r))
	if changes != "" {
		require.NoError(t, json.Unmarshal([]byte(changes), r))
	}
	return r
}

// A golden file is made of sections, each under a line "-- name --".
type section struct{ name, text string }

func readGolden(t *testing.T, file string) []section {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var list []section
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(name, " --\n") {
			list = append(list, section{name: strings.TrimSuffix(name, " --\n")})
			continue
		}
		require.NotEmpty(t, list, "%s begins without a section", file)
		list[len(list)-1].text += line
	}
	return list
}

// eachGolden runs a test for each golden file of a folder. It is told the sections by name and gives what the last one,
// "want", should be.
func eachGolden(t *testing.T, folder string, run func(t *testing.T, in map[string]string) string) {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			sections := readGolden(t, file)
			in := make(map[string]string)
			for _, s := range sections {
				in[s.name] = s.text
			}
			got := run(t, in)
			if !*update {
				assert.Equal(t, in["want"], got)
				return
			}
			var b strings.Builder
			for _, s := range sections {
				if s.name != "want" {
					fmt.Fprintf(&b, "-- %s --\n%s", s.name, s.text)
				}
			}
			fmt.Fprintf(&b, "-- want --\n%s", got)
			require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
		})
	}
}

// settings are a destination's, in YAML: url, params, when.
func settings(t *testing.T, text string) Options {
	t.Helper()
	var in struct {
		URL     string
		Params  map[string]any
		Secrets map[string]string
		Headers map[string]string
		When    string
	}
	if text != "" {
		require.NoError(t, yaml.Load([]byte(text), &in))
	}
	return Options{URL: in.URL, Params: in.Params, Secrets: in.Secrets, Headers: in.Headers, When: in.When,
		WhenAt: source.Problem{File: "wrapup.yaml", Line: 7, Column: 11, Path: "destinations[0].when"}}
}

// TestRender takes a mapping and calls ("call: name", each with the fields that differ from the documented record) and
// shows what is sent.
func TestRender(t *testing.T) {
	eachGolden(t, "render", func(t *testing.T, in map[string]string) string {
		m, problems := Compile("mapping.yaml", []byte(in["mapping.yaml"]), settings(t, in["destination"]))
		require.NoError(t, problems.Err())
		var b strings.Builder
		for _, p := range problems {
			fmt.Fprintln(&b, p)
		}
		var calls []string
		for name := range in {
			if strings.HasPrefix(name, "call") {
				calls = append(calls, name)
			}
		}
		slices.Sort(calls)
		for _, name := range calls {
			fmt.Fprintf(&b, "# %s\n", name)
			transcript(t, &b, m, example(t, in[name]))
		}
		return b.String()
	})
}

// transcript writes what is sent for a record, step by step, as if each succeeded.
func transcript(t *testing.T, b *strings.Builder, m *Mapping, r *connector.Record) {
	t.Helper()
	c := Call{Record: r}
	for {
		a, err := m.Next(c)
		switch {
		case err != nil:
			fmt.Fprintf(b, "error: %s\n\n", err)
			return
		case a.Kind == ActionSkip:
			fmt.Fprintf(b, "skipped: %s\n\n", a.Reason)
			return
		case a.Kind == ActionFinished:
			fmt.Fprintf(b, "finished\n\n")
			return
		}
		writeRequest(t, b, a)
		c.Progress = m.Judge(c, a.Step, Answer{Status: 200}).Progress
	}
}

func writeRequest(t *testing.T, b *strings.Builder, a Action) {
	t.Helper()
	fmt.Fprintf(b, "step %s, repeat %+v\n%s %s\n", a.Step, a.Repeat, a.Request.Method, a.Request.URL)
	for _, name := range slices.Sorted(maps.Keys(a.Request.Header)) {
		fmt.Fprintf(b, "%s: %s\n", name, strings.Join(a.Request.Header[name], " | "))
	}
	if a.Request.Body != nil {
		var indented bytes.Buffer
		require.NoError(t, json.Indent(&indented, a.Request.Body, "", "  "))
		fmt.Fprintf(b, "\n%s\n", indented.Bytes())
	}
}

// TestProblems takes wrong mappings and shows what is said about them, with a caret under the place.
func TestProblems(t *testing.T) {
	eachGolden(t, "problems", func(t *testing.T, in map[string]string) string {
		opts := settings(t, in["destination"])
		opts.ReadFile = func(name string) ([]byte, error) {
			if text, ok := in[name]; ok {
				return []byte(strings.NewReplacer(`\uFEFF`, "\ufeff").Replace(text)), nil
			}
			return nil, fmt.Errorf("open %s: no such file or directory", name)
		}
		m, problems := Compile("bad.yaml", []byte(in["bad.yaml"]), opts)
		assert.Equal(t, problems.Err() == nil, m != nil)
		if len(problems) == 0 {
			return ""
		}
		return problems.Detailed() + "\n"
	})
}

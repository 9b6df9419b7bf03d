package correlate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

var update = flag.Bool("update", false, "write what is into the transcripts under testdata, instead of comparing")

// A transcript is a text file that anybody can add:
//
//	the rule that it shows, and its reason, in a sentence or two
//
//	set owner=first region=DE           (settings, optional)
//	2/1 09:00:00                        (an event: its code, the dialer's time, name=value …)
//	1/3 09:00:08.5 agent=7 uuid=other
//	1/2 08:59:00 agent=7                (without uuid: about the agent alone)
//	---
//	outcome connected                   (what comes of it: written by go test -update, read by a person)
//
// A time may begin with +Nd (N days later). agent=7 stands for session s7, account u7 and extension x7; session=,
// username=, sip= set them one by one. A call event belongs to the call "c" unless it says otherwise.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			in, want, _ := strings.Cut(string(content), "---\n")
			tr := parseTranscript(t, in)
			got := tr.play(t)
			// The rule must hold whatever order the events came in: backwards, and with everything twice.
			for i, j := 0, len(tr.events)-1; i < j; i, j = i+1, j-1 {
				tr.events[i], tr.events[j] = tr.events[j], tr.events[i]
			}
			tr.events = append(tr.events, tr.events...)
			require.Equal(t, got, tr.play(t), "backwards and twice")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(in+"---\n"+got), 0o600))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

type transcript struct {
	settings Settings
	events   []connector.Event
}

var agentNumber = regexp.MustCompile(`^\d+$`)

func parseTranscript(t *testing.T, in string) *transcript {
	tr := &transcript{settings: DefaultSettings()}
	for line := range strings.Lines(in) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		kind, isEvent := kinds[words[0]]
		switch {
		case words[0] == "set":
			tr.set(t, words[1:])
		case isEvent && len(words) > 1:
			tr.events = append(tr.events, parseEvent(t, words, kind))
		}
	}
	return tr
}

var kinds = map[string]connector.Kind{
	"2/1": connector.KindStarted, "2/3": connector.KindAnswered, "2/4": connector.KindEnded, "1/3": connector.KindJoined,
	"1/4": connector.KindLeft, "1/2": connector.KindReady, "1/0": connector.KindOffline, "2/2": connector.KindOther,
}

func (tr *transcript) set(t *testing.T, words []string) {
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "owner":
			tr.settings.Owner = Owner(value)
		case "region":
			tr.settings.DefaultQueue.Region = value
		case "queue_name":
			tr.settings.DefaultQueue.Name = value
		default:
			require.Fail(t, "no such setting", w)
		}
	}
}

func parseEvent(t *testing.T, words []string, kind connector.Kind) connector.Event {
	e := connector.Event{Source: "nxcloud-events", Code: words[0], Kind: kind, Time: parseTime(t, words[1])}
	if strings.HasPrefix(words[0], "2") || kind == connector.KindJoined || kind == connector.KindLeft {
		e.UUID = "c"
	}
	for _, w := range words[2:] {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "agent":
			require.Regexp(t, agentNumber, value)
			e.AgentID, e.Username, e.SIPID = "s"+value, "u"+value, "x"+value
		case "session":
			e.AgentID = value
		case "username":
			e.Username = value
		case "sip":
			e.SIPID = value
		case "uuid":
			e.UUID = value
		case "phone":
			e.Phone = value
		case "queue":
			e.Queue = value
		case "info":
			e.Info = value
		default:
			require.Fail(t, "no such field", w)
		}
	}
	return e
}

func parseTime(t *testing.T, s string) connector.Time {
	day := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		var days int
		_, err := fmt.Sscanf(rest, "%dd", &days)
		require.NoError(t, err, s)
		day = day.AddDate(0, 0, days)
		_, s, _ = strings.Cut(s, "d")
	}
	at, err := time.Parse("15:04:05.999999", s)
	require.NoError(t, err, s)
	return connector.TimeOf(day.Add(at.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))))
}

// divide gives the events of the call "c" and the agents' timelines, as the store keeps them.
func divide(events []connector.Event, id string) (call []connector.Event, timeline Timeline) {
	timeline = Timeline{}
	for _, e := range events {
		for _, g := range e.Groups() {
			u, agent := connector.ParseGroup(g)
			switch u {
			case id:
				call = append(call, e)
			case "":
				timeline[agent] = append(timeline[agent], e)
			}
		}
	}
	return call, timeline
}

func (tr *transcript) play(t *testing.T) string {
	call, timeline := divide(tr.events, "c")
	var b strings.Builder
	for _, a := range Fold(call, Frozen{}, timeline, &tr.settings) {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		if a.Empty {
			fmt.Fprintf(&b, "nothing: dropped after %s\n", a.Wait)
			continue
		}
		describe(t, &b, &a)
	}
	if b.Len() == 0 {
		return "no call\n"
	}
	return b.String()
}

// describe writes a record's fields that are not null, without those that never differ here.
func describe(t *testing.T, b *strings.Builder, a *Attempt) {
	if a.Wait == 0 {
		b.WriteString("finished at once\n")
	} else {
		fmt.Fprintf(b, "finished after %s\n", a.Wait)
	}
	for _, f := range fields(t, &a.Record) {
		switch f.name {
		case "uuid", "revision", "sources", "direction", "agent":
		case "agents":
			for _, s := range a.Record.Agents {
				line := "agent"
				if a.Record.Agent != nil && s == *a.Record.Agent {
					line = "owner"
				}
				for _, sf := range fields(t, &s) {
					line += " " + sf.name + "=" + sf.value
				}
				b.WriteString(line + "\n")
			}
		case "call_id":
			if f.value != "c" || a.Record.Attempt != 1 {
				fmt.Fprintf(b, "%s %s\n", f.name, f.value)
			}
		case "attempt":
			if a.Record.Attempt != 1 {
				fmt.Fprintf(b, "%s %s\n", f.name, f.value)
			}
		default:
			fmt.Fprintf(b, "%s %s\n", f.name, f.value)
		}
	}
}

type field struct{ name, value string }

// fields lists v's JSON fields in their order, without those that are null, times without their date on the first day.
func fields(t *testing.T, v any) []field {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(raw))
	_, err = d.Token()
	require.NoError(t, err)
	var out []field
	for d.More() {
		name, err := d.Token()
		require.NoError(t, err)
		var value json.RawMessage
		require.NoError(t, d.Decode(&value))
		if s := string(value); s != "null" && s != "[]" {
			s = strings.Trim(s, `"`)
			if rest, ok := strings.CutPrefix(s, "2026-03-02T"); ok {
				s = strings.TrimSuffix(strings.TrimRight(strings.TrimSuffix(rest, "Z"), "0"), ".")
				if strings.Count(s, ":") == 2 && strings.HasSuffix(s, ":") {
					s += "00"
				}
				if len(s) == 7 {
					s += "0"
				}
			}
			out = append(out, field{fmt.Sprint(name), s})
		}
	}
	return out
}

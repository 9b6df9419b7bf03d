package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// hostile is a text that does something to a terminal, or to whoever reads a line of a log: it sets a title and a colour,
// moves the cursor, begins a line, and turns the direction of writing.
const hostile = "\x1b]0;owned\x07\x1b[2J\u009b31m\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\n\u2028\u2029\u202eevil\u2066\x7f\x00"

// harmless fails if something stands in the text that a terminal would obey.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		for _, r := range strings.TrimSuffix(line, "\n") {
			if harmful(r) {
				t.Errorf("%s: %U in %q", what, r, line)
				return
			}
		}
	}
}

// Foreign text in every field that a stranger, the dialer and a CRM can fill: no line of the log is forged, and no command
// writes what a terminal obeys.
func TestInjection(t *testing.T) {
	t.Parallel()
	quoted, err := json.Marshal(hostile)
	require.NoError(t, err)
	visible, err := json.Marshal("=1+1<script>alert(1)</script>\u202e")
	require.NoError(t, err)
	sink := newSink(t)
	sink.answer = func(_ int, w http.ResponseWriter) {
		w.Header().Set("Location", "http://x/\u202e\u009b31m")
		w.WriteHeader(400)
		_, _ = fmt.Fprintf(w, `{"message":%s}`, quoted)
	}
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			s := newSite(t, "mappings_dir: mappings\n"+strings.Replace(guarded(sink.url()), "mapping: record", "mapping: log", 1)+
				"log: {format: "+format+"}\n")
			s.write("dialer.token", dialerToken)
			s.write("mappings/log.yaml", `steps:
  - name: log
    path: /calls
    repeat: safe
    body: {id: "${call.call_id}", agent: "${call.agent.username}"}
    answers: {error: "${response.body.message}"}
`)
			if format == "text" {
				s.startAt("level=INFO msg=ready ", "listen=")
			} else {
				s.start()
			}
			at := time.Now().Add(-time.Minute).Unix()
			fields := map[string]string{"type": "2", "state": "1", "callid": `"1"`, "uuid": `"u"`, "time": fmt.Sprintf(`"%d"`, at), "info": `"x"`,
				"agentid": `"a"`, "sipid": `"1"`, "username": `"2"`, "callphone": `"812345613"`}
			body := func(change map[string]string) string {
				var parts []string
				for name, value := range fields {
					if v, ok := change[name]; ok {
						value = v
					}
					parts = append(parts, fmt.Sprintf("%q:%s", name, value))
				}
				for name, value := range change {
					if _, ok := fields[name]; !ok {
						parts = append(parts, fmt.Sprintf("%s:%s", name, value))
					}
				}
				return "{" + strings.Join(parts, ",") + "}"
			}
			for name := range fields { // refused, but for info: identifiers hold no control characters
				status, answer := s.postTo("/"+dialerToken, body(map[string]string{name: string(quoted)}))
				assert.Equal(t, map[bool]int{true: 200, false: 400}[name == "info"], status, name)
				harmless(t, "the answer", answer)
			}
			status, _ := s.postTo("/"+dialerToken, body(map[string]string{string(quoted): string(quoted)}))
			assert.Equal(t, 200, status, "an unknown field is kept")
			status, _ = s.postTo("/"+dialerToken, hostile)
			assert.Equal(t, 400, status)

			// What can be printed gets in, and through to the CRM, whose answer is hostile.
			call := map[string]string{"uuid": string(visible), "callid": string(visible), "agentid": string(visible), "sipid": string(visible),
				"username": string(visible), "callphone": string(visible)}
			for code, after := range map[string]int64{"2/1": 0, "2/3": 5, "1/3": 6, "1/4": 20, "2/4": 20} {
				call["type"], call["state"], call["time"] = code[:1], code[2:], fmt.Sprint(at+after)
				status, answer := s.postTo("/"+dialerToken, body(call))
				require.Equal(t, 200, status, answer)
			}
			s.eventually("the delivery to be dead", func() bool { return len(s.listed("--state", "dead")) >= 1 })

			// Strangers write into every part of a request.
			for _, said := range []string{
				request("/x/%0a%1b%5b31m%c2%9b", "User-Agent: \xc2\x9b31m\x1b[31m\r\nX-Forwarded-For: \x1b[31m\r\nAuthorization: Basic %1b\r\n", ""),
				request("/callbacks/nxcloud/events/\xe2\x80\xae%e2%80%ae", "", ""),
				"GET /\xc2\x9b\x1b[31m HTTP/1.1\r\nHost: \x1b[31m\r\n\r\n", "\x1b[31m\xc2\x9b\r\n\r\n", "P\x1bST / HTTP/9.9\r\n\r\n",
				"POST / HTTP/1.1\r\nHost: x\r\n\x1b[31m: x\r\n\r\n", "POST /?%zz;a=b HTTP/1.1\r\nHost: x\r\nContent-Length: x\x1b[31m\r\n\r\n",
			} {
				s.answered(s.raw(said))
			}
			call["uuid"], call["type"], call["state"], call["time"] = `"open"`, "2", "3", fmt.Sprint(at) // and this one is open
			call["info"] = string(quoted)
			status, _ = s.postTo("/"+dialerToken, body(call))
			require.Equal(t, 200, status)
			if format == "json" {
				everythingPrinted(t, s, "=1+1<script>alert(1)</script>\u202e")
			}
			assert.Zero(t, s.terminate())
			harmless(t, "the log", s.log.String())
			for line := range strings.Lines(s.log.String()) {
				if format == "json" {
					var l map[string]any
					require.NoError(t, json.Unmarshal([]byte(line), &l), line)
					assert.NotEqual(t, "forged", l["msg"])
				} else {
					assert.True(t, strings.HasPrefix(line, "time="), line)
				}
			}
			assert.Contains(t, s.log.String(), "a call was refused; it is dead")
		})
	}
}

// everythingPrinted looks at what the commands print of a hostile call: for people, and for programs.
func everythingPrinted(t *testing.T, s *site, uuid string) {
	for _, args := range [][]string{
		{"why", uuid}, {"why", "u"}, {"why", "open"}, {"why", "812345613"}, {"status"}, {"calls"}, {"calls", "--open"}, {"calls", "--agent", uuid},
		{"calls", "--queue", uuid}, {"events"}, {"events", "--limit", "3"}, {"agents"}, {"queues"}, {"sources"}, {"audit"}, {"audit", "--day", uuid},
		{"deliveries", "list"}, {"deliveries", "list", "--reason", "evil"}, {"deliveries", "show", uuid}, {"deliveries", "retry", uuid, "--dry-run"},
		{"deliveries", "drop", uuid, "--reason", hostile[:20], "--dry-run"}, {"destinations"}, {"destinations", "test", "sink", "--create", "--yes"},
		{"destinations", "test", "sink", "--call", uuid}, {"backfill", "--to", "sink", "--since", "1h", "--dry-run"}, {"backfill", "--to", uuid, "--since", "1h"},
		{"erase", "--phone", "812345613", "--dry-run"}, {"erase", "--phone", uuid}, {"quarantine", "list"}, {"quarantine", "retry", "--all", "--dry-run"},
		{"quarantine", "drop", "--all", "--dry-run"}, {"preview", "--against", "5"}, {"preview", "--destination", "sink", "--call", uuid},
		{"why", "\x1b[31m"}, {"deliveries", "retry", "\x1b[31m"}, {"deliveries", "show", "\x1b[31m"}, {"quarantine", "show", "\x1b[31m"},
		{"calls", "--phone", "\x1b[31m"}, {"calls", "--since", "\x1b[31m"}, {"calls", "--outcome", "\x1b[31m"}, {"destinations", "pause", "\x1b[31m", "--reason", "x"},
		{"\x1b[31m"}, {"calls", "--\x1b[31m"},
	} {
		what := strings.Join(args, " ")
		out, _ := s.run(args...)
		harmless(t, what, out)
		out, errs, _ := wrapup(t, append(args, "--config", s.config, "-o", "json")...)
		harmless(t, what+" -o json", out+errs)
		if !strings.Contains(errs, "unknown shorthand flag") && out != "" {
			for line := range strings.Lines(out) { // or lines of it
				if json.Valid([]byte(out)) {
					break
				}
				assert.True(t, json.Valid([]byte(line)), "%s -o json: %s", what, line)
			}
		}
	}
	for _, one := range s.quarantined().Quarantined[:3] {
		harmless(t, "show", s.succeeds("quarantine", "show", one.ID))
		harmless(t, "show", s.succeeds("quarantine", "show", one.ID, "-o", "json"))
	}
	for _, args := range [][]string{{"calls", "--agent", ""}, {"calls", "--queue", ""}, {"why", ""}, {"deliveries", "show", ""}, {"quarantine", "show", ""}} {
		out, errs, _ := wrapup(t, append([]string{"--config", s.config, "__complete"}, args...)...)
		harmless(t, "completion of "+strings.Join(args, " "), out+errs)
	}
	exported(t, s)
	followed(t, s)
}

// exported looks at what goes into files: no cell is a formula, and the JSON is one.
func exported(t *testing.T, s *site) {
	t.Helper()
	out, errs, code := wrapup(t, "export", "--config", s.config)
	require.Zero(t, code, errs)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(rows), 1)
	cells := 0
	for _, row := range rows {
		for _, cell := range row {
			cells += strings.Count(cell, "1+1<script>")
			assert.False(t, strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r\n"), "a formula: %q", cell)
		}
	}
	assert.GreaterOrEqual(t, cells, 5, "what is hostile is in it, as a text")
	out, errs, code = wrapup(t, "export", "--format", "jsonl", "--config", s.config)
	require.Zero(t, code, errs)
	harmless(t, "export --format jsonl", out)
	for line := range strings.Lines(out) {
		var r connector.Record
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
	}
}

// followed looks at events as they come.
func followed(t *testing.T, s *site) {
	t.Helper()
	for _, args := range [][]string{nil, {"-o", "json"}} {
		cmd := exec.Command(os.Args[0], append([]string{"events", "--follow", "--config", s.config}, args...)...)
		cmd.Env = append(os.Environ(), "BE_WRAPUP=1")
		seen := &logs{}
		cmd.Stdout, cmd.Stderr = seen, seen
		require.NoError(t, cmd.Start())
		n := 0
		s.eventually("the event to be shown", func() bool {
			n++
			quoted, err := json.Marshal(fmt.Sprintf("=1+1\u202e%d", n))
			require.NoError(t, err)
			info, err := json.Marshal(hostile)
			require.NoError(t, err)
			_, _ = s.postTo("/"+dialerToken, fmt.Sprintf(`{"type":2,"state":1,"callid":%[1]s,"uuid":%[1]s,"callphone":%[1]s,"time":"%d","info":%s}`,
				quoted, time.Now().Unix(), info))
			_, _ = s.postTo("/"+dialerToken, hostile)
			return strings.Contains(seen.String(), "=1+1") && strings.Contains(seen.String(), "quarantined")
		})
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		harmless(t, "events --follow "+strings.Join(args, " "), seen.String())
	}
}

func TestNoFormula(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "call": "call", "1=1": "1=1", "=1+1": "'=1+1", "+62812": "'+62812", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1",
		"＝1+1": "'＝1+1", "＠SUM": "'＠SUM", "\xff=1": "\xff=1",
	} {
		assert.Equal(t, want, noFormula(text))
	}
}

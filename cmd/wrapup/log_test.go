package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/configs"
)

func TestJournalPriorities(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, configs.Log{Format: "journald", Level: "debug"})
	log.Debug("a detail")
	log.With("destination", "crm").Info("a call is delivered", "call", "c-1")
	log.Warn("two lines", "reason", "a \x1b[31mred one\nof two lines")
	log.Error("the store is broken", "error", errors.New("disk"))
	log.WithGroup("g").Log(t.Context(), slog.LevelError+4, "worse", "level", "kept in a group")
	assert.Equal(t, "<7>msg=\"a detail\"\n"+
		"<6>msg=\"a call is delivered\" destination=crm call=c-1\n"+
		"<4>msg=\"two lines\" reason=\"a \\\\x1b[31mred one\\\\nof two lines\"\n"+
		"<3>msg=\"the store is broken\" error=disk\n"+
		"<3>msg=worse g.level=\"kept in a group\"\n", out.String())

	out.Reset()
	newLogger(&out, configs.Log{Format: "journald", Level: "warn"}).Info("not this")
	assert.Empty(t, out.String())
}

// Only what goes to the journal is written for it.
func TestJournalIsKnown(t *testing.T) {
	written := func(stream func(stat *syscall.Stat_t) string) string {
		f, err := os.Create(filepath.Join(t.TempDir(), "log"))
		require.NoError(t, err)
		defer f.Close()
		info, err := f.Stat()
		require.NoError(t, err)
		t.Setenv("JOURNAL_STREAM", stream(info.Sys().(*syscall.Stat_t)))
		newLogger(f, configs.Log{Format: "auto", Level: "info"}).Info("ready")
		text, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		return string(text)
	}
	assert.Equal(t, "<6>msg=ready\n", written(func(s *syscall.Stat_t) string { return fmt.Sprintf("%d:%d", s.Dev, s.Ino) }))
	assert.Contains(t, written(func(s *syscall.Stat_t) string { return fmt.Sprintf("%d:%d", s.Dev, s.Ino+1) }), `"msg":"ready"`)
	assert.Contains(t, written(func(*syscall.Stat_t) string { return "" }), `"msg":"ready"`)
}

// A call's lines share its id, and none has the customer's number, though the CRM repeats it.
func TestLogOfACall(t *testing.T) {
	crm := newSink(t)
	const number = "812345613"
	crm.answer = func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"error":"the phone +62 812-345-613 (`+number+`) is no mobile"}`)
		}
	}
	s := reloadable(t, crm)
	s.edit("  - {name: down", "#")
	s.write("mappings/desk.yaml", `steps: [{name: log, path: /log, repeat: safe, headers: {Idempotency-Key: "${call.call_id}"}, body: {id: "${call.call_id}"},
  answers: {error: "${response.body.error}"}}]`)
	s.start()
	for _, uuid := range []string{"call-a", "call-b"} {
		for _, body := range unanswered(uuid) {
			resp, err := http.Post(s.url()+"/"+firstToken, "application/json", strings.NewReader(body))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		s.eventually("the end of "+uuid, func() bool {
			return strings.Contains(s.log.String(), `"msg":"a call is delivered","destination":"crm","call":"`+uuid) ||
				strings.Contains(s.log.String(), `"msg":"a call was refused; it is dead"`) && uuid == "call-a"
		})
	}
	out, code := s.run("deliveries", "list", "--state", "dead")
	require.Zero(t, code)
	require.Contains(t, out, "is no mobile", "the CRM's sentence is about the number")
	require.Zero(t, s.terminate())
	log := s.log.String()
	assert.NotContains(t, strings.NewReplacer(" ", "", "-", "").Replace(log), number)
	assert.Contains(t, log, `is no mobile`)
	said := map[string][]string{}
	for line := range strings.Lines(log) {
		var l struct{ Level, Msg, Call, Destination, Phone, Outcome string }
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		if l.Call != "" && l.Level != "DEBUG" {
			said[l.Call] = append(said[l.Call], strings.Trim(l.Msg+" "+l.Destination+l.Outcome+" "+l.Phone, " "))
		}
	}
	for _, lines := range said { // who has finished a call and who delivers it write by themselves
		slices.Sort(lines)
	}
	assert.Equal(t, map[string][]string{
		"call-a": {"a call is finished unanswered ******613", "a call was refused; it is dead crm"},
		"call-b": {"a call is delivered crm", "a call is finished unanswered ******613"},
	}, said)
}

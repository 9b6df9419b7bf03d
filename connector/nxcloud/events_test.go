package nxcloud

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

const call = "5c6f5869-752d-46fd-8ac0-797f83222279"

// event gives the body of a good event with the given members added or, by repeating a name, replaced.
func event(members ...string) string {
	all := append([]string{`"type":2`, `"state":1`, `"callid":"104906"`, `"uuid":"` + call + `"`,
		`"time":"1558677782655356"`, `"callphone":"812345613"`}, members...)
	return "{" + strings.Join(all, ",") + "}"
}

func documented(t testing.TB) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/documented-events.ndjson")
	require.NoError(t, err)
	return body
}

func texts(errs []error) []string {
	var list []string
	for _, err := range errs {
		list = append(list, err.Error())
	}
	return list
}

func TestDocumentedEvents(t *testing.T) {
	agent := connector.Event{Source: SourceEvents, Queue: "104906", Username: "6122312312", SIPID: "1049002",
		AgentID: "88e64026-d56b-4dc5-829c-7a7a9f2a1485"}
	about := func(ev connector.Event, kind connector.Kind, code, uuid string, at connector.Time, phone, info string) connector.Event {
		ev.Kind, ev.Code, ev.UUID, ev.Time, ev.Phone, ev.Info = kind, code, uuid, at, phone, info
		return ev
	}
	plain := connector.Event{Source: SourceEvents, Queue: "104906"}
	want := []connector.Event{
		about(agent, connector.KindReady, "1/2", "", 1558677726435364, "", "Seats ready"),
		about(agent, connector.KindJoined, "1/3", call, 1558677793395365, "812345613", "Phone answer"),
		about(plain, connector.KindStarted, "2/1", call, 1558677782655356, "812345613", "Phone calling"),
		about(plain, connector.KindAnswered, "2/3", call, 1558677793055398, "812345613", "Phone answer"),
		about(plain, connector.KindEnded, "2/4", call, 1558678152815399, "812345613", "Phone hungup"),
		about(agent, connector.KindLeft, "1/4", call, 1558678152815399, "812345613", "Phone hungup"),
	}
	body := documented(t)
	lines := bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	for name, body := range map[string][]byte{
		"lines":        body,
		"CRLF":         bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")),
		"concatenated": bytes.Join(lines, nil),
		"array":        []byte(" [" + string(bytes.Join(lines, []byte(" ,\n"))) + "] \n"),
		"two arrays":   []byte("[" + string(bytes.Join(lines[:2], []byte(","))) + "][" + string(bytes.Join(lines[2:], []byte(","))) + "]"),
		"with a BOM":   append([]byte("\ufeff"), body...),
	} {
		t.Run(name, func(t *testing.T) {
			events, errs := ParseEvents(body)
			assert.Empty(t, errs)
			assert.Equal(t, want, events)
		})
	}
	for i, line := range lines {
		events, errs := ParseEvents(line)
		assert.Empty(t, errs)
		assert.Equal(t, want[i:i+1], events)
	}
}

func TestEventForms(t *testing.T) {
	base := connector.Event{Source: SourceEvents, Kind: connector.KindStarted, Code: "2/1", UUID: call,
		Time: 1558677782655356, Queue: "104906", Phone: "812345613"}
	with := func(f func(*connector.Event)) connector.Event {
		ev := base
		f(&ev)
		return ev
	}
	tests := []struct {
		name    string
		members string
		want    connector.Event
	}{
		{"numbers as strings", `"type":"2","state":" 1 "`, base},
		{"identifiers as numbers", `"callid":104906,"callphone":812345613,"sipid":1049002,"username":6122312312`,
			with(func(ev *connector.Event) { ev.SIPID, ev.Username = "1049002", "6122312312" })},
		{"time as a number", `"time":1558677782655356`, base},
		{"absent in every way", `"agentid":null,"sipid":"","username":"  ","info":null`, base},
		{"space around", `"uuid":" ` + call + `\t","callphone":"\n812345613 "`, base},
		{"escapes", `"callphone":"\u00381\u0032345613","info":"a\u0000\nb \u003c"`,
			with(func(ev *connector.Event) { ev.Info = "a\x00\nb <" })},
		{"an escaped name", `"info":"old","\u0069nfo":"new"`, with(func(ev *connector.Event) { ev.Info = "new" })},
		{"the last of a name", `"time":"abc","time":"1558677782655356"`, base},
		{"invalid UTF-8 in info", "\"info\":\"a\xff\xfeb\"", with(func(ev *connector.Event) { ev.Info = "a\ufffdb" })},
		{"half a surrogate pair in info", `"info":"a\ud800b"`, with(func(ev *connector.Event) { ev.Info = "a\ufffdb" })},
		{"a long info is cut between characters", `"info":"x` + strings.Repeat("é", MaxInfo) + `"`,
			with(func(ev *connector.Event) { ev.Info = "x" + strings.Repeat("é", MaxInfo/2-1) })},
		{"the longest identifier", `"uuid":"` + strings.Repeat("u", MaxText) + `"`,
			with(func(ev *connector.Event) { ev.UUID = strings.Repeat("u", MaxText) })},
		{"unknown fields", `"Time":"abc","nested":{"a":[1, {"b":null}]},"big":123456789012345678901`,
			with(func(ev *connector.Event) {
				ev.Extra = map[string]json.RawMessage{"Time": json.RawMessage(`"abc"`),
					"nested": json.RawMessage(`{"a":[1, {"b":null}]}`), "big": json.RawMessage(`123456789012345678901`)}
			})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events, errs := ParseEvents([]byte(event(tt.members)))
			assert.Empty(t, errs)
			assert.Equal(t, []connector.Event{tt.want}, events)
		})
	}
}

func TestEveryPair(t *testing.T) {
	kinds := map[string]connector.Kind{
		"1/0": connector.KindOffline, "1/2": connector.KindReady, "1/3": connector.KindJoined, "1/4": connector.KindLeft,
		"2/1": connector.KindStarted, "2/3": connector.KindAnswered, "2/4": connector.KindEnded,
		"1/1": connector.KindOther, "2/0": connector.KindOther, "2/2": connector.KindOther,
	}
	for code, kind := range kinds {
		events, errs := ParseEvents([]byte(event(`"type":`+code[:1], `"state":`+code[2:])))
		assert.Empty(t, errs)
		require.Len(t, events, 1)
		assert.Equal(t, code, events[0].Code)
		assert.Equal(t, kind, events[0].Kind, code)
	}
}

func TestWrongFields(t *testing.T) {
	tests := []struct {
		members string
		want    string
	}{
		{`"type":3`, `event 1: type: 3: expected ` + wantType},
		{`"type":1.0`, `event 1: type: 1.0: expected ` + wantType},
		{`"type":"x"`, `event 1: type: "x": expected ` + wantType},
		{`"type":true`, `event 1: type: true: expected ` + wantType},
		{`"type":99999999999999999999`, `event 1: type: 99999999999999999999: expected ` + wantType},
		{`"state":9`, `event 1: state: 9: expected ` + wantState},
		{`"state":-1`, `event 1: state: -1: expected ` + wantState},
		{`"state":[1]`, `event 1: state: [1]: expected ` + wantState},
		{`"state":""`, `event 1: state: missing: expected ` + wantState},
		{`"time":null`, `event 1: time: missing: expected ` + wantTime},
		{`"time":"abc"`, `event 1: time: "abc": expected ` + wantTime},
		{`"time":"-5"`, `event 1: time: "-5": expected ` + wantTime},
		{`"time":1e30`, `event 1: time: 1e30: expected ` + wantTime},
		{`"time":{}`, `event 1: time: {}: expected ` + wantTime},
		{`"time":"` + strings.Repeat("1", 1000) + `"`, `event 1: time: "` + strings.Repeat("1", 39) + `…: expected ` + wantTime},
		{`"callid":null`, `event 1: callid: missing: expected ` + wantCallID},
		{`"callid":1.5`, `event 1: callid: 1.5: expected ` + wantID},
		{`"callid":{"a":1}`, `event 1: callid: {"a":1}: expected ` + wantID},
		{`"uuid":" "`, `event 1: uuid: missing: expected ` + wantCallUID},
		{`"uuid":5`, `event 1: uuid: 5: expected ` + wantUUID},
		{`"uuid":"a\nb"`, `event 1: uuid: "a\nb": expected ` + wantPrint},
		{`"uuid":"a\u2028b"`, `event 1: uuid: "a\u2028b": expected ` + wantPrint},
		{"\"uuid\":\"a\u0085b\"", `event 1: uuid: "a\u0085b": expected ` + wantPrint},
		{"\"uuid\":\"a\xffb\"", `event 1: uuid: "a\xffb": expected ` + wantUTF8},
		{`"uuid":"a\ud800b"`, `event 1: uuid: "a\ud800b": expected ` + wantUTF8},
		{`"uuid":"` + strings.Repeat("u", MaxText+1) + `"`, `event 1: uuid: "` + strings.Repeat("u", 39) + `…: expected ` + wantUUID},
		{`"agentid":7`, `event 1: agentid: 7: expected ` + wantUUID},
		{`"sipid":false`, `event 1: sipid: false: expected ` + wantID},
		{"\"username\":\"a\x7fb\"", `event 1: username: "a\x7fb": expected ` + wantPrint},
		{`"callphone":["812345613"]`, `event 1: callphone: ["******613"]: expected ` + wantID},
		{`"callphone":"81234\u00005613"`, `event 1: callphone: "*****\u*****613": expected ` + wantPrint},
		{`"callphone":812345613.5`, `event 1: callphone: *******13.5: expected ` + wantID},
		{`"callphone":812345613x`, `event 1: callphone: ******613x at byte 146: expected a value`},
		{"\"phone\":\"812345613\xff\"", `event 1: phone: "******613\xff": expected ` + wantUTF8},
		{`"info":{"a":1}`, `event 1: info: {"a":1}: expected ` + wantInfo},
		{"\"x\":\"\xff\"", `event 1: x: "\xff": expected ` + wantUTF8},
		{"\"x\xff\":1", `event 1: x\xff: 1: expected ` + wantUTF8},
		{`"x\n":` + strings.Repeat("[", 10000), `event 1: x\n: ` + strings.Repeat("[", 40) + `…: expected ` + wantDepth},
		{`"x":"` + strings.Repeat("x", MaxExtra) + `"`, `event 1: x: "` + strings.Repeat("x", 39) + `…: expected ` + wantExtra},
	}
	for _, tt := range tests {
		events, errs := ParseEvents([]byte(event(tt.members)))
		assert.Empty(t, events, tt.want)
		assert.Equal(t, []string{tt.want}, texts(errs))
		for _, err := range errs {
			var e *EventError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, 1, e.Index)
			assert.NotEmpty(t, e.Field)
		}
	}
}

func TestAllProblemsOfAnEventAtOnce(t *testing.T) {
	missing := []string{
		"event 1: type: missing: expected " + wantType,
		"event 1: state: missing: expected " + wantState,
		"event 1: callid: missing: expected " + wantCallID,
		"event 1: time: missing: expected " + wantTime,
	}
	_, errs := ParseEvents([]byte(`{}`))
	assert.Equal(t, missing, texts(errs))
	_, errs = ParseEvents([]byte(`{"type":3}`))
	assert.Equal(t, append([]string{"event 1: type: 3: expected " + wantType}, missing[1:]...), texts(errs))
}

func TestWrongBodies(t *testing.T) {
	good := event()
	tests := []struct {
		name, body string
		good       int
		want       []string
	}{
		{"empty", "", 0, []string{"the body is empty: expected " + wantObject}},
		{"space", " \r\n\t", 0, []string{"the body is empty: expected " + wantObject}},
		{"null", "null", 0, []string{"event 1: null: expected " + wantObject}},
		{"a string", `"abc"`, 0, []string{`event 1: "abc": expected ` + wantObject}},
		{"an empty array", "[]", 0, []string{"event 1: an empty array: expected " + wantObject}},
		{"an array in an array", "[[" + good + "]]", 0, []string{`event 1: [{"type":*,"state":*,"callid":"******","…: expected ` + wantObject}},
		{"deep", strings.Repeat("[", 10000), 0, []string{"event 1: " + strings.Repeat("[", 40) + "…: expected " + wantDepth}},
		{"a form", "type=2&state=1", 0, []string{"event 1: type=2&sta at byte 0: expected " + wantObject}},
		{"compressed", "\x1f\x8b\x08", 0, []string{`event 1: \x1f\x8b\b at byte 0: expected ` + wantObject}},
		{"cut in a string", `{"type":2,"uuid":"5c6`, 0, []string{"event 1: uuid: the body ends at byte 21: expected the string to end"}},
		{"cut in an escape", `{"uuid":"5c6\`, 0, []string{"event 1: uuid: the body ends at byte 13: expected the string to end"}},
		{"cut before a value", `{"type":`, 0, []string{"event 1: type: the body ends at byte 8: expected a value"}},
		{"cut after a value", `{"type":2`, 0, []string{`event 1: type: the body ends at byte 9: expected "," or "}" after the value`}},
		{"cut after a comma", `{"type":2,`, 0, []string{"event 1: the body ends at byte 10: expected a field's name in quotes"}},
		{"cut in an array", "[" + good, 1, []string{fmt.Sprintf(`event 1: the body ends at byte %d: expected "," or "]"`, len(good)+1)}},
		{"cut in a value", `{"x":[1,2`, 0, []string{"event 1: x: the body ends at byte 9: expected the array or object to end"}},
		{"brackets that don't match", `{"x":[1}`, 0, []string{"event 1: x: [1}: expected valid JSON"}},
		{"a raw line break", "{\"uuid\":\"a\nb\"}", 0, []string{`event 1: uuid: \nb"} at byte 10: expected control characters in a string to be escaped`}},
		{"a wrong escape", `{"uuid":"a\qb"}`, 0, []string{`event 1: uuid: "a\qb": expected a string with valid escapes`}},
		{"a wrong number", `{"type":02}`, 0, []string{"event 1: type: 02} at byte 8: expected a value"}},
		{"trailing garbage", good + " xyz", 1, []string{fmt.Sprintf("event 2: xyz at byte %d: expected %s", len(good)+1, wantObject)}},
		{"a good one between bad ones", "[null," + good + ",7]", 1,
			[]string{"event 1: null: expected " + wantObject, "event 3: 7: expected " + wantObject}},
		{"lines after one that is cut", `{"type":2,"uuid":"5c6` + "\n" + good + "\n" + `{"x":[1,` + "\n" + good, 2,
			[]string{`event 1: uuid: \n{"type":2 at byte 21: expected control characters in a string to be escaped`,
				fmt.Sprintf("event 3: x: the body ends at byte %d: expected the array or object to end", 2*len(good)+32)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events, errs := ParseEvents([]byte(tt.body))
			assert.Len(t, events, tt.good)
			assert.Equal(t, tt.want, texts(errs))
		})
	}
}

func TestTooManyEvents(t *testing.T) {
	want := []string{"the body goes on: expected " + wantFew}
	lines := strings.Repeat(event()+"\n", MaxEvents+5)
	events, errs := ParseEvents([]byte(lines))
	assert.Len(t, events, MaxEvents)
	assert.Equal(t, want, texts(errs))
	events, errs = ParseEvents([]byte("[" + strings.TrimSuffix(strings.Repeat(event()+",", MaxEvents+5), ",") + "]"))
	assert.Len(t, events, MaxEvents)
	assert.Equal(t, want, texts(errs))
	events, errs = ParseEvents([]byte(strings.Repeat(event(), MaxEvents)))
	assert.Len(t, events, MaxEvents)
	assert.Empty(t, errs)
}

// The words of the errors must not lie about the limits.
func TestLimitsInWords(t *testing.T) {
	for text, limit := range map[string]int{wantUUID: MaxText, wantID: MaxText, wantDepth: MaxDepth, wantExtra: MaxExtra, wantFew: MaxEvents} {
		assert.Contains(t, text, fmt.Sprintf("at most %d ", limit))
	}
}

// A hostile body of the largest size must not cost more than a large one.
func TestHostileBodiesAreCheap(t *testing.T) {
	const size = 1 << 20
	for name, part := range map[string]string{
		"arrays": "[", "objects": `{"a":`, "open lines": "{\"a\":[\n", "closed lines": "{\"a\":[}\n", "strings": `{"a":"`,
		"escapes": `{"\u0061":"\n",`, "nulls": "null ", "empty arrays": "[]", "empty objects": "{}", "fields": `"a":1,`,
	} {
		body := []byte(strings.Repeat(part, size/len(part)))
		start := time.Now()
		_, errs := ParseEvents(body)
		assert.NotEmpty(t, errs, name)
		assert.LessOrEqual(t, len(errs), 5*MaxEvents, name)
		assert.Less(t, time.Since(start), 2*time.Second, name)
	}
}

func TestParsedSharesNoMemoryWithTheBody(t *testing.T) {
	body := []byte(event(`"info":"text"`, `"x":{"y":1}`))
	events, errs := ParseEvents(body)
	require.Empty(t, errs)
	before := fmt.Sprint(events)
	clear(body)
	assert.Equal(t, before, fmt.Sprint(events))
}

func BenchmarkParseEvents(b *testing.B) {
	body := documented(b)
	line := body[:bytes.IndexByte(body, '\n')]
	b.Run("one", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		b.ReportAllocs()
		for b.Loop() {
			if _, errs := ParseEvents(line); errs != nil {
				b.Fatal(errs)
			}
		}
	})
	b.Run("six", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, errs := ParseEvents(body); errs != nil {
				b.Fatal(errs)
			}
		}
	})
}

package mappings

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// frugal fails if what it runs takes more memory or time than any mapping may.
func frugal(t *testing.T, run func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	run()
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "memory")
	assert.Less(t, time.Since(began), 10*time.Second, "time")
}

// FuzzFile looks for a file that brings the loader down, or, with an answer, what it loads.
func FuzzFile(f *testing.F) {
	files, err := filepath.Glob("testdata/examples/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(src), `{"results": [{"id": 1}], "result": [], "data": [{"id": "2"}], "session_token": "x"}`, 200)
	}
	for _, name := range Presets() {
		src, _ := Preset(name)
		f.Add(string(src), `{"id": "7", "items": [], "CustomFields": [{"name": "Phone", "values": ["1"]}]}`, 201)
	}
	f.Add("url: https://a.b\nwhen: \"${call.attempt == 1}\"\nsteps: [{name: a, path: '/x/${call.uuid}', query: {a: [{b: 1}]}, headers: {X: y}, body: {$if: \"${true}\", a: [1.50, 0812, ~, yes]}}]", "[]", 404)
	f.Add("steps:\n  - name: a\n    body: |\n      x ${call.x}\n---\n&a [*a]", "", 204)
	f.Add("a: ${b ? 1 : 2}\n? {x: y}\n: !!binary x\n<<: *b", "x", 500)
	f.Add("vars: {a: x, b: [\"${vars.a}\", {c: \"${vars.a}\"}]}\nsteps: [{name: a, for_each: \"${vars.b}\", multipart: {a: \"${json(item)}\", f: {file: a, content: \"${join(item, ',')}\"}}, save: {s: \"${response.body}\"}}]\nupdate: [a]", "{\"a\": [[[1]]]}", 200)
	record := example2()
	f.Fuzz(func(t *testing.T, src, answer string, status int) {
		frugal(t, func() {
			m, problems := Compile("fuzz.yaml", []byte(src), Options{URL: "https://example.com", ReadFile: func(string) ([]byte, error) {
				return []byte("username,hubspot_owner\na,b\n"), nil
			}})
			assert.Equal(t, m == nil, problems.Err() != nil)
			if m != nil {
				rehearse(m, Call{Record: record}, answer, status)
			}
		})
	})
}

// rehearse plays a create and an update with the same answer to all requests, and once without an answer.
func rehearse(m *Mapping, c Call, answer string, status int) {
	a := Answer{Status: status, Body: []byte(answer), Header: http.Header{"Retry-After": {answer}}}
	answers := []Answer{a, a, a, {}, a, a, a, a}
	_, c = Play(m, c, answers)
	c.Sent = c.Record
	_, _ = Play(m, c, answers)
	_ = m.Doubles()
	_ = m.AgentTables()
	_, _ = m.OAuth2()
	_, _ = m.TokenRefused(a)
}

// FuzzAnswer looks for an answer that brings down what all the examples and presets make of it.
func FuzzAnswer(f *testing.F) {
	all := everyMapping(f)
	for _, s := range []string{`{"results":[{"id":1}]}`, `[{"errorCode":"X"}]`, `{"data":[{"id":"1","status":"error","details":{}}]}`, "[\"a changed to b\"]",
		`{"result":[{"id":12345678901234567890}],"session_token":{"a":1}}`, "\ufeff{}", `{"a":"\ud800\u0000é"}`, `{"id":"..","items":[{"id":"a/b"}]}`, "[[[[[[[[]]]]]]]]"} {
		f.Add(s, 200)
		f.Add(s, 404)
	}
	r := benchRecord(f)
	f.Fuzz(func(t *testing.T, answer string, status int) {
		for _, m := range all {
			frugal(t, func() { rehearse(m, Call{Record: r}, answer, status) })
		}
	})
}

// FuzzTable looks for a table's file that brings the loader down.
func FuzzTable(f *testing.F) {
	f.Add("a,b\nx,1\n")
	f.Add("\ufeffa;b\r\n\"x\";\"1\"\"2\"\r\n")
	f.Add("a\tb\n6.12E+09\t1\n")
	f.Fuzz(func(t *testing.T, src string) {
		frugal(t, func() {
			tab := &table{name: "t", file: "t.csv", keyColumn: "a", valueColumn: "b", valueType: "int",
				values: map[string]any{}, lines: map[string]place{}}
			problems := readCSV(tab, []byte(src))
			assert.LessOrEqual(t, len(problems), maxTableProblems)
			for key, value := range tab.values {
				assert.NotEmpty(t, key)
				assert.IsType(t, json.Number(""), value)
			}
		})
	})
}

// TestCostlyExpressions shows that a mapping which does as much as it may with a large answer comes to an end soon.
func TestCostlyExpressions(t *testing.T) {
	wide := strings.Repeat("upper(lower(", 100) + "response.text" + strings.Repeat("))", 100)
	lists := strings.Repeat("where(", 100) + "response.body" + strings.Repeat(", 'a', 1)", 100)
	var b strings.Builder
	b.WriteString("url: https://a.b\nsteps:\n  - name: a\n    save:\n")
	for i := range 50 {
		fmt.Fprintf(&b, "      t%d: \"${%s}\"\n      l%d: \"${%s}\"\n", i, wide, i, lists)
	}
	m, problems := Compile("costly.yaml", []byte(b.String()), Options{})
	require.NoError(t, problems.Err())
	body := "[" + strings.Repeat(`{"a":1},`, 40_000) + `{"a":1}]`
	frugal(t, func() {
		j := m.Judge(Call{Record: example2()}, "a", Answer{Status: 200, Body: []byte(body)})
		assert.NotEmpty(t, j.Notes)
		assert.Empty(t, j.Progress.Saved)
	})
}

// TestHostileAnswers shows that an answer of a megabyte takes no more than its share, whatever it is made of.
func TestHostileAnswers(t *testing.T) {
	m, problems := Compile("hostile.yaml", []byte(`
url: https://example.com
steps:
  - name: a
    path: /a
    answers: {error: "${json(response.body)}", success: "${response.body.x == null && !(join(response.body, ',') contains 'z')}", warn: "${html(json(response.body))}"}
    save: {all: "${response.body}", text: "${response.text}"}
`), Options{})
	require.NoError(t, problems.Err())
	const size = 1 << 20
	for name, body := range map[string]string{
		"lists": strings.Repeat("[", size/2) + strings.Repeat("]", size/2), "numbers": "[" + strings.Repeat("0,", size/2) + "0]",
		"empty maps": "[" + strings.Repeat("{},", size/3) + "0]", "keys": `{"a":0` + strings.Repeat(`,"a":0`, size/6) + "}",
		"quotes": `"` + strings.Repeat(`\"`, size/2) + `"`, "escapes": `"` + strings.Repeat(`\u0001`, size/6) + `"`, "bytes": strings.Repeat("\xff", size),
		"digits": strings.Repeat("9", size), "nested": strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{200, 400} {
				frugal(t, func() {
					j := m.Judge(Call{Record: example2()}, "a", Answer{Status: status, Body: []byte(body)})
					b, err := json.Marshal(j.Progress)
					require.NoError(t, err)
					assert.Less(t, len(b), 2*maxSavedBytes+1000)
					assert.LessOrEqual(t, len([]rune(j.Message)), 501)
				})
			}
		})
	}
}

// FuzzProgress looks for a stored progress, of a delivery that was interrupted, that brings a mapping down or makes it do
// without end.
func FuzzProgress(f *testing.F) {
	src, ok := Preset("hubspot")
	require.True(f, ok)
	hubspot, problems := Compile("hubspot", src, Options{ReadFile: func(string) ([]byte, error) { return []byte("username,hubspot_owner\na,b\n"), nil }})
	require.NoError(f, problems.Err())
	each, problems := Compile("each.yaml", []byte(`
url: https://example.com
steps:
  - {name: first, path: /first, save: {list: "${response.body.list}"}}
  - {name: a, for_each: "${saved.list}", path: "/a/${item}", save: {last: "${response.body.id}"}}
  - {name: b, path: "/b/${saved.last}"}
`), Options{})
	require.NoError(f, problems.Err())
	f.Add([]byte(`{"done":["contact"],"saved":{"contact":"7","log":12345678901234567890}}`), `{"results":[{"id":1}]}`)
	f.Add([]byte(`{"done":["first"],"saved":{"list":[1,"a",null,{"b":[]}],"last":{}},"items":{"a":-1},"missed":["contact"]}`), `{}`)
	f.Add([]byte(`{"done":["log"],"items":{"a":9223372036854775807}}`), `[]`)
	record := example2()
	f.Fuzz(func(t *testing.T, stored []byte, answer string) {
		var p Progress
		d := json.NewDecoder(strings.NewReader(string(stored)))
		d.UseNumber()
		if d.Decode(&p) != nil {
			return
		}
		a := Answer{Status: 200, Body: []byte(answer)}
		for _, m := range []*Mapping{hubspot, each} {
			frugal(t, func() {
				list, end := Play(m, Call{Record: record, Progress: p}, []Answer{a, a, a, a, a, a})
				assert.Less(t, len(list), 1000)
				_, err := json.Marshal(end.Progress)
				assert.NoError(t, err)
			})
		}
	})
}

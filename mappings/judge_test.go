package mappings

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const judgedMapping = `
url: https://a.b
headers: {X-Who: mapping}
steps:
  - name: look
    method: GET
    for_each: "${phone_variants(call.phone_e164)}"
    path: /${item}
    found: "${response.body.id}"
    answers: {success: "${response.body.ok}"}
  - name: log
    path: /log
    answers:
      permanent: "${response.body.id == null}"
      reauth: "${response.text contains 'log in'}"
`

func TestJudge(t *testing.T) {
	m := compiled(t, judgedMapping, Options{Headers: map[string]string{"x-who": "destination"}})
	c := Call{Record: example(t, "")}
	c.Progress = Progress{Items: map[string]int{"look": 3}}
	for name, want := range map[string]struct {
		step    string
		answer  Answer
		verdict Verdict
		missed  bool
	}{
		"no content is not found, whatever success says": {"look", Answer{Status: 204}, VerdictDone, true},
		"neither is what isn't there":                    {"look", Answer{Status: 404}, VerdictDone, true},
		"a lookup that fails":                            {"look", Answer{Status: 200, Body: []byte(`{"id":1,"ok":false}`)}, VerdictDead, false},
		"a lookup that is refused by its status":         {"look", Answer{Status: 403}, VerdictByStatus, false},
		"a byte order mark":                              {"look", Answer{Status: 200, Body: []byte("\ufeff{\"id\":1,\"ok\":true}")}, VerdictDone, false},
		"a page in the place of JSON":                    {"log", Answer{Status: 200, Body: []byte("<html>")}, VerdictAmbiguous, false},
		"a page that can be read as text":                {"log", Answer{Status: 200, Body: []byte("please log in")}, VerdictReauth, false},
		"the same, cut off":                              {"log", Answer{Status: 200, Body: []byte("please log in"), Cut: true}, VerdictAmbiguous, false},
		"refused":                                        {"log", Answer{Status: 200, Body: []byte("{}")}, VerdictDead, false},
		"done":                                           {"log", Answer{Status: 200, Body: []byte(`{"id":1}`)}, VerdictDone, false},
		"no answer":                                      {"log", Answer{}, VerdictAmbiguous, false},
	} {
		j := m.Judge(c, want.step, want.answer)
		assert.Equal(t, want.verdict.String(), j.Verdict.String(), name)
		assert.Equal(t, want.missed, j.NotFound, name)
	}
	a, err := m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, "https://a.b/0062812345613", a.Request.URL)
	assert.Equal(t, []string{"destination"}, a.Request.Header["X-Who"])
	c.Progress = c.Progress.Fresh()
	a, err = m.Next(c)
	require.NoError(t, err)
	assert.Equal(t, "https://a.b/+62812345613", a.Request.URL, "another attempt begins with the first item")
}

func TestNestingIsBounded(t *testing.T) {
	src := "url: https://a.b\nsteps: [{name: a, body: " + strings.Repeat("[", 150) + strings.Repeat("]", 150) + "}]"
	_, problems := Compile("deep.yaml", []byte(src), Options{})
	require.Error(t, problems.Err())
	assert.Contains(t, problems.Err().Error(), "this is nested too deeply")
}

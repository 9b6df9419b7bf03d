package mappings

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestProof asks a lookup whether a step was done. Only an answer that says so may lead to the step being sent again.
func TestProof(t *testing.T) {
	const there, absent, unproven = "there", "absent", "unproven"
	for name, c := range map[string]struct{ found, answer, want, why string }{
		"one hit":              {"sole(response.body.hits).id", `{"hits":[{"id":7}]}`, there, ""},
		"no hit":               {"sole(response.body.hits).id", `{"hits":[]}`, absent, ""},
		"null hits":            {"sole(response.body.hits).id", `{"hits":null}`, absent, ""},
		"two hits":             {"sole(response.body.hits).id", `{"hits":[{"id":7},{"id":8}]}`, unproven, "there are 2 hits"},
		"two hits, and ??":     {"sole(response.body.hits).id ?? response.body.more[0].id", `{"hits":[{"id":7},{"id":8}],"more":[]}`, unproven, "there are 2 hits"},
		"two hits, one taken":  {"sole(response.body.hits).id ?? response.body.hits[0].id", `{"hits":[{"id":7},{"id":8}]}`, there, ""},
		"two hits, either way": {"sole(response.body.hits ?? response.body.rows).id", `{"rows":[{"id":7},{"id":8}]}`, unproven, "there are 2 hits"},
		"a map of hits":        {"sole(response.body.hits).id", `{"hits":{"7":{"id":7}}}`, unproven, "sole needs a list, not a map"},
		"a number of hits":     {"sole(response.body.hits).id", `{"hits":3}`, unproven, "sole needs a list, not a number"},
		"a hit that is null":   {"sole(response.body.hits).id", `{"hits":[null]}`, unproven, "the only hit is null"},

		"equal":                      {"response.body.total == 1", `{"total":1}`, there, ""},
		"not equal":                  {"response.body.total == 1", `{"total":0}`, absent, ""},
		"equal to null":              {"response.body.total == 1", `{"total":null}`, absent, ""},
		"== across kinds":            {"response.body.total == 1", `{"total":"1"}`, unproven, "a text can't be compared with a number"},
		"!= across kinds":            {"response.body.total != 0", `{"total":"0"}`, unproven, "a text can't be compared with a number"},
		"== of lists":                {"response.body.a == response.body.b", `{"a":[1],"b":[1]}`, unproven, "a list can't be compared with a list"},
		"== across kinds, negated":   {"!(response.body.total == 0)", `{"total":"0"}`, unproven, "a text can't be compared with a number"},
		"in":                         {"call.queue in response.body.q", `{"q":["1","104906"]}`, there, ""},
		"not in":                     {"call.queue in response.body.q", `{"q":["1"]}`, absent, ""},
		"in across kinds":            {"call.queue in response.body.q", `{"q":[104906]}`, unproven, "a text can't be compared with a number"},
		"not in across kinds":        {"call.queue not in response.body.q", `{"q":[104906]}`, unproven, "a text can't be compared with a number"},
		"in something else":          {"call.queue in response.body.q", `{"q":{"a":1}}`, unproven, "in needs a list, not a map"},
		"in null":                    {"response.body.q in response.body.r", `{"q":1,"r":null}`, unproven, "in needs a list, not null"},
		"where":                      {"where(response.body.n, 'q', call.queue)[0].id", `{"n":[{"q":"104906","id":1},{"id":2}]}`, there, ""},
		"where, none":                {"where(response.body.n, 'q', call.queue)[0].id", `{"n":[{"q":"1","id":1},{"q":null}]}`, absent, ""},
		"where, nothing to look in":  {"where(response.body.n, 'q', call.queue)[0].id", `{"n":[]}`, absent, ""},
		"where across kinds":         {"where(response.body.n, 'q', call.queue)[0].id", `{"n":[{"q":104906,"id":1}]}`, unproven, "a number can't be compared with a text"},
		"where, some lack the field": {"where(response.body.n, 'q', call.queue)[0].id", `{"n":[{"q":"1"},{"id":2}]}`, unproven, `not every item of the answer has a "q"`},
		"where, a path":              {"where(response.body.n, 'p.q', call.queue)[0].id", `{"n":[{"p":{"q":"104906"},"id":1},{"id":2}]}`, there, ""},
		"where, a path, none":        {"where(response.body.n, 'p.q', call.queue)[0].id", `{"n":[{"p":{"q":"1"}},{"p":{"q":null}}]}`, absent, ""},
		"where, a path across kinds": {"where(response.body.n, 'p.q', call.queue)[0].id", `{"n":[{"p":{"q":104906}}]}`, unproven, "a number can't be compared with a text"},
		"where, some lack the path":  {"where(response.body.n, 'p.q', call.queue)[0].id", `{"n":[{"p":{"q":"1"}},{"p":{"r":1}}]}`, unproven, `not every item of the answer has a "p.q"`},
		"where, some lack its begin": {"where(response.body.n, 'p.q', call.queue)[0].id", `{"n":[{"p":null}]}`, unproven, `not every item of the answer has a "p.q"`},
		"where, nothing to look for": {"where(response.body.n, 'q', call.order_id)[0].id", `{"n":[{"q":"1"}]}`, unproven, "what where looks for is null"},

		"a header":                 {"response.headers['X-Total'] == '1'", `{}`, there, ""},
		"a header that is not so":  {"response.headers['X-Total'] == '2'", `{}`, absent, ""},
		"a header that is missing": {"response.headers['X-Hits'] == '1'", `{}`, unproven, `the answer has no header "X-Hits"`},
		"null":                     {"response.body[0].id", `null`, unproven, "the answer is empty, null or no JSON"},
		"an empty list":            {"response.body[0].id", `[]`, absent, ""},
		"a duplicate that is none": {"response.body.id", `{"code":"DUPLICATE"}`, unproven, `the answer has no "id"`},
	} {
		m := compiled(t, "url: https://a.b\nsteps:\n  - {name: look, finds: log, method: GET, path: /look, found: \"${"+c.found+
			"}\", answers: {duplicate: \"${response.body.code == 'DUPLICATE'}\"}}\n  - {name: log, path: /log}\n", Options{})
		asked := Call{Record: example(t, ""), MaybeSent: []string{"log"}}
		j := m.Judge(asked, "look", Answer{Status: 200, Header: map[string][]string{"X-Total": {"1"}}, Body: []byte(c.answer)})
		got := map[Verdict]string{VerdictDone: there, VerdictAmbiguous: unproven}[j.Verdict]
		if j.NotFound {
			got = absent
		}
		assert.Equal(t, c.want, got, "%s: %s", name, j.Message)
		assert.Contains(t, j.Message, c.why, name)
		assert.Equal(t, c.why == "", j.Message == "", name)
		asked.Progress = j.Progress
		a, err := m.Next(asked)
		assert.NoError(t, err, name)
		assert.Equal(t, c.want == absent, a.NotThere, "%s: only then is the step sent again", name)
	}
}

// TestProofOfItems asks for each of several numbers. An item whose answer is a refusal isn't one that isn't there.
func TestProofOfItems(t *testing.T) {
	for name, judged := range map[string]string{
		"permanent": `{permanent: "${response.body.error != null}"}`, "success": `{success: "${response.body.error == null}"}`,
	} {
		m := compiled(t, strings.ReplaceAll(`
url: https://a.b
steps:
  - {name: look, finds: log, for_each: "${phone_variants(call.phone_e164)}", method: GET, path: /look, query: {q: "${item}"},
     found: "${response.body.hits[0].id}", answers: ANSWERS}
  - {name: log, path: /log}
`, "ANSWERS", judged), Options{})
		c := Call{Record: example(t, ""), MaybeSent: []string{"log"}}
		for _, item := range []int{0, 3} {
			c.Progress = Progress{}.tried("look", item)
			j := m.Judge(c, "look", Answer{Status: 200, Body: []byte(`{"error":"bad number","hits":[]}`)})
			assert.Equal(t, VerdictAmbiguous.String(), j.Verdict.String(), "%s, item %d", name, item)
			assert.Contains(t, j.Message, "whether the step log was done, this doesn't say", name)
		}
	}
}

// TestStatusIsNoBody takes an answer that is no JSON for one of which only the status counts.
func TestStatusIsNoBody(t *testing.T) {
	m := compiled(t, "url: https://a.b\nsteps: [{name: log, path: /log, answers: {success: \"${response.status == 201}\"}}]", Options{})
	j := m.Judge(Call{Record: example(t, "")}, "log", Answer{Status: 201, Body: []byte("created")})
	assert.Equal(t, VerdictDone.String(), j.Verdict.String())
}

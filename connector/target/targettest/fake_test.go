package targettest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/target/targettest"
)

// desk is an API that has one of each rule.
func desk() *targettest.API {
	return &targettest.API{
		Knows:        func(_ *targettest.Fake, r *http.Request) bool { return r.Header.Get("X-Key") == targettest.Credential },
		Unauthorized: targettest.Reply{Status: 401}, NotFound: targettest.Reply{Status: 404},
		Busy: func(after time.Duration) targettest.Reply {
			return targettest.Reply{Status: 429, Header: map[string]string{"Retry-After": fmt.Sprint(after.Seconds())}}
		},
		Limits: map[string]string{"X-Left": "9"},
		Invalid: func(_ *targettest.Route, problems []targettest.Problem) targettest.Reply {
			return targettest.Reply{Status: 422, Body: targettest.Text(fmt.Sprint(problems))}
		},
		Lag:     time.Minute,
		Contact: func(phone string) map[string]any { return map[string]any{"phone": phone} },
		Routes: []targettest.Route{
			{Method: "POST", Path: "/calls", Write: true, Fields: []targettest.Field{
				{Name: "id", Required: true, Is: targettest.Str(3)}, {Name: "n", Is: targettest.Int}, {Name: "free"},
				{Name: "list[].a", Required: true, Is: targettest.OneOf(1, "x")}, {Name: "in.when", Is: targettest.Time("15:04")},
			}, Do: func(f *targettest.Fake, r *targettest.Request) targettest.Reply {
				f.Add("calls", r.Map())
				return targettest.Reply{Status: 201}
			}},
			{Method: "POST", Path: "/lax", Drops: true, Fields: []targettest.Field{{Name: "id", Is: targettest.Filled}}, Do: echo},
			{Method: "POST", Path: "/token", Open: true, Media: "application/x-www-form-urlencoded", Fields: []targettest.Field{{Name: "grant", Required: true}}, Do: echo},
			{Method: "GET", Path: "/search", Query: []targettest.Field{{Name: "q", Required: true, Is: targettest.Like(`^\d+$`, "digits")}},
				Do: func(f *targettest.Fake, _ *targettest.Request) targettest.Reply {
					return targettest.Reply{Status: 200, Body: targettest.Text(fmt.Sprint(len(f.Searched("calls"))))}
				}},
		},
		Entries: func(f *targettest.Fake) (entries []targettest.Entry) {
			for _, r := range f.All("calls") {
				entries = append(entries, targettest.Entry{ID: r.ID, Call: targettest.Said(r.Fields["id"])})
			}
			return entries
		},
	}
}

func echo(_ *targettest.Fake, r *targettest.Request) targettest.Reply {
	return targettest.Reply{Status: 200, Body: r.JSON}
}

// ask sends "METHOD address body" and gives "status body", or what went wrong.
func ask(t *testing.T, f *targettest.Fake, line string, header ...string) string {
	t.Helper()
	words := strings.SplitN(line, " ", 3)
	var body io.Reader
	if len(words) > 2 {
		body = strings.NewReader(words[2])
	}
	req, err := http.NewRequestWithContext(t.Context(), words[0], "http://desk.test"+words[1], body)
	require.NoError(t, err)
	req.Header.Set("X-Key", targettest.Credential)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DialContext: f.Dial, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "9", resp.Header.Get("X-Left"))
	return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, content))
}

func TestFakeIsStrict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := targettest.New(desk())
		defer f.Close()
		for line, want := range map[string]string{
			`POST /calls {"id":"a","n":7,"free":{"x":[1]},"list":[{"a":1},{"a":"x"}],"in":{"when":"09:14"}}`: "201",
			`POST /calls {"n":7}`:                        "422 [id: missing: is required]",
			`POST /calls {"id":"long"}`:                  "422 [id: invalid: longer than 3 characters]",
			`POST /calls {"id":7}`:                       "422 [id: invalid: expected a string]",
			`POST /calls {"id":"a","n":"7"}`:             "422 [n: invalid: expected an integer]",
			`POST /calls {"id":"a","n":7.5}`:             "422 [n: invalid: expected an integer]",
			`POST /calls {"id":"a","uid":1}`:             "422 [uid: unknown: is no field of this request]",
			`POST /calls {"id":"a","list":[{"a":1},{}]}`: "422 [list[].a: missing: is required]",
			`POST /calls {"id":"a","list":[{"a":"1"}]}`:  "422 [list[].a: invalid: expected one of 1, x]",
			`POST /calls {"id":"a","in":{"when":"9"}}`:   "422 [in.when: invalid: expected a time such as 15:04]",
			`POST /calls {"id":`:                         "422 [body: invalid: is no JSON: unexpected EOF]",
			`POST /lax {"id":"a","uid":1}`:               `200 {"id":"a"}`,
			`POST /lax {"id":" "}`:                       "422 [id: invalid: expected a string that is not empty]",
			`GET /search`:                                "422 [q: missing: is required]",
			`GET /search?q=a`:                            "422 [q: invalid: expected digits]",
			`GET /search?q=1&limit=2`:                    "422 [limit: unknown: is no parameter of this request]",
			`GET /nowhere`:                               "404",
			`PUT /calls {"id":"a"}`:                      "404",
		} {
			assert.Equal(t, want, ask(t, f, line), line)
		}
		assert.Equal(t, "401", ask(t, f, `POST /calls {"id":"a"}`, "X-Key", "wrong"))
		assert.Contains(t, ask(t, f, `POST /calls {"id":"a"}`, "Content-Type", "text/plain"), "415")
		assert.Equal(t, `200 {"grant":"x y"}`, ask(t, f, `POST /token grant=x+y`, "X-Key", "", "Content-Type", "application/x-www-form-urlencoded"))
		assert.Len(t, f.Entries(), 1, "what was refused is not kept")
	})
}

func TestFakeInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := targettest.New(desk())
		defer f.Close()
		f.Lose(2)
		assert.Equal(t, "201", ask(t, f, `POST /calls {"id":"a"}`))
		assert.Contains(t, ask(t, f, `POST /calls {"id":"b"}`), "EOF")
		assert.Len(t, f.Entries(), 2, "a lost answer is one to something that was done")
		f.Drop(1)
		assert.Contains(t, ask(t, f, `POST /calls {"id":"b"}`), "EOF")
		assert.Len(t, f.Entries(), 2, "a lost request did nothing")
		assert.Equal(t, "200 0", ask(t, f, `GET /search?q=1`))
		time.Sleep(time.Minute)
		assert.Equal(t, "200 2", ask(t, f, `GET /search?q=1`))
		f.Expire()
		assert.Equal(t, "401", ask(t, f, `GET /search?q=1`))
		f.Renew()
		f.Limit(1, time.Minute)
		assert.Equal(t, "429", ask(t, f, `GET /search?q=1`))
		f.Fail(2, true)
		assert.Equal(t, "201", ask(t, f, `POST /calls {"id":"c"}`))
		assert.Contains(t, ask(t, f, `POST /calls {"id":"d"}`), "500 ")
		assert.Len(t, f.Entries(), 4, "it failed after it was done")
		f.Fail(1, false)
		assert.Contains(t, ask(t, f, `POST /calls {"id":"e"}`), "500 ")
		assert.Equal(t, "201", ask(t, f, `POST /calls {"id":"e"}`))
		assert.Len(t, f.Entries(), 5, "the first did nothing")
		f.Refuse("n")
		assert.Equal(t, "422 [n: refused: is refused]", ask(t, f, `POST /calls {"id":"c","n":1}`))
		assert.Equal(t, "201", ask(t, f, `POST /calls {"id":"c"}`))
		assert.Len(t, f.Know("+62812345613", 2), 2)
	})
}

// Where one address takes several methods, the API says which one a request means, and each has its rules.
func TestFakeWithOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := desk()
		write := targettest.Route{Method: "POST", Path: "/rpc", Operation: "w", Write: true, Fields: []targettest.Field{{Name: "w", Is: targettest.Int}}, Do: echo}
		read := targettest.Route{Method: "POST", Path: "/rpc", Operation: "r", Fields: []targettest.Field{{Name: "r"}}, Do: echo}
		api.Operation = func(_ *http.Request, body []byte) string { return strings.Trim(string(body[:3]), `{"`) }
		api.Routes = []targettest.Route{write, read}
		f := targettest.New(api)
		defer f.Close()
		assert.Equal(t, `200 {"r":"x"}`, ask(t, f, `POST /rpc {"r":"x"}`))
		assert.Equal(t, `422 [w: invalid: expected an integer]`, ask(t, f, `POST /rpc {"w":"x"}`))
		assert.Equal(t, `404`, ask(t, f, `POST /rpc {"d":"x"}`))
		f.Lose(1)
		assert.Equal(t, `200 {"r":"x"}`, ask(t, f, `POST /rpc {"r":"x"}`), "what only reads is no write")
		assert.Contains(t, ask(t, f, `POST /rpc {"w":1}`), "EOF")
	})
}

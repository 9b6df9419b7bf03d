package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	firstToken  = "t0ken-t0ken-t0ken-1"
	secondToken = "t0ken-t0ken-t0ken-2"
)

// reloadable is a site whose configuration names all that a reload can find wrong; CRM is the sink.
func reloadable(t *testing.T, crm *sink) *site {
	s := newSite(t, reloadableConfig(crm))
	s.write("dialer.token", firstToken)
	s.write("crm.token", "crm-s3cret-1")
	s.write("mappings/desk.yaml", wayMapping("one"))
	return s
}

func reloadableConfig(crm *sink) string {
	return fmt.Sprintf(`sources: [{kind: nxcloud-events, auth: {token: {file: dialer.token}}}]
queues: {default: {region: ID}}
correlation: {settle: 200ms}
mappings_dir: mappings
destinations:
  - {name: crm, mapping: desk, url: "http://%[1]s", auth: {bearer: {file: crm.token}}, probe: 1s, retry: {first: 50ms, max: 200ms}}
  - {name: down, mapping: record, url: "http://127.0.0.1:1/", retry: {first: 1h, max: 1h}}
`, crm.addr)
}

func wayMapping(way string) string {
	return "steps: [{name: log, path: /" + way + ", repeat: safe, headers: {Idempotency-Key: \"${call.call_id}\"}, body: {id: \"${call.call_id}\"}}]\n"
}

// load posts calls until the returned function is called, which gives how many were accepted. Each post must be answered 200.
func (s *site) load(token func() string) (stop func() int) {
	var done sync.WaitGroup
	end := make(chan struct{})
	n := 0
	done.Go(func() {
		for ; ; n++ {
			select {
			case <-end:
				return
			default:
			}
			for _, body := range unanswered(fmt.Sprintf("load-%d", n)) {
				resp, err := http.Post(s.url()+"/"+token(), "application/json", strings.NewReader(body))
				if assert.NoError(s.t, err) {
					assert.Equal(s.t, 200, resp.StatusCode)
					assert.NoError(s.t, resp.Body.Close())
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	return func() int {
		close(end)
		done.Wait()
		return n
	}
}

func (s *site) edit(pairs ...string) {
	s.t.Helper()
	config, err := os.ReadFile(s.config)
	require.NoError(s.t, err)
	edited := strings.NewReplacer(pairs...).Replace(string(config))
	require.NotEqual(s.t, string(config), edited)
	s.write("wrapup.yaml", edited)
}

// reloadedBy tells the daemon by SIGHUP, and waits until the log says what came of it.
func (s *site) hangUp(says string) {
	s.t.Helper()
	before := strings.Count(s.log.String(), says)
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGHUP))
	s.eventually("the log to say: "+says, func() bool { return strings.Count(s.log.String(), says) > before })
}

// A wrong configuration is refused with the reasons, in the command's answer and in the log, and traffic goes on as before.
func TestWrongReload(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	s := reloadable(t, crm)
	s.start()
	stop := s.load(func() string { return firstToken })
	s.delivered(crm, 1)
	good, err := os.ReadFile(s.config)
	require.NoError(t, err)
	s.eventually("a backlog", func() bool { return s.waiting() > 0 })
	for name, tt := range map[string]struct {
		wrong func()
		says  string
	}{
		"a YAML error":       {func() { s.edit("sources: [", "sources: [[") }, "wrapup.yaml:"},
		"an unknown mapping": {func() { s.edit("mapping: desk", "mapping: dask") }, `destinations[0].mapping: unknown mapping "dask" (did you mean "desk"?)`},
		"a broken mapping":   {func() { s.write("mappings/desk.yaml", "steps: [{nam: x}]") }, "desk.yaml:1:"},
		"no secret file":     {func() { require.NoError(t, os.Remove(filepath.Join(s.dir, "crm.token"))) }, "auth.bearer.file: crm.token: there is no such file"},
		"a bad certificate": {func() {
			s.write("x.crt", "x")
			s.write("x.key", "y")
			s.edit("sources:", "tls: {cert: x.crt, key: x.key}\nsources:")
		}, "tls: cert and key are no pair"},
		"a renamed one":        {func() { s.edit("name: down", "name: lazy") }, `"down" is gone, and `},
		"one that disappeared": {func() { s.edit("  - {name: down", "#") }, `say "retired: [down]"`},
	} {
		tt.wrong()
		out, code := s.run("reload")
		assert.Equal(t, 1, code, "%s: %s", name, out)
		assert.Contains(t, out, tt.says, name)
		assert.Contains(t, out, "The configuration was not reloaded; the one before stays in use.", name)
		s.hangUp(`"msg":"the configuration was not reloaded`)
		assert.Contains(t, s.log.String(), strings.ReplaceAll(tt.says, `"`, `\"`), name)
		n := len(crm.requests())
		s.delivered(crm, n+3) // deliveries go on
		s.write("wrapup.yaml", string(good))
		s.write("crm.token", "crm-s3cret-1")
		s.write("mappings/desk.yaml", wayMapping("one"))
	}
	out, code := s.run("reload")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "nothing else has changed")
	n := stop()
	s.eventually("all calls", func() bool { return len(crm.keys()) == n })
	require.Zero(t, s.terminate())
	assert.NotContains(t, s.log.String(), "s3cret")
}

// keys gives the calls that came, each once.
func (s *sink) keys() map[string]bool {
	keys := map[string]bool{}
	for _, r := range s.requests() {
		keys[r.key] = true
	}
	return keys
}

func TestRightReload(t *testing.T) {
	t.Parallel()
	crm, other := newSink(t), newSink(t)
	s := reloadable(t, crm)
	s.start()
	post := func(token, body string) int {
		resp, err := http.Post(s.url()+"/"+token, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	call := func(token, id string) {
		for _, body := range unanswered(id) {
			require.Equal(t, 200, post(token, body))
		}
	}
	call(firstToken, "a")
	assert.Equal(t, "/one", s.delivered(crm, 1)[0].path)

	s.write("dialer.token", secondToken)
	s.write("mappings/desk.yaml", wayMapping("two"))
	s.edit("name: down", "was: down, name: up", "http://127.0.0.1:1/", other.url(), "admin: {", "log: {format: text}\nadmin: {listen: 127.0.0.1:0, ")
	out, code := s.run("reload")
	require.Zero(t, code, out)
	for _, want := range []string{"changed: sources[nxcloud-events].auth\n", "changed: destinations[crm].mapping\n", "changed: destinations[down] is gone\n",
		"changed: destinations[up] is new\n", "admin.listen takes effect at the next start only", "log.format takes effect at the next start only"} {
		assert.Contains(t, out, want)
	}
	out, code = s.run("reload") // what waits for a start still does
	require.Zero(t, code, out)
	assert.Contains(t, out, "admin.listen takes effect at the next start only")
	assert.Contains(t, out, "nothing else has changed")
	assert.Equal(t, 401, post(firstToken, unanswered("b")[0]))
	call(secondToken, "b")
	assert.Equal(t, "/two", s.delivered(crm, 2)[1].path)
	s.eventually("both of the renamed one", func() bool { return len(other.keys()) == 1 }) // b; a waits an hour for its retry
	out, _ = s.run("deliveries", "retry", "--destination", "down", "--yes")
	s.eventually("what waited under the old name: "+out, func() bool { return len(other.keys()) == 2 })
	out, _ = s.run("why", "b")
	assert.Regexp(t, `by the mapping desk@[0-9a-f]{8}`, out)

	// One that is gone for good keeps what waits.
	other.down()
	call(secondToken, "c")
	s.eventually("c to wait", func() bool { return s.waiting() > 0 })
	s.edit("  - {was: down, name: up", "retired: [up]\n#")
	out, code = s.run("reload")
	require.Zero(t, code, out)
	out, _ = s.run("destinations")
	assert.Regexp(t, `up +not configured +1 `, out)
	out, code = s.run("audit")
	assert.Zero(t, code, out)
	require.Zero(t, s.terminate())
	s.edit("retired: [up]\n", "")
	s.startAt("ready", "listen=") // and a start is not held up by it
	assert.Contains(t, s.log.String(), "calls wait for a destination that isn't configured")
}

// Credentials that are refused pause the destination; once they are replaced, a reload is all that it takes.
func TestReplacedCredentials(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	var mu sync.Mutex
	asked, good := 0, "crm-s3cret-2"
	crm.check = func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+good {
			asked++
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		return true
	}
	s := reloadable(t, crm)
	s.edit("probe: 1s", "probe: 5s", "  - {name: down", "#")
	s.start()
	const calls = 100
	for i := range calls {
		for _, body := range unanswered(fmt.Sprint("c", i)) {
			resp, err := http.Post(s.url()+"/"+firstToken, "application/json", strings.NewReader(body))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
	}
	s.eventually("the pause", func() bool {
		out, _ := s.run("destinations")
		return strings.Contains(out, "crm is paused") && s.waiting() == calls
	})
	s.write("crm.token", good)
	s.hangUp(`"msg":"the configuration was reloaded"`)
	s.eventually("the backlog", func() bool { return len(crm.keys()) == calls })
	mu.Lock()
	assert.LessOrEqual(t, asked, 8, "a handful of requests while it was paused")
	mu.Unlock()
	out, _ := s.run("deliveries", "list", "--state", "dead")
	assert.NotContains(t, out, "401")
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	s := reloadable(t, crm)
	s.edit("  - {name: down", "#", "admin: {", "admin: {listen: 127.0.0.1:0, ")
	s.start()
	for _, body := range unanswered("a") {
		resp, err := http.Post(s.url()+"/"+firstToken, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	s.delivered(crm, 1)
	status, _ := s.post(unanswered("b")[0])
	require.Equal(t, 401, status)
	out, code := s.run("status")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "wrapup is ready, version dev, up for ")
	assert.Regexp(t, `nxcloud-events: last post [0-9]+s ago; 2 event\(s\) stored`, out)
	assert.Contains(t, out, "1 post(s) refused from 127.0.0.1: no token")
	assert.Contains(t, out, "callback_url of nxcloud-events: "+s.url()+"/***\n")
	assert.Regexp(t, `crm +running +0 +0 +0 +0`, out)
	assert.NotContains(t, out, "\x1b", "colours are for terminals")
	assert.NotContains(t, out, firstToken)
	out, code = s.run("status", "--show-secrets")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "/events/"+firstToken+"\n")

	// What needs a person is in the first lines, and in the exit code.
	crm.answer = func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusUnprocessableEntity) }
	for _, body := range unanswered("c") {
		resp, err := http.Post(s.url()+"/"+firstToken, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	s.delivered(crm, 2)
	s.eventually("a dead one", func() bool {
		out, code = s.run("status")
		return strings.Contains(out, "! crm: 1 dead (wrapup deliveries list --destination crm --state dead)")
	})
	assert.Equal(t, 1, code)
	s.edit("mapping: desk", "mapping: dask")
	_, code = s.run("reload")
	require.Equal(t, 1, code)
	out, code = s.run("destinations", "pause", "crm", "--reason", "maintenance")
	require.Zero(t, code, out)
	out, code = s.run("status", "-o", "json")
	assert.Equal(t, 1, code)
	var got struct {
		Running   bool
		Attention []string
		Reload    struct {
			OK       bool
			Problems []string
		}
		StoreBytes int64 `json:"store_bytes"`
		FreeBytes  int64 `json:"free_bytes"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got), out)
	assert.True(t, got.Running)
	assert.False(t, got.Reload.OK)
	assert.Contains(t, strings.Join(got.Reload.Problems, "\n"), `unknown mapping "dask"`)
	assert.Contains(t, strings.Join(got.Attention, "\n"), "the last reload was refused")
	assert.Contains(t, strings.Join(got.Attention, "\n"), "crm waits for a person: maintenance")
	assert.Positive(t, got.StoreBytes)
	assert.Positive(t, got.FreeBytes)

	require.Zero(t, s.terminate())
	out, code = s.run("status")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "wrapup is not running.")
	assert.Regexp(t, `crm +stopped +0 +0 +0 +1`, out)
}

// Load balancers and the like ask without a token, and get nothing but the daemon's health.
func TestHealth(t *testing.T) {
	s := newSite(t, config("http://127.0.0.1:1/"))
	s.settleDown()
	public := s.freeAddress()
	s.edit("admin: {", "admin: {listen: "+public+", ")
	s.start()
	get := func(path string) string {
		resp, err := http.Get("http://" + public + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return fmt.Sprint(resp.StatusCode, " ", string(body))
	}
	assert.Equal(t, "200 ok\n", get("/healthz"))
	assert.Equal(t, "200 ok\n", get("/readyz"))
	for _, path := range []string{"/", "/v1/status", "/v1/reload", "/v1/story?uuid=a"} {
		assert.True(t, strings.HasPrefix(get(path), "404"), path)
	}
	require.Zero(t, s.terminate())
}

// A feed that is silent at the hours at which it is expected, and a dialer whose clock is wrong, need a person.
func TestStatusOfAFeed(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	s := reloadable(t, crm)
	public := s.freeAddress()
	s.edit("  - {name: down", "#", "admin: {", "admin: {listen: "+public+", ", "auth: {token: {file: dialer.token}}}", "auth: {token: {file: dialer.token}}, "+
		"expect: {hours: \"00:00-24:00\", zone: Asia/Jakarta, within: 1s}}")
	s.start()
	s.eventually("silence to be noticed", func() bool {
		out, code := s.run("status")
		return code == 1 && strings.Contains(out, "! source nxcloud-events: nothing has come for ")
	})
	assert.Equal(t, "1", value(t, scrape(t, public), "wrapup_source_silent", `source="nxcloud-events"`))
	s.edit("within: 1s", "within: 1h")
	_, code := s.run("reload")
	require.Zero(t, code)
	out, code := s.run("status")
	assert.Zero(t, code, out)
	assert.Equal(t, "0", value(t, scrape(t, public), "wrapup_source_silent", `source="nxcloud-events"`))

	ahead := time.Now().Add(time.Hour)
	for i := range 10 {
		body := fmt.Sprintf(`{"type":2,"state":1,"callid":"104906","uuid":"call-%d","callphone":"812345613","time":"%d","info":"x"}`, i, ahead.UnixMicro())
		resp, err := http.Post(s.url()+"/"+firstToken, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	out, code = s.run("status")
	assert.Equal(t, 1, code)
	assert.Regexp(t, `! source nxcloud-events: the dialer's clock is (1h|59m\d+s) ahead of ours`, out)
	require.Zero(t, s.terminate())
}

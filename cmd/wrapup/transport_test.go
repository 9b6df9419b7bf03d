package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reason waits until a destination is paused, and gives what is said about it.
func (s *site) reason(destination string) string {
	s.t.Helper()
	said := ""
	s.eventually(destination+" to be paused", func() bool {
		out, _ := s.run("destinations")
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, destination+" is paused since") {
				said = line
			}
		}
		return said != ""
	})
	return said
}

// A certificate that an authority of one's own has signed is believed if the configuration says so, also where tokens are
// had; what it says about proxies and addresses holds, too.
func TestTransport(t *testing.T) {
	t.Parallel()
	var tokens, calls, proxied atomic.Int32
	crm := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			tokens.Add(1)
			_, _ = io.WriteString(w, `{"access_token":"acc3ss","expires_in":3600}`)
			return
		}
		assert.Equal(t, "Bearer acc3ss", r.Header.Get("Authorization"))
		assert.Equal(t, "HTTP/2.0", r.Proto)
		calls.Add(1)
	}))
	crm.EnableHTTP2 = true
	crm.Config.ErrorLog = nil
	crm.StartTLS()
	t.Cleanup(crm.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodConnect, r.Method)
		user, password, ok := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		assert.Equal(t, "bot pr0xy-pass true", fmt.Sprint(user, " ", password, " ", ok))
		proxied.Add(1)
		there, err := net.Dial("tcp", r.URL.Host)
		if !assert.NoError(t, err) {
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(there, here)
			_ = there.Close()
		}()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	t.Cleanup(proxy.Close)

	s := newSite(t, fmt.Sprintf(`sources: [{kind: nxcloud-events}]
correlation: {settle: 10ms}
destinations:
  - name: crm
    mapping: record
    url: %[1]s/calls
    probe: 500ms
    proxy: {file: proxy}
    connect_timeout: 5s
    #ca: ca.pem
    auth: {oauth2: {token_url: "%[1]s/token", grant: client_credentials, client_id: id, client_secret: {file: secret}}}
  - {name: metadata, mapping: record, url: "http://169.254.169.254/latest", proxy: none}
`, crm.URL))
	s.write("secret", "cl1ent")
	s.write("proxy", strings.Replace(proxy.URL, "http://", "http://bot:pr0xy-pass@", 1))
	s.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: crm.Certificate().Raw})))
	s.start()
	s.accepted(unanswered("a")...)
	assert.Contains(t, s.reason("crm"), "certificate")
	assert.Contains(t, s.reason("metadata"), "169.254.169.254 is a link-local address: connections there are refused")
	assert.Zero(t, tokens.Load())
	require.Zero(t, s.terminate())
	assert.NotContains(t, s.log.String(), "pr0xy-pass")

	content, err := os.ReadFile(s.config)
	require.NoError(t, err)
	s.write("wrapup.yaml", strings.Replace(string(content), "#ca: ", "ca: ", 1))
	s.start()
	s.eventually("the call to be taken", func() bool { return calls.Load() == 1 })
	assert.EqualValues(t, 1, tokens.Load())
	assert.Positive(t, proxied.Load())
}

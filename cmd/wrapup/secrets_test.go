package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// secretsOfTest are the secrets of a configuration that uses each way there is to give one. Each is searched for in all that
// the daemon and the commands write, as it is and in the forms in which requests carry it.
func secretsOfTest() map[string]string {
	list := map[string]string{}
	for _, name := range []string{"path-token", "query-token", "header-token", "dialer-password", "bearer", "basic-password", "header-value",
		"url-path", "url-query", "headers-value", "mapping-header", "mapping-body", "mapping-query", "login-password", "session-token",
		"auth-query", "client-secret", "granted-refresh", "access-token", "rotated-refresh", "hmac-secret"} {
		list[name] = "zq7/" + name + "+0123456789=="
	}
	list["sign-secret"] = "whsec_" + base64.StdEncoding.EncodeToString([]byte("zq7/sign-secret+0123456789=="))
	return list
}

// mayBeStored are the secrets that the store may hold, with why.
func mayBeStored() map[string]string {
	return map[string]string{
		"rotated-refresh": "it came in place of the configured one, which is spent: without it the access ends with the process",
		"access-token":    "it came with the refresh token: a refresh token that was just used is not used again for the next process",
	}
}

// quote gives a text as it stands in JSON, without the quotes.
func quote(text string) []byte {
	quoted, _ := json.Marshal(text) // a text can always be written
	return quoted[1 : len(quoted)-1]
}

// forms gives the forms in which a secret travels.
func forms(secret string) []string {
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quote(secret)), base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("bot:" + secret)), base64.StdEncoding.EncodeToString([]byte("wrapup:" + secret)),
		secret[:12]} // the beginning of one that was cut
}

// parrot is a CRM that refuses everything, in as many ways as there are, and repeats in its answer all that was asked.
func parrot(t *testing.T, secrets map[string]string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		if r.URL.Path == "/token" {
			form, err := url.ParseQuery(string(body))
			assert.NoError(t, err)
			assert.Equal(t, secrets["granted-refresh"], form.Get("refresh_token"))
			_ = json.NewEncoder(w).Encode(map[string]any{"access_token": secrets["access-token"], "refresh_token": secrets["rotated-refresh"], "expires_in": 3600})
			return
		}
		if r.URL.Path == "/no-token" {
			w.WriteHeader(400)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_client", "error_description": string(body) + r.Header.Get("Authorization")})
			return
		}
		if r.URL.Path == "/login" {
			_ = json.NewEncoder(w).Encode(map[string]string{"session_token": secrets["session-token"]})
			return
		}
		var said bytes.Buffer
		fmt.Fprintf(&said, "%s %s\n", r.Method, r.RequestURI)
		_ = r.Header.Write(&said)
		said.Write(body)
		status := map[string]int{"a": 400, "b": 500, "c": 302, "d": 401, "e": 404}[r.Header.Get("X-Call")]
		if status == 302 {
			w.Header().Set("Location", "https://user:"+url.QueryEscape(secrets["bearer"])+"@example.com/?"+r.URL.RawQuery)
		}
		w.WriteHeader(max(status, 400))
		_ = json.NewEncoder(w).Encode(map[string]string{"message": said.String()})
	}))
	t.Cleanup(s.Close)
	return s
}

// Known secrets go in by every door, and deliveries fail in every way. Then all that was written is searched: logs, answers,
// what commands print, and what the store holds, unpacked.
func TestSecretsAreNowhere(t *testing.T) {
	secrets := secretsOfTest()
	crm := parrot(t, secrets)
	t.Setenv("DIALER_QUERY_TOKEN", secrets["query-token"])
	var b strings.Builder
	fmt.Fprintf(&b, `mappings_dir: mappings
correlation: {settle: 10ms}
sources:
  - {name: path, kind: nxcloud-events, path: /path, auth: {token: {file: path-token}}}
  - {name: query, kind: nxcloud-events, path: /query, auth: {token: {env: DIALER_QUERY_TOKEN}, in: query}}
  - {name: header, kind: nxcloud-events, path: /header, auth: {token: {file: header-token}, in: header, allow: [127.0.0.0/8]}}
  - {name: basic, kind: nxcloud-events, path: /basic, auth: {basic: {user: bot, password: {file: dialer-password}}}}
destinations:
  - {name: bearer, mapping: record, url: "%[1]s/x", auth: {bearer: {file: bearer}}, retry: {first: 50ms, max: 100ms}}
  - {name: basic, mapping: record, url: "%[1]s/x", auth: {basic: {user: bot, password: {file: basic-password}}}, retry: {first: 50ms, max: 100ms}}
  - {name: header, mapping: record, url: "%[1]s/x", auth: {header: {name: X-Api-Key, value: {file: header-value}}}}
  - {name: headers, mapping: record, url: "%[1]s/x", headers: {X-Tenant: {file: headers-value}}}
  - {name: address, mapping: record, url: {file: address}}
  - {name: nobody, mapping: record, url: {file: nobody}, retry: {first: 50ms, max: 100ms}}
  - {name: query, mapping: record, url: "%[1]s/x", auth: {query: {name: key, value: {file: auth-query}}}}
  - {name: hmac, mapping: record, url: "%[1]s/x", auth: {hmac: {header: X-Signature, secret: {file: hmac-secret}}}}
  - {name: sign, mapping: record, url: "%[1]s/x", sign: {file: sign-secret}}
  - name: granted
    mapping: record
    url: "%[1]s/x"
    auth: {oauth2: {token_url: "%[1]s/token", grant: refresh_token, refresh_token: {file: granted-refresh}}}
  - name: client
    mapping: record
    url: "%[1]s/x"
    auth: {oauth2: {token_url: "%[1]s/no-token", grant: client_credentials, client_id: wrapup, client_secret: {file: client-secret}}}
  - name: basic-client
    mapping: record
    url: "%[1]s/x"
    auth: {oauth2: {token_url: "%[1]s/no-token", grant: client_credentials, client_in: basic, client_id: wrapup, client_secret: {file: client-secret}}}
  - name: mapping
    mapping: all
    url: "%[1]s"
    secrets: {header: {file: mapping-header}, body: {file: mapping-body}, query: {file: mapping-query}, login: {file: login-password}}
`, crm.URL)
	s := newSite(t, b.String())
	for name, value := range secrets {
		s.write(name, value+"\n")
	}
	secretURL := "/" + url.PathEscape(secrets["url-path"]) + "?key=" + url.QueryEscape(secrets["url-query"])
	s.write("address", crm.URL+secretURL)
	s.write("nobody", "http://127.0.0.1:1"+secretURL)
	s.write("mappings/all.yaml", `
headers: {X-Key: "${secrets.header}"}
secrets: [header, body, query, login]
session: {method: POST, path: /login, body: {user: bot, password: "${secrets.login}"}, save: {token: "${response.body.session_token}"}}
steps:
  - name: log
    path: /log
    repeat: safe
    headers: {X-Session: "${session.token}", X-Call: "${call.call_id}"}
    query: {key: "${secrets.query}"}
    body: {id: "${call.call_id}", key: "${secrets.body}", session: "${session.token}"}
    answers: {error: "${response.body.message}"}
    save: {all: "${response.body}"}
`)
	checked, code := s.run("check")
	require.Zero(t, code, checked)
	s.start()

	var seen []string // all that was written to people
	post := func(target, token string, change func(*http.Request)) {
		for _, uuid := range []string{"a", "b", "c", "d", "e"} {
			for _, body := range unanswered(uuid) {
				req, err := http.NewRequest(http.MethodPost, "http://"+s.addr+target, strings.NewReader(body))
				require.NoError(t, err)
				change(req)
				resp, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				answer, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				seen = append(seen, string(answer))
				assert.Equal(t, map[bool]int{true: 200, false: 401}[token != ""], resp.StatusCode, target)
			}
		}
	}
	nothing := func(*http.Request) {}
	post("/path/"+url.PathEscape(secrets["path-token"]), "x", nothing)
	post("/query?token="+url.QueryEscape(secrets["query-token"]), "x", nothing)
	post("/header", "x", func(r *http.Request) { r.Header.Set("Token", secrets["header-token"]) })
	post("/basic", "x", func(r *http.Request) { r.SetBasicAuth("bot", secrets["dialer-password"]) })
	// Nearly right, and in the wrong place.
	post("/path/"+url.PathEscape(secrets["path-token"])+"x", "", nothing)
	post("/query?token=x"+url.QueryEscape(secrets["query-token"]), "", nothing)
	post("/header?token="+url.QueryEscape(secrets["header-token"]), "", func(r *http.Request) { r.Header.Set("Authorization", secrets["header-token"]) })
	post("/basic", "", func(r *http.Request) { r.SetBasicAuth(secrets["dialer-password"], "bot") })

	s.eventually("each destination to have failed", func() bool {
		failed := map[string]bool{}
		for _, d := range s.listed() {
			if d.Failed > 0 || d.State != "waiting" || d.Reason != "" {
				failed[d.Destination] = true
			}
		}
		return len(failed) == 13
	})
	for _, args := range [][]string{{"check"}, {"why", "a"}, {"why", "b"}, {"why", "a", "-o", "json"}, {"deliveries", "list"}, {"deliveries", "list", "-o", "json"},
		{"deliveries", "show", "a"}, {"deliveries", "show", "b", "-o", "json"}, {"deliveries", "show", "c"}, {"deliveries", "show", "d"}, {"deliveries", "show", "e"},
		{"deliveries", "retry", "--state", "dead", "--yes"}, {"destinations"}, {"destinations", "-o", "json"}, {"sources"}, {"sources", "-o", "json"},
		{"quarantine", "list"}, {"agents"}, {"queues"}, {"audit"}, {"mappings", "list"}, {"mappings", "show", "all"}, {"preview", "--destination", "mapping"},
		{"preview", "--destination", "address"}, {"preview", "--destination", "bearer"}} {
		out, _ := s.run(args...)
		seen = append(seen, out)
	}
	for _, name := range []string{"bearer", "basic", "header", "headers", "address", "nobody", "query", "hmac", "sign", "granted", "client", "basic-client", "mapping"} {
		out, code := s.run("destinations", "test", name, "--create", "--yes")
		assert.Equal(t, 1, code, out)
		seen = append(seen, out)
		out, _ = s.run("destinations", "test", name, "--create", "--yes", "-o", "json")
		seen = append(seen, out)
	}
	// A secret that is gone, and one that can't be sent, are said without what they are.
	s.write("bearer", secrets["bearer"]+"\nx\n")
	out := s.fails("check")
	assert.Contains(t, out, "auth.bearer")
	seen = append(seen, out)
	require.Zero(t, s.terminate())
	require.Greater(t, strings.Count(s.log.String(), "\n"), 20)

	written := map[string]string{"what people saw": strings.Join(seen, "\n"), "the log": s.log.String(), "the store": unpacked(t, s)}
	require.NoError(t, filepath.WalkDir(filepath.Join(s.dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		written[path] = string(content)
		return err
	}))
	allowed := mayBeStored()
	for name, why := range allowed {
		assert.Contains(t, written["the store"], string(quote(secrets[name])), "%s needn't be stored any more (%s)", name, why)
	}
	for where, text := range written {
		for _, name := range slices.Sorted(maps.Keys(secrets)) {
			if allowed[name] != "" && where != "the log" && where != "what people saw" {
				continue
			}
			for _, form := range forms(secrets[name]) {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("%s has %s: …%.300s…", where, name, text[max(0, i-100):])
					break
				}
			}
		}
	}
}

// unpacked gives all bodies that the store holds, as they were before they were compressed.
func unpacked(t *testing.T, s *site) string {
	store, err := bolt.Open(filepath.Join(s.dir, "data", storeFile), bolt.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	var all strings.Builder
	require.NoError(t, store.Open(t.Context(), func(group string, items []outbox.Item) error {
		for _, item := range items {
			fmt.Fprintf(&all, "%s %s %s\n", group, item.ID, item.Body)
		}
		return nil
	}))
	days, err := store.Days(t.Context())
	require.NoError(t, err)
	entries := 0
	for _, day := range days {
		list, err := store.Walk(t.Context(), day, 0, 1000)
		require.NoError(t, err)
		for _, e := range list {
			entries++
			fmt.Fprintf(&all, "%s %s %s\n", e.Group, e.ID, e.Body)
			for _, row := range e.Rows {
				fmt.Fprintf(&all, "%s %s\n", row.Name, row.Body)
			}
		}
		counts, err := store.Counts(t.Context(), day)
		require.NoError(t, err)
		fmt.Fprintln(&all, counts)
	}
	require.Equal(t, 5, entries)
	for _, text := range regexp.MustCompile(`[A-Za-z0-9+/]{24,}={0,2}`).FindAllString(all.String(), -1) { // bytes in JSON
		if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
			fmt.Fprintf(&all, "%s\n", plain)
		}
	}
	return all.String()
}

package admin

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/outbox/bolt"
)

// FuzzRequest: whatever is asked of the daemon, it answers in JSON, and takes what is no request of ours for the asker's
// fault, not for its own.
func FuzzRequest(f *testing.F) {
	for _, path := range []string{"/v1/story?uuid=a", "/v1/agents", "/v1/queues?days=30", "/v1/queues?days=-1", "/v1/days", "/v1/audit?day=2026-05-01", "/v1/audit?day=x",
		"/v1/deliveries?limit=3&state=dead&since=2026-05-01T00:00:00Z", "/v1/deliveries?after=b.637276.00", "/v1/destinations", "/v1/intake", "/v1/quarantine?id=x"} {
		f.Add("GET", path, "")
	}
	for _, order := range []string{`{"deliveries":[{"destination":"crm","task":"w00112233445566778899aabbccddeeff.1.2.3"}],"reason":"x"}`, `{"deliveries":null,"parked":true}`,
		`{"destination":"crm","reason":"x"}`, `{"ids":["x"],"reason":"x"}`, `{"ids":null,"limit":-1,"after":"x","since":"2026-05-01T00:00:00Z"}`, `{"to":"crm","calls":{"phone":"+62812345613","outcomes":["busy"]},"do":true}`, `{"to":"nobody"}`, `{"to":"crm","calls":{"open":true}}`,
		`{"x":1}`, `[`} {
		for _, path := range []string{"/v1/deliveries/retry", "/v1/deliveries/drop", "/v1/destinations/pause", "/v1/destinations/resume", "/v1/quarantine/list",
			"/v1/quarantine/retry", "/v1/quarantine/drop", "/v1/backfill"} {
			f.Add("POST", path, order)
		}
	}
	store, err := bolt.Open(filepath.Join(f.TempDir(), "wrapup.db"), bolt.Options{})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, store.Close()) })
	h := Handler(Source{
		Store: store, Now: func() time.Time { return t0 }, Destinations: func() []string { return []string{"crm"} },
		Lanes: map[string]Lane{"crm": &idle{}}, Live: nobody{}, QueueName: func(string) string { return "" },
		Quarantine: nothing{}, Intake: nothing{},
	}, slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/v1/") || method != "GET" && method != "POST" {
			return
		}
		req := httptest.NewRequest(method, "/", strings.NewReader(body))
		req.URL = u
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Header().Get("Content-Type") == "application/json" {
			require.True(t, json.Valid(w.Body.Bytes()), w.Body.String())
			require.Contains(t, []int{http.StatusOK, http.StatusBadRequest, http.StatusConflict}, w.Code, "%s %s: %s", method, target, w.Body)
		} else {
			require.Contains(t, []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusNotFound, http.StatusMethodNotAllowed}, w.Code, "%s %s", method, target)
		}
	})
}

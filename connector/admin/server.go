package admin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"wrapup/connector"
)

const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// Handler serves the API.
func Handler(s Source, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := answer(r)
			status := http.StatusOK
			if err != nil {
				log.Error("an admin request failed", "pattern", pattern, "error", err)
				v, status = map[string]string{"error": err.Error()}, http.StatusInternalServerError
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			if err := json.NewEncoder(w).Encode(v); err != nil {
				log.Debug("an admin answer was not read", "error", err)
			}
		})
	}
	// The uuid is whatever the dialer sent, such as "..": it must not be a part of the path.
	handle("GET /v1/story", func(r *http.Request) (any, error) { return s.Story(r.Context(), r.URL.Query().Get("uuid")) })
	handle("GET /v1/deliveries", func(r *http.Request) (any, error) {
		q := r.URL.Query()
		limit, err := strconv.Atoi(q.Get("limit"))
		if err != nil || limit < 1 {
			limit = defaultLimit
		}
		return s.Deliveries(r.Context(), ListQuery{
			Destination: q.Get("destination"), State: connector.DeliveryState(q.Get("state")), Limit: min(limit, maxLimit),
		})
	})
	handle("GET /v1/agents", func(r *http.Request) (any, error) { return s.Agents(r.Context()) })
	handle("GET /v1/queues", func(r *http.Request) (any, error) {
		days, err := strconv.Atoi(r.URL.Query().Get("days"))
		if err != nil {
			return nil, fmt.Errorf("days: expected a number: %w", err)
		}
		return s.Queues(r.Context(), days)
	})
	return mux
}

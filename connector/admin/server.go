package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"wrapup/connector"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	// maxOrder bounds the body of a POST.
	maxOrder = 1 << 20
)

// BadRequest is a request that can't be meant: no phone number, or a place that no list gave. It is the command line that is wrong.
type BadRequest string

// Error implements error.
func (b BadRequest) Error() string { return string(b) }

// refusal is what can't be done as things stand.
type refusal string

func (r refusal) Error() string { return string(r) }

func statusOf(err error) int {
	var bad BadRequest
	var no refusal
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.As(err, &no):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// Handler serves the API.
func Handler(s Source, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := answer(r)
			status := http.StatusOK
			if err != nil {
				v, status = map[string]string{"error": err.Error()}, statusOf(err)
				if status == http.StatusInternalServerError {
					log.Error("an admin request failed", "pattern", pattern, "error", err)
				}
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
	handle("GET /v1/why", func(r *http.Request) (any, error) {
		q := WhyQuery{Of: r.URL.Query().Get("of"), As: r.URL.Query().Get("as")}
		if text := r.URL.Query().Get("attempt"); text != "" {
			var err error
			if q.Attempt, err = strconv.Atoi(text); err != nil {
				return nil, BadRequest("attempt: expected a number")
			}
		}
		return s.Why(r.Context(), q)
	})
	handle("POST /v1/calls/list", func(r *http.Request) (any, error) { // a number has no place in a path that may be logged
		var q CallQuery
		if err := readOrder(r, &q); err != nil {
			return nil, err
		}
		return s.Calls(r.Context(), q)
	})
	handle("POST /v1/erase", func(r *http.Request) (any, error) {
		var o EraseOrder
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		done, err := s.Erase(r.Context(), o)
		if err == nil && o.Do && len(done.Calls)+len(done.Open)+len(done.Quarantined) > 0 {
			log.Info("a number was erased by a person", "calls", len(done.Calls), "open_calls", len(done.Open), "quarantined", len(done.Quarantined))
		}
		return done, err
	})
	handle("POST /v1/backfill", func(r *http.Request) (any, error) {
		var o BackfillOrder
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		done, err := s.Backfill(r.Context(), o)
		if err == nil && o.Do && done.Calls > 0 {
			log.Info("stored calls were given to a destination by a person", "destination", o.To, "calls", done.Calls)
		}
		return done, err
	})
	handle("GET /v1/mappings", func(*http.Request) (any, error) { return append([]RunningMapping{}, s.Mappings...), nil })
	handle("GET /v1/agents", func(r *http.Request) (any, error) { return s.Agents(r.Context()) })
	handle("GET /v1/queues", func(r *http.Request) (any, error) {
		days, err := strconv.Atoi(r.URL.Query().Get("days"))
		if err != nil {
			return nil, BadRequest("days: expected a number")
		}
		return s.Queues(r.Context(), days)
	})
	handle("GET /v1/days", func(r *http.Request) (any, error) { return s.Days(r.Context()) })
	handle("GET /v1/audit", func(r *http.Request) (any, error) { return s.Audit(r.Context(), r.URL.Query().Get("day")) })
	handle("GET /v1/deliveries", func(r *http.Request) (any, error) {
		q, err := parseListQuery(r.URL.Query())
		if err != nil {
			return nil, err
		}
		return s.Deliveries(r.Context(), q)
	})
	handle("POST /v1/deliveries/retry", func(r *http.Request) (any, error) {
		var o Order
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		changed, err := s.Retry(r.Context(), o)
		logChanged(log, "deliveries were retried by a person", changed, "")
		return changed, err
	})
	handle("POST /v1/deliveries/drop", func(r *http.Request) (any, error) {
		var o Order
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		changed, err := s.Drop(r.Context(), o)
		logChanged(log, "deliveries were dropped by a person", changed, o.Reason)
		return changed, err
	})
	handle("GET /v1/destinations", func(r *http.Request) (any, error) { return s.DestinationStatus(r.Context()) })
	handle("POST /v1/destinations/pause", func(r *http.Request) (any, error) {
		var o destinationOrder
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		return struct{}{}, s.Pause(r.Context(), o.Destination, o.Reason)
	})
	handle("POST /v1/destinations/test", func(r *http.Request) (any, error) {
		var o TestOrder
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		return s.TestDestination(r.Context(), o)
	})
	handle("POST /v1/destinations/resume", func(r *http.Request) (any, error) {
		var o destinationOrder
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		return struct{}{}, s.Resume(r.Context(), o.Destination)
	})
	s.handleReload(handle)
	s.handleStatus(handle)
	mux.HandleFunc("POST /v1/events", s.serveEvents)
	mux.HandleFunc("GET /v1/backup", s.serveBackup(log))
	handle("GET /v1/intake", func(r *http.Request) (any, error) { return s.IntakeStatus(r.Context()) })
	handle("POST /v1/quarantine/list", func(r *http.Request) (any, error) { // a GET's query is too short for many IDs
		var q connector.QuarantineQuery
		if err := readOrder(r, &q); err != nil {
			return nil, err
		}
		return s.Quarantined(r.Context(), q)
	})
	handle("GET /v1/quarantine", func(r *http.Request) (any, error) {
		return s.QuarantinedBody(r.Context(), r.URL.Query().Get("id"))
	})
	handle("POST /v1/quarantine/retry", func(r *http.Request) (any, error) {
		var o QuarantineOrder
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		changed, err := s.RetryQuarantined(r.Context(), o)
		logQuarantine(log, "posts in quarantine were retried by a person", changed, "")
		return changed, err
	})
	handle("POST /v1/quarantine/drop", func(r *http.Request) (any, error) {
		var o QuarantineOrder
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		changed, err := s.DropQuarantined(r.Context(), o)
		logQuarantine(log, "posts in quarantine were dropped by a person", changed, o.Reason)
		return changed, err
	})
	return mux
}

func logQuarantine(log *slog.Logger, message string, changed []connector.QuarantineChange, reason string) {
	done, stored := 0, 0
	for _, c := range changed {
		if c.Done {
			done++
		}
		stored += c.Stored
	}
	if done > 0 {
		log.Info(message, "count", done, "of", len(changed), "stored", stored, "reason", reason) //nolint:sloglint // one of two
	}
}

type destinationOrder struct {
	Destination string `json:"destination"`
	Reason      string `json:"reason,omitempty"`
}

// readOrder reads a body that asks for a change. The type is asked for because a form of a web page can't have it.
func readOrder(r *http.Request, into any) error {
	if r.Header.Get("Content-Type") != "application/json" {
		return BadRequest("Content-Type: expected application/json")
	}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxOrder))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return BadRequest("the body can't be read: " + err.Error())
	}
	return nil
}

func logChanged(log *slog.Logger, message string, changed []Changed, reason string) {
	n := map[string]int{}
	for _, c := range changed {
		if c.Done {
			n[c.Destination]++
			log.Debug(message, "destination", c.Destination, "call", c.CallID, "was", c.State) //nolint:sloglint // one of two
		}
	}
	for destination, n := range n {
		log.Info(message, "destination", destination, "count", n, "reason", reason) //nolint:sloglint // one of two
	}
}

// values writes a query for the wire.
func (q ListQuery) values() url.Values {
	v := url.Values{"limit": {strconv.Itoa(q.Limit)}, "uuid": q.UUIDs}
	for name, value := range map[string]string{"destination": q.Destination, "reason": q.Reason, "queue": q.Queue, "after": q.After} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for _, s := range q.States {
		v.Add("state", string(s))
	}
	for name, t := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !t.IsZero() {
			v.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	return v
}

// parseListQuery reads what values writes.
func parseListQuery(v url.Values) (ListQuery, error) {
	q := ListQuery{
		Destination: v.Get("destination"), Reason: v.Get("reason"), Queue: v.Get("queue"), After: v.Get("after"), UUIDs: v["uuid"],
	}
	for _, s := range v["state"] {
		q.States = append(q.States, connector.DeliveryState(s))
	}
	for name, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := v.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return q, BadRequest(fmt.Sprintf("%s %q: expected a time as in RFC 3339", name, text))
			}
			*into = t
		}
	}
	var err error
	if q.Limit, err = strconv.Atoi(v.Get("limit")); err != nil || q.Limit < 1 {
		q.Limit = defaultLimit
	}
	q.Limit = min(q.Limit, maxLimit)
	return q, nil
}

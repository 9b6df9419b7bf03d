package bench

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// Bare is the least that a receiver of events can be: it decodes the same JSON, stores nothing, and answers as much. What
// it takes is what the machine and net/http can take.
func Bare() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			return // the sender is gone
		}
		var event struct {
			Info, Time, UUID, CallID, CallPhone, AgentID, SIPID, Username string
			Type, State                                                   int
		}
		if err := json.Unmarshal(body, &event); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"stored":1,"repeated":0}`+"\n")
	})
}

// Send is the least that a sender of records can be: it posts the same body as fast as it is taken, with as many requests under
// way as the daemon has, and stores nothing.
func Send(ctx context.Context, url string, long time.Duration, body []byte) (Load, error) {
	return load(ctx, url, sends, long, func() []byte { return body })
}

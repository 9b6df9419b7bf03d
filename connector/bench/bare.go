package bench

import (
	"encoding/json"
	"io"
	"net/http"
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

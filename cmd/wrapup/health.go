package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"wrapup/outbox"
)

func isFull(err error) bool { return errors.Is(err, outbox.ErrFull) }

// healthTime is how long the store may take to answer those who ask for the daemon's health.
const healthTime = 5 * time.Second

// public is what is answered to everybody at admin.listen: the daemon's health, without a token, and its metrics.
func (d *daemon) public() *http.ServeMux {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, wrong []string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if len(wrong) == 0 {
			_, _ = fmt.Fprintln(w, "ok") // whoever asked may be gone
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, why := range wrong {
			_, _ = fmt.Fprintln(w, why)
		}
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { answer(w, d.unhealthy(r.Context())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, d.unready(r.Context())) })
	mux.Handle("GET /metrics", d.meters.handler(d.log))
	return mux
}

// unhealthy says why the daemon should be started anew.
func (d *daemon) unhealthy(ctx context.Context) (why []string) {
	if err := d.checkHealth(ctx, healthTime); err != nil {
		why = append(why, err.Error())
	}
	return why
}

// unready says why no events should be sent here.
func (d *daemon) unready(ctx context.Context) (why []string) {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	if d.stopping.Load() {
		why = append(why, "it is being stopped")
	}
	if err := healthy(ctx, d.parts.store); err != nil {
		return append(why, "events can't be stored: "+err.Error())
	}
	if room := d.parts.room.check(); room != "" { // the store itself would take them: its room is for what is to be delivered
		why = append(why, "events are refused: "+room)
	}
	if full := d.parts.room.refusing(); full != "" {
		why = append(why, "events are refused: "+full)
	}
	return why
}

// listenPublic listens at admin.listen; nil if there is none.
func (d *daemon) listenPublic(ctx context.Context) (net.Listener, error) {
	address := d.config.Admin.Listen
	if address == "" {
		return nil, nil //nolint:nilnil // nobody is to listen
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %s can't be listened on: %w", address, err)
	}
	return l, nil
}

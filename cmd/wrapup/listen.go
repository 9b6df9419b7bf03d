package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"wrapup/connector/intake"
)

// listenEvents gives the listener of the dialer's posts: the socket that systemd holds (wrapup.socket), else one of our own.
// One that systemd holds outlives the process: whoever connects meanwhile waits for the next one, and isn't refused.
func (d *daemon) listenEvents(ctx context.Context) (l net.Listener, inherited bool, err error) {
	passed, err := activation.Listeners()
	if err != nil {
		return nil, false, fmt.Errorf("the sockets of systemd can't be used: %w", err)
	}
	if len(passed) > 0 {
		if passed[0] == nil || len(passed) > 1 {
			for _, l := range passed {
				if l != nil {
					err = errors.Join(err, l.Close())
				}
			}
			return nil, false, errors.Join(fmt.Errorf("systemd passes %d sockets: wrapup takes one stream socket, that of the dialer's posts "+
				"(one ListenStream= in wrapup.socket)", len(passed)), err)
		}
		return passed[0], true, nil
	}
	l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", d.config.Listen)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, false, fmt.Errorf("listen: %s can't be listened on: %w (set another address with listen, or --listen)", d.config.Listen, err)
	}
	return l, false, nil
}

// goodbye is how long connections that are kept open are waited for, at most, once nobody new is let in: the next post on
// each is answered, and told that the connection ends. Closing one at once could meet a post that is on its way, and a dialer
// doesn't ask twice.
const goodbye = 3 * time.Second

// parting has the connections end with their next answer once the daemon is being stopped.
func (d *daemon) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// sayGoodbye lets nobody new in, and waits until those who are there have gone, or the time is over.
func sayGoodbye(gate *intake.Gate) {
	_ = gate.Close() // the server does it again, and tells of errors
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(goodbye); gate.Connections() > 0 && time.Now().Before(end); {
		<-tick.C
	}
}

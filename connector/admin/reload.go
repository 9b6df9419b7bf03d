package admin

import (
	"context"
	"net/http"

	"wrapup/connector"
)

// handleReload serves what is about the configuration.
func (s Source) handleReload(handle func(pattern string, answer func(r *http.Request) (any, error))) {
	handle("POST /v1/reload", func(r *http.Request) (any, error) {
		var nothing struct{}
		if err := readOrder(r, &nothing); err != nil {
			return nil, err
		}
		if s.Reload == nil {
			return nil, refusal("this daemon can't reload")
		}
		// Whoever asked may go away: it is done whole all the same.
		return s.Reload(context.WithoutCancel(r.Context())), nil
	})
}

// Reload has the daemon read its configuration again. What it found wrong is in the answer, and no error.
func (c *Client) Reload(ctx context.Context) (*connector.Reload, error) {
	r := new(connector.Reload)
	return r, c.post(ctx, "/v1/reload", struct{}{}, r)
}

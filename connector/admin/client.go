package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"wrapup/connector"
)

// Client asks a running daemon.
type Client struct{ http *http.Client }

// NewClient makes a client for the daemon at this unix socket.
func NewClient(socket string) *Client {
	return &Client{http: &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
	}}
}

// Close lets go of the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Story asks for all that is known of a uuid.
func (c *Client) Story(ctx context.Context, uuid string) (*Story, error) {
	s := new(Story)
	return s, c.get(ctx, "/v1/story?"+url.Values{"uuid": {uuid}}.Encode(), s)
}

// Deliveries asks for the list of deliveries.
func (c *Client) Deliveries(ctx context.Context, q ListQuery) ([]ListedDelivery, error) {
	v := url.Values{"destination": {q.Destination}, "state": {string(q.State)}, "limit": {strconv.Itoa(q.Limit)}}
	var list []ListedDelivery
	return list, c.get(ctx, "/v1/deliveries?"+v.Encode(), &list)
}

// Agents asks what the agents do.
func (c *Client) Agents(ctx context.Context) ([]connector.AgentNow, error) {
	var list []connector.AgentNow
	return list, c.get(ctx, "/v1/agents", &list)
}

// Queues asks how the queues did over the last days.
func (c *Client) Queues(ctx context.Context, days int) ([]QueueStats, error) {
	var list []QueueStats
	return list, c.get(ctx, "/v1/queues?days="+strconv.Itoa(days), &list)
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://wrapup"+path, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if resp.StatusCode != http.StatusOK {
		var refused struct{ Error string }
		if err := json.NewDecoder(resp.Body).Decode(&refused); err != nil || refused.Error == "" {
			return fmt.Errorf("the daemon answered %s", resp.Status)
		}
		return fmt.Errorf("the daemon answered: %s", refused.Error)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the daemon's answer can't be read: %w", err)
	}
	return nil
}

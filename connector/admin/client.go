package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
		Timeout:   time.Minute,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, socket) }},
	}}
}

// ForbiddenError is that this user may not ask the daemon at a socket.
type ForbiddenError string

// Error implements error.
func (f ForbiddenError) Error() string {
	return fmt.Sprintf("this user may not ask the daemon at %s: root may, and whoever is in the group of the socket (ls -l says which)", string(f))
}

func dial(ctx context.Context, socket string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if errors.Is(err, fs.ErrPermission) {
		return nil, ForbiddenError(socket)
	}
	return conn, err
}

// do sends a request. That it isn't allowed says all there is to say, and an address that nobody knows nothing.
func do(c *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := c.Do(req)
	var no ForbiddenError
	if errors.As(err, &no) {
		return nil, no
	}
	return resp, err
}

// Close lets go of the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Story asks for all that is known of a uuid.
func (c *Client) Story(ctx context.Context, uuid string) (*Story, error) {
	s := new(Story)
	return s, c.get(ctx, "/v1/story?"+url.Values{"uuid": {uuid}}.Encode(), s)
}

// Why asks for all that is known of a call, named in any way.
func (c *Client) Why(ctx context.Context, q WhyQuery) (*Story, error) {
	s := new(Story)
	return s, c.get(ctx, "/v1/why?"+url.Values{"of": {q.Of}, "as": {q.As}, "attempt": {strconv.Itoa(q.Attempt)}}.Encode(), s)
}

// Erase has a part of an erasure done.
func (c *Client) Erase(ctx context.Context, o EraseOrder) (*Erasure, error) {
	e := new(Erasure)
	return e, c.post(ctx, "/v1/erase", o, e)
}

// Backfill has a part of a backfill done.
func (c *Client) Backfill(ctx context.Context, o BackfillOrder) (*Backfill, error) {
	b := new(Backfill)
	return b, c.post(ctx, "/v1/backfill", o, b)
}

// Mappings asks by which mappings calls are delivered.
func (c *Client) Mappings(ctx context.Context) (list []RunningMapping, err error) {
	err = c.get(ctx, "/v1/mappings", &list)
	return list, err
}

// Calls asks for a page of the list of calls.
func (c *Client) Calls(ctx context.Context, q CallQuery) (*CallPage, error) {
	p := new(CallPage)
	return p, c.post(ctx, "/v1/calls/list", q, p)
}

// Deliveries asks for a page of the list of deliveries.
func (c *Client) Deliveries(ctx context.Context, q ListQuery) (*Page, error) {
	p := new(Page)
	return p, c.get(ctx, "/v1/deliveries?"+q.values().Encode(), p)
}

// Retry makes deliveries due now.
func (c *Client) Retry(ctx context.Context, o Order) (changed []Changed, err error) {
	err = c.post(ctx, "/v1/deliveries/retry", o, &changed)
	return changed, err
}

// Drop ends deliveries.
func (c *Client) Drop(ctx context.Context, o Order) (changed []Changed, err error) {
	err = c.post(ctx, "/v1/deliveries/drop", o, &changed)
	return changed, err
}

// DestinationStatus asks how the destinations are doing.
func (c *Client) DestinationStatus(ctx context.Context) (list []DestinationStatus, err error) {
	err = c.get(ctx, "/v1/destinations", &list)
	return list, err
}

// Pause holds a destination until it is resumed.
func (c *Client) Pause(ctx context.Context, destination, reason string) error {
	return c.post(ctx, "/v1/destinations/pause", destinationOrder{Destination: destination, Reason: reason}, nil)
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, destination string) error {
	return c.post(ctx, "/v1/destinations/resume", destinationOrder{Destination: destination}, nil)
}

// Days asks of which days calls are kept.
func (c *Client) Days(ctx context.Context) (days []string, err error) {
	err = c.get(ctx, "/v1/days", &days)
	return days, err
}

// Audit asks for the recount of a day.
func (c *Client) Audit(ctx context.Context, day string) (*DayAudit, error) {
	a := new(DayAudit)
	return a, c.get(ctx, "/v1/audit?"+url.Values{"day": {day}}.Encode(), a)
}

// Agents asks what the agents do.
func (c *Client) Agents(ctx context.Context) ([]connector.AgentNow, error) {
	var list []connector.AgentNow
	err := c.get(ctx, "/v1/agents", &list)
	return list, err
}

// Queues asks how the queues did over the last days.
func (c *Client) Queues(ctx context.Context, days int) ([]QueueStats, error) {
	var list []QueueStats
	err := c.get(ctx, "/v1/queues?days="+strconv.Itoa(days), &list)
	return list, err
}

// Quarantined asks for a page of what is in quarantine.
func (c *Client) Quarantined(ctx context.Context, q connector.QuarantineQuery) (*connector.QuarantinePage, error) {
	p := new(connector.QuarantinePage)
	return p, c.post(ctx, "/v1/quarantine/list", q, p)
}

// QuarantinedBody asks for one with its body.
func (c *Client) QuarantinedBody(ctx context.Context, id string) (*connector.Quarantined, error) {
	one := new(connector.Quarantined)
	return one, c.get(ctx, "/v1/quarantine?"+url.Values{"id": {id}}.Encode(), one)
}

// RetryQuarantined has them read again.
func (c *Client) RetryQuarantined(ctx context.Context, o QuarantineOrder) (changed []connector.QuarantineChange, err error) {
	err = c.post(ctx, "/v1/quarantine/retry", o, &changed)
	return changed, err
}

// DropQuarantined takes them out, for good.
func (c *Client) DropQuarantined(ctx context.Context, o QuarantineOrder) (changed []connector.QuarantineChange, err error) {
	err = c.post(ctx, "/v1/quarantine/drop", o, &changed)
	return changed, err
}

// IntakeStatus asks what the intake has seen since the start.
func (c *Client) IntakeStatus(ctx context.Context) (*connector.IntakeStatus, error) {
	s := new(connector.IntakeStatus)
	return s, c.get(ctx, "/v1/intake", s)
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, http.NoBody, into)
}

func (c *Client) post(ctx context.Context, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, bytes.NewReader(b), into)
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://wrapup"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := do(c.http, req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if resp.StatusCode != http.StatusOK {
		return refusedBy(resp)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the daemon's answer can't be read: %w", err)
	}
	return nil
}

// refusedBy gives what the daemon says against a request.
func refusedBy(resp *http.Response) error {
	var refused struct{ Error string }
	if err := json.NewDecoder(resp.Body).Decode(&refused); err != nil || refused.Error == "" {
		return fmt.Errorf("the daemon answered %s", resp.Status)
	}
	if resp.StatusCode == http.StatusBadRequest {
		return BadRequest(refused.Error)
	}
	return RefusedError(refused.Error)
}

// RefusedError is what the daemon says against a request: to ask again is of no use.
type RefusedError string

func (r RefusedError) Error() string { return "the daemon answered: " + string(r) }

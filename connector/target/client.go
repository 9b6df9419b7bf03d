package target

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// MaxAnswer is how many bytes of an answer's body are read, after decompression.
const MaxAnswer = 1 << 20

// Client sends requests to one destination. It is safe for concurrent use.
type Client struct {
	http      *retryablehttp.Client
	transport *http.Transport
	auth      Auth
	agent     string
	timeout   time.Duration
	linkLocal bool
}

// New makes a Client; Close ends it.
func New(o Options) *Client {
	o = o.withDefaults()
	transport := o.transport()
	c := &Client{transport: transport, auth: o.Auth, agent: o.UserAgent, timeout: o.Timeout, linkLocal: o.LinkLocal}
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport: transport,
			// A redirected POST becomes a GET, and its 200 would count as delivered.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		// Once more, and only where the connection never carried the request: an idle connection that the other side has
		// closed. Everything longer is the outbox's.
		RetryMax: 1, RetryWaitMin: 20 * time.Millisecond, RetryWaitMax: 20 * time.Millisecond,
		Backoff: retryablehttp.DefaultBackoff,
		CheckRetry: func(ctx context.Context, _ *http.Response, err error) (bool, error) {
			p, _ := ctx.Value(progressKey{}).(*progress)
			return err != nil && ctx.Err() == nil && p != nil && !p.sent() && p.transient(err), nil
		},
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return c
}

type progressKey struct{}

// Close lets go of idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Cut says that the body is not whole: the connection broke in it, or it is longer than MaxAnswer.
	Cut bool
}

// Do sends one request. It gives the answer, whatever its status, or an *Error.
//
// A GET that was lost on a connection that had been idle is sent once more (by net/http); a request with a body, or with an
// Idempotency-Key, is sent again only if the connection never carried it.
func (c *Client) Do(ctx context.Context, method, url string, header http.Header, body []byte) (*Answer, error) {
	return c.exchange(ctx, method, url, header, body, header.Get("Idempotency-Key") != "" || header.Get("X-Idempotency-Key") != "")
}

// DoOnce is Do for a request that must never reach the other side twice, whatever its method: a refresh token is spent by
// one.
func (c *Client) DoOnce(ctx context.Context, method, url string, header http.Header, body []byte) (*Answer, error) {
	return c.exchange(ctx, method, url, header, body, true)
}

func (c *Client) exchange(ctx context.Context, method, url string, header http.Header, body []byte, once bool) (*Answer, error) {
	p := &progress{}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, &TimeoutError{Limit: c.timeout})
	defer cancel()
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, progressKey{}, p), p.trace())
	req, err := c.request(ctx, method, url, header, body, once)
	if err != nil {
		return nil, p.fault(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if late, ok := errors.AsType[*TimeoutError](context.Cause(ctx)); ok {
			err = late
		}
		return nil, p.fault(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	a := &Answer{Status: resp.StatusCode, Header: resp.Header}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(resp.Body, MaxAnswer+1))
	a.Body, a.Cut = b.Bytes(), err != nil || n > MaxAnswer
	if len(a.Body) > MaxAnswer {
		a.Body = a.Body[:MaxAnswer]
	}
	return a, nil
}

// request makes the request with all that it carries.
func (c *Client) request(ctx context.Context, method, url string, header http.Header, body []byte, once bool) (*retryablehttp.Request, error) {
	var content any
	if body != nil {
		content = body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return nil, err
	}
	if addr, err := netip.ParseAddr(req.URL.Hostname()); err == nil && !c.linkLocal {
		if err := checkAddr(addr); err != nil { // a proxy would connect, and no dialer of ours would see it
			return nil, err
		}
	}
	if once {
		// net/http sends a GET, and all that has an Idempotency-Key, again by itself where an answer was lost. Whether it
		// may be sent again is not its to decide. Without GetBody it can't; of a request without a body it thinks it
		// always can, so it gets an empty one. That of a GET is not sent.
		req.GetBody = nil
		if body == nil {
			req.Body = io.NopCloser(strings.NewReader(""))
		}
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	if c.auth != nil {
		c.auth(req.Request, body)
	}
	return req, nil
}

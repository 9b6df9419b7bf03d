package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// MaxAnswer is how many bytes of an answer's body are read, after decompression.
const MaxAnswer = 1 << 20

// Options of a Client.
type Options struct {
	// Timeout of one exchange, from connecting to the last byte of the answer. 0 is 30 s.
	Timeout time.Duration
	// Auth puts the credentials on a request; nil for none.
	Auth Auth
	// Connections that are kept open while idle; as many as there are requests at a time.
	Connections int
	// UserAgent of the requests.
	UserAgent string
}

// Auth puts credentials on a request.
type Auth func(*http.Request)

// Bearer is a token in the header Authorization.
func Bearer(token string) Auth {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// Basic is a user's name and password.
func Basic(user, password string) Auth {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

// Header is a header of the API's own, such as X-API-Key.
func Header(name, value string) Auth {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// Client sends requests to one destination. It is safe for concurrent use.
type Client struct {
	http      *retryablehttp.Client
	transport *http.Transport
	auth      Auth
	agent     string
	timeout   time.Duration
}

// New makes a Client; Close ends it.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: min(o.Timeout, 10*time.Second), KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: min(o.Timeout, 10*time.Second),
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        o.Connections,
		MaxIdleConnsPerHost: max(o.Connections, 1),
		// Shorter than the five seconds after which common servers close an idle connection: a request that meets such a
		// close on the wire has no answer, and nobody can say whether it was read.
		IdleConnTimeout:       4 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	c := &Client{transport: transport, auth: o.Auth, agent: o.UserAgent, timeout: o.Timeout}
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
			s, _ := ctx.Value(sentKey{}).(*atomic.Bool)
			return err != nil && ctx.Err() == nil && s != nil && !s.Load() && transient(err), nil
		},
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return c
}

type sentKey struct{}

// transient says that a connection that failed without an answer may succeed at once on a new one.
func transient(err error) bool {
	var dial *net.OpError
	refused := errors.As(err, &dial) && dial.Op == "dial"
	return !refused && !certificateTrouble(err)
}

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

// Error is an exchange without an answer.
type Error struct {
	// Sent says that the request was, or may have been, sent: nobody knows whether it took effect.
	Sent bool
	// Certificate says that the two sides could not agree on who they are: that is the destination's trouble, not the
	// request's.
	Certificate bool
	// Err is what went wrong, without the address: it may hold a secret.
	Err error
}

// Error says what went wrong, and whether the request had been sent.
func (e *Error) Error() string {
	if e.Sent {
		return fmt.Sprintf("no answer after the request was sent: %v", e.Err)
	}
	return fmt.Sprintf("the request was not sent: %v", e.Err)
}

// Unwrap gives what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// Do sends one request. It gives the answer, whatever its status, or an *Error.
func (c *Client) Do(ctx context.Context, method, url string, header http.Header, body []byte) (*Answer, error) {
	var sent atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx = context.WithValue(ctx, sentKey{}, &sent)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) }, // from here on the other side may act on it
	})
	var content any
	if body != nil {
		content = body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return nil, &Error{Err: withoutURL(err)}
	}
	// net/http would send a POST with such a header again by itself, where an answer was lost. Whether it may be sent again
	// is not its to decide.
	if header.Get("Idempotency-Key") != "" || header.Get("X-Idempotency-Key") != "" {
		req.GetBody = nil
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	if c.auth != nil {
		c.auth(req.Request)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &Error{Sent: sent.Load(), Certificate: certificateTrouble(err), Err: withoutURL(err)}
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

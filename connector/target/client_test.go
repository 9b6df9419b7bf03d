package target

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func crm(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func client(t *testing.T, o Options) *Client {
	if o.Proxy == nil { // whatever the environment says
		o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

func send(t *testing.T, c *Client, url string) (*Answer, *Error) {
	t.Helper()
	a, err := c.Do(t.Context(), http.MethodPost, url, http.Header{"X-Step": {"log"}}, []byte(`{"a":1}`))
	if err == nil {
		return a, nil
	}
	var e *Error
	require.ErrorAs(t, err, &e)
	return nil, e
}

func TestRequestAsItIs(t *testing.T) {
	url := crm(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, `{"a":1}`, string(body))
		assert.Equal(t, "POST /calls?x=1", r.Method+" "+r.URL.RequestURI())
		assert.Equal(t, "log", r.Header.Get("X-Step"))
		assert.Equal(t, "Bearer s3cret", r.Header.Get("Authorization"))
		assert.Equal(t, "wrapup/1", r.Header.Get("User-Agent"))
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":7}`)
	})
	a, err := send(t, client(t, Options{Auth: Bearer("s3cret"), UserAgent: "wrapup/1"}), url+"/calls?x=1")
	require.Nil(t, err)
	assert.Equal(t, http.StatusCreated, a.Status)
	assert.JSONEq(t, `{"id":7}`, string(a.Body))
	assert.Equal(t, "yes", a.Header.Get("X-Answer"))
	assert.False(t, a.Cut)
}

func TestAuth(t *testing.T) {
	for want, auth := range map[string]Auth{
		"Basic Ym90OnBhc3M=": Basic("bot", "pass"), "Token abc": Header("Authorization", "Token abc"), "": nil,
	} {
		url := crm(t, func(_ http.ResponseWriter, r *http.Request) { assert.Equal(t, want, r.Header.Get("Authorization")) })
		_, err := send(t, client(t, Options{Auth: auth}), url)
		require.Nil(t, err)
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := crm(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := crm(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, status) })
		a, err := send(t, client(t, Options{}), url)
		require.Nil(t, err)
		assert.Equal(t, status, a.Status)
		assert.Equal(t, other, a.Header.Get("Location"))
	}
	assert.Zero(t, elsewhere.Load())
}

func TestAnswerIsCapped(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(make([]byte, 8<<20)) // 8 MiB of nothing in 8 KiB
	require.NoError(t, err)
	require.NoError(t, z.Close())
	url := crm(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(zipped.Bytes())
	})
	a, lost := send(t, client(t, Options{}), url)
	require.Nil(t, lost)
	assert.Len(t, a.Body, MaxAnswer)
	assert.True(t, a.Cut)
}

func TestAnswerCutOff(t *testing.T) {
	url := crm(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"id":`)
	})
	a, err := send(t, client(t, Options{}), url)
	require.Nil(t, err, "the status is an answer")
	assert.Equal(t, 200, a.Status)
	assert.Equal(t, `{"id":`, string(a.Body))
	assert.True(t, a.Cut)
}

func TestRefusedConnectionIsNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + l.Addr().String() + "/hooks/s3cret"
	require.NoError(t, l.Close())
	_, lost := send(t, client(t, Options{}), url)
	require.NotNil(t, lost)
	assert.False(t, lost.Sent)
	assert.NotContains(t, lost.Error(), "s3cret", "the address may be a secret")
}

func TestResetAfterTheRequestIsSent(t *testing.T) {
	var requests atomic.Int32
	url := crm(t, func(http.ResponseWriter, *http.Request) {
		requests.Add(1)
		panic(http.ErrAbortHandler)
	})
	_, lost := send(t, client(t, Options{}), url)
	require.NotNil(t, lost)
	assert.True(t, lost.Sent)
	assert.EqualValues(t, 1, requests.Load(), "not sent a second time")
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url := crm(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	_, lost := send(t, client(t, Options{Timeout: time.Second}), url)
	require.NotNil(t, lost)
	assert.True(t, lost.Sent)
}

func TestCertificateTrouble(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	_, lost := send(t, client(t, Options{}), s.URL)
	require.NotNil(t, lost)
	assert.True(t, lost.Certificate, lost.Error())
	assert.False(t, lost.Sent)

	plain := crm(t, func(http.ResponseWriter, *http.Request) {})
	_, lost = send(t, client(t, Options{}), strings.Replace(plain, "http:", "https:", 1))
	require.NotNil(t, lost)
	assert.False(t, lost.Sent)
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client(t, Options{}).Do(ctx, http.MethodGet, "http://127.0.0.1:1/", nil, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// Whether a request may be sent again is not the connection pool's to decide, also where it carries an Idempotency-Key.
func TestLostAnswerIsNotRepeated(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var requests atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			for {
				req, err := http.ReadRequest(r)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, req.Body)
				if requests.Add(1) == 2 {
					break // read, perhaps acted on, and never answered
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
			_ = conn.Close()
		}
	}()
	c := client(t, Options{Connections: 1})
	for i := range 2 {
		_, err := c.Do(t.Context(), http.MethodPost, "http://"+l.Addr().String(), http.Header{"Idempotency-Key": {"a:1"}}, []byte("{}"))
		if i == 0 {
			require.NoError(t, err)
			continue
		}
		var lost *Error
		require.ErrorAs(t, err, &lost)
		assert.True(t, lost.Sent)
	}
	assert.EqualValues(t, 2, requests.Load())
	c.Close()
	require.NoError(t, l.Close())
	<-done
}

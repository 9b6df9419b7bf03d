package intake_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/intake"
	"wrapup/connector/nxcloud"
)

const token = "s3cret-t0ken"

func source(name, path, token, in string) intake.Source {
	return intake.Source{Name: name, Path: path, Token: token, TokenIn: in, Parse: nxcloud.ParseEvents}
}

func TestWhoGetsIn(t *testing.T) {
	header := func(name, value string) http.Header { return http.Header{name: {value}} }
	tests := []struct {
		method, target string
		header         http.Header
		status         int
	}{
		{"POST", "/path/" + token, nil, 200},
		{"POST", "/path/" + token + "?x=1", nil, 200},
		{"POST", "/path", nil, 401},
		{"POST", "/path/", nil, 401},
		{"POST", "/path/m1sspelt", nil, 401},
		{"POST", "/path/" + token + "x", nil, 401},
		{"POST", "/path/" + token + "/", nil, 401},
		{"POST", "/path//" + token, nil, 401},
		{"POST", "/path?token=" + token, nil, 401},
		{"POST", "/path", header("Token", token), 401},
		{"POST", "/query?token=" + token, nil, 200},
		{"POST", "/query?a=b&token=" + token, nil, 200},
		{"POST", "/query", nil, 401},
		{"POST", "/query?token=", nil, 401},
		{"POST", "/query?token=m1sspelt", nil, 401},
		{"POST", "/query/" + token, nil, 404},
		{"POST", "/header", header("Token", token), 200},
		{"POST", "/header", header("Authorization", "Bearer "+token), 200},
		{"POST", "/header", header("Authorization", "bearer  "+token), 200},
		{"POST", "/header", header("Authorization", "Basic "+token), 401},
		{"POST", "/header", header("Authorization", token), 401},
		{"POST", "/header", header("Token", "m1sspelt"), 401},
		{"POST", "/header?token=" + token, nil, 401},
		{"POST", "/open", nil, 200},
		{"POST", "/open", header("Content-Type", "text/nonsense"), 200},
		{"POST", "/open/", nil, 404},
		{"POST", "//open", nil, 404},
		{"POST", "/x/../open", nil, 404},
		{"POST", "/Open", nil, 404},
		{"POST", "/", nil, 404},
		{"POST", "/path/below", nil, 200},
		{"POST", "/shared/one", nil, 200},
		{"POST", "/shared/two", nil, 200},
		{"POST", "/shared/three", nil, 401},
		{"POST", "/nowhere-known", header("Token", token), 401},
		{"GET", "/open", nil, 405},
		{"HEAD", "/open", nil, 405},
		{"PUT", "/path/" + token, nil, 405},
		{"OPTIONS", "/path/m1sspelt", nil, 405},
		{"GET", "/unknown", nil, 404},
	}
	s := newSetup(t, func(o *intake.Options) {
		o.Sources = []intake.Source{
			source("path", "/path", token, intake.InPath), source("query", "/query", token, intake.InQuery),
			source("header", "/header", token, intake.InHeader), source("open", "/open", "", ""),
			source("below", "/path/below", "", ""),
			source("one", "/shared", "one", intake.InPath), source("two", "/shared", "two", intake.InPath),
			source("nowhere", "/nowhere-known", token, ""),
		}
	})
	for _, tt := range tests {
		req := httptest.NewRequest(tt.method, "http://host"+tt.target, strings.NewReader(ring))
		req.Header = tt.header
		got := s.do(t, req)
		assert.Equal(t, tt.status, got.Status, tt)
		switch tt.status {
		case 401:
			assert.Equal(t, "not authorized", got.Error, "no hint")
		case 404:
			assert.Equal(t, "no such path", got.Error)
		case 405:
			assert.Equal(t, "POST", got.Header.Get("Allow"))
		}
	}
	for _, secret := range []string{"s3cret", "token=", "m1sspelt", "812345613"} {
		assert.NotContains(t, s.log.String(), secret)
	}
}

// A refusal comes before the body is read.
func TestRefusedUnread(t *testing.T) {
	s := newSetup(t, func(o *intake.Options) { o.Sources = []intake.Source{source("path", path, token, intake.InPath)} })
	unread := iotest.ErrReader(errors.New("read"))
	assert.Equal(t, 401, s.do(t, httptest.NewRequest(http.MethodPost, path+"/wrong", unread)).Status)
	assert.Equal(t, 405, s.do(t, httptest.NewRequest(http.MethodPut, path+"/"+token, unread)).Status)
	req := httptest.NewRequest(http.MethodPost, path+"/"+token, unread)
	req.ContentLength = 2 << 20
	assert.Equal(t, 413, s.do(t, req).Status)
}

func TestHostileBodies(t *testing.T) {
	with := func(member string) string { return strings.TrimSuffix(ring, "}") + "," + member + "}" }
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"empty", "", 400, "the body is empty"},
		{"no fields", "{}", 400, "type: missing"},
		{"no events", "[]", 400, "an empty array"},
		{"null", "null", 400, "event 1: null"},
		{"type 3", `{"type":3}`, 400, "type: 3: expected 1 (about an agent) or 2 (about a call)"},
		{"2 MiB", with(`"x":"` + strings.Repeat("x", 2<<20) + `"`), 413, "larger than 1048576 bytes"},
		{"invalid UTF-8", with("\"uuid\":\"\xff\""), 400, `uuid: "\xff": expected valid UTF-8`},
		{"no time", with(`"time":"abc"`), 400, `time: "abc": expected a Unix time`},
		{"a negative time", with(`"time":"-5"`), 400, `time: "-5": expected a Unix time`},
		{"a huge time", with(`"time":1e30`), 400, `time: 1e30: expected a Unix time`},
		{"state 9", with(`"state":9`), 400, "state: 9: expected a whole number from 0 to 4"},
		{"10,000 arrays", strings.Repeat("[", 10000) + strings.Repeat("]", 10000), 400, "at most 32 levels of nesting"},
		{"10,000 arrays in a field", with(`"x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000)), 400, "x: [[["},
		{"cut off", ring[:50], 400, "uuid: the body ends at byte 50"},
		{"a string", `"ring"`, 400, `event 1: "ring"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t, nil)
			got := s.post(t, tt.body)
			assert.Equal(t, tt.status, got.Status)
			assert.Contains(t, got.Error+": "+strings.Join(got.Reasons, "; "), tt.want)
			assert.Zero(t, got.Stored)
			assert.Empty(t, s.observed)
			lines := s.logLines(t)
			require.Len(t, lines, 1)
			assert.Equal(t, "WARN", lines[0]["level"])
			assert.NotContains(t, s.log.String(), "812345613")
			assert.Equal(t, 1, s.post(t, ring).Stored, "the next good event is accepted")
		})
	}
	s := newSetup(t, nil)
	got := s.post(t, ring+" trailing")
	assert.Equal(t, 400, got.Status)
	assert.Equal(t, 1, got.Stored)
}

func TestBodyThatCannotBeRead(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		want   string
	}{
		{io.ErrUnexpectedEOF, 400, "broke off"},
		{os.ErrDeadlineExceeded, 408, "too slowly"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, 408, "too slowly"},
	} {
		s := newSetup(t, nil)
		got := s.do(t, httptest.NewRequest(http.MethodPost, path, io.MultiReader(strings.NewReader(ring), iotest.ErrReader(tt.err))))
		assert.Equal(t, tt.status, got.Status)
		assert.Contains(t, got.Error, tt.want)
		assert.Empty(t, s.observed, "a body that was not read to its end may lie")
	}
}

func TestBodyOfExactlyTheLimit(t *testing.T) {
	s := newSetup(t, func(o *intake.Options) { o.MaxBody = int64(len(ring)) })
	assert.Equal(t, 200, s.post(t, ring).Status)
	chunked := httptest.NewRequest(http.MethodPost, path, io.MultiReader(strings.NewReader(ring+" ")))
	assert.EqualValues(t, -1, chunked.ContentLength)
	assert.Equal(t, 413, s.do(t, chunked).Status)
	assert.Equal(t, 413, s.post(t, ring+" ").Status)
}

// Over a real connection: chunked bodies, odd paths, a sender that stops in the middle.
func TestOverHTTP(t *testing.T) {
	s := newSetup(t, nil)
	server := httptest.NewUnstartedServer(s)
	server.Config.ReadTimeout = time.Second
	server.Start()
	defer server.Close()
	for request, status := range map[string]int{
		"Content-Length: 2\r\n\r\n{}":                            400,
		"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n": 400,
		"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n":         400,
		"Content-Length: 9999999\r\n\r\n":                        413,
		"Content-Length: 100\r\n\r\n{":                           408,
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\n"+request)
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, request)
		assert.Equal(t, status, replyOf(t, response).Status, request)
		require.NoError(t, conn.Close())
	}
	response, err := server.Client().Post(server.URL+"/callbacks//nxcloud/events", "", strings.NewReader(ring))
	require.NoError(t, err)
	assert.Equal(t, 404, replyOf(t, response).Status, "no redirect")
	server.Client().CloseIdleConnections()
}

func TestRefusalsAreFolded(t *testing.T) {
	now := clock()
	s := newSetup(t, func(o *intake.Options) { o.Now = func() time.Time { return now } })
	for range 100 {
		s.post(t, "{}")
	}
	assert.Len(t, s.logLines(t), 20)
	now = now.Add(time.Minute)
	s.post(t, "{}")
	s.post(t, "{}")
	lines := s.logLines(t)
	require.Len(t, lines, 22)
	assert.EqualValues(t, 80, lines[20]["left_out_before"])
	assert.NotContains(t, lines[21], "left_out_before")
	now = now.Add(-time.Hour)
	s.post(t, "{}")
	assert.Len(t, s.logLines(t), 23, "a clock that is set back silences nothing")
}

func TestDefaults(t *testing.T) {
	store := &fakeStore{}
	h := intake.New(intake.Options{Sources: []intake.Source{source("open", path, "", "")}, Store: store})
	s := &setup{Receiver: h}
	assert.Equal(t, 1, s.post(t, ring).Stored)
	assert.Equal(t, 400, s.post(t, "{}").Status)
}

// A body of a known length is read to its end and no further, whatever its length: what the sender has behind it on the same
// connection is the next post.
func TestBodiesOfKnownLength(t *testing.T) {
	s := newSetup(t, nil)
	server := httptest.NewServer(s)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	answers := bufio.NewReader(conn)
	const most = 64 << 10 // for more than that, memory is given as it comes
	for i, length := range []int{0, len(ring) + 1, most - 1, most, most + 1, 0} {
		body, status := "", 400
		if length > 0 {
			uuid := fmt.Sprintf("%s%d", call[:len(call)-1], i)
			body = strings.Replace(ring, call, uuid, 1)
			body, status = body+strings.Repeat(" ", length-len(body)), 200
		}
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n", path, length)
		_, err = io.WriteString(conn, head+"\r\n"+body+head)
		require.NoError(t, err)
		response, err := http.ReadResponse(answers, nil)
		require.NoError(t, err, length)
		assert.Equal(t, status, replyOf(t, response).Status, length)
		// The same again, by a sender who asks before he sends his body: it is there already.
		if length > 0 {
			_, err = io.WriteString(conn, "Expect: 100-continue\r\n")
			require.NoError(t, err)
		}
		_, err = io.WriteString(conn, "\r\n")
		require.NoError(t, err)
		if length > 0 {
			line, err := answers.ReadString('\n')
			require.NoError(t, err)
			assert.Contains(t, line, "100 Continue", length)
			_, err = answers.ReadString('\n')
			require.NoError(t, err)
			_, err = io.WriteString(conn, body)
			require.NoError(t, err)
		}
		response, err = http.ReadResponse(answers, nil)
		require.NoError(t, err, length)
		assert.Equal(t, status, replyOf(t, response).Status, length)
	}
	require.NoError(t, conn.Close())
	server.Close()
	assert.Len(t, s.observed, 4)
}

// A sender who leaves in the middle of a short body has said nothing.
func TestShortBodyBreaksOff(t *testing.T) {
	s := newSetup(t, nil)
	server := httptest.NewServer(s)
	defer server.Close()
	for _, sent := range []string{"", ring} { // the second would be an event
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(ring)+1, sent)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, 400, replyOf(t, response).Status)
		require.NoError(t, conn.Close())
	}
	server.Close()
	assert.Empty(t, s.observed)
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

const dialerToken = "d1aler-t0ken-0123456789"

// guarded is a configuration whose source asks for a token.
func guarded(sinkURL string) string {
	return strings.Replace(config(sinkURL), "{kind: nxcloud-events}", "{kind: nxcloud-events, auth: {token: {file: dialer.token}}}", 1)
}

func newGuardedSite(t *testing.T, sinkURL string) *site {
	s := newSite(t, guarded(sinkURL))
	s.write("dialer.token", dialerToken+"\n")
	return s
}

// intake gives what the intake has seen.
func (s *site) intake() (status connector.IntakeStatus) {
	s.t.Helper()
	require.NoError(s.t, json.Unmarshal([]byte(s.succeeds("sources", "-o", "json")), &status))
	return status
}

func (s *site) refusedFor(reason string) (n int64) {
	for _, r := range s.intake().Refused {
		if strings.Contains(r.Reason, reason) {
			n += r.Count
		}
	}
	return n
}

// resident gives the memory that the daemon takes, in bytes.
func (s *site) resident() int64 {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	require.NoError(s.t, err)
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	require.NoError(s.t, err)
	return kib << 10
}

// raw opens a connection and says something on it.
func (s *site) raw(said string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, said) // it may be cut off
	return conn
}

// answered gives the status that comes on a connection, 0 if it is closed instead.
func (s *site) answered(conn net.Conn) int {
	s.t.Helper()
	require.NoError(s.t, conn.SetReadDeadline(time.Now().Add(patience)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	require.NoError(s.t, resp.Body.Close())
	return resp.StatusCode
}

func request(target, more, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", target, more, len(body), body)
}

// p99 posts good events, one after the other, and gives the time within which 99 of 100 were answered.
func (s *site) p99(client *http.Client, name string, n int) time.Duration {
	s.t.Helper()
	took := make([]time.Duration, 0, n)
	for i := range n {
		body := unanswered(fmt.Sprintf("%s-%d", name, i))[0]
		began := time.Now()
		resp, err := client.Post(s.url()+"/"+dialerToken, "application/json", strings.NewReader(body))
		require.NoError(s.t, err)
		took = append(took, time.Since(began))
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(s.t, err)
		require.NoError(s.t, resp.Body.Close())
		require.Equal(s.t, 200, resp.StatusCode)
	}
	slices.Sort(took)
	return took[n*99/100-1]
}

// 2,000 connections are held open by sending headers, and bodies, as slowly as can be. Good events are answered as fast as
// before, but for a factor of 3 at most, and memory stays within 100 MiB of what it was.
func TestSlowConnections(t *testing.T) {
	const (
		slow   = 2000
		bodies = 500 // of those that know the token
		posts  = 300
		rounds = 5
	)
	s := newGuardedSite(t, "http://127.0.0.1:1/")
	s.start()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	t.Cleanup(client.CloseIdleConnections)
	s.p99(client, "warm", posts)
	passed := false
	for round := 0; round < rounds && !passed; round++ {
		base := s.resident()
		unloaded := s.p99(client, fmt.Sprint("unloaded", round), posts)
		conns := make([]net.Conn, slow)
		for i := range conns {
			said := "POST /callbacks/nxcloud/events/x HTTP/1.1\r\nHost: x\r\nX-Slow: "
			if i < bodies {
				said = "POST /callbacks/nxcloud/events/" + dialerToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
			}
			conns[i] = s.raw(said)
		}
		s.eventually("all connections to be open", func() bool { return s.intake().Connections >= slow })
		stop := make(chan struct{})
		var dripping sync.WaitGroup
		dripping.Go(func() {
			for i := 0; ; i++ { // each of them gets a byte now and then
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					_, _ = conns[i%slow].Write([]byte("x"))
				}
			}
		})
		loaded := s.p99(client, fmt.Sprint("loaded", round), posts)
		memory := s.resident()
		status := s.intake()
		close(stop)
		dripping.Wait()
		for _, conn := range conns {
			_ = conn.Close()
		}
		s.eventually("the connections to be closed", func() bool { return s.intake().Connections < 10 })
		t.Logf("p99 %s, with %d slow connections %s (%.2f times); memory %d MiB, then %d MiB", unloaded, status.Connections, loaded,
			float64(loaded)/float64(unloaded), base>>20, memory>>20)
		require.GreaterOrEqual(t, status.Connections, slow, "they are all held")
		require.GreaterOrEqual(t, status.Strangers, slow-bodies)
		require.Less(t, memory-base, mostMemory)
		passed = loaded <= 3*unloaded // another process may take the machine for a moment
	}
	assert.True(t, passed, "good events are slowed down")
}

// More connections than there is room for: the dialer gets in all the same.
func TestMoreConnectionsThanRoom(t *testing.T) {
	s := newGuardedSite(t, "http://127.0.0.1:1/")
	s.start()
	most := s.intake().Most
	var conns []net.Conn
	for i := range most + 500 {
		conns = append(conns, s.raw("POST / HTTP/1.1\r\nX-Slow: "))
		if i%500 == 0 {
			conn := s.raw(request("/callbacks/nxcloud/events/"+dialerToken, "Connection: close\r\n", unanswered(fmt.Sprint("call-", i))[0]))
			assert.Equal(t, 200, s.answered(conn))
		}
	}
	s.eventually("the first ones to have made room", func() bool { return s.refusedFor("to make room") >= 500 })
	assert.LessOrEqual(t, s.intake().Connections, most)
	assert.Zero(t, s.answered(conns[0]))
	assert.Less(t, strings.Count(s.log.String(), "\n"), 100, "no flood in the log")
	began := time.Now()
	assert.Zero(t, s.terminate())
	assert.Less(t, time.Since(began), stopIntake, "nobody waits for them")
}

func TestFloodsOfHeaders(t *testing.T) {
	s := newGuardedSite(t, "http://127.0.0.1:1/")
	s.start()
	base := s.resident()
	good := "/callbacks/nxcloud/events/" + dialerToken
	for name, said := range map[string]string{
		"a long header":  "POST " + good + " HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 4<<20) + "\r\n\r\n",
		"many headers":   "POST " + good + " HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 100_000) + "\r\n",
		"a long target":  "POST " + good + strings.Repeat("x", 4<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"no end":         "POST " + strings.Repeat("x", 4<<20),
		"a long chunk":   "POST " + good + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1", 4<<20),
		"chunk comments": "POST " + good + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 3000)+"\r\n{\r\n", 1000),
		"two lengths":    "POST " + good + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
		"smuggled":       "POST " + good + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	} {
		got := s.answered(s.raw(said))
		assert.Contains(t, []int{0, 400, 413, 431, 501}, got, name) // 0: cut off before the answer was read
		status, answer := s.postTo("/"+dialerToken, unanswered(name)[0])
		assert.Equal(t, 200, status, answer)
	}
	assert.Less(t, s.resident()-base, mostMemory)
	assert.Less(t, strings.Count(s.log.String(), "\n"), 200)
}

// postTo posts a body to what stands behind the source's path.
func (s *site) postTo(behind, body string) (status int, answer string) {
	s.t.Helper()
	resp, err := http.Post(s.url()+behind, "application/json", strings.NewReader(body))
	require.NoError(s.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, string(content)
}

func TestDeepAndLargeBodies(t *testing.T) {
	t.Parallel()
	s := newGuardedSite(t, "http://127.0.0.1:1/")
	s.start()
	base := s.resident()
	const most = 1 << 20
	with := func(member string) string { return strings.TrimSuffix(unanswered("a")[0], "}") + "," + member + "}" }
	for name, body := range map[string]string{
		"arrays":           strings.Repeat("[", most),
		"arrays, closed":   strings.Repeat("[", most/2) + strings.Repeat("]", most/2),
		"objects":          strings.Repeat(`{"a":`, most/5),
		"in a field":       with(`"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)),
		"many fields":      with(`"x":1` + strings.Repeat(`,"y":1`, most/8)),
		"many names":       with(`"` + strings.Repeat("k", 500_000) + `":1`),
		"many events":      strings.Repeat("{},", 300_000),
		"many null events": "[" + strings.Repeat("null,", 200_000) + "null]",
		"quotes":           strings.Repeat(`"`, most),
		"backslashes":      `{"` + strings.Repeat(`\`, most-2),
		"a long number":    with(`"time":` + strings.Repeat("1", 500_000)),
		"zero bytes":       strings.Repeat("\x00", most),
	} {
		began := time.Now()
		status, answer := s.postTo("/"+dialerToken, body)
		assert.Equal(t, 400, status, name)
		assert.Less(t, len(answer), 16<<10, name)
		assert.Less(t, time.Since(began), patience, name)
	}
	status, _ := s.postTo("/"+dialerToken, strings.Repeat(" ", most+1))
	assert.Equal(t, 413, status)
	assert.Less(t, s.resident()-base, mostMemory)
	status, _ = s.postTo("/"+dialerToken, unanswered("b")[0])
	assert.Equal(t, 200, status)
	assert.Len(t, s.quarantined().Quarantined, 12, "what the sender may send is kept, whatever it is")
}

func (s *site) quarantined() (page connector.QuarantinePage) {
	s.t.Helper()
	require.NoError(s.t, json.Unmarshal([]byte(s.succeeds("quarantine", "list", "-o", "json")), &page))
	return page
}

// Tokens are tried out as fast as can be: nobody gets in, the log stays short, and the count says what happened.
func TestWrongTokensAtSpeed(t *testing.T) {
	const workers, each = 8, 500
	s := newGuardedSite(t, "http://127.0.0.1:1/")
	s.start()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			conn, err := net.Dial("tcp", s.addr)
			if !assert.NoError(t, err) {
				return
			}
			for i := range each {
				guess := dialerToken[:len(dialerToken)-1-i%8] + fmt.Sprint(w, "-", i)
				_, err := io.WriteString(conn, request("/callbacks/nxcloud/events/"+guess, "", unanswered("x")[0]))
				if !assert.NoError(t, err) {
					return
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if !assert.NoError(t, err) {
					return
				}
				assert.Equal(t, 401, resp.StatusCode)
				_ = resp.Body.Close()
				_ = conn.Close() // it is closed over there as well
				if conn, err = net.Dial("tcp", s.addr); !assert.NoError(t, err) {
					return
				}
			}
			_ = conn.Close()
		})
	}
	all.Wait()
	status, _ := s.postTo("/"+dialerToken, unanswered("a")[0])
	assert.Equal(t, 200, status)
	assert.EqualValues(t, workers*each, s.refusedFor("wrong token"))
	assert.LessOrEqual(t, strings.Count(s.log.String(), "post refused"), 3*20, "folded")
	assert.Contains(t, s.succeeds("sources"), "wrong token")
	assert.NotContains(t, s.log.String(), dialerToken[:10])
	assert.Contains(t, s.fails("why", "x"), "No event of a call x has come", "nothing of it is stored")
}

// The path is compared as it is. What a mux, a proxy or a file system would take for the same path is another one.
func TestPathTricks(t *testing.T) {
	s := newGuardedSite(t, "http://127.0.0.1:1/")
	s.start()
	const p = "/callbacks/nxcloud/events"
	for target, want := range map[string]int{
		p + "/" + dialerToken:                        200,
		p + "/" + dialerToken + "?x=/":               200,
		"http://x" + p + "/" + dialerToken:           200, // as a proxy asks
		p + "/%64" + dialerToken[1:]:                 200, // the same path, written otherwise
		"/%63allbacks/nxcloud/events/" + dialerToken: 200,
		p:                            401,
		p + "/":                      401,
		p + "/" + dialerToken + "/":  401,
		p + "/" + dialerToken + "/.": 401,
		p + "/" + dialerToken + "/../" + dialerToken:            401,
		p + "/./" + dialerToken:                                 401,
		p + "//" + dialerToken:                                  401,
		p + "/x/../" + dialerToken:                              401,
		p + "/%2f" + dialerToken:                                401,
		p + "/" + dialerToken + "%00":                           401,
		p + "/" + dialerToken + "%0a":                           401,
		p + "/" + dialerToken + ";x=1":                          401,
		p + "/" + strings.ToUpper(dialerToken):                  401,
		p + "?token=" + dialerToken:                             401,
		p + "%2f" + dialerToken:                                 200, // %2f is a slash once it is read, and this is the path then
		"/" + p + "/" + dialerToken:                             404,
		"/callbacks//nxcloud/events/" + dialerToken:             404,
		"/callbacks/../callbacks/nxcloud/events/" + dialerToken: 404,
		"/Callbacks/nxcloud/events/" + dialerToken:              404,
		"/callbacks/nxcloud/events.json/" + dialerToken:         404,
		"/callbacks/nxcloud/" + dialerToken:                     404,
		`\callbacks\nxcloud\events\` + dialerToken:              400,
		"/%zz":              400,
		"*":                 404,
		"/../../etc/passwd": 404,
		"/v1/story":         404,
		"/debug/pprof/":     404,
	} {
		conn := s.raw(request(target, "Connection: close\r\n", unanswered("a")[0]))
		assert.Equal(t, want, s.answered(conn), target)
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "TRACE", "CONNECT", "post"} {
		conn := s.raw(method + " " + p + "/" + dialerToken + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		assert.Contains(t, []int{400, 405}, s.answered(conn), method)
	}
	assert.Equal(t, 404, s.answered(s.raw("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")))
	assert.NotContains(t, s.log.String(), dialerToken)
}

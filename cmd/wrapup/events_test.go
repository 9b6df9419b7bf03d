package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// follower is a process of wrapup events --follow.
type follower struct {
	cmd      *exec.Cmd
	out, err *logs
}

// follow runs events --follow; out takes what it prints, nil keeps it.
func (s *site) follow(out io.Writer, args ...string) *follower {
	s.t.Helper()
	f := &follower{out: &logs{}, err: &logs{}}
	f.cmd = exec.Command(os.Args[0], append([]string{"events", "--follow", "--config", s.config}, args...)...)
	f.cmd.Env = append(os.Environ(), "BE_WRAPUP=1", "GORACE=atexit_sleep_ms=0")
	f.cmd.Stdout, f.cmd.Stderr = out, f.err
	if out == nil {
		f.cmd.Stdout = f.out
	}
	require.NoError(s.t, f.cmd.Start())
	s.t.Cleanup(func() {
		_ = f.cmd.Process.Kill()
		_ = f.cmd.Wait()
	})
	return f
}

func (s *site) eventList(args ...string) (list []connector.Received) {
	s.t.Helper()
	for line := range strings.Lines(s.succeeds(append([]string{"events", "-o", "json"}, args...)...)) {
		var r connector.Received
		require.NoError(s.t, json.Unmarshal([]byte(line), &r), line)
		list = append(list, r)
	}
	return list
}

// TestEventsAreFollowed: whatever comes is shown as it comes, with what became of it, over a restart of the daemon.
func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sources: [{kind: nxcloud-events, name: dialer}]\nqueues: {default: {region: ID}}\ncorrelation: {settle: 1h}\n")
	assert.Contains(t, s.fails("events"), "no daemon answers at ")
	f := s.follow(nil)
	s.eventually("the reader to wait", func() bool { return strings.Contains(f.err.String(), "No daemon answers at") })
	s.start()
	s.eventually("the reader to be there", func() bool { return strings.Contains(f.err.String(), "The daemon is back.") })
	event := dialled("one", "812345613")[0]
	s.accepted(event, event)
	status, _ := s.post(`{"type":2,"state":1,"uuid":"strange","time":"yesterday"}`)
	require.Equal(t, 400, status)
	resp, err := http.Post("http://"+s.addr+"/nowhere", "application/json", strings.NewReader(event))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 404, resp.StatusCode)
	shows := func(f *follower, parts ...string) {
		t.Helper()
		s.eventually("a line with "+strings.Join(parts, ", "), func() bool {
		lines:
			for line := range strings.Lines(f.out.String()) {
				for _, p := range parts {
					if !strings.Contains(line, p) {
						continue lines
					}
				}
				return true
			}
			return false
		})
	}
	shows(f, "dialer", "new", "call created (2/1)", "one", "******613", "104906")
	shows(f, "dialer", "repeat", "call created (2/1)")
	shows(f, "dialer", "quarantined", "from 127.0.0.1: ")
	shows(f, "refused", "from 127.0.0.1: ")
	assert.NotContains(t, f.out.String(), "812345613")

	agent := `{"type":1,"state":2,"callid":"7","username":"agent-7","sipid":"70","agentid":"x","time":"%d"}`
	s.accepted(fmt.Sprintf(agent, time.Now().Unix()), dialled("two", "811111111")[0])
	assert.Len(t, s.eventList(), 6)
	assert.Len(t, s.eventList("--last", "2"), 2)
	assert.Len(t, s.eventList("--uuid", "one"), 2)
	assert.Len(t, s.eventList("--queue", "104906"), 3)
	assert.Equal(t, "******613", s.eventList("--phone", "+62 812-345-613")[0].Phone)
	list := s.eventList("--phone", "0812345613", "--full")
	require.Len(t, list, 2)
	assert.Equal(t, "812345613", list[0].Phone)
	assert.Equal(t, connector.ReceivedRepeat, list[1].Result)
	for _, name := range []string{"agent-7", "70", "x"} {
		assert.Len(t, s.eventList("--agent", name), 1, name)
	}
	assert.Contains(t, s.succeeds("events", "--uuid", "nobody"), "No such event has come")

	narrow := s.follow(nil, "--uuid", "three", "-o", "json", "--full")
	require.Zero(t, s.terminate())
	s.eventually("the readers to notice", func() bool {
		return strings.Count(f.err.String(), "No daemon answers") == 2 && strings.Contains(narrow.err.String(), "No daemon answers")
	})
	s.start()
	s.accepted(dialled("three", "822222222")...)
	shows(f, "three", "call ended (2/4)", "new")
	shows(narrow, `"uuid":"three"`, `"phone":"822222222"`, `"code":"2/4"`)
	assert.Equal(t, 2, strings.Count(narrow.out.String(), "\n"), narrow.out)
	assert.Equal(t, 2, strings.Count(f.out.String(), "three"), "each once: "+f.out.String())
	s.succeeds("erase", "--phone", "822222222", "--yes")
	for _, r := range s.eventList("--full") {
		assert.Empty(t, r.Phone, "an erased number is not shown any more")
	}
	require.NoError(t, f.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, f.cmd.Wait(), "whoever has seen enough has not failed")
}

// TestSlowReaderOfEvents: a reader that doesn't read holds nothing up, and is told how many he has missed.
func TestSlowReaderOfEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sources: [{kind: nxcloud-events}]\ncorrelation: {settle: 1h}\n")
	s.start()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	f := s.follow(w, "-o", "json")
	require.NoError(t, w.Close())
	lines := bufio.NewScanner(r)
	n := 0
	post := func() {
		var body strings.Builder
		for range 500 {
			n++
			fmt.Fprintf(&body, `{"type":2,"state":1,"callid":"104906","uuid":"%d","callphone":"812345613","time":"%d","info":"x"}`+"\n", n, time.Now().Unix())
		}
		s.accepted(body.String())
	}
	s.accepted(unanswered("first")[0])
	require.True(t, lines.Scan())
	for range 24 { // more than the pipe, the socket and the daemon hold
		post()
	}
	read := 1
	s.eventually("the missed ones", func() bool {
		if strings.Contains(f.err.String(), "are missed here") {
			return true
		}
		read++
		return !lines.Scan()
	})
	var missed int
	_, err = fmt.Sscanf(f.err.String(), "%d are missed here", &missed)
	require.NoError(t, err, f.err)
	assert.Positive(t, missed)
	for read+missed < n+1 {
		require.True(t, lines.Scan(), "%d read, %d missed of %d", read, missed, n+1)
		read++
	}
	assert.Contains(t, lines.Text(), fmt.Sprintf(`"uuid":"%d"`, n), "all are read, or counted as missed")
	require.Zero(t, s.terminate())
}

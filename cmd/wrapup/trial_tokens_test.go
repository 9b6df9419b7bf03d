package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lookupSite is a tokenSite whose mapping asks before it creates, so that there is something to try out.
func lookupSite(t *testing.T, g *granter) *site {
	s := tokenSite(t, g, "mappings_dir: mappings\n")
	s.write("mappings/asks.yaml", `steps:
  - {name: contact, method: GET, path: /contacts, query: {phone: "${call.phone_e164}"}, found: "${response.body.id}"}
  - {name: log, path: /calls, repeat: safe, headers: {Idempotency-Key: "${call.call_id}"}, body: {contact: "${saved.contact}"}}
`)
	content, err := os.ReadFile(s.config)
	require.NoError(t, err)
	s.write("wrapup.yaml", strings.NewReplacer("mapping: record", "mapping: asks", g.srv.URL+"/calls", g.srv.URL).Replace(string(content)))
	return s
}

// A try-out of a destination whose refresh tokens rotate uses none twice: where a daemon runs it takes the token of the lane,
// and renews it for both; where none runs it reads and keeps the tokens in the store. Nothing of them is shown.
func TestDestinationsTestWithTokens(t *testing.T) {
	t.Parallel()
	g := newGranter(t, 1000)
	s := lookupSite(t, g)
	var shown strings.Builder
	tries := func(wanted int, args ...string) string {
		t.Helper()
		out, code := s.run(append([]string{"destinations", "test", "crm"}, args...)...)
		assert.Equal(t, wanted, code, out)
		shown.WriteString(out)
		return out
	}

	out := tries(0)
	assert.Contains(t, out, "It works, as far as it was tried. Nothing was created.")
	assert.Contains(t, out, `"for":"«session»"`)
	assert.Contains(t, out, "client_«auth.oauth2.client_id»=«auth.oauth2.client_id»&client_secret=«auth.oauth2.client_secret»&", "one secret is a part of the name of another")
	assert.Equal(t, 1, g.requests(), "the configured refresh token is used")
	tries(0, "-o", "json")
	assert.Equal(t, 1, g.requests(), "the token is in the store")
	g.revoke()
	tries(0)
	assert.Equal(t, 2, g.requests(), "it is renewed by the refresh token that came with it")
	assert.Zero(t, g.taken(), "nothing is created")

	s.start()
	s.post16("first")
	s.eventually("the calls to be taken", func() bool { return g.taken() == 16 })
	assert.Equal(t, 2, g.requests(), "the daemon has the token of the try-out")
	var got trial
	out = tries(0, "--create", "--yes", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &got), out)
	assert.Equal(t, trialWorks, got.Result)
	assert.Equal(t, []string{"log"}, got.Created)
	assert.Equal(t, 17, g.taken())
	assert.Equal(t, 2, g.requests(), "the try-out has the token of the lane")

	// Three try-outs and sixteen calls find the token refused at the same time.
	g.revoke()
	var all sync.WaitGroup
	outs, codes := make([]string, 3), make([]int, 3)
	for i := range outs {
		all.Go(func() { outs[i], codes[i] = s.run("destinations", "test", "crm") })
	}
	s.post16("second")
	s.eventually("the calls to be taken", func() bool { return g.taken() == 33 })
	all.Wait()
	for i := range outs {
		assert.Zero(t, codes[i], outs[i])
		shown.WriteString(outs[i])
	}
	assert.Equal(t, 3, g.requests(), "one asks for all")
	require.Zero(t, s.terminate())
	shown.WriteString(s.log.String())
	tries(0)
	assert.Equal(t, 3, g.requests(), "what the daemon got for a try-out is in the store, too")

	// No token is good any more: a try-out says so, and renews once.
	g.mu.Lock()
	g.limit = 0
	g.mu.Unlock()
	for _, running := range []bool{false, true} {
		if running {
			s.start()
		}
		before := g.requests()
		assert.Contains(t, tries(1), "It does not work: see above.")
		tries(1, "-o", "json")
		assert.LessOrEqual(t, g.requests(), before+2)
		assert.Greater(t, g.requests(), before)
	}
	out, _ = s.run("destinations")
	assert.Regexp(t, `(?m)^crm +running`, out, "a try-out pauses nothing")
	shown.WriteString(s.log.String())
	for _, secret := range []string{"r3fresh-", "acc3ss-", "cl1ent-"} {
		assert.NotContains(t, shown.String(), secret)
	}
}

// Who is killed in the middle of a try-out leaves a doubt to the next one, and to the daemon: the refresh token isn't sent again.
func TestDestinationsTestKilledInMidRefresh(t *testing.T) {
	t.Parallel()
	g := newGranter(t, 1000)
	s := lookupSite(t, g)
	g.stopAt("rotated")
	trying := exec.Command(os.Args[0], "destinations", "test", "crm", "--config", s.config)
	trying.Env = append(os.Environ(), "BE_WRAPUP=1")
	require.NoError(t, trying.Start())
	<-g.reached
	require.NoError(t, trying.Process.Kill())
	_ = trying.Wait()
	g.stopAt("")

	assert.Contains(t, s.fails("destinations", "test", "crm"), "what became of it is not known")
	s.start()
	s.post16("first")
	s.eventually("the destination to be paused", s.inDoubt)
	out := s.fails("destinations", "test", "crm")
	assert.Contains(t, out, "what became of it is not known")
	assert.Equal(t, 1, g.requests(), "it isn't sent again")
	require.Zero(t, s.terminate())

	s.grant(g)
	assert.Contains(t, s.succeeds("destinations", "test", "crm"), "It works")
	s.start()
	s.eventually("the calls to be taken", func() bool { return g.taken() == 16 })
	assert.Equal(t, 2, g.requests(), fmt.Sprint("the daemon goes on with the token of the try-out; it says:\n", s.log))
}

// A daemon that is told to stop in the middle of a try-out's refresh waits for the answer, and stores it.
func TestStoppedInMidTryOut(t *testing.T) {
	t.Parallel()
	g := newGranter(t, 1000)
	s := lookupSite(t, g)
	s.start()
	g.stopAt("slow")
	var trying sync.WaitGroup
	var out string
	trying.Go(func() { out, _ = s.run("destinations", "test", "crm") })
	<-g.reached
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.eventually("the daemon to stop", func() bool { return strings.Contains(s.log.String(), `"stopping"`) })
	close(g.release)
	require.NoError(t, s.cmd.Wait())
	s.cmd = nil
	trying.Wait()
	assert.Contains(t, out, "cut off: there was no time left: the daemon is stopping\nIt was not tried to the end")
	g.stopAt("")
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("the call to be taken", func() bool { return g.taken() == 1 })
	assert.Equal(t, 1, g.requests(), "its token was stored")
}

// However long a try-out takes, the store and the connections stay until it is over.
func TestTrialsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tryouts := newTrials()
		began := time.Now()
		go func() {
			ctx, over, err := tryouts.begin()
			assert.NoError(t, err)
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), errStopping)
			time.Sleep(trialTime)
			over()
		}()
		synctest.Wait()
		tryouts.end()
		assert.Equal(t, trialTime, time.Since(began))
		_, _, err := tryouts.begin()
		assert.ErrorIs(t, err, errStopping)
	})
}

func TestVeil(t *testing.T) {
	v := &veil{}
	v.add("id", "auth.oauth2.client_id")
	v.add("s3cret-s3cret", "auth.bearer")
	assert.Equal(t, "client_«auth.oauth2.client_id» of «auth.bearer» \uFFFD", v.over("client_id of s3cret-s3cret \U000F0000"))
	assert.Equal(t, "no: «auth.bearer»…", v.over("no: s3cret-s3c…"), "what was cut off before it came here")
	assert.Equal(t, "no: \xff\x00", v.over("no: \xff\x00"), "all else stays")
}

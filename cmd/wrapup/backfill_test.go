package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
)

func (s *site) backfilled(args ...string) (b admin.Backfill) {
	s.t.Helper()
	out := s.succeeds(append([]string{"backfill", "--since", "1h", "-o", "json"}, args...)...)
	require.NoError(s.t, json.Unmarshal([]byte(out), &b), out)
	return b
}

// counted gives how many calls the audit, which must hold, counts for a destination, and how many in the state.
func (s *site) counted(destination string, state connector.DeliveryState) (finished, in int64) {
	for _, d := range s.audited(true).Destinations {
		if d.Destination == destination {
			return d.Finished, d.Counted[state]
		}
	}
	return 0, 0
}

// byKey is what the sink got, by key, and how often.
func (s *sink) byKey() map[string]int {
	keys := map[string]int{}
	for _, r := range s.requests() {
		keys[r.key]++
	}
	return keys
}

// TestBackfill: a destination that is added later gets the stored calls, each once, however often it is asked for, and the
// audit holds; with the daemon, and on the store where none runs.
func TestBackfill(t *testing.T) {
	t.Parallel()
	first, second, third := newSink(t), newSink(t), newSink(t)
	const head = "sources: [{kind: nxcloud-events}]\nqueues: {default: {region: ID}}\ncorrelation: {settle: 100ms}\ndestinations:\n"
	one := fmt.Sprintf("  - {name: first, mapping: record, url: %q}\n", first.url())
	s := newSite(t, head+one)
	socket := func(rest string) string {
		return fmt.Sprintf("listen: 127.0.0.1:0\ndata_dir: %[1]s/data\nadmin: {socket: %[1]s/admin.sock}\n", s.dir) + head + rest
	}
	s.start()
	joined := `{"type":1,"state":3,"callid":"104906","uuid":"%s","callphone":"%s","time":"%d","info":"x","username":"6122312312","sipid":"1","agentid":"a"}`
	for i, uuid := range []string{"a", "b", "c", "gone"} {
		s.accepted(dialled(uuid, fmt.Sprintf("811000010%d", i))...)
	}
	s.delivered(first, 4)
	s.accepted(dialled("b", "8110000101", joined)[1])
	s.delivered(first, 5)
	require.Contains(t, first.byKey(), "b:2")
	s.succeeds("erase", "--phone", "8110000103", "--yes")

	two := fmt.Sprintf("  - {name: second, mapping: record, url: %q}\n", second.url())
	s.write("wrapup.yaml", socket(one+two))
	s.succeeds("reload")
	s.accepted(dialled("new", "8110000109")...)
	s.delivered(second, 1)
	for range 2 {
		found := s.backfilled("--to", "second", "--dry-run")
		assert.Equal(t, [4]int{3, 1, 1, 0}, [4]int{found.Calls, found.Already, found.Erased, found.Unreadable})
		assert.Contains(t, s.fails("backfill", "--to", "second", "--since", "1h"), "Send them? Nobody can be asked here: --yes is the answer; nothing was changed")
	}
	assert.Equal(t, 1, s.backfilled("--to", "second", "--dry-run", "--agent", "6122312312").Calls)
	assert.Equal(t, 2, s.backfilled("--to", "second", "--dry-run", "--outcome", "unanswered").Calls)
	assert.Equal(t, 0, s.backfilled("--to", "second", "--dry-run", "--queue", "1").Calls)
	assert.Equal(t, 1, s.backfilled("--to", "second", "--dry-run", "--phone", "0811-0000-100").Calls)
	assert.Equal(t, 1, s.backfilled("--to", "second", "--phone", "0811-0000-100", "--yes").Calls, "one to begin with")

	var both sync.WaitGroup // two at once
	for range 2 {
		both.Go(func() {
			_, errs, code := wrapup(t, "backfill", "--to", "second", "--since", "1h", "--yes", "--config", s.config)
			assert.Zero(t, code, errs)
		})
	}
	both.Wait()
	s.delivered(second, 4)
	s.eventually("all to be done", func() bool { return len(s.listed()) == 0 })
	assert.Equal(t, map[string]int{"a:1": 1, "b:2": 1, "c:1": 1, "new:1": 1}, second.byKey())
	again := s.backfilled("--to", "second", "--yes")
	assert.Equal(t, [3]int{0, 4, 1}, [3]int{again.Calls, again.Already, again.Erased})
	finished, done := s.counted("second", connector.DeliveryDone)
	assert.Equal(t, [2]int64{4, 4}, [2]int64{finished, done})

	// What was sent under a former name is not sent again under the new one.
	three := fmt.Sprintf("  - {name: third, mapping: record, url: %q}\n", third.url())
	renamed := strings.Replace(two, "name: second", "name: renamed, was: second", 1)
	s.write("wrapup.yaml", socket(one+renamed+three))
	s.succeeds("reload")
	assert.Equal(t, 4, s.backfilled("--to", "renamed", "--yes").Already)
	assert.Contains(t, s.fails("backfill", "--to", "second", "--since", "1h", "--yes"), `no destination "second" is configured`)
	assert.Contains(t, s.fails("backfill", "--to", "nobody", "--since", "1h"), `no destination "nobody" is configured`)

	require.Zero(t, s.terminate())
	out := s.succeeds("backfill", "--to", "third", "--from", "2020-01-01", "--to-time", "0s", "--yes")
	assert.Contains(t, out, "To send to third: 4 calls, finished from ")
	assert.Contains(t, out, "On their way to third: 4 calls, finished from ")
	assert.Contains(t, out, "Left alone: 1 that were erased.")
	_, waiting := s.counted("third", connector.DeliveryWaiting)
	assert.EqualValues(t, 4, waiting)
	assert.Empty(t, third.requests())
	s.start()
	s.delivered(third, 4)
	s.eventually("all to be done", func() bool { return len(s.listed()) == 0 })
	assert.Equal(t, second.byKey(), third.byKey())
	assert.Equal(t, 4, s.backfilled("--to", "third", "--yes").Already)
	s.counted("third", connector.DeliveryDone)
}

func TestBackfillUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--to", "crm"}, {"--since", "1h"}, {"--to", "crm", "--since", "yesterday"}, {"--to", "crm", "--since", "1h", "--from", "2h"},
		{"--to", "crm", "--until", "1h", "--to-time", "2h"}, {"--to", "crm", "--since", "1h", "--outcome", "nice"},
	} {
		_, errs, code := wrapup(t, append([]string{"backfill"}, args...)...)
		assert.Equal(t, 2, code, "%v: %s", args, errs)
	}
}

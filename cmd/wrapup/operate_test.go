package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// refusing makes the sink refuse everything until the returned function is called.
func refusing(s *sink) (mend func()) {
	var mended atomic.Bool
	s.answer = func(_ int, w http.ResponseWriter) {
		if !mended.Load() {
			http.Error(w, `{"message":"no such field"}`, http.StatusBadRequest)
		}
	}
	return func() { mended.Store(true) }
}

// listed gives the deliveries that a list with these arguments has.
func (s *site) listed(args ...string) (list []admin.ListedDelivery) {
	s.t.Helper()
	out, code := s.run(append([]string{"deliveries", "list", "--limit", "0", "-o", "json"}, args...)...)
	require.Zero(s.t, code, out)
	require.NoError(s.t, json.Unmarshal([]byte(out), &list), out)
	return list
}

// audited gives what the audit says of its only day, which must hold or not.
func (s *site) audited(holds bool) admin.DayAudit {
	s.t.Helper()
	var days []admin.DayAudit
	out, code := s.run("audit", "-o", "json")
	require.Equal(s.t, holds, code == 0, out)
	require.NoError(s.t, json.Unmarshal([]byte(out), &days), out)
	require.NotEmpty(s.t, days)
	return days[len(days)-1]
}

func (s *site) succeeds(args ...string) string {
	s.t.Helper()
	out, code := s.run(args...)
	require.Zero(s.t, code, out)
	return out
}

func (s *site) fails(args ...string) string {
	s.t.Helper()
	out, code := s.run(args...)
	require.Equal(s.t, 1, code, out)
	return out
}

func TestDeadIsShownAndRetried(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	mend := refusing(sink)
	s := newSite(t, config(sink.url()))
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("the delivery to be dead", func() bool { return len(s.listed("--state", "dead")) == 1 })

	line := s.listed()[0]
	assert.Equal(t, "sink dead a 104906", fmt.Sprint(line.Destination, " ", line.State, " ", line.CallID, " ", line.Queue))
	assert.Contains(t, line.Reason, "400")
	for _, none := range [][]string{{"--state", "waiting,parked"}, {"--reason", "500"}, {"--queue", "1"}, {"--destination", "x"},
		{"--since", "2099-01-01"}, {"--until", "1d"}} {
		assert.Empty(t, s.listed(none...), none)
	}
	assert.Len(t, s.listed("--state", "dead", "--reason", "ANSWERED 400", "--queue", "104906", "--destination", "sink", "--since", "1h"), 1)

	shown := s.succeeds("deliveries", "show", "a")
	for _, want := range []string{"Call a to sink", "state      dead", "step ", "400, dead", "POST " + sink.url(), "request:", `"call_id":"a"`,
		"answer:", `{"message":"no such field"}`} {
		assert.Contains(t, shown, want)
	}
	assert.Contains(t, s.fails("deliveries", "show", "a", "--destination", "x"), "There is no such delivery. The call is finished")

	mend()
	out := s.succeeds("deliveries", "retry", "a", "--dry-run")
	assert.Contains(t, out, "To retry: 1\n  1  sink  dead  ")
	assert.Len(t, s.listed("--state", "dead"), 1)
	assert.Contains(t, s.fails("deliveries", "retry", "--state", "dead"), "Nobody can be asked here: --yes is the answer; nothing was changed")
	assert.Len(t, sink.requests(), 1)

	out = s.succeeds("deliveries", "retry", "a")
	assert.Contains(t, out, "1 of 1 due now.")
	s.delivered(sink, 2)
	s.eventually("the delivery to be done", func() bool { return s.audited(true).Destinations[0].Counted[connector.DeliveryDone] == 1 })
	assert.Contains(t, s.fails("deliveries", "retry", "a", "b"), "a: there is nothing to retry. The call is finished (unanswered). sink: delivered.\n"+
		"b: there is nothing to retry. No event of a call b has come.")
	assert.Contains(t, s.succeeds("deliveries", "retry", "--destination", "sink", "--yes"), "no delivery matches")
	assert.Len(t, sink.requests(), 2, "once")

	require.Zero(t, s.terminate())
	for _, args := range [][]string{{"deliveries", "retry", "a"}, {"deliveries", "drop", "a", "--reason", "x"},
		{"destinations", "pause", "sink", "--reason", "x"}, {"destinations", "resume", "sink"}} {
		assert.Contains(t, s.fails(args...), "a change needs the daemon to be running")
	}
}

func TestDropped(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	refusing(sink)
	s := newSite(t, config(sink.url()))
	s.start()
	s.accepted(append(unanswered("a"), unanswered("b")...)...)
	s.eventually("two dead deliveries", func() bool { return len(s.listed("--state", "dead")) == 2 })
	before := s.audited(true)
	assert.Contains(t, s.succeeds("deliveries", "drop", "--destination", "sink", "--with-reason", "400", "--reason", "tests", "--dry-run"), "To drop: 2")
	assert.Equal(t, before, s.audited(true))
	out := s.succeeds("deliveries", "drop", "a", "--reason", "a test call")
	assert.Contains(t, out, "1 of 1 dropped.")

	check := func() {
		day := s.audited(true)
		assert.Equal(t, map[connector.DeliveryState]int64{"dead": 1, "dropped": 1}, day.Destinations[0].Counted)
		out = s.succeeds("why", "a")
		assert.Regexp(t, `sink: dropped \(dropped by a person at 20\S+Z: a test call \(it was dead: answered 400 Bad Request`, out)
		assert.Len(t, s.listed(), 1)
		var status []admin.DestinationStatus
		require.NoError(t, json.Unmarshal([]byte(s.succeeds("destinations", "-o", "json")), &status))
		assert.Zero(t, status[0].Waiting)
		assert.EqualValues(t, 1, status[0].Dead)
	}
	check()
	assert.Contains(t, s.fails("deliveries", "drop", "a", "--reason", "again"), "there is nothing to drop")
	require.Zero(t, s.terminate())
	check()
}

// What was refused is rendered with the mapping as it is when it is retried.
func TestRetryRendersWithTheMappingOfToday(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	mend := refusing(sink)
	s := newSite(t, strings.Replace(config(sink.url()), "mapping: record", "mapping: desk", 1)+"mappings_dir: mappings\n")
	s.write("mappings/desk.yaml", "steps: [{name: log, path: /, repeat: safe, body: {wrong: \"${call.outcome}\"}}]\n")
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("the delivery to be dead", func() bool { return len(s.listed("--state", "dead")) == 1 })
	require.Zero(t, s.terminate())
	s.write("mappings/desk.yaml", "steps: [{name: log, path: /, repeat: safe, body: {right: \"${call.outcome}\"}}]\n")
	s.start()
	mend()
	s.succeeds("deliveries", "retry", "--destination", "sink", "--state", "dead", "--queue", "104906", "--reason", "400", "--since", "1h", "--yes")
	got := s.delivered(sink, 2)
	assert.JSONEq(t, `{"wrong": "unanswered"}`, got[0].body)
	assert.JSONEq(t, `{"right": "unanswered"}`, got[1].body)
}

func TestRetryOfManyByFilter(t *testing.T) {
	t.Parallel()
	const calls = 50
	sink := newSink(t)
	mend := refusing(sink)
	s := newSite(t, config(sink.url()))
	s.start()
	for i := range calls {
		s.accepted(unanswered(fmt.Sprintf("call-%d", i))...)
	}
	s.eventually("all to be dead", func() bool { return len(s.listed("--state", "dead")) == calls })
	out := s.succeeds("deliveries", "list", "--limit", "20")
	assert.Equal(t, 20, strings.Count(out, " dead "))
	_, after, ok := strings.Cut(strings.TrimSpace(out), "--after ")
	require.True(t, ok, out)
	assert.Len(t, s.listed("--after", after), calls-20)

	mend()
	out = s.succeeds("deliveries", "retry", "--destination", "sink", "--state", "dead", "--reason", "400", "--dry-run")
	assert.Contains(t, out, "To retry: 50\n  50  sink  dead  ")
	assert.Len(t, sink.requests(), calls)
	out = s.succeeds("deliveries", "retry", "--destination", "sink", "--state", "dead", "--reason", "400", "--yes")
	assert.Contains(t, out, "50 of 50 due now.")
	s.eventually("all to be delivered", func() bool { return s.audited(true).Destinations[0].Counted[connector.DeliveryDone] == calls })
	keys := map[string]int{}
	for _, r := range sink.requests() {
		keys[r.key]++
	}
	assert.Len(t, keys, calls)
	for key, n := range keys {
		assert.Equal(t, 2, n, key)
	}
}

// What may have been delivered is sent again only when a person says that he knows.
func TestParkedNeedsAWord(t *testing.T) {
	sink := newSink(t)
	sink.answer = func(n int, w http.ResponseWriter) {
		if n == 1 { // it has come, and no answer goes back
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		}
	}
	s := newSite(t, "mappings_dir: mappings\n"+strings.Replace(config(sink.url()), "mapping: record", "mapping: log", 1))
	s.write("mappings/log.yaml", "steps:\n  - {name: log, path: /calls, repeat: never, body: {id: \"${call.call_id}\"}}\n")
	s.start()
	s.accepted(unanswered("a")...)
	s.eventually("the delivery to be parked", func() bool { return len(s.listed("--state", "parked")) == 1 })
	assert.Contains(t, s.fails("deliveries", "retry", "a"), "1 of them may have been delivered, and may be logged twice. retry 1 delivery? "+
		"Nobody can be asked here: --parked-too is the answer; nothing was changed")
	assert.Len(t, sink.requests(), 1)
	s.succeeds("deliveries", "retry", "a", "--parked-too")
	s.eventually("the delivery to be done", func() bool { return s.audited(true).Destinations[0].Counted[connector.DeliveryDone] == 1 })
	assert.Len(t, sink.requests(), 2)
}

func TestAuditFindsAGap(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.damaged = true // what doesn't add up is no fine store
	s.start()
	s.accepted(append(unanswered("a"), unanswered("b")...)...)
	s.delivered(sink, 2)
	s.eventually("both to be done", func() bool { return s.audited(true).Destinations[0].Counted[connector.DeliveryDone] == 2 })
	require.Zero(t, s.terminate())
	out := s.succeeds("audit", "--days", "2")
	assert.Contains(t, out, "The sum holds: 2 call(s) in 1 day(s), each accounted for.")

	tamper := func(deltas ...outbox.Delta) {
		store, err := bolt.Open(filepath.Join(s.dir, "data", storeFile), bolt.Options{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		for i := range deltas {
			days, err := store.Days(t.Context())
			require.NoError(t, err)
			deltas[i].Day = days[0]
		}
		_, err = store.Commit(t.Context(), outbox.Tx{Count: deltas})
		require.NoError(t, err)
		require.NoError(t, store.Close())
	}
	done, dead := connector.CountState("sink", connector.DeliveryDone), connector.CountState("sink", connector.DeliveryDead)
	tamper(outbox.Delta{Name: done, N: -1})
	check := func(want ...string) {
		t.Helper()
		out := s.fails("audit")
		for _, w := range want {
			assert.Contains(t, out, w)
		}
		s.start()
		assert.Equal(t, out, s.fails("audit"))
		require.Zero(t, s.terminate())
	}
	check("sink: 2 calls were finished, but the states add up to 1", "sink: 1 calls are counted as done, but 2 are kept as such", "2 gap(s)")
	// The counters add up, and are wrong all the same.
	tamper(outbox.Delta{Name: dead, N: 1})
	check("sink: 1 calls are counted as done, but 2 are kept as such", "sink: 1 calls are counted as dead, but 0 are kept as such", "2 gap(s)")
	tamper(outbox.Delta{Name: dead, N: -1}, outbox.Delta{Name: done, N: 1}, outbox.Delta{Name: connector.CountCalls, N: 1})
	check("calls: 3 were counted, and 2 are kept")
	tamper(outbox.Delta{Name: connector.CountCalls, N: -1}, outbox.Delta{Name: connector.CountUpdates("sink"), N: 1})
	check("sink: 1 updates were finished, but the states add up to 0", "sink: 1 updates were finished, but deliveries of 0 are kept", "2 gap(s)")
}

// A delivery that waits and stands in no queue would never be sent, and no list shows it: audit does.
func TestAuditFindsWhatNobodyWillSend(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	s.succeeds("destinations", "pause", "sink", "--reason", "so that they wait")
	s.accepted(unanswered("a")...) // they are looked at side by side: this one is to be the first
	s.eventually("it to wait", func() bool { return s.waiting() == 1 })
	s.accepted(unanswered("b")...)
	s.eventually("both to wait", func() bool { return s.waiting() == 2 })
	assert.Contains(t, s.succeeds("audit"), "The sum holds")
	require.Zero(t, s.terminate())
	store, err := bolt.Open(filepath.Join(s.dir, "data", storeFile), bolt.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	tasks, _, err := store.Claim(t.Context(), "sink", time.Now(), 1, outbox.OldestFirst)
	require.NoError(t, err)
	require.Len(t, tasks, 1)
	require.NoError(t, store.Settle(t.Context(), tasks[0], outbox.Done(), outbox.Tx{}))
	require.NoError(t, store.Close())
	const gap = "sink: 1 deliveries that are not over stand in no queue, so nothing will come of them: that of call "
	assert.Contains(t, s.fails("audit"), gap)
	s.start()
	assert.Contains(t, s.fails("audit"), gap)
}

// Later revisions have a sum of their own: whether they arrived, wait, or are dead.
func TestAuditOfUpdates(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	events := documented(t)
	assert.NotContains(t, s.succeeds("audit"), "UPDATES")
	s.accepted(slices.DeleteFunc(slices.Clone(events), func(e string) bool { return strings.Contains(e, `"type":1`) })...)
	s.delivered(sink, 1)
	s.eventually("the delivery to be done", func() bool { return s.audited(true).Destinations[0].Counted[connector.DeliveryDone] == 1 })
	assert.Zero(t, s.audited(true).Destinations[0].Updates.Finished)
	mend := refusing(sink)
	s.accepted(events...)
	s.eventually("a dead update", func() bool { return s.audited(true).Destinations[0].Updates.Counted[connector.DeliveryDead] == 1 })
	out := s.succeeds("audit")
	assert.Regexp(t, `DESTINATION +UPDATES +DELIVERED .*\n\S+ +sink +1 +0 +0 +1 +0 +0 +0 +0\n`, out)
	mend()
	s.succeeds("deliveries", "retry", documentedUUID)
	s.eventually("the update to be delivered", func() bool {
		updates := s.audited(true).Destinations[0].Updates
		return updates.Finished == 1 && updates.Counted[connector.DeliveryDone] == 1 && len(updates.Counted) == 1
	})
}

// While calls come and go the audit never sees a gap that isn't there.
func TestAuditOfABusyDaemon(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, strings.Replace(config(sink.url()), "{settle: 500ms}", "{settle: 20ms}", 1))
	s.start()
	stop := make(chan struct{})
	posted := make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				posted <- n
				return
			default:
			}
			for _, body := range unanswered(fmt.Sprintf("call-%d", n)) {
				if resp, err := http.Post(s.url(), "application/json", strings.NewReader(body)); err == nil {
					_ = resp.Body.Close()
				}
			}
		}
	}()
	s.delivered(sink, 1)
	steady := 0
	for began := time.Now(); time.Since(began) < 2*time.Second; {
		if !s.audited(true).Moving {
			steady++
		}
	}
	assert.Positive(t, steady)
	t.Log("steady:", steady)
	close(stop)
	n := <-posted
	s.eventually("all to be delivered", func() bool {
		day := s.audited(true)
		return !day.Moving && day.Destinations[0].Counted[connector.DeliveryDone] == int64(n)
	})
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := newSite(t, config(sink.url()))
	s.start()
	assert.Regexp(t, `sink +running +0 +- +- +- +nothing waits +0 +0 +0 of 0 +-`, s.succeeds("destinations"))
	s.succeeds("destinations", "pause", "sink", "--reason", "maintenance")
	s.accepted(unanswered("a")...)
	s.eventually("a waiting delivery", func() bool { return len(s.listed("--state", "waiting")) == 1 })
	for range 2 { // also over a restart
		out := s.succeeds("destinations")
		assert.Regexp(t, `sink +held +1 +20[-0-9]+ +20.* unknown: held  `, out)
		assert.Contains(t, out, "UTC: maintenance")
		require.Zero(t, s.terminate())
		assert.Regexp(t, `sink +stopped +1 +20`, s.succeeds("destinations"))
		s.start()
	}
	assert.Empty(t, sink.requests())
	assert.Contains(t, s.fails("destinations", "resume", "crm"), `there is no destination "crm"; there are: sink`)
	s.succeeds("destinations", "resume", "sink")
	s.delivered(sink, 1)
	s.eventually("the delivery to be done", func() bool { return strings.Contains(s.succeeds("destinations"), "1 of 1") })
}

func TestOperatingUsage(t *testing.T) {
	for _, args := range [][]string{{"deliveries", "retry"}, {"deliveries", "drop", "a"}, {"deliveries", "drop", "--reason", "x"},
		{"deliveries", "list", "--since", "yesterday"}, {"deliveries", "retry", "--state", "done"}, {"audit", "--days", "-1"},
		{"destinations", "bogus"}, {"destinations", "pause", "sink"}, {"destinations", "resume"}} {
		_, errs, code := wrapup(t, args...)
		assert.Equal(t, 2, code, "%v: %s", args, errs)
		assert.NotEmpty(t, errs)
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/deliver"
	"wrapup/connector/target/targettest"
	"wrapup/mappings"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
)

// presetRun is a preset on its way to its fake: configuration, mapping, lane, store and client are the daemon's own. Time is
// virtual.
type presetRun struct {
	t     *testing.T
	c     *presetCase
	fake  *targettest.Fake
	store *bolt.Store
	refs  map[string]outbox.Ref
	// problems are what the scenario found wrong.
	problems []string
	stop     func()
}

// presetCall is the number and the agent of the suite's calls, and when they were.
const (
	presetPhone = "+62812345613"
	presetAgent = "jdoe"
)

var presetDay = time.Date(2026, 3, 2, 9, 14, 58, 655356000, time.UTC)

// runPreset runs a scenario with a preset, or with a text in its place, and gives what was wrong, and what was asked.
func runPreset(t *testing.T, c *presetCase, text string, s presetScenario) (problems []string, log []targettest.Exchange) {
	t.Helper()
	dir := t.TempDir()
	if s.short && text == "" {
		src, _ := mappings.Preset(c.preset)
		text = string(src)
	}
	if s.short {
		text = strings.ReplaceAll(text, "missing: {hold: 24h,", "missing: {hold: 10m,")
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(presetDay.Add(3 * time.Minute)))
		r := &presetRun{t: t, c: c, fake: targettest.New(c.api()), refs: map[string]outbox.Ref{}}
		defer r.fake.Close()
		r.start(dir, text)
		s.run(r)
		r.stop()
		r.bounded(s)
		problems, log = r.problems, r.fake.Log()
	})
	return problems, log
}

// A call costs so many requests at most, whatever goes wrong: twice what the dearest preset needs. Where a call waits for a
// person, for ten minutes, it may be looked at now and then.
const (
	presetRequests = 16
	presetLooks    = 40
)

// bounded says whether no call cost more: no preset asks again and again.
func (r *presetRun) bounded(s presetScenario) {
	most := presetRequests
	if s.waits() {
		most = presetLooks
	}
	if n := len(r.fake.Log()); n > most*len(r.refs) {
		r.fail("%d requests for %d calls: more than %d each", n, len(r.refs), most)
	}
}

// start loads the configuration and starts the lane.
func (r *presetRun) start(dir, text string) {
	files := map[string]string{
		"/etc/wrapup/wrapup.yaml": "sources: [{kind: nxcloud-events, auth: {token: t0ken-of-the-dialer}}]\nmappings_dir: /etc/wrapup/mappings\ndestinations:\n  - name: crm\n    mapping: " + r.c.preset +
			"\n    " + strings.ReplaceAll(strings.TrimSpace(r.c.destination), "\n", "\n    ") + "\n",
	}
	if r.c.agents != "" {
		files["/etc/wrapup/mappings/agents.csv"] = r.c.agents
	}
	if text != "" {
		files["/etc/wrapup/mappings/"+r.c.preset+".yaml"] = text
	}
	config, problems := configs.Load(configs.Input{
		Path: "/etc/wrapup/wrapup.yaml",
		ReadFile: func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
		ReadDir: func(string) (entries []fs.DirEntry, err error) {
			for name := range files {
				if name != "/etc/wrapup/wrapup.yaml" {
					entries = append(entries, presetFile(filepath.Base(name)))
				}
			}
			return entries, nil
		},
	})
	require.NoError(r.t, problems.Err())
	d := &config.Destinations[0]

	store, err := bolt.Open(filepath.Join(dir, "wrapup.db"), bolt.Options{})
	require.NoError(r.t, err)
	r.store = store
	to, err := connectBy(d, store, r.fake.Dial)
	require.NoError(r.t, err)
	l := deliver.New(deliver.Options{
		Destination: to.destination(d), Store: store, Now: time.Now, Random: func() float64 { return 0.5 },
		Logger: slog.New(slog.DiscardHandler), Grace: stopDelivery,
	})
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(r.t, store.Open(ctx, func(string, []outbox.Item) error { return nil }))
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	r.stop = func() {
		cancel()
		require.NoError(r.t, <-done)
		to.close()
		require.NoError(r.t, store.Close())
	}
}

// presetFile is a file of the folder of mappings.
type presetFile string

func (f presetFile) Name() string             { return string(f) }
func (presetFile) IsDir() bool                { return false }
func (presetFile) Type() fs.FileMode          { return 0 }
func (presetFile) Info() (fs.FileInfo, error) { return nil, fs.ErrNotExist }

// fail notes what is wrong.
func (r *presetRun) fail(format string, a ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, a...))
}

// call is a call of that outcome.
func (r *presetRun) call(outcome connector.Outcome) *connector.Record {
	id := fmt.Sprintf("5f0c2c9e-3b0e-4d0a-9f0e-0c6b7f6b2a%02d", 11+len(r.refs))
	at := func(seconds float64) connector.Time {
		return connector.TimeOf(presetDay.Add(time.Duration(seconds * float64(time.Second))))
	}
	c := &connector.Record{
		CallID: id, UUID: id, Attempt: 1, Revision: 1, Sources: []string{"nxcloud-events"}, Flags: []connector.Flag{},
		Direction: connector.Outbound, Queue: "104906", QueueName: "Sales & Co", Phone: "812345613", PhoneE164: presetPhone, CountryCode: "ID",
		Outcome: outcome, OccurredAt: at(0), StartedAt: at(0), EndedAt: at(25), DurationSeconds: connector.KnownSpan(25e6), Agents: []connector.Segment{},
	}
	if outcome == connector.OutcomeUnanswered {
		return c
	}
	c.AnsweredAt, c.RingSeconds, c.BillSec, c.WaitSeconds = at(10), connector.KnownSpan(10e6), connector.KnownSpan(15e6), connector.KnownSpan(15e6)
	if outcome == connector.OutcomeConnected {
		c.BridgedAt, c.EndedAt, c.WaitSeconds, c.TalkSeconds = at(11), at(136.25), connector.KnownSpan(1e6), connector.KnownSpan(125.25e6)
		c.BillSec, c.DurationSeconds, c.RecordingURL = connector.KnownSpan(126.25e6), connector.KnownSpan(136.25e6), connector.Text("https://rec.example.com/"+id+".mp3")
		c.Agents = []connector.Segment{{Username: presetAgent, SIPID: "1049002", AgentID: "88e64026", JoinedAt: at(11), LeftAt: at(136.25), TalkSeconds: c.TalkSeconds}}
		c.Agent = &c.Agents[0]
	}
	return c
}

// finish hands a finished call to the lane, as the daemon does.
func (r *presetRun) finish(record *connector.Record) {
	call := connector.Call{FinishedAt: connector.TimeOf(time.Now()), Revisions: []connector.Revision{{Record: *record}}}
	body, err := json.Marshal(&call)
	require.NoError(r.t, err)
	row, err := (&connector.Delivery{State: connector.DeliveryWaiting, Wanted: 1}).Encode()
	require.NoError(r.t, err)
	day := outbox.DayOf(time.Now())
	result, err := r.store.Commit(r.t.Context(), outbox.Tx{
		Group: connector.CallGroup(record.CallID), Entry: &outbox.EntryPut{ID: record.CallID, Day: day, Body: body},
		Put: []outbox.RowPut{{Name: "crm", Body: row}}, Enqueue: []outbox.NewTask{{Queue: "crm", Due: time.Now()}},
		Count: []outbox.Delta{{Day: day, Name: connector.CountState("crm", connector.DeliveryWaiting), N: 1}},
	})
	require.NoError(r.t, err)
	r.refs[record.CallID] = result.Ref
}

// amend hands over a later revision of a call that was delivered.
func (r *presetRun) amend(record *connector.Record) {
	ref := r.refs[record.CallID]
	entry, err := r.store.Entry(r.t.Context(), ref)
	require.NoError(r.t, err)
	call, err := connector.DecodeCall(entry.Body)
	require.NoError(r.t, err)
	call.Revisions = append(call.Revisions, connector.Revision{Record: *record})
	body, err := json.Marshal(call)
	require.NoError(r.t, err)
	d, err := connector.DecodeDelivery(entry.Row("crm").Body)
	require.NoError(r.t, err)
	d.Wanted, d.State = record.Revision, connector.DeliveryWaiting
	row, err := d.Encode()
	require.NoError(r.t, err)
	_, err = r.store.Commit(r.t.Context(), outbox.Tx{
		Group: entry.Group, Entry: &outbox.EntryPut{ID: entry.ID, Ref: ref, Day: ref.Day, Prev: entry.Version, Body: body},
		Put:     []outbox.RowPut{{Ref: ref, Name: "crm", Prev: entry.Row("crm").Version, Body: row}},
		Enqueue: []outbox.NewTask{{Queue: "crm", Ref: ref, Due: time.Now()}},
	})
	require.NoError(r.t, err)
}

// wait lets time pass.
func (r *presetRun) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// delivery is how the delivery of a call stands.
func (r *presetRun) delivery(record *connector.Record) *connector.Delivery {
	entry, err := r.store.Entry(r.t.Context(), r.refs[record.CallID])
	require.NoError(r.t, err)
	d, err := connector.DecodeDelivery(entry.Row("crm").Body)
	require.NoError(r.t, err)
	return d
}

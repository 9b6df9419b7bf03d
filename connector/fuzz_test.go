package connector_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// FuzzStoredCall: a call that is stored, or what has become of it, is read or refused in words; and what was read can be
// written and says the same when it is read again.
func FuzzStoredCall(f *testing.F) {
	record, err := os.ReadFile("correlate/testdata/documented-record.json")
	require.NoError(f, err)
	f.Add([]byte(`{"revisions":[{"record":` + string(record) + `,"at":"2026-05-01T08:00:00.000001Z"}],"events":[{"source":"nxcloud-events","kind":"started",` +
		`"code":"2/1","uuid":"u","time":"2019-05-24T06:03:02.655356Z","extra":{"a":[1,{"b":null}]},"at":"2026-05-01T08:00:00Z"}],"finished_at":null}`))
	f.Add([]byte(`{"revisions":[{"record":{"ring_seconds":1e300,"talk_seconds":-0.0000005,"occurred_at":"0000-01-01T00:00:00Z"}}]}`))
	f.Add([]byte(`{"revisions":[{}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := connector.DecodeCall(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		_ = c.Record().Counts()
		_ = c.Revision(1)
		written, err := json.Marshal(c)
		require.NoError(t, err)
		again, err := connector.DecodeCall(written)
		require.NoError(t, err)
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(written), string(rewritten))
	})
}

// FuzzStoredDelivery is the same for a delivery.
func FuzzStoredDelivery(f *testing.F) {
	f.Add([]byte(`{"state":"waiting","wanted":2,"done":1,"sending":2,"progress":{"done":["log"],"saved":{"id":12345678901234567890}},` +
		`"unsure":{"log":"2026-05-01T08:00:00Z"},"failed":3,"last_failed":"2026-05-01T08:00:00Z","tried":7,"next":"2026-05-01T09:00:00Z",` +
		`"attempts":[{"at":"2026-05-01T08:00:00Z","revision":1,"step":"log","method":"POST","url":"https://x/","status":500,"verdict":"retry","took":0.25}]}`))
	f.Add([]byte(`{"tried":-9223372036854775808,"failed":1,"next":"9999-12-31T23:59:59Z","last_failed":"0001-01-02T00:00:00Z"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := connector.DecodeDelivery(body)
		if err != nil {
			return
		}
		written, err := d.Encode()
		require.NoError(t, err)
		again, err := connector.DecodeDelivery(written)
		require.NoError(t, err)
		rewritten, err := again.Encode()
		require.NoError(t, err)
		require.JSONEq(t, string(written), string(rewritten))
		again.Fail(1_600_000_000_000_000, 60_000_000)
		again.Idle(1_600_000_001_000_000)
		for range 12 {
			again.Note(connector.Attempt{})
		}
		require.LessOrEqual(t, len(again.Attempts), max(12, len(d.Attempts)))
	})
}

// FuzzStoredEvent is the same for an event that is in no record yet.
func FuzzStoredEvent(f *testing.F) {
	f.Add([]byte(`{"source":"nxcloud-events","kind":"joined","code":"1/3","uuid":"u","time":"2019-05-24T06:03:13.395365Z","queue":"104906","phone":"812345613",` +
		`"agent_id":"88e64026-d56b-4dc5-829c-7a7a9f2a1485","username":"6122312312","sip_id":"1049002","info":"x","extra":{"a":1e400},"at":"2026-05-01T08:00:00Z"}`))
	f.Add([]byte(`{"kind":"nonsense","extra":{"":null}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a connector.Arrival
		if json.Unmarshal(body, &a) != nil {
			return
		}
		written, err := json.Marshal(a)
		require.NoError(t, err)
		var again connector.Arrival
		require.NoError(t, json.Unmarshal(written, &again))
		require.Zero(t, connector.CompareEvents(&a.Event, &again.Event))
		require.Equal(t, a.ID(), again.ID())
		for _, group := range a.Groups() {
			require.True(t, connector.HoldsEvents(group))
			require.NotEmpty(t, a.IDIn(group))
		}
		_, _ = connector.Now([]connector.Event{a.Event, again.Event})
	})
}

package mappings

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// benchMapping has the fifteen fields of a usual one.
const benchMapping = `
url: https://crm.example.com
headers: {Idempotency-Key: "${call.call_id}:${call.revision}"}
tables:
  status: {connected: COMPLETED, busy: BUSY, no_answer: NO_ANSWER, default: FAILED}
  owner: {"6122312312": "11349275"}
steps:
  - name: log
    path: /v3/calls/${call.call_id}
    body:
      id: "${call.call_id}"
      properties:
        timestamp: "${unix_ms(call.occurred_at)}"
        title: "Call to ${call.phone_e164} (${call.outcome})"
        direction: OUTBOUND
        duration: "${millis(call.talk_seconds)}"
        to_number: "${call.phone_e164}"
        status: "${tables.status[call.outcome]}"
        recording_url: "${call.recording_url}"
        owner: "${tables.owner[call.agent.username]}"
        queue: "${call.queue_name ?? call.queue}"
        started: "${rfc3339_seconds(call.started_at)}"
        billed: "${seconds(call.billsec)}"
        waited: "${call.wait_seconds}"
        connected: "${call.outcome == 'connected'}"
        order: "${call.order_id}"
`

// handwrittenBody is the body of benchMapping as a struct, which encoding/json writes faster than a map.
type handwrittenBody struct {
	ID         string `json:"id"`
	Properties struct {
		Timestamp    int64          `json:"timestamp"`
		Title        string         `json:"title"`
		Direction    string         `json:"direction"`
		Duration     *int           `json:"duration,omitempty"`
		ToNumber     connector.Text `json:"to_number,omitempty"`
		Status       string         `json:"status"`
		RecordingURL connector.Text `json:"recording_url,omitempty"`
		Owner        string         `json:"owner,omitempty"`
		Queue        connector.Text `json:"queue,omitempty"`
		Started      string         `json:"started,omitempty"`
		Billed       *int           `json:"billed,omitempty"`
		Waited       *float64       `json:"waited,omitempty"`
		Connected    bool           `json:"connected"`
		Order        connector.Text `json:"order,omitempty"`
	} `json:"properties"`
}

// handwritten is what a programmer would write in the place of benchMapping.
func handwritten(r *connector.Record, status, owner map[string]string) (Request, error) {
	b := handwrittenBody{ID: r.CallID}
	p := &b.Properties
	p.Timestamp = r.OccurredAt.Time().UnixMilli()
	p.Title = "Call to " + string(r.PhoneE164) + " (" + string(r.Outcome) + ")"
	p.Direction, p.ToNumber, p.RecordingURL, p.Order = "OUTBOUND", r.PhoneE164, r.RecordingURL, r.OrderID
	if p.Status = status[string(r.Outcome)]; p.Status == "" {
		p.Status = "FAILED"
	}
	if r.TalkSeconds.Known {
		p.Duration = new(int(math.Round(r.TalkSeconds.Seconds() * 1000)))
	}
	if r.Agent != nil {
		p.Owner = owner[string(r.Agent.Username)]
	}
	if p.Queue = r.QueueName; p.Queue == "" {
		p.Queue = r.Queue
	}
	if r.StartedAt.Known() {
		p.Started = r.StartedAt.Time().Format("2006-01-02T15:04:05Z")
	}
	if r.BillSec.Known {
		p.Billed = new(int(math.Round(r.BillSec.Seconds())))
	}
	if r.WaitSeconds.Known {
		p.Waited = new(r.WaitSeconds.Seconds())
	}
	p.Connected = r.Outcome == connector.OutcomeConnected
	body, err := json.Marshal(b)
	if err != nil {
		return Request{}, err
	}
	header := http.Header{}
	header.Set("Idempotency-Key", r.CallID+":"+strconv.Itoa(r.Revision))
	header.Set("Content-Type", "application/json")
	return Request{Method: http.MethodPost, URL: "https://crm.example.com/v3/calls/" + url.PathEscape(r.CallID), Header: header, Body: body}, nil
}

func benchRecord(b testing.TB) *connector.Record {
	r := new(connector.Record)
	require.NoError(b, json.Unmarshal([]byte(exampleRecord), r))
	return r
}

// TestHandwritten sees to it that the benchmark compares two that do the same.
func TestHandwritten(t *testing.T) {
	m, problems := Compile("bench.yaml", []byte(benchMapping), Options{})
	require.NoError(t, problems.Err())
	r := benchRecord(t)
	a, err := m.Next(Call{Record: r})
	require.NoError(t, err)
	want, err := handwritten(r, map[string]string{"connected": "COMPLETED"}, map[string]string{"6122312312": "11349275"})
	require.NoError(t, err)
	require.JSONEq(t, string(want.Body), string(a.Request.Body))
	want.Body, a.Request.Body = nil, nil
	require.Equal(t, want, a.Request)
}

func BenchmarkRender(b *testing.B) {
	m, problems := Compile("bench.yaml", []byte(benchMapping), Options{})
	require.NoError(b, problems.Err())
	c := Call{Record: benchRecord(b)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Next(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandwritten(b *testing.B) {
	status := map[string]string{"connected": "COMPLETED", "busy": "BUSY", "no_answer": "NO_ANSWER"}
	owner := map[string]string{"6122312312": "11349275"}
	r := benchRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := handwritten(r, status, owner); err != nil {
			b.Fatal(err)
		}
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
)

// FuzzPrintedAnswer: whatever the daemon answers, for it hands on what dialers and CRMs have said, commands print it or say
// why not, and write nothing that a terminal obeys.
func FuzzPrintedAnswer(f *testing.F) {
	record, err := os.ReadFile("../../connector/correlate/testdata/documented-record.json")
	require.NoError(f, err)
	f.Add([]byte(`{"uuid":"u","pending":[{"kind":"started","code":"2/1","uuid":"u","phone":"\u001b[31m","at":"2026-05-01T08:00:00Z"}],"calls":[{"call_id":"u",` +
		`"revisions":[{"record":` + string(record) + `}],"deliveries":[{"destination":"crm","state":"dead","reason":"\u202e","dropped":1,"unsure":{"log":null},` +
		`"attempts":[{"step":"\u0007","url":"https://x/\u009b","error":"a\r\nb","answer":"\u2028"}]}]}]}`))
	f.Add([]byte(`{"deliveries":[{"destination":"crm","state":"\u001b","call_id":"\u001b","outcome":"\u001b","reason":"\u001b"}]}`))
	f.Add([]byte(`[{"destination":"\u001b","state":"held","reason":"\u001b","last_error":"\u001b","last_error_at":"2026-05-01T08:00:00Z","unreadable":1}]`))
	f.Add([]byte(`[{"username":"\u001b","state":"ready","uuid":"\u202e"}]`))
	f.Add([]byte(`[{"queue":"\u001b","name":"\u202e","offered":1,"abandoned_share":1e308}]`))
	f.Add([]byte(`[{"day":"\u001b","calls":1,"destinations":[{"destination":"\u001b"}],"gaps":["\u001b"],"moving":true}]`))
	f.Add([]byte(`{"quarantined":[{"id":"\u001b","source":"\u001b","reasons":["\u001b","x"],"sender":"\u001b"}],"refused":1,"room":-1}`))
	f.Add([]byte(`{"id":"\u001b","source":"\u001b","reasons":["\u001b"],"body":"GwoAnf8="}`))
	f.Add([]byte(`{"feeds":[{"source":"\u001b"}],"refused":[{"sender":"\u001b","source":"\u001b","reason":"\u001b"}]}`))
	f.Fuzz(func(t *testing.T, answered []byte) {
		check := func(out string, err error) {
			t.Helper()
			require.NoError(t, err)
			for line := range strings.Lines(out) {
				require.False(t, strings.ContainsFunc(strings.TrimSuffix(line, "\n"), harmful), "%q", line)
			}
		}
		printed(answered, check, func(b *bytes.Buffer, s *admin.Story) error {
			for i := range s.Calls {
				if len(s.Calls[i].Revisions) == 0 {
					return nil // no daemon answers so: a stored call has a record, or isn't read
				}
			}
			if err := printStory(b, s); err != nil {
				return err
			}
			return printShown(b, s, answer(s))
		})
		printed(answered, check, func(b *bytes.Buffer, p *admin.Page) error {
			if err := printSummary(b, p.Deliveries, "retry"); err != nil {
				return err
			}
			return printDeliveries(b, p.Deliveries)
		})
		printed(answered, check, func(b *bytes.Buffer, l *[]admin.DestinationStatus) error { return printDestinationStatus(b, *l) })
		printed(answered, check, func(b *bytes.Buffer, l *[]connector.AgentNow) error { return printAgents(b, *l) })
		printed(answered, check, func(b *bytes.Buffer, l *[]admin.QueueStats) error { return printQueues(b, *l, 30) })
		printed(answered, check, func(b *bytes.Buffer, l *[]*admin.DayAudit) error {
			for _, a := range *l {
				if a == nil {
					return nil
				}
			}
			return printAudits(b, *l)
		})
		printed(answered, check, func(b *bytes.Buffer, p *connector.QuarantinePage) error { return printQuarantine(b, p) })
		printed(answered, check, func(b *bytes.Buffer, one *connector.Quarantined) error { return printQuarantined(b, one) })
		printed(answered, check, func(b *bytes.Buffer, s *connector.IntakeStatus) error { return printSources(b, s) })
		if json.Valid(answered) {
			var b bytes.Buffer
			require.NoError(t, printJSON(&b, json.RawMessage(answered)))
			check(b.String(), nil)
			require.True(t, json.Valid(b.Bytes()), "%q", b.String())
		}
	})
}

// printed prints an answer of one kind, if it can be read as one, for people and for scripts.
func printed[T any](answered []byte, check func(string, error), show func(*bytes.Buffer, *T) error) {
	v := new(T)
	if json.Unmarshal(answered, v) != nil {
		return
	}
	var b bytes.Buffer
	err := show(&b, v)
	check(b.String(), err)
	b.Reset()
	err = printJSON(&b, v)
	check(b.String(), err)
}

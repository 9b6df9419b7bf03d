package deliver

import (
	"errors"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
)

// predicates is a step with each thing that a mapping can say about an answer.
const predicates = `steps:
  - name: log
    path: /calls
    repeat: never
    save: {id: "${response.body.id}"}
    answers:
      reauth: "${response.body.is == 'expired'}"
      duplicate: "${response.body.is == 'there'}"
      retry:
        - {if: "${response.body.is == 'busy'}", after: "${response.body.reset}"}
        - {if: "${response.headers['x-left'] == '0'}", after: "${response.headers['x-reset']}"}
        - {if: "${response.body.is == 'locked'}"}
      permanent: "${response.body.is == 'wrong'}"
      success: "${response.body.ok == null || response.body.ok}"
      warn: "${response.body.note}"
      error: "${response.body.message}"
`

// All that an exchange can mean, in one table: each status, each way in which there is no answer, each predicate of a
// mapping, and what wins where several hold. A step that reads nothing of its answers is judged by the status alone.
func TestVerdicts(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	plain := yamlMapping(t, neverTwice)
	telling := yamlMapping(t, predicates)
	lookup := yamlMapping(t, `steps: [{name: log, method: GET, path: /contacts, found: "${response.body.id}"}]`)
	const (
		done, retry, dead, unsure, down, suspect = target.Done, target.Retry, target.Dead, target.Unsure, target.Down, target.Suspect
	)
	broken := errors.New("connection reset by peer")
	rows := []struct {
		m        *mappings.Mapping
		from, to int // statuses
		lost     *target.Error
		header   http.Header
		body     string
		cut      bool
		want     target.Kind
		after    time.Duration
		why      string // is in the reason
	}{
		// By status. 1xx but 101 never get here: net/http reads on.
		{m: plain, from: 100, to: 199, want: unsure},
		{m: plain, from: 200, to: 299, want: done},
		{m: plain, from: 200, to: 299, body: "<html>", want: done},
		{m: plain, from: 200, to: 299, body: `{"ok":`, cut: true, want: done},
		{m: plain, from: 300, to: 303, want: dead, why: "redirects are not followed"},
		{m: plain, from: 304, to: 304, want: dead},
		{m: plain, from: 305, to: 399, want: dead},
		{m: plain, from: 400, to: 400, want: dead},
		{m: plain, from: 401, to: 401, want: down},
		{m: plain, from: 402, to: 402, want: dead},
		{m: plain, from: 403, to: 404, want: suspect},
		{m: plain, from: 405, to: 407, want: dead},
		{m: plain, from: 408, to: 408, want: retry},
		{m: plain, from: 409, to: 409, want: dead},
		{m: plain, from: 410, to: 410, want: down},
		{m: plain, from: 411, to: 424, want: dead},
		{m: plain, from: 425, to: 425, want: retry},
		{m: plain, from: 426, to: 428, want: dead},
		{m: plain, from: 429, to: 429, want: retry},
		{m: plain, from: 430, to: 499, want: dead},
		{m: plain, from: 500, to: 500, want: retry},
		{m: plain, from: 501, to: 502, want: unsure},
		{m: plain, from: 503, to: 503, want: retry},
		{m: plain, from: 504, to: 599, want: unsure},
		{m: plain, from: 600, to: 999, want: unsure},
		// Retry-After is heard wherever the same call is tried again.
		{m: plain, from: 401, header: http.Header{"Retry-After": {"90"}}, want: down, after: 90 * time.Second},
		{m: plain, from: 429, header: http.Header{"Retry-After": {"90"}}, want: retry, after: 90 * time.Second},
		{m: plain, from: 502, header: http.Header{"Retry-After": {"Mon, 02 Mar 2026 09:01:00 GMT"}}, want: unsure, after: time.Minute},

		// Without an answer.
		{m: plain, lost: &target.Error{Err: broken}, want: retry, why: "the request was not sent: connection reset"},
		{m: plain, lost: &target.Error{Err: syscall.ECONNREFUSED}, want: retry, why: "connection refused"},
		{m: plain, lost: &target.Error{Err: broken, Sent: true}, want: unsure, why: "no answer after the request was sent"},
		{m: plain, lost: &target.Error{Err: &target.TimeoutError{Limit: time.Minute}, Sent: true}, want: unsure, why: "it took longer than 1m0s"},
		{m: plain, lost: &target.Error{Err: errors.New("x509: expired"), Certificate: true}, want: down, why: "expired"},
		{m: plain, lost: &target.Error{Err: &target.AddressError{What: "a link-local address"}, Forbidden: true}, want: down, why: "link-local"},
		{m: plain, lost: &target.Error{Err: &target.ProxyError{Status: 407}, Forbidden: true}, want: down, why: "the proxy answered 407"},

		// By predicate, whatever the status says.
		{m: telling, from: 200, body: `{"is":"expired"}`, want: down, why: "credentials"},
		{m: telling, from: 500, body: `{"is":"expired"}`, want: down},
		{m: telling, from: 400, body: `{"is":"there"}`, want: done, why: "there already"},
		{m: telling, from: 500, body: `{"is":"there","id":4}`, want: done},
		{m: telling, from: 200, body: `{"is":"busy","reset":75}`, want: retry, after: 75 * time.Second, why: "not now"},
		{m: telling, from: 403, body: `{"is":"busy","reset":"10m"}`, want: retry, after: 10 * time.Minute},
		{m: telling, from: 502, body: `{"is":"busy","reset":"2026-03-02T09:00:40Z"}`, want: retry, after: 40 * time.Second},
		{m: telling, from: 400, body: `{"is":"busy","reset":1772442060}`, want: retry, after: time.Minute},
		{m: telling, from: 400, body: `{"is":"busy","reset":1772442060000}`, want: retry, after: time.Minute},
		{m: telling, from: 400, body: `{"is":"busy","reset":"soon"}`, want: retry},
		{m: telling, from: 400, body: `{"is":"busy","reset":99999999}`, want: retry, after: 24 * time.Hour},
		{m: telling, from: 400, header: http.Header{"X-Left": {"0"}, "X-Reset": {"Mon, 02 Mar 2026 09:02:00 GMT"}}, want: retry, after: 2 * time.Minute},
		{m: telling, from: 429, header: http.Header{"Retry-After": {"90"}}, body: `{"is":"busy","reset":75}`, want: retry, after: 90 * time.Second},
		{m: telling, from: 423, body: `{"is":"locked"}`, want: retry},
		{m: telling, from: 503, body: `{"is":"wrong","message":"no such owner"}`, want: dead, why: "no such owner"},
		{m: telling, from: 404, body: `{"is":"wrong"}`, want: dead},
		{m: telling, from: 200, body: `{"ok":false,"message":"no such owner"}`, want: dead, why: "answered 200 OK, which the mapping takes for a refusal: no such owner"},
		{m: telling, from: 200, body: `{"ok":true,"note":"the owner is inactive"}`, want: done},
		{m: telling, from: 422, body: `{"message":"phone is missing"}`, want: dead, why: "answered 422 Unprocessable Entity: phone is missing"},
		{m: telling, from: 503, body: `{"message":"maintenance"}`, want: retry, why: "maintenance"},
		// A 2xx that the step reads, and can't.
		{m: telling, from: 200, body: "<html>", want: unsure, why: "can't be read"},
		{m: telling, from: 201, body: `{"id":7}`, cut: true, want: unsure, why: "can't be read"},
		{m: telling, from: 200, want: unsure, why: "without the body"},
		{m: telling, from: 204, want: done},
		{m: telling, from: 400, body: "<html>", want: dead, why: "answered 400"},
		{m: telling, from: 502, body: "<html>", want: unsure, why: "answered 502"},
		// A lookup.
		{m: lookup, from: 200, body: `{"id":7}`, want: done},
		{m: lookup, from: 200, body: `{}`, want: done},
		{m: lookup, from: 204, want: done},
		{m: lookup, from: 404, want: done},
		{m: lookup, from: 403, want: suspect},
		{m: lookup, from: 200, body: "<html>", want: unsure},
	}
	call := mappings.Call{Record: &connector.Record{CallID: "a", Revision: 1}, Now: now}
	judged := map[int]bool{} // by status alone
	for _, row := range rows {
		if row.lost != nil {
			v := target.Judge(nil, row.lost, now)
			assert.Equal(t, row.want.String(), v.Kind.String(), row.lost)
			assert.Equal(t, row.after, v.After)
			assert.Contains(t, v.Reason, row.why)
			continue
		}
		for status := row.from; status <= max(row.from, row.to); status++ {
			got := &target.Answer{Status: status, Header: row.header, Body: []byte(row.body), Cut: row.cut}
			v, _ := verdictOn(row.m, call, "log", got, target.Judge(got, nil, now))
			assert.Equal(t, row.want.String(), v.Kind.String(), "%d %v %s", status, row.header, row.body)
			assert.Equal(t, row.after, v.After, "%d %v %s", status, row.header, row.body)
			assert.Contains(t, v.Reason, row.why)
			if row.why == "" {
				assert.NotEmpty(t, v.Reason)
			}
			if row.m == plain && row.header == nil && row.body == "" {
				assert.False(t, judged[status], status)
				judged[status] = true
			}
		}
	}
	for status := 100; status <= 999; status++ {
		require.True(t, judged[status], "no row for the status "+strconv.Itoa(status))
	}
}

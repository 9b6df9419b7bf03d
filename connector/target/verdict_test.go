package target

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Every status has a row: what it means for the record that was sent.
func TestJudgeStatus(t *testing.T) {
	want := map[Kind][]int{
		Done:    {200, 201, 202, 204, 206, 207, 299},
		Dead:    {300, 301, 302, 303, 304, 307, 308, 400, 402, 405, 406, 407, 409, 411, 412, 413, 414, 415, 422, 423, 424, 426, 428, 431, 451, 499},
		Down:    {401, 410},
		Suspect: {403, 404},
		Retry:   {408, 425, 429, 500, 503},
		Unsure:  {501, 502, 504, 505, 507, 508, 511, 520, 521, 522, 524, 599, 600, 999},
	}
	for kind, statuses := range want {
		for _, status := range statuses {
			got := Judge(&Answer{Status: status}, nil, now)
			assert.Equal(t, kind.String(), got.Kind.String(), "%d", status)
			assert.Contains(t, got.Reason, "answered", "%d", status)
		}
	}
}

func TestJudgeRedirectShowsWhereTo(t *testing.T) {
	got := Judge(&Answer{Status: 302, Header: http.Header{"Location": {"https://elsewhere.example/login"}}}, nil, now)
	assert.Equal(t, Dead, got.Kind)
	assert.Contains(t, got.Reason, "302 Found, Location https://elsewhere.example/login")
}

func TestJudgeErrors(t *testing.T) {
	cause := errors.New("connection reset by peer")
	for _, row := range []struct {
		err  Error
		want Kind
		text string
	}{
		{Error{Err: cause}, Retry, "the request was not sent: connection reset by peer"},
		{Error{Err: cause, Sent: true}, Unsure, "no answer after the request was sent: connection reset by peer"},
		{Error{Err: cause, Certificate: true}, Down, "the request was not sent: connection reset by peer"},
	} {
		got := Judge(nil, &row.err, now)
		assert.Equal(t, row.want, got.Kind)
		assert.Equal(t, row.text, got.Reason)
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"7":                              7 * time.Second,
		" 120 ":                          2 * time.Minute,
		"-5":                             0,
		"86401":                          24 * time.Hour,
		"99999999999999":                 24 * time.Hour,
		"soon":                           0,
		"1.5":                            0,
		"Mon, 02 Mar 2026 09:01:00 GMT":  time.Minute, // RFC 1123
		"Monday, 02-Mar-26 09:01:00 GMT": time.Minute, // RFC 850
		"Mon Mar  2 09:01:00 2026":       time.Minute, // asctime
		"Mon, 02 Mar 2026 08:00:00 GMT":  0,
		"Mon, 02 Mar 2099 09:00:00 GMT":  24 * time.Hour,
	} {
		for _, status := range []int{429, 503, 401, 502} {
			got := Judge(&Answer{Status: status, Header: http.Header{"Retry-After": {value}}}, nil, now)
			assert.Equal(t, want, got.After, "%q with %d", value, status)
		}
	}
}

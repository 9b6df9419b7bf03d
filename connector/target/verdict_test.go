package target

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Every status has a row: what it means for the record that was sent. Those with a name in the registry or in wide use stand
// alone, the gaps between them as from and to.
func TestJudgeStatus(t *testing.T) {
	rows := []struct {
		from, to int
		want     Kind
		why      string
	}{
		{100, 199, Unsure, "no answer at all; net/http gives none of them but 101, which nobody asked for"},
		{200, 200, Done, ""}, {201, 201, Done, ""}, {202, 202, Done, "accepted: whatever comes later can't be seen"},
		{203, 203, Done, ""}, {204, 204, Done, ""}, {205, 205, Done, ""}, {206, 206, Done, ""},
		{207, 207, Done, "what its parts say is the mapping's matter"}, {208, 299, Done, ""},
		{300, 300, Dead, ""}, {301, 301, Dead, "never followed"}, {302, 302, Dead, "never followed"}, {303, 303, Dead, "never followed"},
		{304, 306, Dead, ""}, {307, 307, Dead, "never followed"}, {308, 308, Dead, "never followed"}, {309, 399, Dead, ""},
		{400, 400, Dead, ""},
		{401, 401, Down, "credentials"},
		{402, 402, Dead, ""},
		{403, 403, Suspect, "for its record, once others have succeeded: that is counted by the lane"},
		{404, 404, Suspect, "likewise"},
		{405, 405, Dead, ""}, {406, 406, Dead, ""}, {407, 407, Dead, ""},
		{408, 408, Retry, "the server waited for the request in vain"},
		{409, 409, Dead, "unless the mapping says that it is there already"},
		{410, 410, Down, "the address is gone for good"},
		{411, 411, Dead, ""}, {412, 412, Dead, ""}, {413, 413, Dead, ""}, {414, 414, Dead, ""}, {415, 415, Dead, ""},
		{416, 416, Dead, ""}, {417, 417, Dead, ""}, {418, 420, Dead, ""}, {421, 421, Dead, ""}, {422, 422, Dead, ""},
		{423, 423, Dead, ""}, {424, 424, Dead, ""},
		{425, 425, Retry, "too early"},
		{426, 426, Dead, ""}, {427, 427, Dead, ""}, {428, 428, Dead, ""},
		{429, 429, Retry, "too many requests"},
		{430, 430, Dead, ""}, {431, 431, Dead, ""}, {432, 450, Dead, ""}, {451, 451, Dead, ""}, {452, 499, Dead, ""},
		{500, 500, Retry, "and it may have been done: TestJudgeDoubt"},
		{501, 501, Unsure, ""},
		{502, 502, Unsure, "a gateway lost the answer"},
		{503, 503, Retry, "likewise, without a Retry-After"},
		{504, 504, Unsure, "a gateway lost the answer"},
		{505, 505, Unsure, ""}, {506, 506, Unsure, ""}, {507, 507, Unsure, ""}, {508, 508, Unsure, ""}, {509, 509, Unsure, ""},
		{510, 510, Unsure, ""}, {511, 511, Unsure, ""}, {512, 519, Unsure, ""},
		{520, 527, Unsure, "Cloudflare's: the origin did something odd, or nothing"}, {528, 599, Unsure, ""},
	}
	next := 100
	for _, row := range rows {
		assert.Equal(t, next, row.from, "each status stands in the table once")
		for status := row.from; status <= row.to; status++ {
			got := Judge(&Answer{Status: status}, nil, now)
			assert.Equal(t, row.want.String(), got.Kind.String(), "%d %s", status, row.why)
			assert.Contains(t, got.Reason, "answered "+strconv.Itoa(status))
		}
		next = row.to + 1
	}
	assert.Equal(t, 600, next)
	for _, status := range []int{600, 999} {
		assert.Equal(t, Unsure, Judge(&Answer{Status: status}, nil, now).Kind, "no status that anybody knows")
	}
}

// A server that says that it failed may have failed after it had done what was asked; one that asks for patience has refused it.
func TestJudgeDoubt(t *testing.T) {
	patient := http.Header{"Retry-After": {"5"}}
	for status := 100; status < 600; status++ {
		for _, header := range []http.Header{nil, patient} {
			got := Judge(&Answer{Status: status, Header: header}, nil, now)
			want := status == 500 || status == 503 && header == nil
			assert.Equal(t, want, got.Doubt, "%d %v", status, header)
			assert.True(t, !got.Doubt || got.Kind == Retry, "of the others the kind says it: %d", status)
		}
	}
	for _, err := range []Error{{}, {Sent: true}, {Forbidden: true}, {Certificate: true}} {
		err.Err = errors.New("connection reset by peer")
		assert.False(t, Judge(nil, &err, now).Doubt)
	}
}

func TestJudgeRedirectShowsWhereTo(t *testing.T) {
	got := Judge(&Answer{Status: 302, Header: http.Header{"Location": {"https://elsewhere.example/login"}}}, nil, now)
	assert.Equal(t, Dead, got.Kind)
	assert.Contains(t, got.Reason, "302 Found, Location https://elsewhere.example/login")
}

func TestJudgeRedirectKeepsSecrets(t *testing.T) {
	for location, want := range map[string]string{
		"https://bot:s3cret@h.example/login?next=%2Fhook%3Ftoken%3Ds3cret#s3cret": "Location https://h.example/login?…: redirects",
		"/login?token=s3cret": "Location /login?…: redirects",
		"http://[s3cret":      "with a Location that can't be read: redirects",
	} {
		got := Judge(&Answer{Status: 302, Header: http.Header{"Location": {location}}}, nil, now)
		assert.Contains(t, got.Reason, want)
		assert.NotContains(t, got.Reason, "s3cret")
	}
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
		{Error{Err: cause, Forbidden: true}, Down, "the request was not sent: connection reset by peer"},
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
		"1.5":                            2 * time.Second, // which no RFC knows, and some APIs send
		".":                              0,
		"1.2.3":                          0,
		"1e3":                            0,
		"0x10":                           0,
		"inf":                            0,
		"99999999999999999999999999":     24 * time.Hour,
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

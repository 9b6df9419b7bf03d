//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/target/targettest"
)

// rtAsk sends a request to a Request Tracker, and tells what it answers: the status, and of the body what doesn't depend on
// what else is there. An {id} in the address is the ticket's that is asked about.
func rtAsk(t *testing.T, client *http.Client, base, token, method, path, body string) (answer, id string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+"/REST/2.0/"+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "token "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var got any
	require.NoError(t, json.Unmarshal(content, &got), "%s %s: %s", method, path, content)
	said := func(s string) string { // RT says the times of custom fields in words, and where in its code it was
		s = regexp.MustCompile(`Ticket \d+`).ReplaceAllString(s, "Ticket N")
		s = regexp.MustCompile(`\w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).ReplaceAllString(s, "TIME")
		s = regexp.MustCompile(`(JSON parse error:|Unknown field: \w+|Incomplete query, last element).*(?s:.*)`).ReplaceAllString(s, "$1")
		return s
	}
	switch v := got.(type) {
	case []any:
		var sentences []string
		for _, one := range v {
			sentences = append(sentences, said(fmt.Sprint(one)))
		}
		slices.Sort(sentences) // RT has them in any order
		answer = strings.Join(sentences, "; ")
	case map[string]any:
		switch custom := v["CustomFields"].(type) {
		case []any:
			fields := map[string]any{}
			for _, c := range custom {
				fields[fmt.Sprint(c.(map[string]any)["name"])] = c.(map[string]any)["values"]
			}
			answer = fmt.Sprint(v["Subject"], " ", v["Status"], " ", fields)
		default:
			switch {
			case v["message"] != nil:
				answer = said(fmt.Sprint(v["message"]))
			case v["items"] != nil:
				answer = fmt.Sprint(len(v["items"].([]any)), " of ", v["total"])
			default:
				answer = fmt.Sprint("a ", v["type"])
				id, _ = v["id"].(string)
			}
		}
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, answer), id
}

// The fake that the presets are tested against answers as a real Request Tracker does, to what is right and what is wrong.
func TestE2EFakeIsLikeTheRealOne(t *testing.T) {
	rt := newTracker(t)
	fake := targettest.New(targettest.RequestTracker())
	defer fake.Close()
	near := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: fake.Dial}}
	far := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var ticketID [2]string // the real one's, and the fake's
	both := func(method, path, body string) (id [2]string) {
		t.Helper()
		want, realID := rtAsk(t, far, rt.url, rt.token, method, strings.ReplaceAll(path, "{id}", ticketID[0]), body)
		got, fakeID := rtAsk(t, near, "http://rt.example.com", targettest.Credential, method, strings.ReplaceAll(path, "{id}", ticketID[1]), body)
		assert.Equal(t, want, got, "%s %s %s", method, path, body)
		return [2]string{realID, fakeID}
	}
	uuid := fmt.Sprintf("fake-%d", rt.newest())
	tickets := func(q string) string { return "tickets?per_page=2&query=" + url.QueryEscape(q) }
	ticketID = both("POST", "ticket", `{"Queue":"Calls","Subject":"one\ntwo","Status":"resolved","Content":"a","ContentType":"text/plain","Nope":1,"CustomFields":`+
		`{"Call UUID":"`+uuid+`","Phone":"+62","Duration":"7 s","Outcome":"connectd","Started":"2026-03-02 09:14:58","Nope":"x"}}`)
	require.NotContains(t, ticketID, "")
	for _, row := range [][3]string{
		{"GET", "ticket/{id}", ""},
		{"PUT", "ticket/{id}", `{"CustomFields":{"Phone":"+62","Outcome":"abandoned","Agent":"x","Duration":"7"}}`},
		{"PUT", "ticket/{id}", `{"CustomFields":{"Phone":"+62","Nope":"x"}}`},
		{"PUT", "ticket/{id}", `{"CustomFields":{"Outcome":"nix"}}`},
		{"PUT", "ticket/{id}", `{"CustomFields":{"Duration":"7 s","Outcome":"busy"}}`},
		{"PUT", "ticket/{id}", `{"CustomFields":{"Agent":null}}`},
		{"PUT", "ticket/{id}", `{"CustomFields":{"Started":"2026-03-02 10:14:58"}}`},
		{"GET", "ticket/{id}", ""},
		{"PUT", "ticket/{id}", `{"Status":"open","CustomFields":{"Outcome":"connected"}}`},
		{"PUT", "ticket/{id}", `{"Status":"open"}`},
		{"PUT", "ticket/{id}", `{"Status":"nonsense"}`},
		{"PUT", "ticket/{id}", `{"Subject":"three"}`},
		{"PUT", "ticket/{id}", `x`},
		{"POST", "ticket/{id}/comment", `{"Content":"a"}`},
		{"POST", "ticket/{id}/comment", `{"Content":"a","ContentType":"text/plain"}`},
		{"POST", "ticket/999999/comment", `{"Content":"a","ContentType":"text/plain"}`},
		{"GET", "ticket/999999", ""},
		{"PUT", "ticket/999999", `{"Status":"open"}`},
		{"GET", "nowhere", ""},
		{"POST", "ticket", `{"Subject":"a"}`},
		{"POST", "ticket", `{"Queue":"Nope","Subject":"a"}`},
		{"POST", "ticket", `{"Queue":"Calls","Status":"nonsense"}`},
		{"POST", "ticket", `{"Que`},
		{"GET", tickets("Queue='Calls' AND CF.{Call UUID}='" + uuid + "'"), ""},
		{"GET", tickets("Queue='Calls' AND CF.{Call UUID}='" + uuid + "?'"), ""},
		{"GET", tickets("Queue='Calls' AND CF.{Nope}='" + uuid + "'"), ""},
		{"GET", tickets("Queue='Nope' AND CF.{Call UUID}='" + uuid + "'"), ""},
		{"GET", tickets(`Queue='Calls' AND CF.{Call UUID}='it\'s'`), ""},
		{"GET", tickets("Queue='Calls' AND CF.{Call UUID}="), ""},
		{"GET", tickets("Nonsense='Calls'"), ""},
	} {
		both(row[0], row[1], row[2])
	}
	bad, _ := rtAsk(t, far, rt.url, "1-1-no", "GET", "ticket/"+ticketID[0], "")
	worse, _ := rtAsk(t, near, "http://rt.example.com", "1-1-no", "GET", "ticket/"+ticketID[1], "")
	assert.Equal(t, bad, worse)
}

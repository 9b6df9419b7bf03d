package intake_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/intake"
	"wrapup/outbox"
)

// documentedBodies gives the bodies of the dialer's documents, and the ones that its other feeds post.
func documentedBodies(f *testing.F) [][]byte {
	events, err := os.ReadFile("../nxcloud/testdata/documented-events.ndjson")
	require.NoError(f, err)
	return append(bytes.SplitAfter(events, []byte("\n")), events, bytes.ReplaceAll(events, []byte("\n"), []byte("\r\n")))
}

// FuzzPost: whatever is posted, each byte of it is either stored as an event or in quarantine when the answer is given, a
// retry changes nothing while the parser is the same, and a second post of it stores nothing new.
func FuzzPost(f *testing.F) {
	for _, body := range documentedBodies(f) {
		f.Add(body)
	}
	for _, body := range []string{"", "{}", "[]", ring + broken, "[" + ring + "," + broken + "]", "[" + ring + "," + broken, ring + "\n{\"a\n" + ended,
		broken + "\x00" + ring, "\ufeff" + ring + ring, "null " + ended} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		store := &fakeStore{}
		kept := intake.NewQuarantine(intake.QuarantineOptions{Store: store, Now: clock})
		s := newSetup(t, func(o *intake.Options) {
			o.Store, o.Quarantine, o.Observe = store, kept, nil
		})
		post := func() reply {
			return s.do(t, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body)))
		}
		first := post()
		list := kept.List(connector.QuarantineQuery{}).Quarantined
		switch first.Status {
		case 200:
			require.Empty(t, list)
			require.Positive(t, first.Stored)
		case 400:
			require.Len(t, list, 1)
			require.NotEmpty(t, list[0].Reasons)
			one, _ := kept.Show(list[0].ID)
			if first.Stored == 0 {
				require.Equal(t, string(body), string(one.Body))
			}
			changed := s.Retry(t.Context(), []string{one.ID})
			require.False(t, changed[0].Done && changed[0].Stored > 0, "what was not understood a moment ago is understood now")
			require.Zero(t, changed[0].Stored)
		default:
			require.Equal(t, 413, first.Status)
		}
		second := post()
		require.Equal(t, first.Status, second.Status)
		require.Zero(t, second.Stored)
		require.Equal(t, first.Stored+first.Repeated, second.Repeated)
	})
}

// FuzzStoredQuarantine: whatever the store has in the quarantine's group, what can't be read hides nothing else, and what is
// read is what was posted.
func FuzzStoredQuarantine(f *testing.F) {
	store := &fakeStore{}
	kept := intake.NewQuarantine(intake.QuarantineOptions{Store: store, Now: clock})
	w := httptest.NewRecorder()
	intake.New(intake.Options{Store: store, Quarantine: kept, Sources: []intake.Source{source("predictive", path, "", "")}}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, bytes.NewReader([]byte(broken))))
	require.Equal(f, 400, w.Code)
	var good outbox.Item
	for id, body := range store.groups[connector.QuarantineGroup] {
		good = outbox.Item{ID: id, Body: body}
	}
	f.Add(good.ID, good.Body)
	f.Add(good.ID+"/18446744073709551615", []byte(`{"count":9223372036854775807,"last":"2026-05-01T08:00:00Z"}`))
	f.Add(good.ID+"/1", []byte(`{"count":-1,"last":"9999-12-31T23:59:59Z"}`))
	f.Add("", []byte(`{"id":""}`))
	f.Add("x", []byte(`null`))
	f.Fuzz(func(t *testing.T, id string, body []byte) {
		q := intake.NewQuarantine(intake.QuarantineOptions{Store: &fakeStore{}, Now: clock})
		_ = q.Restore([]outbox.Item{good, {ID: id, Body: body}})
		list := q.List(connector.QuarantineQuery{}).Quarantined
		require.NotEmpty(t, list)
		for _, one := range list {
			require.Positive(t, one.Count)
			whole, ok := q.Show(one.ID)
			require.True(t, ok)
			require.Len(t, whole.Body, one.Size)
			require.True(t, q.Drop(t.Context(), []string{one.ID})[0].Done)
		}
		require.Zero(t, q.List(connector.QuarantineQuery{}).Kept)
	})
}

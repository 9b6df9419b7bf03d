package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/outbox"
)

// pages collects a list page by page.
func (d *desk) pages(q ListQuery) (uuids []string, pages int) {
	d.Helper()
	for {
		page, err := d.Deliveries(d.Context(), q)
		require.NoError(d, err)
		require.LessOrEqual(d, len(page.Deliveries), q.Limit)
		for _, line := range page.Deliveries {
			uuids = append(uuids, line.UUID)
		}
		pages++
		if q.After = page.Next; q.After == "" {
			return uuids, pages
		}
	}
}

func TestListInPages(t *testing.T) {
	d := newDesk(t)
	var want []string
	for i := range 7 {
		ref := d.call(fmt.Sprintf("dead-%d", i), t0)
		d.end(ref, connector.DeliveryDead, nil)
		d.now = d.now.Add(time.Second)
		want = append(want, fmt.Sprintf("dead-%d", i))
	}
	for i := range 4 {
		ref := d.call(fmt.Sprintf("waiting-%d", i), t0.Add(time.Duration(i)*time.Hour))
		want = append(want, fmt.Sprintf("waiting-%d", i))
		// Another destination's deliveries are listed between.
		_, err := d.store.Commit(t.Context(), outbox.Tx{Enqueue: []outbox.NewTask{{Queue: "a.crm/2", Due: t0, Ref: ref}}})
		require.NoError(t, err)
	}
	for limit := 1; limit < 16; limit++ {
		got, pages := d.pages(ListQuery{Limit: limit})
		// The other destination's have no row, so that they are unreadable: they come as waiting, before those of crm.
		all := append(append(want[:7:7], want[7:]...), want[7:]...)
		require.Equal(t, all, got)
		require.Equal(t, (len(all)+limit-1)/limit, pages, limit)
	}
	got, _ := d.pages(ListQuery{Limit: 2, Destination: "crm"})
	assert.Equal(t, want, got)
	got, _ = d.pages(ListQuery{Limit: 2, Destination: "crm", UUIDs: []string{"waiting-3", "dead-2", "nobody"}})
	assert.Equal(t, []string{"dead-2", "waiting-3"}, got)
	got, _ = d.pages(ListQuery{Limit: 9, Since: t0.Add(2 * time.Second), Until: t0.Add(4 * time.Second)})
	assert.Equal(t, want[2:4], got)
	got, _ = d.pages(ListQuery{Limit: 9, Since: t0.Add(24 * time.Hour)})
	assert.Empty(t, got)
}

func TestListQueryOnTheWire(t *testing.T) {
	for _, q := range []ListQuery{
		{Limit: 1},
		{
			Destination: "crm", States: []connector.DeliveryState{"dead", "parked"}, Reason: "a&b", Queue: "1", UUIDs: []string{"..", "x y"},
			Since: t0.Add(time.Microsecond), Until: t0, After: "b00.q", Limit: 9,
		},
	} {
		got, err := parseListQuery(q.values())
		require.NoError(t, err)
		assert.Equal(t, q, got)
	}
}

func TestOrdersAreForProgramsOnly(t *testing.T) {
	d := newDesk(t)
	h := Handler(d.Source, slog.New(slog.DiscardHandler))
	for _, row := range []struct {
		kind, body string
		status     int
	}{
		{"application/json", `{"destination":"crm","reason":"x"}`, 200},
		{"text/plain", `{"destination":"crm","reason":"x"}`, 400},
		{"application/json", `{"destination":"crm"}`, 400},
		{"application/json", `{"destination":"crm","reason":"x","more":1}`, 400},
		{"application/json", `{"destination":"other","reason":"x"}`, 409},
		{"application/json", strings.Repeat(" ", maxOrder) + `{"destination":"crm","reason":"x"}`, 400},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/destinations/pause", strings.NewReader(row.body))
		r.Header.Set("Content-Type", row.kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, row.status, w.Code, "%s: %s", w.Body, row.body[:min(40, len(row.body))])
	}
}

// restless changes something each time a part of a day was read.
type restless struct {
	Store
	change func()
	times  int
}

func (r *restless) Walk(ctx context.Context, day outbox.Day, after uint64, limit int) ([]outbox.Entry, error) {
	list, err := r.Store.Walk(ctx, day, after, limit)
	if r.times > 0 {
		r.times--
		r.change()
	}
	return list, err
}

// What changes during an audit makes no gap, and a gap is found all the same once it stands still.
func TestAuditWhileThingsChange(t *testing.T) {
	d := newDesk(t)
	n := 0
	store := &restless{Store: d.store}
	store.change = func() {
		n++
		ref := d.call(fmt.Sprint(n), t0)
		if n%2 == 0 {
			d.end(ref, connector.DeliveryDead, nil)
		}
		if n%3 == 0 {
			_, err := d.Retry(t.Context(), d.order(ListQuery{States: []connector.DeliveryState{connector.DeliveryDead}}))
			require.NoError(t, err)
		}
	}
	d.Store = store
	for range 5 {
		store.times = 9
		a, err := d.Audit(t.Context(), outbox.DayOf(t0).String())
		require.NoError(t, err)
		assert.Empty(t, a.Gaps)
		assert.False(t, a.Moving)
		assert.EqualValues(t, n, a.Kept)
	}
	_, err := d.store.Commit(t.Context(), outbox.Tx{Count: []outbox.Delta{
		{Day: outbox.DayOf(t0), Name: connector.CountState("crm", connector.DeliveryWaiting), N: -1},
		{Day: outbox.DayOf(t0), Name: connector.CountState("crm", connector.DeliverySkipped), N: 1},
	}})
	require.NoError(t, err)
	store.times = 9
	a, err := d.Audit(t.Context(), outbox.DayOf(t0).String())
	require.NoError(t, err)
	assert.Len(t, a.Gaps, 2)
}

package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"wrapup/connector"
)

func TestAttention(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) connector.Time { return connector.TimeOf(now.Add(-d)) }
	feed := func(f connector.FeedStatus) *Status {
		f.Source = "predictive"
		return &Status{Self: Self{Running: true}, Intake: &connector.IntakeStatus{Feeds: []connector.FeedStatus{f}}}
	}
	destination := func(d DestinationStatus) *Status {
		d.Destination = "crm"
		return &Status{Self: Self{Running: true}, Destinations: []DestinationSummary{{DestinationStatus: d}}}
	}
	refused := func(list ...connector.RefusedPosts) *Status {
		return &Status{Self: Self{Running: true}, Intake: &connector.IntakeStatus{Refused: list}}
	}
	for _, c := range []struct {
		name string
		of   *Status
		says string // "" is nothing
	}{
		{"all is well", feed(connector.FeedStatus{}), ""},
		{"silence", feed(connector.FeedStatus{SilentSince: ago(20 * time.Minute)}), "source predictive: nothing has come for 20m, and"},
		{"what was not understood and was taken out of quarantine", feed(connector.FeedStatus{NotUnderstood: 3}), ""},
		{"a dialer that is refused", refused(
			connector.RefusedPosts{Sender: "192.0.2.1", Source: "predictive", Reason: "wrong token", Count: 7, Last: ago(5 * time.Minute)},
			connector.RefusedPosts{Sender: "192.0.2.2", Source: "predictive", Reason: "wrong token", Count: 4, Last: ago(time.Minute)}),
			"source predictive: 11 post(s) were refused, the last one 1m ago: wrong token. If they are the dialer's, their events are lost"},
		{"a stranger who tries", refused(connector.RefusedPosts{Source: "predictive", Reason: "wrong token", Count: 10, Last: ago(time.Minute)}), ""},
		{"one who was refused before", refused(connector.RefusedPosts{Source: "predictive", Reason: "wrong token", Count: 100, Last: ago(time.Hour)}), ""},
		{"one who tries paths", refused(connector.RefusedPosts{Reason: "wrong path", Count: 100, Last: ago(time.Minute)}), ""},
		{"one who isn't understood", refused(connector.RefusedPosts{Source: "predictive", Reason: connector.ReasonNotUnderstood, Count: 100, Last: ago(time.Minute)}), ""},
		{"what is in quarantine", &Status{Self: Self{Running: true}, Quarantined: 2}, "2 post(s) were not understood, and are in quarantine (wrapup quarantine list)"},
		{"no agents", feed(connector.FeedStatus{Unpaired: []connector.Unpaired{{Kind: connector.KindJoined, By: connector.KindAnswered, N: 20, Since: ago(time.Hour)}}}),
			"no agent has joined a call (1/3) since 08:00:00 UTC, while 20 times customers answered: does the dialer post all events of calls and agents to us? " +
				"Every call counts as abandoned"},
		{"no agents yet", feed(connector.FeedStatus{Unpaired: []connector.Unpaired{{Kind: connector.KindJoined, By: connector.KindAnswered, N: 19, Since: ago(time.Hour)}}}), ""},
		{"a clock that is behind", feed(connector.FeedStatus{Behind: connector.KnownSpan(90e6)}), "the dialer's clock is 1m30s behind ours"},
		{"a clock that is ahead", feed(connector.FeedStatus{Behind: connector.KnownSpan(-90e6)}), "the dialer's clock is 1m30s ahead of ours"},
		{"a clock of years ago", feed(connector.FeedStatus{Behind: connector.KnownSpan(65839 * 3600e6)}), "the dialer's clock is 2743d7h behind ours"},
		{"a clock that is nearly right", feed(connector.FeedStatus{Behind: connector.KnownSpan(-59e6)}), ""},
		{"little room", &Status{Self: Self{Running: true, RoomLow: "the disk has 300.0 MiB left"}}, "there is little room left for events: the disk has"},
		{"no room", &Status{Self: Self{Running: true, RoomLow: "x", Unready: []string{"disk full"}}}, "not ready: disk full"},
		{"a call that waits for long", destination(DestinationStatus{State: DestinationRunning, Waiting: 7, OldestAt: ago(2 * time.Hour)}),
			"crm: 7 call(s) wait, and one of them has waited for 2h"},
		{"calls that wait", destination(DestinationStatus{State: DestinationRunning, Waiting: 7, OldestAt: ago(time.Minute)}), ""},
		{"dead ones", destination(DestinationStatus{State: DestinationRunning, Dead: 2}), "crm: 2 dead"},
		{"parked ones", destination(DestinationStatus{State: DestinationRunning, Parked: 2}), "crm: 2 parked"},
		{"a pause", destination(DestinationStatus{State: DestinationPaused, Reason: "401"}), "crm is paused, and tried now and then: 401"},
		{"a reload", &Status{Self: Self{Running: true}, Reload: &connector.Reload{Problems: []string{"x"}}}, "the last reload was refused"},
	} {
		c.of.attention(now)
		if c.says == "" {
			assert.Empty(t, c.of.Attention, c.name)
			continue
		}
		assert.Len(t, c.of.Attention, 1, c.name)
		assert.Contains(t, strings.Join(c.of.Attention, "\n"), c.says, c.name)
	}
}

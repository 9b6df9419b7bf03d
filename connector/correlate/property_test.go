package correlate

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"wrapup/connector"
)

// These properties hold for every call, however the dialer treats it: 0 to 3 agents, any event missing, any repeated,
// equal or skewed stamps, agents who are ready, go offline and join other calls in between, any order of arrival.
//
// A failure prints its seed; `go test -run NAME -rapid.seed=N` runs it again. -rapid.checks=100000 for the long run.

// scene draws the events of one call "c", stamps within a few minutes, and of its agents' timelines.
func scene(t *rapid.T) []connector.Event {
	stamp := func(from, to int) connector.Time {
		// A few coarse steps make equal stamps likely, fine ones make skew.
		at := rapid.IntRange(from, to).Draw(t, "second") * 1e6
		if rapid.Bool().Draw(t, "fine") {
			at += rapid.IntRange(-1e6, 1e6).Draw(t, "micros")
		}
		return connector.Time(1_700_000_000_000_000 + at)
	}
	var events []connector.Event
	add := func(code string, uuid, agent string, at connector.Time) {
		if rapid.IntRange(0, 5).Draw(t, "missing") == 0 {
			return
		}
		e := connector.Event{Source: "nxcloud-events", Code: code, Kind: kinds[code], UUID: uuid, Time: at}
		if agent != "" {
			e.Username, e.AgentID = agent, "session "+agent
			if rapid.IntRange(0, 9).Draw(t, "relogged") == 0 {
				e.AgentID = "other session " + agent
			}
		} else {
			e.Phone = rapid.SampledFrom([]string{"", "1", "1", "2"}).Draw(t, "phone")
			e.Queue = "q"
		}
		events = append(events, e)
	}
	for range rapid.IntRange(1, 2).Draw(t, "starts") {
		add("2/1", "c", "", stamp(0, 3))
	}
	for range rapid.IntRange(0, 2).Draw(t, "answers") {
		add("2/3", "c", "", stamp(8, 12))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "agents") {
		agent := fmt.Sprint("agent", i%2) // the third is the first, who comes back
		add("1/2", "", agent, stamp(-100, 10))
		add("1/3", "c", agent, stamp(9+20*i, 14+20*i))
		if rapid.Bool().Draw(t, "elsewhere") {
			add(rapid.SampledFrom([]string{"1/0", "1/2", "1/3"}).Draw(t, "what"), "other", agent, stamp(-50, 90))
		}
		add("1/4", "c", agent, stamp(25+20*i, 32+20*i))
	}
	for range rapid.IntRange(0, 2).Draw(t, "ends") {
		add("2/4", "c", "", stamp(30, 75))
	}
	return events
}

// What Waits tells of attempts is what Fold tells of them; and as long as nothing ends the call, it isn't due before
// WithoutEnd, as the name says.
func TestWaitsAreThoseOfTheFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := DefaultSettings()
		s.DefaultQueue.Region = "ID"
		call, timeline := divide(scene(t), "c")
		folded, waits := Fold(call, Frozen{}, timeline, &s), Waits(call, Frozen{}, timeline, &s)
		require.Len(t, waits, len(folded))
		for i := range folded {
			f, w := &folded[i], &waits[i]
			require.Equal(t, f.Events, w.Events)
			require.Equal(t, f.Wait, w.Wait)
			require.Equal(t, f.Empty, w.Empty)
			require.Equal(t, f.Frozen, w.Frozen)
			require.Equal(t, f.Record.Attempt, w.Record.Attempt)
			if !slices.ContainsFunc(call, func(e connector.Event) bool { return e.Kind == connector.KindEnded }) {
				require.GreaterOrEqual(t, f.Wait, s.WithoutEnd())
			}
		}
	})
}

// once folds a scene that is one call.
func once(t *rapid.T, events []connector.Event) (record *connector.Record, wait time.Duration, ok bool) {
	s := DefaultSettings()
	call, timeline := divide(events, "c")
	attempts := Fold(call, Frozen{}, timeline, &s)
	if len(attempts) == 0 {
		return nil, 0, false
	}
	require.Len(t, attempts, 1, "stamps within minutes are one call")
	return &attempts[0].Record, attempts[0].Wait, true
}

func compact(t require.TestingT, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// shuffled gives the events in a drawn order, some of them repeatedly.
func shuffled(t *rapid.T, events []connector.Event) []connector.Event {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
	out := slices.Clone(events)
	for _, e := range events {
		for range r.IntN(3) {
			out = append(out, e)
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func TestOrderAndRepetitionNeverMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := scene(t)
		want, wait, ok := once(t, events)
		got, gotWait, gotOK := once(t, shuffled(t, events))
		require.Equal(t, ok, gotOK)
		if ok {
			require.Equal(t, compact(t, want), compact(t, got))
			require.Equal(t, wait, gotWait)
		}
	})
}

func TestRecordsMakeSense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, wait, ok := once(t, scene(t))
		if !ok {
			return
		}
		for _, s := range spans(r) {
			require.GreaterOrEqual(t, s.Micros, int64(0), "no duration is negative: %s", compact(t, r))
		}
		require.NotZero(t, r.OccurredAt)
		switch r.Outcome {
		case connector.OutcomeConnected:
			require.NotEmpty(t, r.Agents)
			require.NotNil(t, r.Agent)
		case connector.OutcomeAbandoned:
			require.Empty(t, r.Agents)
			require.NotZero(t, r.AnsweredAt)
		case connector.OutcomeUnanswered:
			require.Empty(t, r.Agents)
			require.Zero(t, r.AnsweredAt)
			require.NotZero(t, r.EndedAt)
		case connector.OutcomeUnknown:
			require.Empty(t, r.Agents)
			require.Zero(t, r.AnsweredAt)
			require.Zero(t, r.EndedAt)
		default:
			require.Fail(t, "no such outcome in this feed", r.Outcome)
		}
		if len(r.Agents) == 0 {
			require.Nil(t, r.Agent)
		} else {
			require.Contains(t, r.Agents, *r.Agent)
		}
		require.Equal(t, r.StartedAt == 0, r.HasFlag(connector.FlagStartMissing))
		require.Equal(t, len(r.Agents) > 0 && r.AnsweredAt == 0, r.HasFlag(connector.FlagAnswerMissing))
		if wait == 0 { // finished at once: nothing is missing
			require.Equal(t, connector.OutcomeConnected, r.Outcome)
			require.False(t, r.HasFlag(connector.FlagHangupMissing) || r.HasFlag(connector.FlagJoinMissing) || r.HasFlag(connector.FlagLeftInferred))
			for _, s := range r.Agents {
				require.True(t, s.IdleSeconds.Known && s.TalkSeconds.Known)
			}
		}
		require.NotContains(t, compact(t, r), `"",`, "unknown is null, never empty")
	})
}

func spans(r *connector.Record) []connector.Span {
	out := []connector.Span{r.RingSeconds, r.WaitSeconds, r.TalkSeconds, r.BillSec, r.DurationSeconds}
	for _, s := range r.Agents {
		out = append(out, s.TalkSeconds, s.IdleSeconds)
	}
	return out
}

// A later event never blanks a field that was known: a stamp, an identity, or a duration. Only where it changes the
// outcome are the durations read anew: an "abandoned" call that turns out to have had an agent did not talk for 0 seconds.
func TestLaterEventsNeverBlank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := shuffled(t, scene(t))
		if len(events) == 0 {
			return
		}
		before, _, ok := once(t, events[:rapid.IntRange(0, len(events)).Draw(t, "first")])
		if !ok {
			return
		}
		after, _, _ := once(t, events)
		b, a := reflect.ValueOf(*before), reflect.ValueOf(*after)
		for i := range b.NumField() {
			name := b.Type().Field(i).Name
			switch name {
			case "Flags", "Agents", "Revision":
				continue
			case "RingSeconds", "WaitSeconds", "TalkSeconds", "BillSec", "DurationSeconds", "LateConnect":
				if before.Outcome != after.Outcome {
					continue
				}
			}
			if !b.Field(i).IsZero() {
				require.False(t, a.Field(i).IsZero(), "%s was %v\n%s\n%s", name, b.Field(i), compact(t, before), compact(t, after))
			}
		}
	})
}

// Finishing a call on the first part of its events, in any split, and amending it with the rest gives the record that
// folding all at once gives: what the first finish froze stands in nobody's way.
func TestAmendingGivesWhatFoldingAtOnceGives(t *testing.T) {
	s := DefaultSettings()
	rapid.Check(t, func(t *rapid.T) {
		events := shuffled(t, scene(t))
		want, _, ok := once(t, events)
		if !ok {
			return
		}
		call, timeline := divide(events, "c")
		first := call[:rapid.IntRange(1, len(call)).Draw(t, "first")]
		halves := Fold(first, Frozen{}, timeline, &s)
		require.Len(t, halves, 1)
		frozen := Frozen{Attempt: map[string]int{}, Timeline: map[int]Timeline{1: timeline}}
		for _, i := range halves[0].Events {
			frozen.Attempt[first[i].ID()] = 1
		}
		whole := Fold(call, frozen, nil, &s)
		require.Len(t, whole, 1)
		require.True(t, whole[0].Frozen)
		require.Equal(t, compact(t, want), compact(t, &whole[0].Record))
	})
}

// What Used keeps of the timelines gives the same record as the whole of them: that is what an amendment folds with.
func TestUsedTimelineIsEnough(t *testing.T) {
	s := DefaultSettings()
	rapid.Check(t, func(t *rapid.T) {
		call, timeline := divide(scene(t), "c")
		attempts := Fold(call, Frozen{}, timeline, &s)
		if len(attempts) == 0 {
			return
		}
		r := &attempts[0].Record
		again := Fold(call, Frozen{}, ByAgent(Used(r, timeline)), &s)
		require.Equal(t, compact(t, r), compact(t, &again[0].Record))
	})
}

// A uuid that is used again and again is cut the same way in any order; the attempts are numbered by time, and what was
// finished keeps its number and its name whatever else comes.
func TestReuseIsCutTheSameWay(t *testing.T) {
	s := DefaultSettings()
	rapid.Check(t, func(t *rapid.T) {
		var events []connector.Event
		at := connector.Time(1_700_000_000_000_000)
		for range rapid.IntRange(1, 5).Draw(t, "calls") {
			at += connector.Time(rapid.Int64Range(0, 30_000).Draw(t, "gap") * 1e6)
			for _, code := range []string{"2/1", "2/3", "2/4"} {
				if rapid.IntRange(0, 3).Draw(t, "missing") > 0 {
					events = append(events, connector.Event{Code: code, Kind: kinds[code], UUID: "c", Time: at})
				}
				at += connector.Time(rapid.Int64Range(0, 40).Draw(t, "then") * 1e6)
			}
		}
		want := Fold(events, Frozen{}, nil, &s)
		for i := range want {
			require.Equal(t, i+1, want[i].Record.Attempt)
		}
		mixed := shuffled(t, events)
		got := Fold(mixed, Frozen{}, nil, &s)
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, compact(t, &want[i].Record), compact(t, &got[i].Record))
		}
		if len(want) == 0 {
			return
		}
		n := rapid.IntRange(0, len(want)-1).Draw(t, "finished")
		frozen := Frozen{Attempt: map[string]int{}, Timeline: map[int]Timeline{}}
		for _, i := range want[n].Events {
			frozen.Attempt[events[i].ID()] = n + 1
		}
		for i, a := range Fold(mixed, frozen, nil, &s) {
			require.Equal(t, compact(t, &want[i].Record), compact(t, &a.Record))
			require.Equal(t, i == n, a.Frozen)
		}
	})
}

package finish

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/correlate"
)

var update = flag.Bool("update", false, "write what is into the transcripts under testdata, instead of comparing")

// A transcript tells when events came and what was made of them when: a text file that anybody can add.
//
//	the rule that it shows, in a sentence or two
//
//	0s 2/1 0            (what came: how long after the start, the event's code, the dialer's stamp in seconds)
//	5h 1/4 60 dewi      (an agent's event names him; "restart" instead of an event starts the daemon anew)
//	---
//	4h0m0s revision 1 connected [hangup_missing]      (written by go test -update, read by a person)
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		in, want, _ := strings.Cut(string(content), "---\n")
		timed(t, strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T, w *world) {
			got := w.play(in)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(in+"---\n"+got), 0o600))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

func (w *world) play(in string) string {
	w.t.Helper()
	start := time.Now()
	for line := range strings.Lines(in) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		at, err := time.ParseDuration(words[0])
		if err != nil {
			continue // prose
		}
		w.after(at - time.Since(start))
		if words[1] == "restart" {
			w.restart(0)
			continue
		}
		stamp, err := strconv.ParseFloat(words[2], 64)
		require.NoError(w.t, err)
		w.post(event(words[1], stamp, strings.Join(words[3:], " ")))
	}
	w.after(200 * time.Hour)
	var b strings.Builder
	for _, c := range w.calls("c") {
		for _, r := range c.Revisions {
			fmt.Fprintf(&b, "%s revision %d %s %v", r.At.Time().Sub(start), r.Record.Revision, r.Record.Outcome, r.Record.Flags)
			if r.Record.EndedAt.Known() {
				fmt.Fprintf(&b, " ended %s", r.Record.EndedAt.Sub(dialer))
			}
			b.WriteString("\n")
		}
		for _, l := range c.Late {
			fmt.Fprintf(&b, "too late: %s\n", l.Code)
		}
	}
	return b.String()
}

// Whatever the order and the times in which a call's events come, with repeats and restarts between them, its newest
// record is that of all of its events at once, and its revisions are 1, 2, 3 and so on. A failure names its seed.
func TestAnySplitOverTime(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			var events []connector.Event
			for _, e := range []connector.Event{ready, created, answered, joined, left, ended, event("1/3", 40, "putri"), event("1/4", 70, "putri"), event("2/4", 71, "")} {
				for range r.IntN(3) { // missing, once, or repeated
					events = append(events, e)
				}
			}
			r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			revisions := 0
			long := r.IntN(len(events) + 1) // after which event max_age passes: once, because timelines are bounded
			var before []connector.Event    // of the timeline, known at the first finish
			for n, e := range events {
				w.post(e)
				if e.Kind == connector.KindReady && len(w.calls("c")) == 0 {
					before = append(before, e)
				}
				pauses := []time.Duration{0, time.Second, 11 * time.Second}
				w.after(pauses[r.IntN(len(pauses))])
				if n == long {
					w.after(5 * time.Hour)
				}
				if r.IntN(5) == 0 {
					w.restart(0)
				}
				if calls := w.calls("c"); len(calls) > 0 {
					require.GreaterOrEqual(t, len(calls[0].Revisions), revisions, "seed %d", seed)
					revisions = len(calls[0].Revisions)
				}
			}
			w.after(10 * time.Hour)
			var call []connector.Event
			for _, e := range events {
				if e.UUID != "" {
					call = append(call, e)
				}
			}
			settings := w.settings
			want := correlate.Fold(call, correlate.Frozen{}, correlate.ByAgent(append(before, call...)), &settings)
			calls := w.calls("c")
			require.Len(t, calls, len(want), "seed %d", seed)
			for i, c := range calls {
				for n := range c.Revisions {
					assert.Equal(t, n+1, c.Revisions[n].Record.Revision, "seed %d", seed)
				}
				got := *c.Record()
				got.Revision = 0
				assert.Equal(t, want[i].Record, got, "seed %d", seed)
			}
			w.kill()
		})
	}
}

package deliver

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/outbox"
)

var update = flag.Bool("update", false, "write what is into the transcripts under testdata, instead of comparing")

// A transcript plays calls against a bad CRM, with the real client, lane and store, in virtual time (which begins on
// Monday, 2 March 2026, at 09:00 UTC). It is a text file that anybody can add:
//
//	the rule that it shows, and its reason, in a sentence or two
//	-- destination --         (optional)
//	ambiguous retry           (also: probe 1m, give_up_after 1h, timeout 10s, first 4s, max 1m)
//	-- mapping.yaml --        (without it: the plain record, with its Idempotency-Key)
//	steps: [{name: log, path: /calls, repeat: never, body: {id: "${call.call_id}"}}]
//	-- play --
//	0s call a b               (finished calls; also: amend a, pause WHY, resume, restart, look, end)
//	1h end
//	-- crm --
//	* -> 503                  (see badCRM)
//	* -> 200
//	-- want --                (written by go test -update, read by a person)
//
// Of the longest delays that jitter allows, attempts wait for the whole: 4 s, 8 s, 16 s, 32 s, 1 min.
func TestBadCRM(t *testing.T) {
	files, err := filepath.Glob("testdata/badcrm/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		in, want, _ := strings.Cut(string(content), "-- want --\n")
		virtual(t, strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			got := newPlay(t, sections(in)).run()
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(in+"-- want --\n"+got), 0o600))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

// sections takes a transcript apart.
func sections(in string) map[string]string {
	out, name := map[string]string{}, ""
	for line := range strings.Lines(in) {
		if head, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(head, " --\n") {
			name = strings.TrimSuffix(head, " --\n")
			continue
		}
		out[name] += line
	}
	return out
}

// play is one transcript while it is played.
type play struct {
	*bench
	script string
	calls  []string // in the order in which they came
	refs   map[string]outbox.Ref

	outMu sync.Mutex
	out   strings.Builder
}

func newPlay(t *testing.T, in map[string]string) *play {
	time.Sleep(time.Until(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)))
	p := &play{bench: &bench{began: time.Now()}, script: in["play"], refs: map[string]outbox.Ref{}}
	crm := newBadCRM(t, in["crm"], p.note)
	t.Cleanup(crm.close)
	m := recordMapping(t)
	if in["mapping.yaml"] != "" {
		m = yamlMapping(t, in["mapping.yaml"])
	}
	o := target.Options{Connections: 4, Dial: crm.dial, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
	p.bench = newBench(t, m, func(d *Destination) {
		d.Timeout = 30 * time.Second
		p.set(t, d, &o, in["destination"])
	})
	p.kill()
	client := target.New(o)
	t.Cleanup(client.Close)
	p.options.Destination.Sender = client
	p.options.Logger = slog.New(&aboutDestination{p})
	p.start()
	return p
}

func (p *play) set(t *testing.T, d *Destination, o *target.Options, settings string) {
	for line := range strings.Lines(settings) {
		words := strings.Fields(line)
		if len(words) != 2 {
			require.Empty(t, words, "a setting is a name and a value")
			continue
		}
		number, _ := strconv.Atoi(words[1])
		span, _ := time.ParseDuration(words[1])
		switch words[0] {
		case "ambiguous":
			d.RetryUnsure = words[1] == "retry"
		case "concurrency":
			d.Concurrency = number
		case "probe":
			d.Probe = span
		case "give_up_after":
			d.GiveUpAfter = span
		case "first":
			d.Backoff.First = span
		case "max":
			d.Backoff.Max = span
		case "timeout":
			o.Timeout, d.Timeout = span, span
		default:
			require.Fail(t, "no such setting", words[0])
		}
	}
}

// note writes a line of the transcript, with the time.
func (p *play) note(format string, a ...any) {
	p.outMu.Lock()
	defer p.outMu.Unlock()
	at := time.Since(p.began).Round(time.Millisecond)
	fmt.Fprintf(&p.out, "%-8s %s\n", at, fmt.Sprintf(format, a...))
}

func (p *play) run() string {
	for line := range strings.Lines(p.script) {
		words := strings.Fields(line)
		if len(words) < 2 {
			require.Empty(p.t, words, line)
			continue
		}
		at, err := time.ParseDuration(words[0])
		require.NoError(p.t, err, line)
		time.Sleep(at - time.Since(p.began))
		synctest.Wait() // what is due now comes first
		p.do(words[1], words[2:])
		synctest.Wait()
	}
	p.look()
	p.check()
	p.outMu.Lock()
	defer p.outMu.Unlock()
	return p.out.String()
}

func (p *play) do(what string, args []string) {
	switch what {
	case "call":
		for _, id := range args {
			p.calls = append(p.calls, id)
			p.refs[id] = p.finish(id)
			synctest.Wait()
		}
	case "amend":
		p.amend(p.refs[args[0]])
	case "pause":
		require.NoError(p.t, p.lane.Pause(p.t.Context(), strings.Join(args, " ")))
	case "resume":
		require.NoError(p.t, p.lane.Resume(p.t.Context()))
	case "restart":
		p.note("(restart)")
		p.kill()
		p.start()
	case "look":
		p.look()
	case "end":
	default:
		require.Fail(p.t, "the play knows no "+what)
	}
}

// look writes how each call stands, and what a person reads about it.
func (p *play) look() {
	if reason, since, held := p.lane.Paused(); reason != "" {
		until := "until it is back"
		if held {
			until = "until somebody resumes it"
		}
		p.note("paused since %s, %s: %s", since.Sub(p.began).Round(time.Millisecond), until, reason)
	}
	for _, id := range p.calls {
		d := p.delivery(p.refs[id])
		line := id + ": " + string(d.State)
		if d.State == connector.DeliveryDone {
			line += fmt.Sprintf(", revision %d of %d", d.Done, d.Wanted)
		}
		if d.Next.Known() {
			line += fmt.Sprintf(", next at %s", d.Next.Time().Sub(p.began).Round(time.Millisecond))
		}
		if d.Failed > 0 {
			line += fmt.Sprintf(", %d failed", d.Failed)
		}
		p.note("%s", line)
		if d.Reason != "" {
			p.say("  %s\n", d.Reason)
		}
		for i, a := range d.Attempts {
			if i == connector.KeptFirst && d.Dropped > 0 {
				p.say("  … %d more …\n", d.Dropped)
			}
			p.say("  %s %s %s", a.At.Time().Sub(p.began).Round(time.Millisecond), a.Step, a.Verdict)
			if a.Error != "" {
				p.say(" (%s)", a.Error)
			}
			if a.Warning != "" {
				p.say(" (warning: %s)", a.Warning)
			}
			p.say("\n")
		}
		if len(d.Progress) > 0 {
			p.say("  kept %s\n", d.Progress)
		}
	}
}

func (p *play) say(format string, a ...any) {
	p.outMu.Lock()
	defer p.outMu.Unlock()
	fmt.Fprintf(&p.out, format, a...)
}

// check holds the counters and the queue against the deliveries.
func (p *play) check() {
	states, counted := map[connector.DeliveryState]int64{}, map[connector.DeliveryState]int64{}
	for _, id := range p.calls {
		states[p.delivery(p.refs[id]).State]++
	}
	days, err := p.store.Days(p.t.Context())
	require.NoError(p.t, err)
	for _, day := range days {
		counts, err := p.store.Counts(p.t.Context(), day)
		require.NoError(p.t, err)
		for state := range states {
			counted[state] += counts[connector.CountState("crm", state)]
		}
	}
	require.Equal(p.t, states, counted, "the sum of the deliveries")
	depth, err := p.store.Depth(p.t.Context(), "crm")
	require.NoError(p.t, err)
	require.EqualValues(p.t, states[connector.DeliveryWaiting], depth.Waiting)
	require.EqualValues(p.t, states[connector.DeliveryDead]+states[connector.DeliveryParked], depth.Buried)
}

// aboutDestination puts what is logged about the destination as a whole into the transcript.
type aboutDestination struct{ p *play }

func (h *aboutDestination) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h *aboutDestination) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *aboutDestination) WithGroup(string) slog.Handler                { return h }
func (h *aboutDestination) Handle(_ context.Context, r slog.Record) error {
	var reason string
	of := ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "call":
			of = a.Value.String()
		case "reason":
			reason = ": " + a.Value.String()
		}
		return true
	})
	if of == "" {
		h.p.note("(%s%s)", r.Message, reason)
	}
	return nil
}

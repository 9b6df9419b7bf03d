package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// Options of a run.
type Options struct {
	// Dir is an empty folder on the disk that is to be measured.
	Dir string
	// Rounds that are made of each measurement; each load of a round takes Long.
	Rounds int
	Long   time.Duration
	// Only, if set, names the parts of [Parts] that are measured; those that they are compared with may then be missing.
	Only []string
	// Backlog is how many deliveries wait where a backlog is measured, Open how many calls are open where that is.
	Backlog, Open int
	// Serve gives the command that runs a daemon with a configuration file, BareServe the one that serves [Bare] at an address,
	// and BareSend the one that posts its input to an address for so long and prints the [Load] as JSON, see [Send]. They are
	// processes of their own, as the daemon is.
	Serve     func(ctx context.Context, config string) *exec.Cmd
	BareServe func(ctx context.Context, addr string) *exec.Cmd
	BareSend  func(ctx context.Context, url string, long time.Duration) *exec.Cmd
	// Fill makes a store in a data folder and puts calls into it, see [Fill].
	Fill func(ctx context.Context, dataDir, destination string, calls int) error
	// Size tells how many bytes the history in the store of a data folder takes.
	Size func(dataDir string) (int64, error)
	// Progress, if set, is told what is measured now, and which share of all is done.
	Progress func(what string, share float64)
}

// connections at which accepting is measured.
func connections() []int { return []int{1, 16, 64, 256} }

const (
	destination = "sink"
	// sends is how many requests are under way to the sink.
	sends = 64
	// offeredRate is how many calls a second are offered where the time to the CRM is measured.
	offeredRate = 200

	million = 1e6
	kilo    = 1e3
)

// The names of figures that others are compared with.
const (
	nameSync = "two syncs of the disk"
	namePost = "bare client, 64 connections"
)

func nameBare(conns int) string { return fmt.Sprintf("bare handler, %d connections", conns) }

// Parts are the names of what is measured.
func Parts() []string {
	return []string{partDisk, partAccept, partSend, partCalls, partLatency, partBacklog, partOpen}
}

const (
	partDisk    = "disk"
	partAccept  = "accept"
	partSend    = "send"
	partCalls   = "calls"
	partLatency = "latency"
	partBacklog = "backlog"
	partOpen    = "open"
)

// Run measures. It takes about Rounds * 25 * Long, and what the backlogs take.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &run{Options: o, traffic: newTraffic(time.Now()), report: &Report{Cores: runtime.GOMAXPROCS(0), Dir: o.Dir, Rounds: o.Rounds}}
	var err error
	if r.sink, err = newSink(ctx); err != nil {
		return nil, err
	}
	defer r.sink.stop()
	type step struct {
		part, what string
		do         func(ctx context.Context) error
	}
	steps := slices.DeleteFunc([]step{
		{partDisk, "the disk", r.disk}, {partAccept, "accepting events", r.accept}, {partSend, "sending", r.client},
		{partCalls, "whole calls", r.whole}, {partLatency, "the time to the CRM", r.latency}, {partBacklog, "a backlog", r.drain},
		{partOpen, "open calls", r.open},
	}, func(s step) bool { return len(o.Only) > 0 && !slices.Contains(o.Only, s.part) })
	for round := range o.Rounds {
		for i, s := range steps {
			if o.Progress != nil {
				o.Progress(fmt.Sprintf("round %d of %d: %s", round+1, o.Rounds, s.what), (float64(round)+float64(i)/float64(len(steps)))/float64(o.Rounds))
			}
			if err := s.do(ctx); err != nil {
				return nil, fmt.Errorf("measuring %s: %w", s.what, err)
			}
		}
	}
	return r.report, nil
}

type run struct {
	Options
	traffic *traffic
	sink    *sink
	report  *Report
	sites   int
}

// site is a place for a daemon, new each time: what one measurement leaves behind must not slow the next one.
type site struct {
	dir, data, config, addr, url string
}

func (r *run) newSite(ctx context.Context, destinations string) (*site, error) {
	r.sites++
	dir := filepath.Join(r.Dir, strconv.Itoa(r.sites))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir, data: filepath.Join(dir, "data"), config: filepath.Join(dir, "wrapup.yaml"), addr: addr,
		url: "http://" + addr + "/callbacks/nxcloud/events"}
	config := fmt.Sprintf(`listen: %q
data_dir: %q
admin: {socket: %q}
log: {level: error}
sources: [{kind: nxcloud-events}]
queues: {default: {region: ID}}
destinations: [%s]
`, addr, s.data, filepath.Join(dir, "s"), destinations)
	return s, os.WriteFile(s.config, []byte(config), 0o600)
}

// toSink is a destination that takes everything at once.
func (r *run) toSink() string {
	return fmt.Sprintf("{name: %s, mapping: record, url: %q, concurrency: %d}", destination, r.sink.url, sends)
}

// with runs a daemon at the site, hands it to f, and ends it.
func (r *run) with(ctx context.Context, s *site, f func(p *process) error) error {
	p, err := startProcess(ctx, r.Serve(ctx, s.config), s.addr)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := f(p); err != nil {
		return fmt.Errorf("%w; the daemon says: %s", err, p.said)
	}
	return nil
}

func (r *run) remove(s *site) error { return os.RemoveAll(s.dir) }

func (r *run) disk(ctx context.Context) error {
	pair, err := syncPair(ctx, r.Dir, r.Long)
	if err != nil {
		return err
	}
	r.report.add(nameSync, "ms", ms(pair), "")
	return nil
}

// accept measures how many events are durable, in turn with what a bare handler takes.
func (r *run) accept(ctx context.Context) error {
	for _, conns := range connections() {
		addr, err := freeAddress(ctx)
		if err != nil {
			return err
		}
		bare, err := startProcess(ctx, r.BareServe(ctx, addr), addr)
		if err != nil {
			return err
		}
		limit, err := load(ctx, "http://"+addr+"/", conns, r.Long, r.traffic.started)
		bare.stop()
		if err != nil {
			return err
		}
		r.report.add(nameBare(conns), "/s", limit.Rate, "")

		s, err := r.newSite(ctx, "")
		if err != nil {
			return err
		}
		err = r.with(ctx, s, func(p *process) error {
			if conns == 1 {
				r.report.add("memory, idle", "MB", p.resident()/million, "")
			}
			took, err := load(ctx, s.url, conns, r.Long, r.traffic.started)
			if err != nil {
				return err
			}
			r.report.add(fmt.Sprintf("events accepted, %d connections", conns), "/s", took.Rate, nameBare(conns))
			of := ""
			if conns == 1 {
				of = nameSync
			}
			r.report.add(fmt.Sprintf("  time to the answer, half of them, %d connections", conns), "ms", ms(took.P50), of)
			r.report.add(fmt.Sprintf("  time to the answer, 99%% of them, %d connections", conns), "ms", ms(took.P99), "")
			return nil
		})
		if err = errors.Join(err, r.remove(s)); err != nil {
			return err
		}
	}
	return nil
}

// client measures what a bare client can send to the sink.
func (r *run) client(ctx context.Context) error {
	call, err := storedCall(r.traffic, time.Now())
	if err != nil {
		return err
	}
	record, err := recordOf(&call)
	if err != nil {
		return err
	}
	cmd := r.BareSend(ctx, r.sink.url, r.Long)
	cmd.Stdin = bytes.NewReader(record)
	said := &tail{}
	cmd.Stderr = said
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w; it says: %s", cmd, err, said)
	}
	var l Load
	if err := json.Unmarshal(out, &l); err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	r.report.add(namePost, "/s", l.Rate, "")
	return nil
}

// crowds are how many agents' calls come in at a time where whole calls are measured.
func crowds() []int { return []int{64, 256} }

// whole measures how many calls go through, from six events to the request at the sink. The most that could be is what the
// bare handler and the bare client would need for the same, one after the other, on the same cores.
func (r *run) whole(ctx context.Context) error {
	for _, conns := range crowds() {
		s, err := r.newSite(ctx, r.toSink())
		if err != nil {
			return err
		}
		err = r.with(ctx, s, func(*process) error {
			r.sink.begin(false)
			began := time.Now()
			sent, err := r.traffic.calls(ctx, s.url, conns, 2*r.Long)
			if err != nil {
				return err
			}
			last, err := r.sink.await(ctx, sent, patience)
			if err != nil {
				return fmt.Errorf("%d calls sent: %w", sent, err)
			}
			limit := fmt.Sprintf("six times bare handler, once bare client, %d connections", conns)
			if handler, client := r.report.Get(nameBare(conns)), r.report.Get(namePost); handler != nil && client != nil {
				r.report.add(limit, "/s", 1/(eventsOfCall/latest(handler)+1/latest(client)), "")
			}
			r.report.add(fmt.Sprintf("whole calls, %d connections", conns), "/s", float64(sent)/last.Sub(began).Seconds(), limit)
			return nil
		})
		if err == nil && conns == crowds()[0] {
			err = r.size(s)
		}
		if err = errors.Join(err, r.remove(s)); err != nil {
			return err
		}
	}
	return nil
}

// size measures what a delivered call takes on the disk.
func (r *run) size(s *site) error {
	used, err := r.Size(s.data)
	if err != nil {
		return err
	}
	r.sink.mu.Lock()
	n := r.sink.n
	r.sink.mu.Unlock()
	if n > 0 {
		r.report.add("disk, a delivered call in history", "KB", float64(used)/float64(n)/kilo, "")
	}
	return nil
}

func latest(m *Measure) float64 { return m.Values[len(m.Values)-1] }

// latency measures the time from the last event of a call to the request at the sink, at a steady rate.
func (r *run) latency(ctx context.Context) error {
	s, err := r.newSite(ctx, r.toSink())
	if err != nil {
		return err
	}
	err = r.with(ctx, s, func(*process) error {
		r.sink.begin(true)
		ended, accept, err := r.traffic.offered(ctx, s.url, offeredRate, 2*r.Long)
		if err != nil {
			return err
		}
		if _, err := r.sink.await(ctx, len(ended), patience); err != nil {
			return err
		}
		var took []time.Duration
		for uuid, at := range r.sink.arrivals() {
			took = append(took, at.Sub(ended[uuid]))
		}
		l := loadOf(took, r.Long)
		r.report.add("  time to the answer, 99% of them, 200 calls/s", "ms", ms(accept.P99), "")
		r.report.add("from the last event to the CRM, half of them, 200 calls/s", "ms", ms(l.P50), "")
		r.report.add("from the last event to the CRM, 99% of them, 200 calls/s", "ms", ms(l.P99), "  time to the answer, 99% of them, 200 calls/s")
		return nil
	})
	return errors.Join(err, r.remove(s))
}

// tried is how many deliveries at most the dead destination is tried with before it is paused. They wait for their own time,
// and not for the lane.
const tried = 20

// drained is how many deliveries of a backlog are waited for at most: the rate is told by then.
const drained = 100_000

// drain measures a start with a backlog, accepting beside it, and how fast it is delivered once its destination is there.
func (r *run) drain(ctx context.Context) error {
	dead, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	s, err := r.newSite(ctx, fmt.Sprintf("{name: %s, mapping: record, url: %q, concurrency: 1}", destination, "http://"+dead+"/"))
	if err != nil {
		return err
	}
	err = func() error {
		if err := r.Fill(ctx, s.data, destination, r.Backlog); err != nil {
			return err
		}
		began := time.Now()
		if err := r.with(ctx, s, func(p *process) error {
			if err := post(ctx, newClient(1), s.url, r.traffic.started()); err != nil {
				return err
			}
			r.report.add(fmt.Sprintf("start to the first event, %d waiting", r.Backlog), "s", time.Since(began).Seconds(), "")
			took, err := load(ctx, s.url, sends, r.Long, r.traffic.started)
			if err != nil {
				return err
			}
			r.report.add(fmt.Sprintf("events accepted, 64 connections, %d waiting", r.Backlog), "/s", took.Rate, "events accepted, 64 connections")
			r.report.add(fmt.Sprintf("memory of its own, %d waiting", r.Backlog), "MB", p.own()/million, "")
			return nil
		}); err != nil {
			return err
		}
		config, err := os.ReadFile(s.config)
		if err != nil {
			return err
		}
		alive := slices.Concat(config[:lineOf(config, "destinations:")], []byte("destinations: ["+r.toSink()+"]\n"))
		if err := os.WriteFile(s.config, alive, 0o600); err != nil { //nolint:gosec // it is our own
			return err
		}
		r.sink.begin(false)
		return r.with(ctx, s, func(*process) error {
			// What a start takes is not the drain's: it begins with the first that comes.
			if _, err := r.sink.await(ctx, min(r.Backlog/10, 1000), patience); err != nil {
				return err
			}
			r.sink.mu.Lock()
			before, from := r.sink.n, time.Now()
			r.sink.mu.Unlock()
			due := min(r.Backlog-tried, drained)
			last, err := r.sink.await(ctx, due, patience+time.Duration(due)*time.Millisecond)
			if err != nil {
				return err
			}
			r.report.add("a backlog's delivery, 64 at a time", "/s", float64(due-before)/last.Sub(from).Seconds(), namePost)
			return nil
		})
	}()
	return errors.Join(err, r.remove(s))
}

func lineOf(text []byte, prefix string) int {
	for at := 0; at < len(text); {
		if len(text)-at >= len(prefix) && string(text[at:at+len(prefix)]) == prefix {
			return at
		}
		next := slices.Index(text[at:], '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return len(text)
}

// open measures what open calls cost in memory.
func (r *run) open(ctx context.Context) error {
	s, err := r.newSite(ctx, "")
	if err != nil {
		return err
	}
	err = r.with(ctx, s, func(p *process) error {
		left := make(chan struct{}, r.Open)
		for range r.Open {
			left <- struct{}{}
		}
		close(left)
		if err := r.traffic.some(ctx, s.url, sends, left); err != nil {
			return err
		}
		r.report.add(fmt.Sprintf("memory of its own, %d open calls", r.Open), "MB", p.own()/million, "")
		return nil
	})
	return errors.Join(err, r.remove(s))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

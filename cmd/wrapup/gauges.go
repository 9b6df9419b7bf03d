package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/outbox/bolt"
)

// gauges are what the daemon tells of itself when it is asked. A scrape reads a few things of each destination, and the
// counters of the days: it costs the same however many calls wait.
type gauges struct {
	d        *daemon
	failures prometheus.Counter

	mu   sync.Mutex
	held map[string]int
	// asked is when the held ones were counted.
	asked time.Time
}

func newGauges(d *daemon) *gauges {
	return &gauges{d: d, failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "wrapup_scrape_failures_total",
		Help: "Scrapes in which something could not be read of the store, and is missing."})}
}

var (
	gOpen    = newGauge(prometheus.GaugeValue, "wrapup_open_calls", "Calls that are not finished yet.")
	gLate    = newGauge(prometheus.CounterValue, "wrapup_looks_late_total", "Calls that were looked at more than a second after they were due.")
	gOverdue = newGauge(prometheus.GaugeValue, "wrapup_look_overdue_seconds", "For how long the next call to be looked at has been due.")

	gEvents   = newGauge(prometheus.CounterValue, "wrapup_intake_events_total", "Events that were stored, or repeated: there already.", "source", "result")
	gPosts    = newGauge(prometheus.CounterValue, "wrapup_intake_posts_total", "Posts that were let in: ok, not_understood (in quarantine), or lost (not all of it could be kept).", "source", "result")
	gRefused  = newGauge(prometheus.CounterValue, "wrapup_intake_refused_total", "Posts and connections that were refused, by reason; source is empty where it isn't known.", "source", "reason")
	gConns    = newGauge(prometheus.GaugeValue, "wrapup_intake_connections", "Connections that are open: known have posted something that was let in.", "of")
	gMost     = newGauge(prometheus.GaugeValue, "wrapup_intake_connections_max", "How many connections may be open.")
	gRefusing = newGauge(prometheus.GaugeValue, "wrapup_intake_refusing", "1 while events are refused because there is no room for them.")

	gLast    = newGauge(prometheus.GaugeValue, "wrapup_source_last_event_timestamp_seconds", "When an event came last, 0 if none has since the start.", "source")
	gSilent  = newGauge(prometheus.GaugeValue, "wrapup_source_silent", "1 if nothing has come for so long that it is against what the source's expect says.", "source")
	gMissing = newGauge(prometheus.GaugeValue, "wrapup_source_events_missing", "1 if events of the kind don't come, and those come that go with them.", "source", "kind")
	gBehind  = newGauge(prometheus.GaugeValue, "wrapup_source_clock_behind_seconds", "By how much the dialer's clock is behind ours, by the latest events; negative if it is ahead.", "source")

	gBacklog   = newGauge(prometheus.GaugeValue, "wrapup_backlog", "Deliveries that wait.", "destination")
	gSending   = newGauge(prometheus.GaugeValue, "wrapup_backlog_sending", "Those of them that are being sent.", "destination")
	gOldest    = newGauge(prometheus.GaugeValue, "wrapup_backlog_oldest_age_seconds", "For how long the one has waited that has waited longest: since its call was finished, or a backfill, a later revision or a person asked for it.", "destination")
	gHeld      = newGauge(prometheus.GaugeValue, "wrapup_backlog_held", "Those that wait for something to appear, among the first 1000; counted once a minute.", "destination")
	gAside     = newGauge(prometheus.GaugeValue, "wrapup_set_aside", "Deliveries that are dead, parked (maybe delivered) or unreadable.", "destination", "state")
	gPaused    = newGauge(prometheus.GaugeValue, "wrapup_destination_paused", "1 while the destination is paused: until it is back (trouble), or until a person resumes it (person).", "destination", "by")
	gQueues    = newGauge(prometheus.GaugeValue, "wrapup_queue_calls", "A queue's calls over 30 days (UTC, today included), by what is counted.", "queue", "count")
	gAbandoned = newGauge(prometheus.GaugeValue, "wrapup_queue_abandoned_share", "Abandoned calls by answered ones, over 30 days.", "queue")

	gFile    = newGauge(prometheus.GaugeValue, "wrapup_store_file_bytes", "Size of the store's file.")
	gUsed    = newGauge(prometheus.GaugeValue, "wrapup_store_used_bytes", "What of the file is in use.")
	gFree    = newGauge(prometheus.GaugeValue, "wrapup_store_free_bytes", "What of the file is free, and used before it grows.")
	gMax     = newGauge(prometheus.GaugeValue, "wrapup_store_max_bytes", "How much of it may be in use (store.max_size), 0 if that isn't bounded.")
	gDamaged = newGauge(prometheus.GaugeValue, "wrapup_store_damaged_files", "Damaged files that were set aside beside the store, until somebody moves them away.")
	gRuined  = newGauge(prometheus.GaugeValue, "wrapup_store_damaged_bytes", "What the damaged files take that were set aside.")
	gLeft    = newGauge(prometheus.GaugeValue, "wrapup_disk_left_bytes", "What is left for the store: of its disk, and free in its file.")
	gReserve = newGauge(prometheus.GaugeValue, "wrapup_disk_reserve_bytes", "What is kept for deliveries: with less, events are refused.")

	gQuarantine        = newGauge(prometheus.GaugeValue, "wrapup_quarantine_posts", "Posts in quarantine: they were not understood.")
	gQuarantineBytes   = newGauge(prometheus.GaugeValue, "wrapup_quarantine_bytes", "What they take.")
	gQuarantineRoom    = newGauge(prometheus.GaugeValue, "wrapup_quarantine_room_bytes", "What they may take.")
	gQuarantineRefused = newGauge(prometheus.CounterValue, "wrapup_quarantine_refused_total", "Posts that there was no room for in quarantine: each may be a lost event.")

	gSalvaged = newGauge(prometheus.GaugeValue, "wrapup_store_salvaged_timestamp_seconds", "When a damaged store was salvaged last, until its report is moved away; 0 if no report lies there.")

	gReload   = newGauge(prometheus.GaugeValue, "wrapup_config_last_reload_successful", "0 if the last reload was refused: the configuration before it is in use.")
	gReloadAt = newGauge(prometheus.GaugeValue, "wrapup_config_last_reload_timestamp_seconds", "When the configuration was read last.")
)

// allGauges lists them, in the order of the documentation.
func allGauges() []gauge {
	return []gauge{
		gEvents, gPosts, gRefused, gConns, gMost, gRefusing, gLast, gSilent, gMissing, gBehind, gOpen, gLate, gOverdue, gBacklog, gSending,
		gOldest, gHeld, gAside, gPaused, gQueues, gAbandoned, gFile, gUsed, gFree, gMax, gDamaged, gRuined, gLeft, gReserve, gQuarantine,
		gQuarantineBytes, gQuarantineRoom, gQuarantineRefused, gReload, gReloadAt, gSalvaged,
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, one := range allGauges() {
		to <- one.desc
	}
	g.failures.Describe(to)
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime/2)
	defer cancel()
	now := time.Now()
	source := *g.d.asked.Load()
	g.intake(to, &source, now)
	g.engine(to)
	g.reload(to)
	g.quarantine(to)
	for _, collect := range []func() error{
		func() error { return g.destinations(ctx, to, &source, now) },
		func() error { return g.queues(ctx, to, &source) },
		func() error { return g.store(to) },
	} {
		if collect() != nil { // a store that is broken or closed says so elsewhere
			g.failures.Inc()
		}
	}
	g.failures.Collect(to)
}

func (g *gauges) intake(to chan<- prometheus.Metric, source *admin.Source, now time.Time) {
	s := source.Intake.Status()
	for i := range s.Feeds {
		f := &s.Feeds[i]
		source.Expect(f)
		gEvents.to(to, float64(f.Stored), f.Source, "stored")
		gEvents.to(to, float64(f.Repeated), f.Source, "repeated")
		gPosts.to(to, float64(f.Posts-f.NotUnderstood-f.Lost), f.Source, "ok")
		gPosts.to(to, float64(f.NotUnderstood), f.Source, "not_understood")
		gPosts.to(to, float64(f.Lost), f.Source, "lost")
		gLast.to(to, seconds(f.LastEvent), f.Source)
		gSilent.truth(to, f.SilentSince.Known(), f.Source)
		for _, u := range f.Unpaired {
			gMissing.truth(to, u.Missing(now), f.Source, string(u.Kind))
		}
		if f.Behind.Known {
			gBehind.to(to, f.Behind.Seconds(), f.Source)
		}
	}
	type why struct{ source, reason string }
	refused := map[why]int64{} // senders are too many to be told apart here
	for _, r := range s.Refused {
		refused[why{r.Source, r.Reason}] += r.Count
	}
	for w, n := range refused {
		gRefused.to(to, float64(n), w.source, w.reason)
	}
	gConns.to(to, float64(s.Connections-s.Strangers), "known")
	gConns.to(to, float64(s.Strangers), "strangers")
	gMost.to(to, float64(s.Most))
}

func (g *gauges) engine(to chan<- prometheus.Metric) {
	gOpen.to(to, float64(g.d.parts.engine.Open()))
	late, overdue := g.d.parts.engine.Looks()
	gLate.to(to, float64(late))
	gOverdue.to(to, overdue.Seconds())
}

func (g *gauges) reload(to chan<- prometheus.Metric) {
	last := g.d.last.get()
	gReload.truth(to, last.OK)
	gReloadAt.to(to, seconds(last.At))
}

func (g *gauges) quarantine(to chan<- prometheus.Metric) {
	q := g.d.parts.quarantine.Totals()
	gQuarantine.to(to, float64(q.Kept))
	gQuarantineBytes.to(to, float64(q.Bytes))
	gQuarantineRoom.to(to, float64(q.Room))
	gQuarantineRefused.to(to, float64(q.Refused))
}

func (g *gauges) destinations(ctx context.Context, to chan<- prometheus.Metric, source *admin.Source, now time.Time) error {
	list, err := source.DestinationStatus(ctx)
	if err != nil {
		return err
	}
	held := g.counted(ctx, source, list, now)
	for i := range list {
		d := &list[i]
		gBacklog.to(to, float64(d.Waiting), d.Destination)
		gSending.to(to, float64(d.Sending), d.Destination)
		age := 0.0
		if d.OldestAt.Known() {
			age = max(0, now.Sub(d.OldestAt.Time()).Seconds())
		}
		gOldest.to(to, age, d.Destination)
		gHeld.to(to, float64(held[d.Destination]), d.Destination)
		gAside.to(to, float64(d.Dead), d.Destination, "dead")
		gAside.to(to, float64(d.Parked), d.Destination, "parked")
		gAside.to(to, float64(d.Unreadable), d.Destination, "unreadable")
		gPaused.truth(to, d.State == admin.DestinationPaused, d.Destination, "trouble")
		gPaused.truth(to, d.State == admin.DestinationHeld, d.Destination, "person")
	}
	return nil
}

// heldEvery is how often the held calls are counted: to know it each of them has to be read.
const heldEvery = time.Minute

func (g *gauges) counted(ctx context.Context, source *admin.Source, list []admin.DestinationStatus, now time.Time) map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if since := now.Sub(g.asked); g.held != nil && since >= 0 && since < heldEvery {
		return g.held
	}
	held := map[string]int{}
	for i := range list {
		if list[i].Waiting == 0 {
			continue
		}
		n, _, err := source.Held(ctx, list[i].Destination)
		if err != nil {
			return g.held
		}
		held[list[i].Destination] = n
	}
	g.held, g.asked = held, now
	return held
}

// queueDays is the time that the regulator's line for abandoned calls is drawn over.
const queueDays = 30

// mostQueues is how many queues are told apart. Their names are the dialer's: a mistake there must not flood Prometheus.
const mostQueues = 100

// otherQueues is the label of all others, and noQueue that of calls that name none. No access number looks like that.
const (
	otherQueues = "(other)"
	noQueue     = "(none)"
)

// fewQueues gives the queues with the most calls, and the others as one.
func fewQueues(list []admin.QueueStats) []admin.QueueStats {
	slices.SortStableFunc(list, func(a, b admin.QueueStats) int { return cmp.Compare(b.Offered, a.Offered) })
	if len(list) <= mostQueues {
		return list
	}
	rest := admin.QueueStats{Queue: otherQueues}
	for i := range list[mostQueues:] {
		q := &list[mostQueues+i]
		rest.Offered, rest.Answered, rest.Connected = rest.Offered+q.Offered, rest.Answered+q.Answered, rest.Connected+q.Connected
		rest.Abandoned, rest.Late, rest.ShortRing = rest.Abandoned+q.Abandoned, rest.Late+q.Late, rest.ShortRing+q.ShortRing
	}
	return append(list[:mostQueues], rest)
}

// queueLabel names a queue, with what no label may have left out.
func queueLabel(name connector.Text) string {
	return cmp.Or(strings.ToValidUTF8(string(name), "\ufffd"), noQueue)
}

func (g *gauges) queues(ctx context.Context, to chan<- prometheus.Metric, source *admin.Source) error {
	list, err := source.Queues(ctx, queueDays)
	if err != nil {
		return err
	}
	list = fewQueues(list)
	for i := range list {
		q, name := &list[i], queueLabel(list[i].Queue)
		for _, c := range []struct {
			n    int64
			what connector.QueueCount
		}{
			{q.Offered, connector.QueueOffered}, {q.Answered, connector.QueueAnswered}, {q.Connected, connector.QueueConnected},
			{q.Abandoned, connector.QueueAbandoned}, {q.Late, connector.QueueLate}, {q.ShortRing, connector.QueueShortRings},
		} {
			gQueues.to(to, float64(c.n), name, string(c.what))
		}
		if q.Answered > 0 {
			gAbandoned.to(to, float64(q.Abandoned)/float64(q.Answered), name)
		}
	}
	return nil
}

func (g *gauges) store(to chan<- prometheus.Metric) error {
	room, err := g.d.parts.room.state()
	if err != nil {
		return err
	}
	gRefusing.truth(to, room.refusing)
	gUsed.to(to, float64(room.used))
	gFree.to(to, float64(room.free))
	gMax.to(to, float64(room.max))
	gLeft.to(to, float64(room.left))
	gReserve.to(to, float64(room.reserve))
	size, err := fileSize(g.d.parts.store)
	if err != nil {
		return err
	}
	gFile.to(to, float64(size))
	salvaged, err := lastSalvage(g.d.parts.store.Path())
	if err != nil {
		return err
	}
	gSalvaged.to(to, seconds(salvaged))
	files, bytes, err := bolt.SetAside(g.d.parts.store.Path())
	if err != nil {
		return err
	}
	gDamaged.to(to, float64(files))
	gRuined.to(to, float64(bytes))
	return nil
}

// lastSalvage gives when the newest of the reports on damaged stores was written that lie beside the store.
func lastSalvage(path string) (last connector.Time, err error) {
	reports, err := bolt.SalvageReports(path)
	if err != nil {
		return 0, err
	}
	for _, report := range reports {
		info, err := os.Stat(report)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just been moved away
		}
		if err != nil {
			return 0, err
		}
		last = max(last, connector.TimeOf(info.ModTime()))
	}
	return last, nil
}

var _ prometheus.Collector = (*gauges)(nil)

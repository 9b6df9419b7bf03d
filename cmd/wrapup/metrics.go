package main

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"wrapup/connector"
)

// meters are the daemon's metrics that are counted as things happen. What the daemon knows anyway is asked for at each scrape
// (see gauges). All of them are in configs/metrics.md.
type meters struct {
	registry *prometheus.Registry

	deliveries *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	attempts   *prometheus.CounterVec
	took       *prometheus.HistogramVec
	commits    prometheus.Histogram
	batches    prometheus.Histogram
}

func newMeters() *meters {
	m := &meters{
		registry: prometheus.NewRegistry(),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "wrapup_deliveries_total",
			Help: "Deliveries that were settled, by the state that they are in then: waiting is tried again."}, []string{"destination", "state"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "wrapup_delivery_latency_seconds",
			Help:    "From the arrival of a call's newest event (its hang-up) to its delivery.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 900, 3600, 4 * 3600, 24 * 3600}}, []string{"destination"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "wrapup_attempts_total",
			Help: "Requests to destinations, by the verdict on their answers."}, []string{"destination", "verdict"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "wrapup_attempt_duration_seconds",
			Help:    "How long requests to destinations took.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"destination"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "wrapup_store_commit_duration_seconds",
			Help:    "How long commits to the store took, the sync of the disk included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "wrapup_store_commit_changes",
			Help: "How many changes shared a commit.", Buckets: prometheus.ExponentialBuckets(1, 2, 11)}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "wrapup_build_info", Help: "1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.deliveries, m.latency, m.attempts, m.took, m.commits, m.batches, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Attempted implements deliver.Observer.
func (m *meters) Attempted(destination, verdict string, took time.Duration) {
	m.attempts.WithLabelValues(destination, verdict).Inc()
	m.took.WithLabelValues(destination).Observe(took.Seconds())
}

// Settled implements deliver.Observer.
func (m *meters) Settled(destination string, state connector.DeliveryState, since time.Duration) {
	m.deliveries.WithLabelValues(destination, string(state)).Inc()
	if state == connector.DeliveryDone {
		m.latency.WithLabelValues(destination).Observe(since.Seconds())
	}
}

// committed is told of each commit to the store.
func (m *meters) committed(batch int, took time.Duration) {
	m.batches.Observe(float64(batch))
	m.commits.Observe(took.Seconds())
}

// handler answers scrapes, a few at a time. What can't be told is logged and left out.
func (m *meters) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: scrapeTime, ErrorHandling: promhttp.ContinueOnError,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	})
}

// scrapeTime is how long a scrape may take.
const scrapeTime = 10 * time.Second

// gauge is a metric that is asked for at each scrape.
type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newGauge(kind prometheus.ValueType, name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc(name, help, labels, nil), kind}
}

// to sends a value.
func (g gauge) to(c chan<- prometheus.Metric, v float64, labels ...string) {
	c <- prometheus.MustNewConstMetric(g.desc, g.kind, v, labels...)
}

// truth sends 1 or 0.
func (g gauge) truth(c chan<- prometheus.Metric, is bool, labels ...string) {
	v := 0.0
	if is {
		v = 1
	}
	g.to(c, v, labels...)
}

// seconds gives a point in time in seconds since 1970, 0 if it is not known.
func seconds(t connector.Time) float64 { return float64(t) / 1e6 }

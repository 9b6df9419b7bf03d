package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/admin"
)

const metricsDoc = "../../configs/metrics.md"

// scraped is a metric as a scrape shows it.
type scraped struct {
	name, kind, help string
	labels           []string
	// values by their labels, as they are written.
	values map[string]string
}

var (
	sample = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? ([^ ]+)$`)
	label  = regexp.MustCompile(`([a-z_]+)="(?:[^"\\]|\\.)*"`)
)

// scrape reads all metrics of a daemon whose names begin with wrapup_.
func scrape(t *testing.T, addr string) []scraped {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, string(body))
	var all []scraped
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(rest, " ")
			all = append(all, scraped{name: name, help: help, values: map[string]string{}})
			continue
		}
		last := &all[len(all)-1]
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			_, last.kind, _ = strings.Cut(rest, " ")
			continue
		}
		m := sample.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		last.values[strings.TrimPrefix(m[1], last.name)+m[2]] = m[3]
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" && !slices.Contains(last.labels, l[1]) {
				last.labels = append(last.labels, l[1])
			}
		}
	}
	return slices.DeleteFunc(all, func(s scraped) bool { return !strings.HasPrefix(s.name, "wrapup_") })
}

func value(t *testing.T, all []scraped, name, labels string) string {
	t.Helper()
	i := slices.IndexFunc(all, func(s scraped) bool { return s.name == name })
	require.GreaterOrEqual(t, i, 0, name)
	v, ok := all[i].values[labels]
	assert.True(t, ok, "%s{%s}: %v", name, labels, all[i].values)
	return v
}

// What is exported is what is documented, and it says what happened.
func TestMetrics(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	s := reloadable(t, crm)
	public := s.freeAddress()
	s.edit("admin: {", "admin: {listen: "+public+", ", "auth: {token: {file: dialer.token}}}", "auth: {token: {file: dialer.token}}, "+
		"expect: {hours: \"00:00-24:00\", zone: Asia/Jakarta, within: 1h}}")
	s.start()
	post := func(body string) int {
		resp, err := http.Post(s.url()+"/"+firstToken, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	const calls = 8
	last := ""
	for i := range calls {
		for _, body := range unanswered(fmt.Sprint("call-", i)) {
			if i == 0 && last == "" { // this one was answered, and no agent came
				require.Equal(t, 200, post(strings.Replace(body, `"state":1`, `"state":3`, 1)))
			}
			require.Equal(t, 200, post(body))
			last = body
		}
	}
	require.Equal(t, 200, post(last))
	require.Equal(t, 400, post(`{"type": "what"}`))
	status, _ := s.post(unanswered("b")[0])
	require.Equal(t, 401, status)
	s.delivered(crm, calls)
	var all []scraped
	s.eventually("all to be delivered", func() bool {
		all = scrape(t, public)
		return value(t, all, "wrapup_backlog", `destination="crm"`) == "0" && // what is settled is counted just after
			value(t, all, "wrapup_delivery_latency_seconds", `_countdestination="crm"`) == "8" &&
			value(t, all, "wrapup_deliveries_total", `destination="crm",state="done"`) == "8"
	})

	want := "| metric | type | labels | meaning |\n|---|---|---|---|\n"
	for _, m := range all {
		labels := make([]string, len(m.labels))
		for i, l := range m.labels {
			labels[i] = "`" + l + "`"
		}
		want += fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(labels, " "), m.help)
	}
	doc, err := os.ReadFile(metricsDoc)
	require.NoError(t, err)
	head, table, ok := strings.Cut(string(doc), "\n| metric |")
	require.True(t, ok, "%s has no table", metricsDoc)
	if *update {
		require.NoError(t, os.WriteFile(metricsDoc, []byte(head+"\n"+want), 0o644))
	} else {
		assert.Equal(t, want, "| metric |"+table, "go test ./cmd/wrapup -run TestMetrics -update writes it")
	}

	const source = `source="nxcloud-events"`
	for _, c := range [][3]string{
		{"wrapup_intake_events_total", `result="stored",` + source, "17"},
		{"wrapup_intake_events_total", `result="repeated",` + source, "1"},
		{"wrapup_intake_posts_total", `result="ok",` + source, "18"},
		{"wrapup_intake_posts_total", `result="not_understood",` + source, "1"},
		{"wrapup_intake_posts_total", `result="lost",` + source, "0"},
		{"wrapup_intake_refused_total", `reason="no token",` + source, "1"},
		{"wrapup_source_silent", source, "0"},
		{"wrapup_source_events_missing", `kind="joined",` + source, "0"},
		{"wrapup_open_calls", "", "0"},
		{"wrapup_deliveries_total", `destination="crm",state="done"`, "8"},
		{"wrapup_attempts_total", `destination="crm",verdict="done"`, "8"},
		{"wrapup_delivery_latency_seconds", `_countdestination="crm"`, "8"},
		{"wrapup_delivery_latency_seconds", `_bucketdestination="crm",le="30"`, "8"},
		{"wrapup_backlog", `destination="down"`, "8"},
		{"wrapup_set_aside", `destination="crm",state="dead"`, "0"},
		{"wrapup_quarantine_posts", "", "1"},
		{"wrapup_queue_calls", `count="offered",queue="104906"`, "8"},
		{"wrapup_queue_abandoned_share", `queue="104906"`, "1"},
		{"wrapup_intake_refusing", "", "0"},
		{"wrapup_config_last_reload_successful", "", "1"},
		{"wrapup_scrape_failures_total", "", "0"},
	} {
		assert.Equal(t, c[2], value(t, all, c[0], c[1]), "%s{%s}", c[0], c[1])
	}
	behind := value(t, all, "wrapup_source_clock_behind_seconds", source)
	assert.Regexp(t, `^(4\d|5\d|6\d|7\d)\.?`, behind, "the stamps are of a minute, or 40 seconds, ago")
	assert.NotEqual(t, "0", value(t, all, "wrapup_store_commit_changes", "_count"))

	s.edit("mapping: desk", "mapping: dask")
	_, code := s.run("reload")
	require.Equal(t, 1, code)
	_, code = s.run("destinations", "pause", "crm", "--reason", "maintenance")
	require.Zero(t, code)
	all = scrape(t, public)
	assert.Equal(t, "0", value(t, all, "wrapup_config_last_reload_successful", ""))
	assert.Equal(t, "1", value(t, all, "wrapup_destination_paused", `by="person",destination="crm"`))
	require.Zero(t, s.terminate())
}

// A scrape costs the same however many calls wait: an outage is when they are needed.
func TestScrapesOfALargeBacklog(t *testing.T) {
	scrapes := func(waiting int) (best time.Duration) {
		s := newSite(t, `sources: [{kind: nxcloud-events}]
destinations: [{name: crm, mapping: record, url: "http://127.0.0.1:1/", concurrency: 1}]
`)
		public := s.freeAddress()
		s.edit("admin: {", "admin: {listen: "+public+", ")
		s.backlog("crm", waiting)
		s.start()
		_, code := s.run("destinations", "pause", "crm", "--reason", "maintenance")
		require.Zero(t, code)
		best = time.Hour
		for range 20 {
			began := time.Now()
			all := scrape(t, public)
			best = min(best, time.Since(began))
			require.Equal(t, fmt.Sprint(waiting), value(t, all, "wrapup_backlog", `destination="crm"`))
			require.NotEqual(t, "0", value(t, all, "wrapup_backlog_oldest_age_seconds", `destination="crm"`))
		}
		require.Zero(t, s.terminate())
		return best
	}
	few, many := scrapes(200), scrapes(20_000)
	assert.Less(t, many, 4*few, "a hundred times as many wait")
	t.Log(few, many)
}

// However many queues the dialer names, only so many are told apart.
func TestMetricsOfManyQueues(t *testing.T) {
	var list []admin.QueueStats
	for i := range 1000 {
		list = append(list, admin.QueueStats{Queue: connector.Text(fmt.Sprint(i)), Offered: int64(i), Answered: 2, Abandoned: 1})
	}
	few := fewQueues(list)
	require.Len(t, few, mostQueues+1)
	assert.Equal(t, "999", queueLabel(few[0].Queue))
	assert.Equal(t, admin.QueueStats{Queue: otherQueues, Offered: 899 * 900 / 2, Answered: 1800, Abandoned: 900}, few[mostQueues])
	assert.Equal(t, noQueue, queueLabel(""))
	assert.True(t, utf8.ValidString(queueLabel("10\xff")))
}

// A store that was salvaged is an alarm until somebody has settled it, over restarts.
func TestMetricsOfASalvage(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sources: [{kind: nxcloud-events}]\ndestinations: [{name: crm, mapping: record, url: \"http://127.0.0.1:1/\"}]\n")
	public := s.freeAddress()
	s.edit("admin: {", "admin: {listen: "+public+", ")
	s.damaged = true
	salvaged := func() string { return value(t, scrape(t, public), "wrapup_store_salvaged_timestamp_seconds", "") }
	s.start()
	s.accepted(documented(t)...)
	require.Equal(t, "0", salvaged())
	require.Zero(t, s.terminate())

	path := filepath.Join(s.dir, "data", storeFile)
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	head := image[16:] // of the two that there are, the newer
	if other := image[4096+16:]; binary.NativeEndian.Uint64(other[48:]) > binary.NativeEndian.Uint64(head[48:]) {
		head = other
	}
	image[binary.NativeEndian.Uint64(head[16:])*4096+8] ^= 0xff // the page that it leads to
	require.NoError(t, os.WriteFile(path, image, 0o600))
	began := time.Now().Truncate(time.Second)
	for range 2 {
		s.start()
		at, err := strconv.ParseFloat(salvaged(), 64)
		require.NoError(t, err)
		require.WithinRange(t, time.UnixMicro(int64(at*1e6)), began, time.Now())
		require.Zero(t, s.terminate())
	}
	reports, err := filepath.Glob(path + ".damaged-*.txt")
	require.NoError(t, err)
	require.Len(t, reports, 1)
	s.start()
	require.NoError(t, os.Rename(reports[0], filepath.Join(s.dir, "settled.txt")))
	require.Equal(t, "0", salvaged())
	require.Zero(t, s.terminate())
}

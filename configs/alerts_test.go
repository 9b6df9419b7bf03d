package configs

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

const rulesFile = "wrapup.rules.yaml"

// alert is one of the rules.
type alert struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	var file struct {
		Groups []struct{ Rules []alert }
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// exported gives the metrics that are documented, with their labels, and how they appear in queries: of a histogram as three. The
// table is checked against a daemon in cmd/wrapup.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	doc, err := os.ReadFile("metrics.md")
	require.NoError(t, err)
	names := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(wrapup_[a-z_]+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(string(doc), -1) {
		labels := regexp.MustCompile(`[a-z]+`).FindAllString(row[3], -1)
		if row[2] != "histogram" {
			names[row[1]] = labels
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			names[row[1]+suffix] = append(slices.Clone(labels), "le")
		}
	}
	require.NotEmpty(t, names)
	return names
}

var (
	queried  = regexp.MustCompile(`wrapup_[a-z_]+`)
	selected = regexp.MustCompile(`(wrapup_[a-z_]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`([a-z_]+)[!=]`)
)

// knows checks that a query asks for nothing that isn't exported.
func knows(t *testing.T, metrics map[string][]string, query, where string) {
	t.Helper()
	found := queried.FindAllString(query, -1)
	assert.NotEmpty(t, found, "%s asks for no metric: %s", where, query)
	for _, name := range found {
		assert.Contains(t, slices.Collect(maps.Keys(metrics)), name, where)
	}
	for _, s := range selected.FindAllStringSubmatch(query, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			assert.Contains(t, append([]string{"job", "instance"}, metrics[s[1]]...), m[1], "%s: %s has no such label", where, s[1])
		}
	}
}

// Alerts do what their tests say, and each has one.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		require.Empty(t, os.Getenv(ciVariable), "promtool has to be there: apt-get install prometheus")
		t.Skip("there is no promtool")
	}
	out, err := exec.Command(promtool, "check", "rules", rulesFile).CombinedOutput()
	require.NoError(t, err, string(out))
	const tests = "testdata/rules.yaml"
	out, err = exec.Command(promtool, "test", "rules", tests).CombinedOutput()
	require.NoError(t, err, string(out))
	text, err := os.ReadFile(tests)
	require.NoError(t, err)
	for _, a := range alerts(t) {
		assert.Contains(t, string(text), `alertname="`+a.Alert+`",alertstate="firing"`, "an alert that no test shows")
	}
}

// Who is woken up finds in the runbook what it means and what to do.
func TestRunbook(t *testing.T) {
	runbook, err := os.ReadFile("runbook.md")
	require.NoError(t, err)
	metrics := exported(t)
	_, rest, _ := strings.Cut(string(runbook), "\n## ")
	entries := map[string]string{}
	for entry := range strings.SplitSeq(rest, "\n## ") {
		name, text, _ := strings.Cut(entry, "\n")
		entries[name] = text
	}
	names := map[string]bool{}
	for _, a := range alerts(t) {
		names[a.Alert] = true
		knows(t, metrics, a.Expr, a.Alert)
		assert.Contains(t, []string{"critical", "warning"}, a.Labels["severity"], a.Alert)
		assert.NotEmpty(t, a.Annotations["summary"], a.Alert)
		assert.NotEmpty(t, a.Annotations["description"], a.Alert)
		assert.Equal(t, "runbook.md#"+strings.ToLower(a.Alert), a.Annotations["runbook"], "the link to its entry")
		for _, part := range []string{"**Means**", "**Look at**", "**Do**"} {
			assert.Contains(t, entries[a.Alert], part, a.Alert)
		}
	}
	for name := range entries {
		assert.True(t, names[name], "an entry for no alert: %s", name)
	}
	for _, name := range queried.FindAllString(string(runbook), -1) {
		base := strings.TrimSuffix(name, "_")
		assert.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(metrics)), func(m string) bool { return strings.HasPrefix(m, base) }), name)
	}
}

// The dashboard is one to Grafana, and shows nothing that isn't exported.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("grafana.json")
	require.NoError(t, err)
	type target struct {
		Expr, RefID string
		Datasource  struct{ Type, UID string }
	}
	var board struct {
		Title, UID    string
		SchemaVersion int
		Tags          []string
		Time          struct{ From, To string }
		Templating    struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ H, W, X, Y int }
			Datasource  struct{ Type, UID string }
			Targets     []target
		}
	}
	require.NoError(t, json.Unmarshal(text, &board))
	assert.Equal(t, "wrapup", board.Title)
	assert.NotEmpty(t, board.UID)
	assert.GreaterOrEqual(t, board.SchemaVersion, 36)
	assert.NotEmpty(t, board.Time.From)
	require.NotEmpty(t, board.Templating.List)
	assert.Equal(t, "datasource", board.Templating.List[0].Type, "everybody's Prometheus has another name")
	metrics := exported(t)
	ids, taken, shown := map[int]bool{}, map[[2]int]string{}, map[string]bool{}
	for _, p := range board.Panels {
		assert.False(t, ids[p.ID], "two panels have the id %d", p.ID)
		ids[p.ID] = true
		assert.NotEmpty(t, p.Title)
		require.Positive(t, p.GridPos.H, p.Title)
		require.Positive(t, p.GridPos.W, p.Title)
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				require.Empty(t, taken[cell], "%s lies over it", p.Title)
				taken[cell] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		assert.Contains(t, []string{"timeseries", "stat", "table", "heatmap"}, p.Type, p.Title)
		assert.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		refs := map[string]bool{}
		for _, q := range p.Targets {
			assert.False(t, refs[q.RefID] || q.RefID == "", p.Title)
			refs[q.RefID] = true
			knows(t, metrics, q.Expr, p.Title)
			for _, name := range queried.FindAllString(q.Expr, -1) {
				shown[name] = true
			}
		}
	}
	for _, a := range alerts(t) { // who is woken up looks here next
		for _, name := range queried.FindAllString(a.Expr, -1) {
			assert.True(t, shown[name], "%s is about %s, which the dashboard doesn't show", a.Alert, name)
		}
	}
}

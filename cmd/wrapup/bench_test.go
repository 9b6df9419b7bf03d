package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/bench"
)

// A run is whole however short it is: each figure has a value, and nothing is left behind. What the values are is the
// machine's matter.
func TestBench(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, errs, code := wrapup(t, "bench", "--rounds", "1", "--long", "20ms", "--backlog", "50", "--open", "50", "--dir", dir, "-o", "json")
	require.Zero(t, code, errs)
	var report bench.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report), out)
	assert.Len(t, report.Measures, 32)
	for _, m := range report.Measures {
		require.Len(t, m.Values, 1, m.Name)
		for _, v := range m.Values {
			assert.Positive(t, v, m.Name)
		}
		if m.Of != "" {
			assert.Len(t, m.Ratios, 1, m.Name)
		}
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestBenchForPeople(t *testing.T) {
	var out strings.Builder
	require.NoError(t, printBench(&out, &bench.Report{Cores: 2, Dir: "/srv/x", Rounds: 3, Measures: []bench.Measure{
		{Name: "limit", Unit: "/s", Values: []float64{1000, 1010, 990}},
		{Name: "figure", Unit: "/s", Values: []float64{500, 300, 495}, Of: "limit", Ratios: []float64{.5, .3, .5}},
	}}))
	assert.Equal(t, `2 cores, the disk of /srv; medians of 3 rounds

        median      spread  compared with
limit   1000    /s  2%      
figure  495     /s  40% !   0.50 of limit

! The rounds of 1 figures lie more than 25% apart: the machine did other things too.
`, out.String())
}

func TestBenchRefusals(t *testing.T) {
	_, errs, code := wrapup(t, "bench", "--dir", "/nowhere")
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "--dir: ")
	_, errs, code = wrapup(t, "bench", "--rounds", "0")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "more than 0")
	_, errs, code = wrapup(t, "bench", "--only", "disk,speed")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, `there is no part "speed": the parts are disk, accept, send`)
}

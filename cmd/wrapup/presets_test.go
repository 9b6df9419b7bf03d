package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/target/targettest"
	"wrapup/mappings"
)

// Each preset against the strict fake of its API: see mappings/presets/README.md.
func TestPresets(t *testing.T) {
	for _, c := range presetCases() {
		t.Run(c.preset, func(t *testing.T) {
			var golden strings.Builder
			names := map[string]bool{}
			for _, s := range presetScenarios(&c) {
				names[s.name] = true
				if c.cant[s.name] != "" {
					fmt.Fprintf(&golden, "##### %s\n\n(it can't: %s)\n\n", s.name, c.cant[s.name])
					continue
				}
				t.Run(s.name, func(t *testing.T) {
					problems, log := runPreset(t, &c, "", s)
					for _, p := range problems {
						t.Error(p)
					}
					if s.golden {
						fmt.Fprintf(&golden, "##### %s\n\n%s", s.name, exchanges(log))
					}
				})
			}
			for name := range c.cant {
				assert.True(t, names[name], "what it can't is no scenario: %q", name)
			}
			file := filepath.Join("testdata", "presets", c.preset+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(golden.String()), 0o600))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err, "go test ./cmd/wrapup -run TestPresets/%s -update writes it", c.preset)
			assert.Equal(t, string(want), golden.String())
		})
	}
}

// Presets that are broken on purpose: the suite must notice each mistake, and in words that show what it is.
func TestBrokenPresets(t *testing.T) {
	for _, c := range presetCases() {
		require.NotEmpty(t, c.breaks, c.preset)
		src, ok := mappings.Preset(c.preset)
		require.True(t, ok, c.preset)
		for _, b := range c.breaks {
			t.Run(c.preset+"/"+b.what, func(t *testing.T) {
				require.Contains(t, string(src), b.old, "there is nothing to break")
				broken := strings.ReplaceAll(string(src), b.old, b.new)
				noticed := ""
				for _, s := range presetScenarios(&c) {
					if c.cant[s.name] == "" && !strings.Contains(noticed, b.noticed) {
						problems, _ := runPreset(t, &c, broken, s)
						noticed += s.name + ": " + strings.Join(problems, "\n") + "\n"
					}
				}
				assert.Contains(t, noticed, b.noticed, "the suite doesn't notice it")
			})
		}
	}
}

// Each preset has its row, whatever else it is proven by, and each row its preset.
func TestPresetsHaveRows(t *testing.T) {
	rows := map[string]bool{}
	for _, c := range presetCases() {
		assert.False(t, rows[c.preset], "two rows for %s", c.preset)
		rows[c.preset] = true
	}
	for _, name := range mappings.Presets() {
		src, _ := mappings.Preset(name)
		s, problems := mappings.Summarize(name+".yaml", src)
		require.NoError(t, problems.Err())
		require.NotNil(t, s.About, "%s doesn't say what it is about", name)
		assert.True(t, rows[name], "%s has no row", name)
		assert.NotEmpty(t, s.Version, name)
		assert.NotEmpty(t, s.Description, name)
		delete(rows, name)
	}
	assert.Empty(t, rows, "rows without a preset")
	for _, c := range presetCases() {
		src, _ := mappings.Preset(c.preset)
		s, _ := mappings.Summarize(c.preset+".yaml", src)
		if s != nil && s.About != nil {
			assert.Equal(t, c.parks, strings.Contains(s.About.Doubles, "parked"), "%s: about.doubles must say whether a lost answer parks a call", c.preset)
		}
	}
}

// exchanges shows requests as somebody who knows the API reads them, and what was answered.
func exchanges(log []targettest.Exchange) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, x := range log {
		fmt.Fprintf(&b, "%s %s\n", x.Method, x.Path)
		same := x.Method + x.Query.Encode() + string(x.Body) + x.Path
		if seen[same] && len(x.Query)+len(x.Body) > 0 {
			fmt.Fprintf(&b, "  (as before)\n<- %d\n\n", x.Status)
			continue
		}
		seen[same] = true
		for _, name := range slices.Sorted(maps.Keys(x.Query)) {
			for _, v := range x.Query[name] {
				fmt.Fprintf(&b, "  ? %s = %s\n", name, v)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(x.Header)) {
			if !slices.Contains([]string{"User-Agent", "Accept-Encoding", "Content-Length"}, name) {
				fmt.Fprintf(&b, "  %s: %s\n", name, hiddenCredential(name, x.Header))
			}
		}
		var pretty bytes.Buffer
		if json.Indent(&pretty, x.Body, "  ", "  ") == nil {
			fmt.Fprintf(&b, "\n  %s\n", pretty.Bytes())
		} else if form, err := url.ParseQuery(string(x.Body)); err == nil && strings.HasSuffix(x.Header.Get("Content-Type"), "form-urlencoded") {
			b.WriteString("\n")
			for _, name := range slices.Sorted(maps.Keys(form)) {
				fmt.Fprintf(&b, "  %s = %s\n", name, strings.Join(form[name], " | "))
			}
		} else if len(x.Body) > 0 {
			fmt.Fprintf(&b, "\n  %s\n", x.Body)
		}
		answer := string(x.Answer)
		if len(answer) > 200 {
			answer = answer[:200] + "…"
		}
		if x.Lost {
			answer = "(lost) " + answer
		}
		fmt.Fprintf(&b, "<- %s\n\n", strings.TrimSpace(fmt.Sprintf("%d %s", x.Status, answer)))
	}
	if len(log) == 0 {
		b.WriteString("(nothing is sent)\n\n")
	}
	return strings.ReplaceAll(b.String(), targettest.Credential, "***")
}

// hiddenCredential is a header without the secret in it.
func hiddenCredential(name string, header http.Header) string {
	v := strings.Join(header[name], " | ")
	if name == "Authorization" {
		scheme, _, _ := strings.Cut(v, " ")
		return scheme + " ***"
	}
	return v
}

package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/mappings"
)

// TestCompletion: what a shell asks for is answered with what there is, and no other word.
func TestCompletion(t *testing.T) {
	t.Parallel()
	s := newSite(t, `sources: [{kind: nxcloud-events, name: dialer}]
queues: {"104906": {name: Sales}, "7": {}, default: {region: ID}}
mappings_dir: mappings
destinations:
  - {name: crm, mapping: own, url: "http://127.0.0.1:1"}
  - {name: desk, mapping: record, url: "http://127.0.0.1:1"}
`)
	s.write("mappings/own.yaml", "steps: [{name: log, path: /log}]\n")
	s.start()
	s.accepted(fmt.Sprintf(`{"type":1,"state":2,"callid":"7","username":"agent-7","sipid":"70","agentid":"x","time":"%d"}`, time.Now().Unix()))
	complete := func(args ...string) (words []string, directive string) {
		t.Helper()
		out, errs, code := wrapup(t, append([]string{"__complete", "--config", s.config}, args...)...)
		require.Zero(t, code, errs)
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			if strings.HasPrefix(word, ":") {
				return words, word
			}
			words = append(words, word)
		}
		return words, ""
	}
	names := append(mappings.Presets(), "own", "record") // the shell leaves out what doesn't begin as the word does
	slices.Sort(names)
	all := strings.Join(names, " ")
	const noFiles, someFiles, dirs = ":4", ":0", ":16"
	for _, c := range []struct {
		of        string
		words     string
		directive string
	}{
		{"backfill --to ", "crm desk", noFiles}, {"calls --destination ", "crm desk", noFiles}, {"preview --destination ", "crm desk", noFiles},
		{"deliveries list --destination ", "crm desk", noFiles}, {"deliveries retry --state ", "waiting dead parked unreadable", noFiles},
		{"destinations pause ", "crm desk", noFiles}, {"destinations resume crm ", "", noFiles},
		{"calls --queue ", "104906 7", noFiles}, {"events --agent ", "agent-7", noFiles}, {"quarantine list --source ", "dialer", noFiles},
		{"agents --state ", "ready on_call wrap_up offline", noFiles}, {"calls --outcome ", "connected abandoned unanswered busy no_answer rejected canceled failed unknown", noFiles},
		{"calls --state ", "done waiting dead parked skipped dropped erased", noFiles}, {"queues -o ", "text json", noFiles}, {"export --format ", "csv jsonl json", noFiles}, {"export -o ", "csv jsonl json", noFiles},
		{"serve --log-level ", "debug info warn error", noFiles}, {"preview --mapping ", all, noFiles}, {"preview --mapping ./", "", someFiles},
		{"mappings show ", all, noFiles}, {"mappings init ", strings.Join(mappings.Presets(), " "), noFiles}, {"preview --record ", "", someFiles},
		{"backup ", "", someFiles}, {"mappings list --mappings-dir ", "", dirs}, {"erase --phone ", "", noFiles}, {"status ", "", noFiles},
		{"back", "backfill backup", noFiles}, {"events --fol", "--follow", noFiles},
	} {
		args := strings.Split(c.of, " ")
		words, directive := complete(args...)
		assert.Equal(t, c.words, strings.Join(words, " "), c.of)
		assert.Equal(t, c.directive, directive, c.of)
	}
	s.write("wrapup.yaml", "destinations: [")
	words, _ := complete("backfill", "--to", "")
	assert.Empty(t, words, "a wrong configuration is no matter for a shell")
}

// The shells that are here take what completion prints.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, errs, code := wrapup(t, "completion", shell)
		require.Zero(t, code, errs)
		assert.Contains(t, out, "wrapup")
		if path, err := exec.LookPath(shell); err == nil {
			cmd := exec.Command(path, "-n")
			cmd.Stdin = strings.NewReader(out)
			said, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s: %s", shell, said)
		}
	}
}

package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each command has examples, and they are such as the command takes.
func TestExamples(t *testing.T) {
	t.Parallel()
	lines := 0
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c.Name() != "version" && c.HasParent() {
			assert.NotEmpty(t, c.Example, c.CommandPath())
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(c.Example, "\\\n", " "), "\n") {
			assert.True(t, line == "" || strings.Contains(line, c.CommandPath()), "an example of another command: %s", line)
			lines += understood(t, line)
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	root := newRoot(surroundings{})
	root.Example = "wrapup"
	each(root)
	assert.Greater(t, lines, 60)
}

// Those in the README are, too.
func TestExamplesOfTheReadme(t *testing.T) {
	t.Parallel()
	lines := 0
	var blocks strings.Builder
	for i, part := range strings.Split(read(t, "../../README.md"), "```") {
		if i%2 == 1 {
			blocks.WriteString(part)
		}
	}
	for _, line := range regexp.MustCompile("(?m)^wrapup .*$").FindAllString(blocks.String(), -1) {
		lines += understood(t, strings.NewReplacer("list|show|retry|drop", "list", "show|retry|drop", "list", "list|show|init|functions", "list",
			"UUID|PHONE|CRM-ID", "UUID").Replace(line))
	}
	assert.Greater(t, lines, 25)
}

// So are those that the runbook gives whoever was woken up.
func TestExamplesOfTheRunbook(t *testing.T) {
	t.Parallel()
	lines := 0
	for _, span := range regexp.MustCompile("`(wrapup [^`]*)`").FindAllStringSubmatch(read(t, "../../configs/runbook.md"), -1) {
		lines += understood(t, strings.NewReplacer("UUID|PHONE|CRM-ID", "UUID").Replace(span[1]))
	}
	assert.Greater(t, lines, 25)
}

var (
	word = regexp.MustCompile(`[^\s"']*\$\([^)]*\)[^\s"']*|"[^"]*"|'[^']*'|[^\s"']+`)
	// between parts the commands of a line.
	between = regexp.MustCompile(`\s(?:\||&&|>)\s|\s#`)
)

// understood fails unless the line's commands of wrapup are known, with their flags and as many arguments, and counts them.
func understood(t *testing.T, line string) (n int) {
	t.Helper()
	for _, part := range between.Split(line, -1) {
		words := word.FindAllString(part, -1)
		if len(words) == 0 || words[0] != "wrapup" {
			continue
		}
		n++
		for i := range words {
			words[i] = strings.Trim(words[i], `"'`)
		}
		c, rest, err := newRoot(surroundings{}).Find(words[1:])
		if !assert.NoError(t, err, line) {
			continue
		}
		require.NoError(t, c.ParseFlags(rest), line)
		assert.NoError(t, c.ValidateArgs(c.Flags().Args()), line)
		if why := c.Flags().Lookup("reason"); why != nil && strings.HasPrefix(why.Usage, "why") && c.Flags().NArg() > 0 {
			assert.True(t, why.Changed, "%s: it needs a reason", line)
		}
		if c.HasSubCommands() && c.HasParent() && c.Name() != "destinations" {
			assert.Empty(t, c.Flags().Args(), "%s: there is no such command", line)
		}
	}
	return n
}

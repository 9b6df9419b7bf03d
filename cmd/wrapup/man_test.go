package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/configs"
	"wrapup/mappings"
)

// Each command that people see has its page, with its examples.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	out, errs, code := wrapup(t, "man", dir)
	require.Zero(t, code, out+errs)
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		page := read(t, filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		assert.Contains(t, page, ".SH NAME", c.CommandPath())
		if c.Example != "" {
			assert.Contains(t, page, ".SH EXAMPLE", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(newRoot(surroundings{}))
	assert.NoFileExists(t, filepath.Join(dir, "wrapup-man.1"))
}

// What is set in, such as the columns of the first page, is not run together.
func TestManualPagesKeepColumns(t *testing.T) {
	dir := t.TempDir()
	out, errs, code := wrapup(t, "man", dir)
	require.Zero(t, code, out+errs)
	assert.Contains(t, read(t, filepath.Join(dir, "wrapup.1")), "\n  wrapup init                      write a first configuration")
	said := "Not <lost>, nor *this* and [that](there), `\\` or an_under_score."
	assert.Contains(t, strings.ReplaceAll(string(md2man.Render([]byte(markdown(said)))), `\\`, `\`), said)
}

// The pages of the files explain each key that the program knows, and their examples are right.
func TestManualPagesOfFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	out, errs, code := wrapup(t, "man", dir)
	require.Zero(t, code, out+errs)
	for name, reference := range map[string]string{"wrapup.yaml": configs.Reference(), "wrapup-mapping": mappings.Reference() + mappings.FunctionsPage()} {
		page := read(t, filepath.Join(dir, name+".5"))
		plain := strings.NewReplacer(`\fB`, "", `\fR`, "", `\fI`, "", `\`, "").Replace(page)
		assert.True(t, strings.HasPrefix(page, `.nh`) && strings.Contains(page, `"5" "Sep 2026"`), "%.80s", page)
		assert.NotContains(t, page, "{{")
		for _, line := range regexp.MustCompile("(?m)^(?:- |## )(`.+?`)(?: \\(|:|$)").FindAllStringSubmatch(reference, -1) {
			for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line[1], -1) {
				assert.Contains(t, plain, strings.ReplaceAll(key[1], `\`, ""), name)
			}
		}
	}

	config := filepath.Join(dir, "wrapup.yaml")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "mappings"), 0o700))
	for name, text := range map[string]string{
		"wrapup.yaml":        configExample + "  - {name: desk, mapping: desk, url: https://desk.example.com}\nmappings_dir: mappings\n",
		"mappings/desk.yaml": mappingExample, "mappings/agents.csv": "username,hubspot_owner\njdoe,7\n",
		"dialer.token": "0123456789abcdef0123456789abcdef", "hubspot.token": "another",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	out, errs, code = wrapup(t, "--config", config, "check")
	assert.Zero(t, code, out+errs)
	assert.NotContains(t, errs, "warning")
}

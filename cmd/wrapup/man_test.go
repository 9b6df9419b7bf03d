package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

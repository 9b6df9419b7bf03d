package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// man writes the manual pages, for whoever makes the packages. What they say is what --help says.
func (a *app) man() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into a folder",
		Hidden: true,
		Args:   args(1, "a folder"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // everybody may read a manual
				return err
			}
			root := c.Root()
			root.DisableAutoGenTag = true // the same pages each time
			var epoch time.Time
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "wrapup " + version, Manual: "wrapup", Date: &epoch}, args[0])
		},
	}
}

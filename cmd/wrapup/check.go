package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and every mapping, and print all that is wrong",
		Long: `Check reads the configuration, its secrets and every mapping, as serve would, and prints all that is
wrong with them at once, each with file, line and column. It exits with 1 if anything is, and changes nothing.`,
		Example: "  wrapup check --config ./wrapup.yaml && sudo systemctl restart wrapup",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is fine: %d source(s), %d destination(s)\n", a.config, len(cfg.Sources), len(cfg.Destinations))
			return nil
		},
	}
}

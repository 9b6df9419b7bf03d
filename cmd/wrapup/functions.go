package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"wrapup/mappings"
)

func (a *app) mappingsFunctions() *cobra.Command {
	format := output("text")
	c := &cobra.Command{
		Use:   "functions",
		Short: "Explain the functions that mappings can call",
		Long: `Functions explains, on one page, each function that an expression ("${…}") of a mapping can call: how it is called,
what it gives, and an example with its result.`,
		Example: "  wrapup mappings functions\n  wrapup mappings functions -o json | jq -r '.[].usage'",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := mappings.Functions()
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(c.OutOrStdout(), list)
			}
			return printFunctions(c.OutOrStdout(), list)
		},
	}
	c.Flags().VarP(&format, "output", "o", "text or json")
	return c
}

func printFunctions(w io.Writer, list []mappings.Function) error {
	var b strings.Builder
	b.WriteString(`The functions that expressions can call: "${upper(call.outcome)}".
A function of null is null, unless it says otherwise. In the examples, call is the one in the dialer's documentation.
`)
	group := ""
	for _, f := range list {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		result := f.Result
		var text string
		if json.Unmarshal([]byte(result), &text) == nil {
			result = `"` + text + `"` // as it is: one more layer of backslashes explains nothing
		}
		fmt.Fprintf(&b, "\n  %s gives %s\n      %s\n      %s → %s\n", f.Usage, f.Gives, f.Doc, f.Example, result)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

package mappings

import (
	_ "embed" // for the reference
	"fmt"
	"slices"
	"strings"
)

//go:embed reference.md
var reference string

// Reference says of each key of a mapping what it means, as Markdown.
func Reference() string { return reference }

// FunctionsPage describes the functions that expressions can call, as Markdown.
func FunctionsPage() string {
	var b strings.Builder
	b.WriteString("# Functions of mappings\n\nGenerated from the code. A function of null is null, unless it says otherwise; numbers stay exact.\n")
	for _, group := range []struct {
		title string
		of    []function
	}{
		{"Any value", generalFunctions()}, {"Text", textFunctions()}, {"Phone numbers", phoneFunctions()},
		{"Time", timeFunctions()}, {"Durations, from seconds", durationFunctions()},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n", group.title)
		slices.SortFunc(group.of, func(x, y function) int { return strings.Compare(x.name, y.name) })
		for _, f := range group.of {
			fmt.Fprintf(&b, "- `%s`: %s\n", f.usage(), f.doc)
		}
	}
	return b.String()
}

package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"wrapup/configs"
	"wrapup/mappings"
)

// What stands in the pages of the files beside what the code says of their keys.
var (
	//go:embed manual/wrapup.yaml.md
	configPage string
	//go:embed manual/example.yaml
	configExample string
	//go:embed manual/wrapup-mapping.md
	mappingPage string
	//go:embed manual/example-mapping.yaml
	mappingExample string
)

// man writes the manual pages, for whoever makes the packages: of the commands what --help says, and of the files what the code
// says of their keys.
func (a *app) man() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a folder",
		Long: `Man writes the manual pages into a folder: of each command, of wrapup.yaml, and of mappings. They bear the date that the
variable SOURCE_DATE_EPOCH has, so that the same version gives the same pages.`,
		Hidden: true,
		Args:   args(1, "a folder"),
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[0]
			if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // everybody may read a manual
				return err
			}
			epoch, _ := strconv.ParseInt(a.env("SOURCE_DATE_EPOCH", "0"), 10, 64)
			date := time.Unix(epoch, 0).UTC()
			root := c.Root()
			forManual(root)
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "wrapup " + version, Manual: "wrapup", Date: &date}, dir); err != nil {
				return err
			}
			_, keys, _ := strings.Cut(configs.Reference(), "\n\n- ") // it begins with the keys of the top level
			_, functions, _ := strings.Cut(mappings.FunctionsPage(), "\n## ")
			for name, page := range map[string]string{
				"wrapup.yaml": strings.NewReplacer("{{keys}}", "- "+keys, "{{example}}", configExample).Replace(configPage),
				"wrapup-mapping": strings.NewReplacer("{{keys}}", mappings.Reference(), "{{functions}}", "## "+functions,
					"{{example}}", mappingExample).Replace(mappingPage),
			} {
				head := fmt.Sprintf("%% %q \"5\" %q %q \"wrapup\"\n", strings.ToUpper(name), date.Format("Jan 2006"), "wrapup "+version)
				page = asTerms.ReplaceAllString(page, "\n$1\n: $2\n")
				if err := os.WriteFile(filepath.Join(dir, name+".5"), md2man.Render([]byte(head+page)), 0o644); err != nil { //nolint:gosec // likewise
					return err
				}
			}
			return nil
		},
	}
}

// asTerms finds the items of a list that explain a word: manual pages have a form of their own for those.
var asTerms = regexp.MustCompile("(?m)^- (`[^\n]*?[`)]): (.*)\n")

// forManual makes Markdown of what the commands say of themselves, for cobra takes it for that. Lines that are set in are
// columns or examples, and stay as they are.
func forManual(c *cobra.Command) {
	c.Long = markdown(c.Long)
	for _, sub := range c.Commands() {
		forManual(sub)
	}
}

func markdown(text string) string {
	var b strings.Builder
	inside := false
	fence := func(want bool) {
		if inside != want {
			b.WriteString("```\n")
		}
		inside = want
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		setIn := strings.HasPrefix(line, "  ")
		blank := inside && line == "" && i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ")
		fence(setIn || blank)
		if !inside {
			line = special.ReplaceAllString(line, `\$0`)
		}
		b.WriteString(line + "\n")
	}
	fence(false)
	return strings.TrimSuffix(b.String(), "\n")
}

// special are the characters that mean something in Markdown.
var special = regexp.MustCompile("[\\\\`*_<>\\[\\]]")

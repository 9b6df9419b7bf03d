package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the goldens anew")

// TestCommands runs each file of testdata/commands: the commands in the section "run", in a folder with the files of the
// other sections and, under "copy", those of the examples of mappings that are named. Each line of "run" is a command.
func TestCommands(t *testing.T) {
	files, err := filepath.Glob("testdata/commands/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			file := filepath.Join(here, file)
			golden, err := os.ReadFile(file)
			require.NoError(t, err)
			head, want, _ := strings.Cut(string(golden), "-- want --\n")
			t.Chdir(t.TempDir())
			var commands []string
			for name, text := range goldenSections(head) {
				switch name {
				case "run":
					commands = strings.Split(strings.TrimSpace(text), "\n")
				case "copy":
					for name := range strings.FieldsSeq(text) {
						content, err := os.ReadFile(filepath.Join(here, "../../mappings/testdata/examples", name))
						require.NoError(t, err)
						writeFile(t, filepath.Join("mappings", name), string(content))
					}
				default:
					writeFile(t, name, text)
				}
			}
			var got strings.Builder
			for _, command := range commands {
				out, errs, code := wrapup(t, strings.Fields(command)...)
				fmt.Fprintf(&got, "$ wrapup %s\n%s%s", command, out, errs)
				if code != 0 {
					fmt.Fprintf(&got, "(exits with %d)\n", code)
				}
			}
			assert.NotContains(t, got.String(), "s3cret")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(head+"-- want --\n"+got.String()), 0o644))
				return
			}
			assert.Equal(t, want, got.String())
		})
	}
}

// goldenSections cuts a text at its lines "-- name --".
func goldenSections(text string) map[string]string {
	sections, name := map[string]string{}, ""
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(strings.TrimSuffix(line, " --\n"), "-- "); ok {
			name = n
			sections[name] = ""
		} else if name != "" {
			sections[name] += line
		}
	}
	return sections
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

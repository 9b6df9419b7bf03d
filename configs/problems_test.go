package configs

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the goldens anew")

const problemsSection = "problems"

// TestProblems reads each file of testdata/problems: what is given in sections, and the problems that come of it.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			golden, err := os.ReadFile(file)
			require.NoError(t, err)
			head, sections := parseSections(golden)
			c, problems := Load(inputOf(sections))
			assert.Equal(t, problems.Err() != nil, c == nil, "no Config is given with an error, and one without")
			got := problems.Detailed()
			for _, secret := range []string{"s3cret", "bot:pass"} {
				assert.NotContains(t, got, secret)
			}
			if *update {
				head = append(head, "-- "+problemsSection+" --\n"+got+"\n"...)
				require.NoError(t, os.WriteFile(file, head, 0o644))
				return
			}
			assert.Equal(t, strings.TrimSuffix(string(sections[problemsSection]), "\n"), got)
		})
	}
}

// parseSections cuts a golden at its lines "-- name --". head is all before the problems.
func parseSections(golden []byte) (head []byte, sections map[string][]byte) {
	sections = map[string][]byte{}
	name := ""
	for line := range bytes.Lines(golden) {
		if n, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("-- ")); ok && bytes.HasSuffix(n, []byte(" --")) {
			name = string(bytes.TrimSuffix(n, []byte(" --")))
			sections[name] = []byte{}
		} else {
			sections[name] = append(sections[name], line...)
		}
		if name != problemsSection {
			head = append(head, line...)
		}
	}
	return head, sections
}

// inputOf makes an Input of sections: environment and flags are lists of NAME=VALUE, all others are files in /etc/wrapup.
func inputOf(sections map[string][]byte) Input {
	in := Input{Path: "/etc/wrapup/wrapup.yaml", Flags: map[string]string{}}
	files := fstest.MapFS{}
	for name, text := range sections {
		switch name {
		case "", problemsSection:
		case "environment":
			in.Environ = strings.Split(strings.TrimSpace(string(text)), "\n")
		case "flags":
			for _, f := range strings.Split(strings.TrimSpace(string(text)), "\n") {
				key, value, _ := strings.Cut(f, "=")
				in.Flags[key] = value
			}
		default:
			files["etc/wrapup/"+name] = &fstest.MapFile{Data: text}
		}
	}
	return withFiles(in, files)
}

// withFiles makes an Input see no other files than these.
func withFiles(in Input, files fstest.MapFS) Input {
	inside := func(name string) string { return strings.TrimPrefix(filepath.Clean(name), "/") }
	in.ReadFile = func(name string) ([]byte, error) { return files.ReadFile(inside(name)) }
	in.ReadDir = func(name string) ([]fs.DirEntry, error) { return files.ReadDir(inside(name)) }
	return in
}

package connector_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The README names each fuzz target, and none that isn't there.
func TestReadmeNamesFuzzTargets(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	target := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)
	there := map[string]bool{}
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range target.FindAllStringSubmatch(string(src), -1) {
			there[m[1]] = true
		}
		return err
	}))
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`(Fuzz\\w+)`").FindAllStringSubmatch(string(readme), -1) {
		named[name[1]] = true
	}
	assert.NotEmpty(t, there)
	assert.Equal(t, there, named)
}

package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// The packages hold every file of this folder that is for those who run wrapup, and ask for none that isn't there.
func TestPackagesHoldWhatOpsGet(t *testing.T) {
	text, err := os.ReadFile("packages/nfpm.yaml")
	require.NoError(t, err)
	var packages struct {
		Contents []struct{ Src, Dst string }
	}
	require.NoError(t, yaml.Unmarshal(text, &packages))
	held := map[string]string{}
	for _, c := range packages.Contents {
		if c.Src == "" || c.Src[0] == '$' || c.Src == "bin/wrapup" { // a folder, or what make packages makes
			continue
		}
		files, err := filepath.Glob("../" + c.Src)
		require.NoError(t, err)
		assert.NotEmpty(t, files, c.Src)
		for _, file := range files {
			held[filepath.Clean(file)] = c.Dst
		}
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if e.Type().IsRegular() && filepath.Ext(e.Name()) != ".go" {
			assert.Contains(t, held, filepath.Join("../configs", e.Name()))
		}
	}
}

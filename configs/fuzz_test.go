package configs

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// FuzzLoad: whatever the file holds, Load and ReadOutline don't crash, keep secrets to themselves, and name places that are there.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/problems/*.txt")
	require.NoError(f, err)
	for _, file := range files {
		golden, err := os.ReadFile(file)
		require.NoError(f, err)
		_, sections := parseSections(golden)
		f.Add(sections["wrapup.yaml"], string(sections["environment"]))
	}
	example, err := os.ReadFile("wrapup.example.yaml")
	require.NoError(f, err)
	f.Add(example, "")
	f.Fuzz(func(t *testing.T, config []byte, variable string) {
		in := withFiles(Input{Path: "/etc/wrapup/wrapup.yaml", Environ: []string{variable}}, fstest.MapFS{
			"etc/wrapup/wrapup.yaml":     &fstest.MapFile{Data: config},
			"etc/wrapup/dialer.token":    &fstest.MapFile{Data: []byte("Zq7hidden\n")},
			"etc/wrapup/callbacks.url":   &fstest.MapFile{Data: []byte("https://hooks.example.com/Zq7hidden\n")},
			"etc/wrapup/mappings/a.yaml": &fstest.MapFile{Data: []byte("steps: []\n")},
		})
		c, problems := Load(in)
		require.Equal(t, problems.Err() != nil, c == nil)
		require.NotContains(t, problems.Error(), "Zq7hidden")
		for _, p := range problems {
			require.NotEmpty(t, p.File)
			require.NotEmpty(t, p.What)
			require.GreaterOrEqual(t, p.Line, 0)
		}
		o := ReadOutline(in)
		require.NotEmpty(t, o.Config.Admin.Socket)
		require.NotEmpty(t, o.Config.DataDir)
		require.NotContains(t, o.Problems.Error(), "Zq7hidden")
		if c != nil {
			require.Equal(t, []string{c.Admin.Socket, c.DataDir, c.MappingsDir}, []string{o.Config.Admin.Socket, o.Config.DataDir, o.Config.MappingsDir})
			require.True(t, o.Known(AdminSocket) && o.Known(DataDir))
		}
	})
}

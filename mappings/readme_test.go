package mappings

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	presetsBegin = "<!-- presets: written by go test ./mappings -run Readme -update -->\n"
	presetsEnd   = "<!-- /presets -->\n"
)

// The README's table of presets is made of what they say of themselves.
func TestReadmeTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("| preset | what it does | doubles | proven by |\n|---|---|---|---|\n")
	for _, name := range Presets() {
		src, _ := Preset(name)
		s, problems := Summarize(name+".yaml", src)
		require.NoError(t, problems.Err())
		require.NotNil(t, s.About, "%s: about is missing", name)
		for what, text := range map[string]string{"system": s.About.System, "needs": s.About.Needs, "doubles": s.About.Doubles, "proven": s.About.Proven} {
			assert.NotEmpty(t, text, "%s: about.%s", name, what)
			assert.NotContains(t, text, "|", "%s: about.%s", name, what)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, s.Description, s.About.Doubles, s.About.Proven)
	}
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(readme), presetsBegin)
	require.True(t, ok, "the README has no %s", presetsBegin)
	table, after, ok := strings.Cut(rest, presetsEnd)
	require.True(t, ok, "the README has no %s", presetsEnd)
	if *update {
		require.NoError(t, os.WriteFile("../README.md", []byte(before+presetsBegin+b.String()+presetsEnd+after), 0o644))
		return
	}
	assert.Equal(t, b.String(), table, "go test ./mappings -run Readme -update writes it anew")
}

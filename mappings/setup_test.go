package mappings

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"
)

// The top of each preset says what has to be set up, and has one example of a destination that uses it: wrapup init makes
// its destinations of these.
func TestEveryPresetSaysHowItIsSetUp(t *testing.T) {
	for _, name := range Presets() {
		src, _ := Preset(name)
		s, err := SetUpOf(src)
		require.NoError(t, err, name)
		assert.NotEmpty(t, s.Steps, name)
		assert.NotContains(t, s.Steps, exampleBegins, name)
		assert.NotContains(t, s.Steps, exampleLeadIn, name)
		var d struct{ Name, Mapping string }
		require.NoError(t, s.Destination.Load(&d), name)
		assert.Equal(t, name, d.Mapping)
		assert.NotEmpty(t, d.Name, name)
		summary, _ := Summarize(name, src)
		for _, file := range summary.Tables {
			assert.NotEmpty(t, s.Tables[file], "%s: the columns of %s", name, file)
		}
	}
}

func TestSetUpOf(t *testing.T) {
	s, err := SetUpOf([]byte(`# Desk: each call.
#
# Set-up, once:
#  1. Make a key.
#  2. In wrapup.yaml:
#         destinations:
#           - name: desk
#             mapping: desk
#             params: {a: 1,
#                      b: 2}
#
# More. Then: In wrapup.yaml:
description: Desk
# destinations: this is no part of it
tables:
  here: {a: b}
  agent: {file: agents.csv, key: username, value: id}
  team: {file: agents.csv, key: username, value: team}
`))
	require.NoError(t, err)
	assert.Equal(t, "Desk: each call.\n\nSet-up, once:\n 1. Make a key.\n\nMore. Then:", s.Steps)
	assert.Equal(t, map[string][]string{"agents.csv": {"username", "id", "team"}}, s.Tables)
	text, err := yaml.Dump(s.Destination)
	require.NoError(t, err)
	assert.YAMLEq(t, "{name: desk, mapping: desk, params: {a: 1, b: 2}}", string(text))

	for _, none := range []string{"", "description: x\n", "# destinations:\ndescription: x\n", "# destinations:\n#   - 7\n", "# destinations:\n#   - {\n"} {
		_, err := SetUpOf([]byte(none))
		assert.Error(t, err, none)
	}
}

package mappings

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The reference names the keys that the loader knows, each at its place, and no others.
func TestReference(t *testing.T) {
	sections := map[string]string{}
	for _, part := range strings.Split("\n"+Reference(), "\n# ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		sections[title] = text
	}
	for title, keys := range map[string][]string{
		"TOP LEVEL": topKeys(), "STEPS": stepKeys(), "ANSWERS": answerKeys(), "TABLES": tableKeys(), "TOKENS": tokenKeys(),
	} {
		var explained []string
		for _, line := range regexp.MustCompile("(?m)^- (`[^:]+): ").FindAllStringSubmatch(sections[title], -1) {
			for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line[1], -1) {
				explained = append(explained, key[1])
			}
		}
		assert.ElementsMatch(t, keys, explained, title)
	}
	for parent, keys := range map[string][]string{"about": aboutKeys(), "params": paramKeys(), "each": eachKeys()} {
		line := regexp.MustCompile("(?m)^- `" + parent + "`: .*$").FindString(sections["TOP LEVEL"])
		require.NotEmpty(t, line)
		for _, key := range keys {
			assert.Contains(t, line, "`"+key+"`", parent)
		}
	}
}

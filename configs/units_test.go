package configs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ciVariable is set where every test must be able to run.
const ciVariable = "CI"

// The units that are shipped mean what they say to systemd, and leave the daemon no more than it needs.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		require.Empty(t, os.Getenv(ciVariable), "systemd-analyze has to be there: apt-get install systemd")
		t.Skip("there is no systemd-analyze")
	}
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"wrapup.service", "wrapup.socket"} {
		unit, err := os.ReadFile(name)
		require.NoError(t, err)
		// The program and its manual are not installed here.
		text := strings.ReplaceAll(string(unit), "/usr/bin/wrapup", "/bin/true")
		text = regexp.MustCompile(`(?m)^Documentation=.*\n`).ReplaceAllString(text, "")
		files = append(files, filepath.Join(dir, name))
		require.NoError(t, os.WriteFile(files[len(files)-1], []byte(text), 0o600))
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) { // it speaks of the system's own units, too
		assert.NotContains(t, line, "wrapup.", "%v", err)
	}
	out, err = exec.Command(analyze, "security", "--offline=true", "--no-pager", files[0]).CombinedOutput()
	require.NoError(t, err, string(out))
	level := regexp.MustCompile(`Overall exposure level for wrapup\.service: ([0-9.]+)`).FindStringSubmatch(string(out))
	require.Len(t, level, 2, string(out))
	exposure, err := strconv.ParseFloat(level[1], 64)
	require.NoError(t, err)
	assert.LessOrEqual(t, exposure, 1.5, string(out))
}

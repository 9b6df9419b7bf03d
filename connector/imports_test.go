package connector_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// may says which of the module's packages each package may import, tests aside. Imports go down only; what isn't listed
// is forbidden, and so is a package that isn't listed.
var may = map[string][]string{
	"connector":                   {},
	"outbox":                      {},
	"mappings/source":             {},
	"mappings":                    {"connector", "mappings/source"},
	"configs":                     {"connector/target", "mappings", "mappings/source"}, // keys and certificates are checked by who uses them
	"outbox/bolt":                 {"outbox"},
	"outbox/outboxtest":           {"outbox"},
	"outbox/outboxtest/disk":      {},
	"connector/nxcloud":           {"connector"},
	"connector/correlate":         {"connector"},
	"connector/target":            {},
	"connector/target/targettest": {},
	"connector/intake":            {"connector", "outbox"},
	"connector/finish":            {"connector", "connector/correlate", "outbox"},
	"connector/deliver":           {"connector", "connector/target", "mappings", "outbox"},
	"connector/admin":             {"connector", "connector/correlate", "outbox"},
	"connector/simulate":          {"connector"},
	"connector/bench":             {"connector", "connector/correlate", "connector/nxcloud", "outbox"},
	"connector/salvage":           {"connector", "outbox"},
}

// everything is what only commands may import.
const everything = "cmd/"

func TestImportsGoDown(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	seen := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		seen[pkg] = true
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if pkg == "connector" {
				assert.NotContains(t, imported, ".", "%s: the domain uses the standard library only", rel)
			}
			if own, ok := strings.CutPrefix(imported, "wrapup/"); ok && !strings.HasPrefix(pkg, everything) {
				assert.Contains(t, may[pkg], own, "%s must not import it", rel)
			}
		}
		return nil
	}))
	for pkg := range seen {
		if !strings.HasPrefix(pkg, everything) {
			assert.Contains(t, may, pkg, "a package without a rule")
		}
	}
	for pkg := range may {
		assert.True(t, seen[pkg], "a rule for a package that isn't there: %s", pkg)
	}
}

package bolt

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"wrapup/outbox"
	"wrapup/outbox/outboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	outboxtest.Run(t, func(t *testing.T, dir string, faults *outboxtest.Faults) outbox.Store {
		t.Helper()
		s, err := Open(filepath.Join(dir, "wrapup.db"), Options{Commit: faults.Commit})
		require.NoError(t, err)
		return s
	})
}

package bolt

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"wrapup/outbox"
	"wrapup/outbox/outboxtest"
)

// A store on a disk that the tests serve is in a process of its own: the test binary, when it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("BE_STORE") != "" {
		if err := beStore(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	outboxtest.Run(t, func(t *testing.T, dir string, faults *outboxtest.Faults) outbox.Store {
		t.Helper()
		s, err := Open(filepath.Join(dir, "wrapup.db"), Options{Commit: faults.Commit})
		require.NoError(t, err)
		return s
	})
}

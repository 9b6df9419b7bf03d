package bolt

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A backup is a whole store, whichever of the file's two heads the newest was when it was taken, and is known as one until
// it is told to forget it.
func TestBackupIsAWholeStore(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	defer func() { require.NoError(t, s.Close()) }()
	taken := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for n := range 3 {
		fresh := fmt.Sprintf("item %d", n)
		require.Equal(t, []bool{true}, add(t, s, "g", fresh)) // one commit
		path := filepath.Join(t.TempDir(), "backup.db")
		f, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, s.Backup(t.Context(), func(int64) (io.Writer, error) { return f, nil }))
		require.NoError(t, f.Close())
		require.NoError(t, MarkBackup(path, taken))

		report, err := Check(path, CheckOptions{})
		require.NoError(t, err)
		require.Empty(t, report.Damage, "backup %d", n)
		b := openAt(t, path, Options{})
		require.Equal(t, []bool{false}, add(t, b, "g", fresh))
		at, marked, err := b.BackupTaken(t.Context())
		require.NoError(t, err)
		require.True(t, marked)
		require.Equal(t, taken, at)
		require.NoError(t, b.MarkRestored(t.Context(), taken.Add(time.Hour)))
		_, marked, err = b.BackupTaken(t.Context())
		require.NoError(t, err)
		require.False(t, marked)
		require.NoError(t, b.Close())
	}
}

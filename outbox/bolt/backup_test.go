package bolt

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
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

// slowly takes what is written once it is let go.
type slowly chan struct{}

func (s slowly) Write(b []byte) (int, error) {
	<-s
	return len(b), nil
}

// However long somebody takes for a backup, commits go on, also when the file has to grow for them.
func TestBackupHoldsUpNoCommit(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	defer func() { require.NoError(t, s.Close()) }()
	begun, out := make(chan struct{}), make(slowly)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Backup(context.Background(), func(int64) (io.Writer, error) { close(begun); return out, nil })
	}()
	<-begun
	grown := make(chan struct{})
	go func() {
		defer close(grown)
		for i := range 40 {
			_, err := s.Commit(context.Background(), outbox.Tx{Group: "g", Add: []outbox.Item{{ID: fmt.Sprint(i), Body: random(1 << 20)}}})
			assert.NoError(t, err)
		}
	}()
	select {
	case <-grown:
	case <-time.After(20 * time.Second):
		t.Error("commits wait for the backup")
	}
	close(out)
	<-grown
	require.NoError(t, <-ended)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

package bolt

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// plain is an outbox.Meaning of rows whose body is what is to be done about them.
type plain struct{}

func (plain) Day(*outbox.Entry) (outbox.Day, bool) { return outbox.DayOf(t0), true }
func (plain) Need(row outbox.Row) (outbox.Need, time.Time) {
	switch string(row.Body) {
	case "done":
		return outbox.NeedNone, time.Time{}
	case "parked":
		return outbox.NeedBuried, time.Time{}
	}
	return outbox.NeedDue, time.Time{}
}
func (plain) Park(*outbox.Entry, outbox.Row, time.Time) ([]byte, error) { return []byte("parked"), nil }
func (plain) Counts(*outbox.Entry) map[string]int64                     { return nil }
func (plain) Counted(string) bool                                       { return false }
func (plain) Labels(*outbox.Entry) ([]string, bool)                     { return nil, false }
func (plain) Settle(*outbox.Entry, time.Time)                           {}
func (plain) Doubt(string) (outbox.Item, bool)                          { return outbox.Item{}, false }

// crash is what the disk has after a step.
type crash struct{ step, dir string }

// crashes copies the store's folder after each step.
func crashes(t *testing.T, dir string, list *[]crash) func(step string) {
	return func(step string) {
		at := filepath.Join(t.TempDir(), "crash")
		require.NoError(t, os.CopyFS(at, os.DirFS(dir)))
		*list = append(*list, crash{step, at})
		// The same, but that what is not under the store's name is half written.
		half := filepath.Join(t.TempDir(), "crash")
		require.NoError(t, os.CopyFS(half, os.DirFS(dir)))
		for _, suffix := range []string{salvageSuffix, compactSuffix} {
			file := filepath.Join(half, "wrapup.db"+suffix)
			if info, err := os.Stat(file); err == nil {
				require.NoError(t, os.Truncate(file, info.Size()/2))
			}
		}
		*list = append(*list, crash{step + ", half", half})
	}
}

// startAfter starts as a daemon does, and gives what is in the store.
func startAfter(t *testing.T, path, what string) (entries []string, damaged bool) {
	t.Helper()
	report, err := Check(path, CheckOptions{Meaning: plain{}})
	require.NoError(t, err, what)
	if len(report.Damage) > 0 {
		damaged = true
		_, err := Salvage(path, report.Damage, plain{}, t0.Add(time.Hour))
		require.NoError(t, err, what)
		report, err = Check(path, CheckOptions{Meaning: plain{}})
		require.NoError(t, err, what)
		require.Empty(t, report.Damage, what)
	}
	s, err := Open(path, Options{})
	require.NoError(t, err, what)
	list, err := s.Walk(t.Context(), outbox.DayOf(t0), 0, 1000)
	require.NoError(t, err, what)
	for i := range list {
		require.Len(t, list[i].Rows, 1, what)
		entries = append(entries, list[i].ID+" "+string(list[i].Body))
	}
	require.NoError(t, s.Close(), what)
	for _, suffix := range []string{salvageSuffix, compactSuffix} {
		require.NoFileExists(t, path+suffix, what)
	}
	return entries, damaged
}

func fillEntries(t *testing.T, path string) {
	t.Helper()
	s := openAt(t, path, Options{})
	for i := range 300 {
		body := bytes.Repeat([]byte(fmt.Sprint(i)), 40)
		_, err := s.Commit(t.Context(), outbox.Tx{Group: fmt.Sprint("g", i), Entry: &outbox.EntryPut{ID: fmt.Sprint(i), Day: outbox.DayOf(t0), Body: body},
			Put: []outbox.RowPut{{Name: "q", Body: []byte("done")}}})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
}

// Wherever a salvage is cut off, the next start has the damaged file or the salvaged one, and comes to the same.
func TestSalvageCanBeCutOffAnywhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "wrapup.db")
	fillEntries(t, path)
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	at := bytes.Index(image, bytes.Repeat([]byte("150"), 40)[:16])
	require.Positive(t, at)
	image[at] ^= 1
	require.NoError(t, os.WriteFile(path, image, 0o600))

	var list []crash
	crashed := crashes(t, dir, &list)
	crashed("nothing yet")
	saved, err := salvageFile(path, nil, plain{}, t0, crashed)
	require.NoError(t, err)
	require.Equal(t, 299, saved.Entries)
	want, again := startAfter(t, path, "uncut")
	require.False(t, again)
	require.Len(t, want, 299)
	require.Len(t, list, 2*5)
	found := map[bool]int{}
	for _, c := range list {
		got, again := startAfter(t, filepath.Join(c.dir, "wrapup.db"), c.step)
		found[again]++
		require.Equal(t, want, got, c.step)
		kept, err := filepath.Glob(filepath.Join(c.dir, "wrapup.db"+damagedSuffix+"*Z"))
		require.NoError(t, err)
		require.NotEmpty(t, kept, c.step)
		for _, file := range kept {
			damaged, err := os.ReadFile(file)
			require.NoError(t, err)
			require.True(t, bytes.Equal(image, damaged), "%s: the damaged file isn't kept as it was", c.step)
		}
	}
	require.Equal(t, map[bool]int{true: 2 * 3, false: 2 * 2}, found)
}

// Wherever a compaction is cut off, the next start has the old file or the new one, and all is in it.
func TestCompactionCanBeCutOffAnywhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "wrapup.db")
	fillEntries(t, path)
	s := openAt(t, path, Options{})
	large := outbox.Tx{Group: "large"}
	for i := range 60 {
		large.Add = append(large.Add, outbox.Item{ID: fmt.Sprint(i), Body: bytes.Repeat([]byte("x"), 50_000)})
		large.Drop = append(large.Drop, fmt.Sprint(i))
	}
	_, err := s.Commit(t.Context(), outbox.Tx{Group: "large", Add: large.Add})
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), outbox.Tx{Group: "large", Drop: large.Drop})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	want, _ := startAfter(t, path, "before")
	require.Len(t, want, 300)

	var list []crash
	s = openAt(t, path, Options{compactFrom: 1 << 20, after: crashes(t, dir, &list)})
	require.NoError(t, s.Close())
	require.Len(t, list, 2*2)
	for _, c := range list {
		got, again := startAfter(t, filepath.Join(c.dir, "wrapup.db"), c.step)
		require.False(t, again, c.step)
		require.Equal(t, want, got, c.step)
	}
}

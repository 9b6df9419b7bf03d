package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"wrapup/outbox/bolt"
)

// A real daemon whose file was damaged while it was stopped says so, serves what is left, and takes events.
func TestDamagedStore(t *testing.T) {
	t.Parallel()
	crm := newSink(t)
	s := newSite(t, "sources: [{kind: nxcloud-events}]\ndestinations:\n  - {name: crm, mapping: record, url: "+crm.url()+"}\n")
	s.damaged = true
	s.start()
	s.accepted(documented(t)...)
	s.eventually("the call to be delivered", func() bool { return len(crm.requests()) == 1 })
	out, code := s.run("check", "--store")
	require.Equal(t, exitUntold, code, out)
	require.Contains(t, out, "a daemon runs on the store")
	require.Equal(t, 0, s.terminate())

	out, code = s.run("check", "--store")
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "is fine")

	path := filepath.Join(s.dir, "data", storeFile)
	image := damageRoot(t, path)

	out, code = s.run("check", "--store")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out, "is damaged")
	out, code = s.run("check", "--store", "-o", "json")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, `"damage": [`)

	s.start()
	require.Contains(t, s.log.String(), "the store was damaged and has been salvaged")
	s.accepted(documented(t)...) // repeats, or new: either is 200
	out, code = s.run("why", documentedUUID)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "delivered")
	out, code = s.run("audit")
	require.Equal(t, 0, code, out)
	require.Len(t, crm.requests(), 1, "nothing is sent again")
	out, code = s.run("status")
	require.Equal(t, exitFailed, code, out)
	require.Regexp(t, `the store was damaged and was salvaged: read .*wrapup\.db\.damaged-.*\.salvaged\.txt`, out)
	require.Contains(t, out, "1 damaged file(s) of it that were set aside take ")
	require.Equal(t, 0, s.terminate())

	// That report is settled, and a second file is damaged. Neither is ever deleted, nor forgotten.
	reports, err := filepath.Glob(path + ".damaged-*.txt")
	require.NoError(t, err)
	require.Len(t, reports, 1)
	require.NoError(t, os.Rename(reports[0], filepath.Join(s.dir, "settled.txt")))
	kept, err := filepath.Glob(path + ".damaged-*Z")
	require.NoError(t, err)
	require.Len(t, kept, 1)
	damaged, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	require.True(t, bytes.Equal(image, damaged))
	again := damageRoot(t, path)
	public := s.freeAddress()
	s.edit("admin: {", "admin: {listen: "+public+", ")
	s.start()
	require.Contains(t, s.log.String(), `only a person may delete them","files":2,`)
	out, code = s.run("status", "-o", "json")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out, `"damaged_files": 2,`)
	require.Contains(t, out, fmt.Sprintf(`"damaged_bytes": %d,`, len(image)+len(again)))
	require.Equal(t, "2", value(t, scrape(t, public), "wrapup_store_damaged_files", ""))
	require.Equal(t, 0, s.terminate())
	report, err := os.ReadFile(filepath.Join(s.dir, "settled.txt"))
	require.NoError(t, err)
	require.Contains(t, string(report), "What was lost")
}

// damageRoot makes the page unreadable that the newest head of a store leads to, and gives what is in the file then.
func damageRoot(t *testing.T, path string) []byte {
	t.Helper()
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	root := binary.NativeEndian.Uint64(image[16+16:])
	if binary.NativeEndian.Uint64(image[4096+16+48:]) > binary.NativeEndian.Uint64(image[16+48:]) {
		root = binary.NativeEndian.Uint64(image[4096+16+16:])
	}
	image[root*4096+8] ^= 0xff
	require.NoError(t, os.WriteFile(path, image, 0o600))
	return image
}

// A damaged store on a full disk can't be salvaged: the daemon says how much room that takes, and leaves nothing behind. Once
// there is room it starts.
func TestDamagedStoreOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 4<<20)
	crm := newSink(t)
	s := newSite(t, strings.ReplaceAll(oneSink, "SINK", crm.url()))
	s.damaged = true
	config, err := os.ReadFile(s.config)
	require.NoError(t, err)
	s.write("wrapup.yaml", strings.Replace(string(config), s.dir+"/data", disk+"/data", 1))
	s.start()
	var calls []string
	for i := range 200 {
		calls = append(calls, created(fmt.Sprintf("call-%d", i)))
	}
	s.accepted("[" + strings.Join(calls, ",") + "]")
	s.eventually("the calls to be delivered", func() bool { return len(crm.requests()) == len(calls) })
	require.Zero(t, s.terminate())
	path := filepath.Join(disk, "data", storeFile)
	image := damageRoot(t, path)
	require.Greater(t, len(image), 128<<10)

	// Not even the ballast is there any more, and room for a part of the new file.
	require.NoError(t, os.RemoveAll(filepath.Join(disk, "data", ballastFile)))
	filler := filepath.Join(disk, "filler")
	require.ErrorIs(t, os.WriteFile(filler, make([]byte, 4<<20), 0o600), syscall.ENOSPC)
	info, err := os.Stat(filler)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filler, info.Size()-64<<10))
	for range 2 {
		out, code := s.run("serve")
		require.Equal(t, exitFailed, code, out)
		require.Regexp(t, `the store `+path+` is damaged, and there is no room to salvage it: a new file beside it takes up to \d\.\d MiB, `+
			`and the disk has 0\.1 MiB left: free as much`, out)
		left, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, left, 1, "nothing but the damaged file")
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(image, now))
	}
	require.NoError(t, os.Remove(filler))
	s.start()
	require.Contains(t, s.log.String(), "the store was damaged and has been salvaged")
	s.succeeds("audit")
	require.Len(t, crm.requests(), len(calls), "nothing is sent again")
}

// Files that are none of wrapup's, or of a newer one, are refused and left as they are.
func TestStoreThatIsNotOurs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]error{"text": bolt.ErrForeign, "newer": bolt.ErrNewer} {
		s := newSite(t, "sources: [{kind: nxcloud-events}]\n")
		path := filepath.Join(s.dir, "data", storeFile)
		if name == "text" {
			s.write(filepath.Join("data", storeFile), strings.Repeat("no store\n", 4096))
		} else {
			s.start()
			s.accepted(documented(t)...)
			require.Equal(t, 0, s.terminate())
			makeNewer(t, path)
		}
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, args := range [][]string{{"serve"}, {"check", "--store"}} {
			out, code := s.run(args...)
			require.Equal(t, exitFailed, code, name)
			require.Contains(t, out, want.Error())
			require.Contains(t, out, path)
		}
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(before, now))
		beside, err := filepath.Glob(path + "?*")
		require.NoError(t, err)
		require.Empty(t, beside)
	}
}

// makeNewer makes a store one of a schema that is still to come.
func makeNewer(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		key := []byte("schema")
		v := append([]byte{1, 0, 0, 0, 0}, binary.BigEndian.AppendUint64(nil, 99)...)
		table := crc32.MakeTable(crc32.Castagnoli)
		sum := crc32.Update(crc32.Update(crc32.Checksum(v[:1], table), table, key), table, v[5:])
		binary.BigEndian.PutUint32(v[1:5], sum)
		require.Len(t, tx.Bucket([]byte("meta")).Get(key), len(v))
		return tx.Bucket([]byte("meta")).Put(key, v)
	}))
	require.NoError(t, db.Close())
}

// However the process ends that checks the store, the daemon either says why it doesn't start, or serves all there is.
func TestDamagedCheck(t *testing.T) {
	crm := newSink(t)
	s := newSite(t, "sources: [{kind: nxcloud-events}]\ndestinations:\n  - {name: crm, mapping: record, url: "+crm.url()+"}\n")
	s.damaged = true
	s.start()
	s.accepted(documented(t)...)
	s.eventually("the call to be delivered", func() bool { return len(crm.requests()) == 1 })
	require.Equal(t, 0, s.terminate())
	for fault, log := range map[string]string{
		"panic": "the check of the file was ended by what is in it: panic: a made-up panic",
		"segv":  "the store was damaged and has been salvaged",
		"kill":  "the store is opened without it",
	} {
		t.Setenv("CHECK_ENDS_BY", fault)
		s.start()
		require.Contains(t, s.log.String(), log, fault)
		require.NoError(t, os.Unsetenv("CHECK_ENDS_BY"))
		out, code := s.run("why", documentedUUID)
		require.Equal(t, 0, code, out)
		require.Contains(t, out, "delivered", fault)
		s.accepted(documented(t)...)
		require.Equal(t, 0, s.terminate())
		require.Len(t, crm.requests(), 1, "nothing is sent again")
	}
	t.Setenv("CHECK_ENDS_BY", "term")
	out, code := s.run("serve")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "the check of the store was stopped")
}

// A check that takes for ever doesn't keep the daemon from starting, nor from being stopped.
func TestDamagedCheckThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), storeFile)
	store, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	require.NoError(t, store.Close())
	hangs := func(ctx context.Context, _ string, _ bool) (*bolt.Report, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		began := time.Now()
		require.NoError(t, makeWhole(t.Context(), path, slog.New(slog.NewTextHandler(&log, nil)), hangs, nil))
		require.Equal(t, checkTime, time.Since(began).Truncate(time.Second))
		require.Contains(t, log.String(), "took too long")

		stopped, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(errors.New("stopped by a person")) })
		require.ErrorContains(t, makeWhole(stopped, path, slog.New(slog.DiscardHandler), hangs, nil), "stopped by a person")
	})

	t.Setenv("BE_WRAPUP", "1")
	t.Setenv("CHECK_ENDS_BY", "hang")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = checkInChild(ctx, path, false)
	require.Error(t, err)
	require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
}

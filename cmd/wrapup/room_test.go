package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox/outboxtest/disk"
)

// smallDisk gives a disk of that many bytes. Where none can be mounted the test can't be run: there it fails under CI.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("wrapup-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a small disk can't be mounted, and CI must show what happens on a full one: %v", err)
		}
		t.Skipf("a small disk can't be mounted (that takes root): %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

const oneSink = `sources: [{kind: nxcloud-events}]
correlation: {settle: 100ms, ring_timeout: 200ms}
destinations: [{name: crm, mapping: record, url: "SINK", probe: 100ms, retry: {first: 50ms, max: 200ms}}]
`

// created is the event by which a call begins.
func created(uuid string) string {
	return fmt.Sprintf(`{"type":2,"state":1,"callid":"104906","uuid":%q,"callphone":"812345613","time":"1558677782655356","info":"Phone calling"}`, uuid)
}

// A disk is filled while events come: they are refused before it is full, and deliveries go on; then somebody else fills
// it to the last byte. Once there is room again all goes on, without a restart. What was answered 200 is delivered, once.
func TestDiskFullUnderLoad(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 12<<20)
	crm := newSink(t)
	s := newSite(t, strings.ReplaceAll(oneSink, "SINK", crm.url()))
	config, err := os.ReadFile(s.config)
	require.NoError(t, err)
	s.write("wrapup.yaml", strings.Replace(string(config), s.dir+"/data", disk+"/data", 1))
	s.start()
	ballast := filepath.Join(disk, "data", ballastFile)
	s.eventually("the ballast", func() bool { _, err := os.Stat(ballast); return err == nil })

	accepted, refused, n := map[string]bool{}, 0, 0
	one := func() int {
		n++
		id := fmt.Sprintf("call-%d", n)
		resp, err := http.Post(s.url(), "application/json", strings.NewReader(created(id)))
		require.NoError(t, err)
		defer resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			accepted[id] = true
		case http.StatusServiceUnavailable:
			refused++
			assert.NotEmpty(t, resp.Header.Get("Retry-After"))
		default:
			require.Fail(t, resp.Status)
		}
		return resp.StatusCode
	}
	crm.down()
	for range 50 {
		require.Equal(t, http.StatusOK, one(), s.log)
	}
	// Somebody else takes what is left but a little; then all of it.
	filler, err := os.OpenFile(filepath.Join(disk, "filler"), os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer filler.Close()
	chunk := bytes.Repeat([]byte{1}, 64<<10)
	for refused == 0 {
		_, err := filler.Write(chunk)
		require.NoError(t, err, "events are refused before the disk is full")
		time.Sleep(2 * measureEvery)
		one()
	}
	for err == nil {
		_, err = filler.Write(chunk[:4096])
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	for range 50 {
		require.Equal(t, http.StatusServiceUnavailable, one())
	}
	crm.up()
	done := func() int { return len(crm.requests()) }
	s.eventually("what was accepted to be delivered on the full disk", func() bool { return done() == len(accepted) })
	s.eventually("that to be settled", func() bool { return s.waiting() == 0 })
	assert.Contains(t, s.log.String(), "an event may be lost")
	assert.Contains(t, s.log.String(), "events are refused")
	if !strings.Contains(s.log.String(), "the ballast is given up") {
		t.Log("the file's own free pages were enough for that: the ballast was not needed")
	}

	require.NoError(t, filler.Truncate(0))
	s.eventually("events to be taken again", func() bool { return one() == http.StatusOK })
	s.eventually("the ballast to be there again", func() bool { _, err := os.Stat(ballast); return err == nil })
	for range 20 {
		require.Equal(t, http.StatusOK, one())
	}
	s.drained()
	s.eventually("all calls to be delivered", func() bool { return done() >= len(accepted) })
	times := map[string]int{}
	for _, r := range crm.requests() {
		times[r.key]++
	}
	assert.Len(t, times, len(accepted))
	for id := range accepted {
		assert.Equal(t, 1, times[id+":1"], id)
	}
	out, code := s.run("audit")
	assert.Zero(t, code, out)
	require.Zero(t, s.terminate())
	t.Logf("%d events accepted, %d refused", len(accepted), refused)
}

// A disk becomes read-only while the daemon runs: the kernel makes it so after an error. (Nobody else can: a remount is
// refused while the store's file is open.) Events are refused and the log says why; what was accepted waits, and nothing is
// sent that could not be noted. Once the disk can be written all goes on, without a restart.
func TestDiskBecomesReadOnly(t *testing.T) {
	t.Parallel()
	d := disk.New()
	f := newForgetful(t, d)
	f.edit("{settle: 50ms", "{settle: 50ms, ring_timeout: 500ms")
	crm := f.crm
	f.start()
	f.accepted(created("before"))
	f.eventually("a call to be delivered", func() bool { return len(crm.requests()) == 1 })
	f.eventually("it to be settled", func() bool { return f.waiting() == 0 })
	f.accepted(created("open"))
	d.Fail(func(*disk.Op) syscall.Errno { return syscall.EROFS })
	for range 3 {
		resp, err := http.Post(f.url(), "application/json", strings.NewReader(created("refused")))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
	}
	f.eventually("the log to say why", func() bool {
		return strings.Contains(f.log.String(), `"reason":"disk read-only","error":"the disk of the store is read-only: `)
	})
	f.eventually("the open call not to be finished", func() bool { return strings.Contains(f.log.String(), "a call can't be finished") })
	require.Contains(t, f.succeeds("why", "before"), "delivered", "what is there can be read")
	require.Contains(t, f.fails("status"), "wrapup is not ready")
	require.Contains(t, f.fails("status", "-o", "json"), "events are refused: the disk is read-only")
	require.Len(t, crm.requests(), 1)

	d.Fail(nil)
	f.eventually("it to be ready, though no event comes", func() bool { return strings.Contains(f.log.String(), "the disk can be written again") })
	require.Contains(t, f.fails("status"), "wrapup is ready", "but it tells of the events that were lost")
	f.accepted(created("after"))
	f.eventually("all calls to be delivered", func() bool { return len(crm.requests()) >= 3 })
	f.drained()
	keys := map[string]int{}
	for _, r := range crm.requests() {
		keys[r.key]++
	}
	require.Equal(t, map[string]int{"before:1": 1, "open:1": 1, "after:1": 1}, keys)
	f.succeeds("audit")
	require.Zero(t, f.terminate())
}

// On a disk that can't be written to the daemon says so, and doesn't start.
func TestReadOnlyDisk(t *testing.T) {
	disk := smallDisk(t, 4<<20)
	require.NoError(t, os.Mkdir(filepath.Join(disk, "data"), 0o700))
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	s := newSite(t, strings.ReplaceAll(oneSink, "SINK", "http://127.0.0.1:1"))
	out, code := s.run("serve", "--data-dir", filepath.Join(disk, "data"))
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "read-only")
	assert.Contains(t, out, disk)
}

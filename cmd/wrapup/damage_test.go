package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/outbox/bolt"
)

// A real daemon whose file was damaged while it was stopped says so, serves what is left, and takes events.
func TestDamagedStore(t *testing.T) {
	crm := newSink(t)
	s := newSite(t, "sources: [{kind: nxcloud-events}]\ndestinations:\n  - {name: crm, mapping: record, url: "+crm.url()+"}\n")
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
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	// The page that the newest head leads to can't be read any more.
	root := binary.NativeEndian.Uint64(image[16+16:])
	if binary.NativeEndian.Uint64(image[4096+16+48:]) > binary.NativeEndian.Uint64(image[16+48:]) {
		root = binary.NativeEndian.Uint64(image[4096+16+16:])
	}
	image[root*4096+8] ^= 0xff
	require.NoError(t, os.WriteFile(path, image, 0o600))

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
	require.Equal(t, 0, s.terminate())

	kept, err := filepath.Glob(path + ".damaged-*Z")
	require.NoError(t, err)
	require.Len(t, kept, 1)
	damaged, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	require.True(t, bytes.Equal(image, damaged))
	report, err := os.ReadFile(kept[0] + ".salvaged.txt")
	require.NoError(t, err)
	require.Contains(t, string(report), "What was lost")
}

// Files that are none of wrapup's, or of a newer one, are refused and left as they are.
func TestStoreThatIsNotOurs(t *testing.T) {
	for name, content := range map[string][]byte{
		"text": bytes.Repeat([]byte("no store\n"), 4096),
	} {
		s := newSite(t, "sources: [{kind: nxcloud-events}]\n")
		path := filepath.Join(s.dir, "data", storeFile)
		s.write(filepath.Join("data", storeFile), string(content))
		out, code := s.run("serve")
		require.Equal(t, exitFailed, code, name)
		require.Contains(t, out, bolt.ErrForeign.Error())
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, now))
	}
}

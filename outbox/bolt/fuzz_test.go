package bolt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// FuzzStoredValue: whatever stands in the file where a value should, it is read whole or refused; nothing is made up, and
// nothing takes more memory than a body may. A right checksum is no proof: the second half of each round has one.
func FuzzStoredValue(f *testing.F) {
	key := seqKey(7)
	packer, err := newCodec()
	require.NoError(f, err)
	f.Cleanup(packer.close)
	text := make([]byte, 4096)
	for _, packed := range [][]byte{packer.pack([]byte("a body"), neverCompress), packer.pack(text, compressRows), packer.pack(nil, neverCompress)} {
		f.Add(key, encodeItem(key, "call/u", "2/1@1", packed))
		f.Add(key, encodeEntry(key, 3, "call/u", "u", packed))
		f.Add(rowKey(7, "crm"), encodeRow(rowKey(7, "crm"), 2, packed))
	}
	f.Add(key, encodeRef(key, outbox.Ref{Day: 20000, Seq: 7}))
	f.Add(key, encodeNumber(key, 1<<63))
	due := taskKey(time.Unix(0, 0), 7)
	f.Add(due[:], encodeRef(due[:], outbox.Ref{Day: 1, Seq: 1}))
	f.Add([]byte{}, []byte{valueVersion})
	// A frame that says it is 4 GiB long.
	f.Add(key, seal(key, append(newValue(0), 1, 0, 0, zstdBody, 0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00)))
	f.Fuzz(func(t *testing.T, key, v []byte) {
		read := func() {
			unpack := func(packed []byte) {
				if body, err := packer.unpack(packed); err == nil {
					require.LessOrEqual(t, len(body), maxBody)
					same, err := packer.same(packer.pack(body, neverCompress), packed, body)
					require.NoError(t, err)
					require.True(t, same)
				}
			}
			if it, err := decodeItem(key, v); err == nil {
				require.LessOrEqual(t, len(it.group)+len(it.id)+len(it.packed), len(v))
				unpack(it.packed)
			}
			if e, err := decodeEntry(key, v); err == nil {
				require.NotZero(t, e.version)
				unpack(e.packed)
			}
			if r, err := decodeRow(key, v); err == nil {
				require.NotZero(t, r.version)
				unpack(r.packed)
			}
			if ref, err := decodeRef(key, v); err == nil {
				require.Equal(t, v, encodeRef(key, ref))
			}
			if n, err := decodeNumber(key, v); err == nil {
				require.Equal(t, v, encodeNumber(key, n))
			}
		}
		read()
		if len(v) >= valueHeader {
			v = seal(key, append([]byte{valueVersion}, v[1:]...))
			read()
		}
	})
}

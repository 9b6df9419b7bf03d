package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"

	"wrapup/outbox"
)

const (
	valueVersion = 1
	valueHeader  = 1 + 4 // version, checksum

	seqLen = 8

	rawBody  = 0
	zstdBody = 1
	// maxBody bounds a body, and what a damaged one may unpack to.
	maxBody = 64 << 20
	// Below these sizes compression is not worth its time.
	compressEntries = 128
	compressRows    = 512
	neverCompress   = math.MaxInt
)

// newValue begins a stored value; what is appended to it is its payload, and seal completes it.
func newValue(size int) []byte {
	v := make([]byte, valueHeader, valueHeader+size)
	v[0] = valueVersion
	return v
}

// seal puts the checksum in. The key is part of it, so that a value answers for its place too.
func seal(key, v []byte) []byte {
	binary.BigEndian.PutUint32(v[1:valueHeader], checksum(key, v))
	return v
}

func checksum(key, v []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(crc32.Checksum(v[:1], table), table, key), table, v[valueHeader:])
}

// unseal checks a stored value and gives its payload, which is valid as long as v is.
func unseal(key, v []byte) ([]byte, error) {
	switch {
	case len(v) < valueHeader:
		return nil, fmt.Errorf("a value of %d bytes is too short", len(v))
	case v[0] != valueVersion:
		return nil, fmt.Errorf("value version %d, but only %d is known", v[0], valueVersion)
	case binary.BigEndian.Uint32(v[1:valueHeader]) != checksum(key, v):
		return nil, errors.New("the checksum is wrong")
	}
	return v[valueHeader:], nil
}

// damaged is the error for a value that can't be trusted. bucket is a path as in the package's comment.
func damaged(bucket string, key []byte, err error) error {
	return fmt.Errorf("%w: bucket %s, key %x: %w", outbox.ErrDamaged, bucket, key, err)
}

var errMalformed = errors.New("the checksum is right, but the content makes no sense")

// reader takes a payload apart.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// storedItem is an item of an open group as it stands in the file; its fields are valid as long as the transaction.
type storedItem struct {
	group, id, packed []byte
}

func encodeItem(key []byte, group, id string, packed []byte) []byte {
	v := newValue(len(group) + len(id) + len(packed) + 8)
	v = appendString(appendString(v, group), id)
	return seal(key, append(v, packed...))
}

func decodeItem(key, v []byte) (storedItem, error) {
	p, err := unseal(key, v)
	if err != nil {
		return storedItem{}, err
	}
	r := reader{rest: p}
	it := storedItem{group: r.bytes(), id: r.bytes()}
	it.packed = r.rest
	if r.bad {
		return storedItem{}, errMalformed
	}
	return it, nil
}

// storedEntry is an entry as it stands in the file; its fields are valid as long as the transaction.
type storedEntry struct {
	version           uint64
	group, id, packed []byte
}

func encodeEntry(key []byte, version uint64, group, id string, packed []byte) []byte {
	v := newValue(len(group) + len(id) + len(packed) + 20)
	v = binary.AppendUvarint(v, version)
	v = appendString(appendString(v, group), id)
	return seal(key, append(v, packed...))
}

func decodeEntry(key, v []byte) (storedEntry, error) {
	p, err := unseal(key, v)
	if err != nil {
		return storedEntry{}, err
	}
	r := reader{rest: p}
	e := storedEntry{version: r.uvarint(), group: r.bytes(), id: r.bytes()}
	e.packed = r.rest
	if r.bad || e.version == 0 {
		return storedEntry{}, errMalformed
	}
	return e, nil
}

// storedRow is a row as it stands in the file.
type storedRow struct {
	version uint64
	packed  []byte
}

func encodeRow(key []byte, version uint64, packed []byte) []byte {
	v := binary.AppendUvarint(newValue(len(packed)+10), version)
	return seal(key, append(v, packed...))
}

func decodeRow(key, v []byte) (storedRow, error) {
	p, err := unseal(key, v)
	if err != nil {
		return storedRow{}, err
	}
	r := reader{rest: p}
	row := storedRow{version: r.uvarint()}
	row.packed = r.rest
	if r.bad || row.version == 0 {
		return storedRow{}, errMalformed
	}
	return row, nil
}

// encodeRef makes the value of a task.
func encodeRef(key []byte, ref outbox.Ref) []byte {
	v := binary.BigEndian.AppendUint32(newValue(12), uint32(ref.Day))
	return seal(key, binary.BigEndian.AppendUint64(v, ref.Seq))
}

func decodeRef(key, v []byte) (outbox.Ref, error) {
	p, err := unseal(key, v)
	if err != nil {
		return outbox.Ref{}, err
	}
	if len(p) != 12 {
		return outbox.Ref{}, errMalformed
	}
	return outbox.Ref{Day: outbox.Day(binary.BigEndian.Uint32(p)), Seq: binary.BigEndian.Uint64(p[4:])}, nil
}

func encodeNumber(key []byte, n uint64) []byte {
	return seal(key, binary.BigEndian.AppendUint64(newValue(8), n))
}

func decodeNumber(key, v []byte) (uint64, error) {
	p, err := unseal(key, v)
	if err != nil {
		return 0, err
	}
	if len(p) != 8 {
		return 0, errMalformed
	}
	return binary.BigEndian.Uint64(p), nil
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func rowKey(seq uint64, name string) []byte { return append(seqKey(seq), name...) }

// groupPrefix begins with the length, so that no group's prefix is the beginning of another's.
func groupPrefix(group string) []byte {
	p := make([]byte, 0, 2+len(group)+seqLen)
	p = binary.BigEndian.AppendUint16(p, uint16(len(group))) //nolint:gosec // at most maxName
	return append(p, group...)
}

// taskKey orders by time, then by sequence. The sign bit is flipped so that times before 1970 come first.
func taskKey(t time.Time, seq uint64) outbox.Key {
	var k outbox.Key
	binary.BigEndian.PutUint64(k[:8], uint64(micros(t))^(1<<63)) //nolint:gosec // all bits are kept
	binary.BigEndian.PutUint64(k[8:], seq)
	return k
}

func keyTime(k outbox.Key) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(k[:8]) ^ (1 << 63))).UTC() //nolint:gosec // all bits are kept
}

// micros is t.UnixMicro without the overflow: what is too far away is as far as can be.
func micros(t time.Time) int64 {
	const most = math.MaxInt64 / 1_000_000
	switch s := t.Unix(); {
	case s >= most:
		return math.MaxInt64
	case s <= -most:
		return math.MinInt64
	}
	return t.UnixMicro()
}

// codec packs bodies: a byte that says how, and the body.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (codec, error) {
	// The checksum of the value covers the body already.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return codec{}, fmt.Errorf("making the compressor: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBody), zstd.WithDecoderConcurrency(0))
	if err != nil {
		return codec{}, fmt.Errorf("making the decompressor: %w", err)
	}
	return codec{enc: enc, dec: dec}, nil
}

func (c codec) close() {
	c.dec.Close()
	_ = c.enc.Close()
}

// pack compresses a body longer than from if that makes it smaller.
func (c codec) pack(body []byte, from int) []byte {
	if len(body) > from {
		p := make([]byte, 1, 1+len(body))
		p[0] = zstdBody
		if p = c.enc.EncodeAll(body, p); len(p) <= len(body) {
			return p
		}
	}
	p := make([]byte, 1, 1+len(body))
	p[0] = rawBody
	return append(p, body...)
}

// unpack gives a copy of the body; nil for an empty one.
func (c codec) unpack(packed []byte) ([]byte, error) {
	switch {
	case len(packed) == 0:
		return nil, errMalformed
	case packed[0] == rawBody:
		return append([]byte(nil), packed[1:]...), nil
	case packed[0] == zstdBody:
		b, err := c.dec.DecodeAll(packed[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		return b, nil
	}
	return nil, errMalformed
}

// same says whether a stored body is this one. The packed forms are looked at first, but bodies packed by another release
// of the compressor may differ and still be the same.
func (c codec) same(stored, packed, body []byte) (bool, error) {
	if bytes.Equal(stored, packed) {
		return true, nil
	}
	b, err := c.unpack(stored)
	return err == nil && bytes.Equal(b, body), err
}

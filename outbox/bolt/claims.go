package bolt

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"wrapup/outbox"
)

// span is a range of keys, both ends included.
type span struct{ from, to outbox.Key }

// spans remembers where a queue holds nothing to claim: every task in a span is claimed. So Claim steps over any number of
// claimed tasks with one seek. The spans are ordered, apart from each other, and few: they merge as tasks are claimed, and
// only a task that is new or released in the middle of one splits it.
type spans []span

var (
	firstKey = outbox.Key{}
)

func keyOf(hi, lo uint64) outbox.Key {
	var k outbox.Key
	binary.BigEndian.PutUint64(k[:8], hi)
	binary.BigEndian.PutUint64(k[8:], lo)
	return k
}

func halves(k outbox.Key) (hi, lo uint64) {
	return binary.BigEndian.Uint64(k[:8]), binary.BigEndian.Uint64(k[8:])
}

// after gives the next key; the last one has none.
func after(k outbox.Key) (outbox.Key, bool) {
	hi, lo := halves(k)
	switch {
	case lo < math.MaxUint64:
		return keyOf(hi, lo+1), true
	case hi < math.MaxUint64:
		return keyOf(hi+1, 0), true
	}
	return k, false
}

// before gives the key before; the first one has none.
func before(k outbox.Key) (outbox.Key, bool) {
	hi, lo := halves(k)
	switch {
	case lo > 0:
		return keyOf(hi, lo-1), true
	case hi > 0:
		return keyOf(hi-1, math.MaxUint64), true
	}
	return k, false
}

func less(a, b outbox.Key) bool { return bytes.Compare(a[:], b[:]) < 0 }

// search gives the position of the first span that ends at k or later.
func (s spans) search(k outbox.Key) int {
	i, _ := slices.BinarySearchFunc(s, k, func(x span, k outbox.Key) int { return bytes.Compare(x.to[:], k[:]) })
	return i
}

// at gives the span that k is in.
func (s spans) at(k outbox.Key) (span, bool) {
	if i := s.search(k); i < len(s) && !less(k, s[i].from) {
		return s[i], true
	}
	return span{}, false
}

// add makes x a span, merged with those that it touches.
func (s *spans) add(x span) {
	from := x.from
	if k, ok := before(x.from); ok {
		from = k // so that a neighbour counts
	}
	i := s.search(from)
	j := i
	for ; j < len(*s); j++ {
		next := (*s)[j]
		if k, ok := after(x.to); ok && less(k, next.from) {
			break
		}
		if less(next.from, x.from) {
			x.from = next.from
		}
		if less(x.to, next.to) {
			x.to = next.to
		}
	}
	*s = slices.Replace(*s, i, j, x)
}

// cut takes k out.
func (s *spans) cut(k outbox.Key) {
	i := s.search(k)
	if i == len(*s) || less(k, (*s)[i].from) {
		return
	}
	was := (*s)[i]
	var left []span
	if to, ok := before(k); ok && !less(to, was.from) {
		left = append(left, span{was.from, to})
	}
	if from, ok := after(k); ok && !less(was.to, from) {
		left = append(left, span{from, was.to})
	}
	*s = slices.Replace(*s, i, i+1, left...)
}

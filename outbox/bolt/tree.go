package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"wrapup/outbox"
)

// hole is a part of a bucket that can't be read: its keys from `from` to before `to`; nil is from the first, to the last.
type hole struct {
	path     []string
	from, to []byte
	page     uint64
	why      error
}

// hits says whether anything of the bucket of that path may have been lost in the hole.
func (h *hole) hits(path []string) bool { return slices.Equal(h.path, path) || h.covers(path, nil) }

// covers says whether a value of that path and key may have been lost in the hole.
func (h *hole) covers(path []string, key []byte) bool {
	if len(h.path) > len(path) || !slices.Equal(h.path, path[:len(h.path)]) {
		return false
	}
	part := key
	if len(path) > len(h.path) {
		part = []byte(path[len(h.path)])
	}
	return bytes.Compare(part, h.from) >= 0 && (h.to == nil || bytes.Compare(part, h.to) < 0)
}

func (h *hole) String() string {
	where := "the bucket " + joined(h.path...)
	if len(h.path) == 0 {
		where = "the root"
	}
	return fmt.Sprintf("%s: %v", where, h.why)
}

// tree walks the buckets that a head leads to. What it can't read is a hole; all else is given to value.
type tree struct {
	im      *image
	head    head
	value   func(path []string, key, value []byte) error // an error is a hole in place of the value
	holes   []hole
	seen    map[string]bool // the buckets that there are, by path
	reached map[uint64]bool
	free    map[uint64]bool // nil if that is not written down, or can't be trusted
}

func (im *image) walk(h head, value func(path []string, key, value []byte) error) *tree {
	t := &tree{im: im, head: h, value: value, seen: map[string]bool{}, reached: map[uint64]bool{0: true, 1: true}}
	if h.pages > im.pages() {
		t.hole(nil, nil, nil, 0, fmt.Errorf("the file is cut short: it has %d pages of %d", im.pages(), h.pages))
		t.holes[0].path = []string{"the end of the file"} // what is missing of the tree is found below
	}
	t.pages(nil, h.root, nil, nil, nil, 0)
	t.freelist()
	return t
}

func (t *tree) hole(path []string, from, to []byte, page uint64, why error) {
	t.holes = append(t.holes, hole{slices.Clone(path), from, to, page, why})
}

// pages walks the part of a bucket that is below a page. The keys must be from..to; first is the smallest that could be lost.
func (t *tree) pages(path []string, id uint64, first, from, to []byte, depth int) {
	p, err := t.im.page(id)
	switch {
	case err != nil:
	case id < 2 || id+p.overflow >= t.head.pages:
		err = fmt.Errorf("page %d is outside of the pages in use", id)
	case p.flags != branchPage && p.flags != leafPage:
		err = fmt.Errorf("page %d is no page of a bucket", id)
	case depth > maxDepth:
		err = fmt.Errorf("page %d is too deep", id)
	case p.flags == branchPage && p.count == 0:
		err = fmt.Errorf("page %d is empty", id)
	}
	for i := id; err == nil && i <= id+p.overflow; i++ {
		if t.reached[i] {
			err = fmt.Errorf("page %d is in two places", i)
		}
	}
	if err != nil {
		t.hole(path, first, to, id, err)
		return
	}
	for i := id; i <= id+p.overflow; i++ {
		t.reached[i] = true
	}
	if p.flags == leafPage {
		t.leaf(path, p, first, from, to, depth)
		return
	}
	t.branch(path, p, first, from, to, depth)
}

func (t *tree) branch(path []string, p page, first, from, to []byte, depth int) {
	keys, children := make([][]byte, p.count), make([]uint64, p.count)
	before := from
	for i := range p.count {
		var err error
		if keys[i], children[i], err = p.branch(i); err == nil {
			err = ordered(keys[i], before, to, i == 0)
		}
		if err != nil {
			// Which keys are where can't be told of any of its children.
			t.hole(path, first, to, p.id, fmt.Errorf("page %d: %w", p.id, err))
			return
		}
		before = keys[i]
	}
	for i := range p.count {
		low, high := first, to
		if i > 0 {
			low = keys[i]
		}
		if i+1 < p.count {
			high = keys[i+1]
		}
		t.pages(path, children[i], low, keys[i], high, depth+1)
	}
}

var errOrder = errors.New("its keys are not in order")

func ordered(key, before, to []byte, first bool) error {
	c := bytes.Compare(before, key)
	if before != nil && (c > 0 || c == 0 && !first) || to != nil && bytes.Compare(key, to) >= 0 {
		return errOrder
	}
	return nil
}

// leaf walks a leaf. A hole in it goes from the last good key to the next one: the key may be what is damaged.
func (t *tree) leaf(path []string, p page, first, from, to []byte, depth int) {
	var why error
	low, good := first, from // where a hole would begin, and the last good key
	start := true
	for i := range p.count {
		e, err := p.leaf(i)
		if err == nil {
			err = ordered(e.key, good, to, start)
		}
		if err == nil && e.bucket {
			err = known(path, string(e.key))
		}
		if err == nil && !e.bucket {
			err = t.value(path, e.key, e.value)
		}
		if err != nil {
			if why == nil {
				why = fmt.Errorf("page %d, element %d: %w", p.id, i, err)
			}
			continue
		}
		if why != nil {
			t.hole(path, low, e.key, p.id, why)
			why = nil
		}
		good, low, start = e.key, append(slices.Clone(e.key), 0), false
		if e.bucket {
			t.bucket(append(path[:len(path):len(path)], string(e.key)), e.value, depth)
		}
	}
	if why != nil {
		t.hole(path, low, to, p.id, why)
	}
}

func (t *tree) bucket(path []string, value []byte, depth int) {
	t.seen[joined(path...)] = true
	root, p, err := inline(value)
	switch {
	case errors.Is(err, errCount):
		t.hole(path, nil, nil, 0, err)
		t.leaf(path, p, nil, nil, nil, depth+1)
	case err != nil:
		t.hole(path, nil, nil, 0, err)
	case root != 0:
		t.pages(path, root, nil, nil, nil, depth+1)
	default:
		t.leaf(path, p, nil, nil, nil, depth+1)
	}
}

// known says whether there may be a bucket of that name. Names have no checksum: what is under a wrong one is lost there.
func known(path []string, name string) error {
	ok := false
	switch {
	case len(path) == 0:
		ok = slices.Contains([]string{metaBucket, openBucket, queuesBucket, daysBucket, expiredBucket}, name)
	case len(path) == 1 && ofDays(path[0]):
		_, err := outbox.ParseDay(name)
		ok = err == nil
	case len(path) == 1 && path[0] == queuesBucket:
		ok = checkName("queue", name) == nil
	case len(path) == 2 && ofDays(path[0]):
		ok = slices.Contains([]string{entriesBucket, rowsBucket, groupsBucket, labelsBucket, countsBucket}, name)
	case len(path) == 2 && path[0] == queuesBucket:
		ok = name == dueBucket || name == buriedBucket
	}
	if !ok {
		return fmt.Errorf("there is a bucket %q, which wrapup doesn't make", name)
	}
	return nil
}

func ofDays(bucket string) bool { return bucket == daysBucket || bucket == expiredBucket }

// freelist compares the pages that are written down as free with those that are in use.
func (t *tree) freelist() {
	if t.head.freelist == noFreelist {
		return
	}
	bad := func(err error) {
		t.hole([]string{"the list of free pages"}, nil, nil, t.head.freelist, err)
		t.free = nil
	}
	free, list, err := t.im.freePages(t.head)
	if err != nil {
		bad(err)
		return
	}
	for i := list.id; i <= list.id+list.overflow; i++ {
		if t.reached[i] || free[i] {
			bad(fmt.Errorf("page %d is in two places", i))
			return
		}
		t.reached[i] = true
	}
	for _, id := range slices.Sorted(maps.Keys(free)) {
		if t.reached[id] {
			bad(fmt.Errorf("page %d is in use and on the list", id))
			return
		}
	}
	t.free = free
	if len(t.holes) > 0 {
		return // what can't be reached is no wonder
	}
	for id := uint64(2); id < t.head.pages; id++ {
		if !t.reached[id] && !free[id] {
			// A pointer leads to an old version of what it should lead to.
			t.hole(nil, nil, nil, id, fmt.Errorf("page %d is neither in use nor free", id))
			return
		}
	}
}

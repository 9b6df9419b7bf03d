package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"runtime/debug"
	"syscall"
)

// What bbolt's files look like (its format 2, unchanged since 2014): pages, of which the first two are heads that take
// turns. Numbers are in the machine's order.
const (
	pageHeader  = 16
	pageElement = 16
	metaSize    = 64
	bucketValue = 16

	metaMagic  = 0xED0CDAED
	metaFormat = 2

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	bucketElement = 0x01
	noFreelist    = ^uint64(0)
	defaultPage   = 4096

	maxDepth = 64
	maxKey   = 32768
)

// image is a store's file as bytes. bbolt trusts what it reads: a page that is damaged can end the process, from a goroutine
// that nobody can guard. So a file of which nothing is known is read by this: it believes no number in the file before it
// has compared it with the file's bounds.
type image struct {
	data []byte
	size uint64 // of a page
}

// head is one of the two first pages.
type head struct {
	root, freelist, pages, tx, sum uint64
	good                           bool // its checksum is right
	fields                         [56]byte
}

// asTx says that the head's checksum would be right if it were of that transaction.
func (h head) asTx(tx uint64) bool {
	binary.NativeEndian.PutUint64(h.fields[48:], tx)
	return h.sum == sumOf(h.fields[:])
}

func sumOf(fields []byte) uint64 {
	f := fnv.New64a()
	_, _ = f.Write(fields)
	return f.Sum64()
}

// mapImage reads the file through the page cache, so that it may be larger than the memory.
func mapImage(f *os.File) (*image, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return &image{size: defaultPage}, nil
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", f.Name(), err)
	}
	return newImage(data), nil
}

func newImage(data []byte) *image {
	im := &image{data: data, size: defaultPage}
	// Either head knows the size of the pages; the second one stands at a place that depends on it.
	for at := 0; at <= 1<<24; at = max(at*2, 1024) {
		if at+pageHeader+metaSize > len(data) {
			break
		}
		if !im.readable(at, pageHeader+metaSize) {
			continue
		}
		h := data[at+pageHeader:]
		size := uint64(binary.NativeEndian.Uint32(h[8:]))
		if decodeHead(h).good && size >= 1024 && size <= 1<<24 && size&(size-1) == 0 {
			im.size = size
			break
		}
	}
	return im
}

func (im *image) close() error {
	if len(im.data) == 0 {
		return nil
	}
	return syscall.Munmap(im.data)
}

// readable touches bytes that the disk may not be able to give.
func (im *image) readable(at, n int) (ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { ok = recover() == nil }()
	var sum byte
	for i := at; i < at+n; i += 512 {
		sum += im.data[i]
	}
	_ = sum
	return true
}

// pages says how many whole pages the file has.
func (im *image) pages() uint64 { return uint64(len(im.data)) / im.size }

func decodeHead(b []byte) head {
	h := head{
		root: binary.NativeEndian.Uint64(b[16:]), freelist: binary.NativeEndian.Uint64(b[32:]),
		pages: binary.NativeEndian.Uint64(b[40:]), tx: binary.NativeEndian.Uint64(b[48:]), sum: binary.NativeEndian.Uint64(b[56:]),
	}
	copy(h.fields[:], b)
	h.good = binary.NativeEndian.Uint32(b) == metaMagic && binary.NativeEndian.Uint32(b[4:]) == metaFormat && h.sum == sumOf(b[:56])
	return h
}

// head reads one of the two; false if the file is too short.
func (im *image) head(n uint64) (head, bool) {
	at := int(n*im.size) + pageHeader //nolint:gosec // small
	if at+metaSize > len(im.data) || !im.readable(at, metaSize) {
		return head{}, false
	}
	h := decodeHead(im.data[at:])
	// bbolt writes a head to the page that its number says.
	h.good = h.good && h.tx%2 == n
	return h, true
}

// looksLikeBolt says that a head has bbolt's mark, whatever else may be wrong with it.
func (im *image) looksLikeBolt() bool {
	for n := range uint64(2) {
		at := int(n*im.size) + pageHeader //nolint:gosec // small
		if at+4 <= len(im.data) && im.readable(at, 4) && binary.NativeEndian.Uint32(im.data[at:]) == metaMagic {
			return true
		}
	}
	return false
}

// page is a page's content, whose bounds have been checked; its elements have not.
type page struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint64
	data     []byte
}

// page reads a page, of any kind.
func (im *image) page(id uint64) (page, error) {
	if id >= im.pages() {
		return page{}, fmt.Errorf("page %d is behind the end of the file", id)
	}
	at := id * im.size
	p, err := parsePage(im.data[at : at+im.size])
	if !im.readable(int(at), int(im.size)) { //nolint:gosec // inside of the file
		return page{}, fmt.Errorf("page %d can't be read from the disk", id)
	}
	if err != nil {
		return page{}, fmt.Errorf("page %d: %w", id, err)
	}
	if p.id != id {
		return page{}, fmt.Errorf("page %d calls itself page %d", id, p.id)
	}
	if p.overflow >= im.pages()-id {
		return page{}, fmt.Errorf("page %d goes on behind the end of the file", id)
	}
	if p.overflow > 0 && !im.readable(int(at), int((p.overflow+1)*im.size)) { //nolint:gosec // inside of the file
		return page{}, fmt.Errorf("page %d can't be read from the disk", id)
	}
	p.data = im.data[at : at+(p.overflow+1)*im.size]
	if p.flags != freelistPage && pageHeader+p.count*pageElement > len(p.data) {
		return page{}, fmt.Errorf("page %d has more elements than fit in it", id)
	}
	if n := p.elements(); n != p.count {
		return page{}, fmt.Errorf("page %d says that it has %d elements, and has %d", id, p.count, n)
	}
	return p, nil
}

// elements says how many elements a page of a bucket has. Nothing else tells a wrong number that is too low: what is behind
// it would be missing without a word. The bytes of the first element stand right behind the last element, and those of the
// second one behind them; if these two don't agree it is them that are damaged, and the number is believed.
func (p page) elements() int {
	sizes := 8 // of a leaf: where an element has its sizes, of key and value
	if p.flags == branchPage {
		sizes = 4 // of the key alone
	} else if p.flags != leafPage {
		return p.count
	}
	element := func(i int) (start, end uint64) {
		at := pageHeader + i*pageElement
		if at+pageElement > len(p.data) {
			return 0, 0
		}
		e := p.data[at:]
		start = uint64(at) + uint64(binary.NativeEndian.Uint32(e[sizes-4:])) //nolint:gosec // not negative
		end = start + uint64(binary.NativeEndian.Uint32(e[sizes:]))
		if p.flags == leafPage {
			end += uint64(binary.NativeEndian.Uint32(e[sizes+4:]))
		}
		return start, end
	}
	start, end := element(0)
	if end <= start || end > uint64(len(p.data)) || start < pageHeader+pageElement || (start-pageHeader)%pageElement != 0 {
		return p.count
	}
	n := int(start-pageHeader) / pageElement //nolint:gosec // within the page
	if second, _ := element(1); n > 1 && second != end {
		return p.count
	}
	return n
}

var errNoPage = errors.New("it is no page")

// parsePage reads a page's head; data is the whole page, or that of a bucket within a value.
func parsePage(data []byte) (page, error) {
	if len(data) < pageHeader {
		return page{}, errNoPage
	}
	p := page{
		id: binary.NativeEndian.Uint64(data), flags: binary.NativeEndian.Uint16(data[8:]),
		count: int(binary.NativeEndian.Uint16(data[10:])), overflow: uint64(binary.NativeEndian.Uint32(data[12:])), data: data,
	}
	switch p.flags {
	case branchPage, leafPage, metaPage, freelistPage:
		return p, nil
	}
	return page{}, errNoPage
}

// element is one of a leaf: a value, or a bucket.
type element struct {
	bucket     bool
	key, value []byte
}

var errElement = errors.New("an element points out of the page")

func (p page) leaf(i int) (element, error) {
	e := p.data[pageHeader+i*pageElement:]
	at := uint64(pageHeader + i*pageElement) //nolint:gosec // not negative
	flags, pos := binary.NativeEndian.Uint32(e), uint64(binary.NativeEndian.Uint32(e[4:]))
	ksize, vsize := uint64(binary.NativeEndian.Uint32(e[8:])), uint64(binary.NativeEndian.Uint32(e[12:]))
	first := uint64(pageHeader + p.count*pageElement) //nolint:gosec // not negative
	start := at + pos
	if flags > bucketElement || ksize == 0 || ksize > maxKey || start < first || start+ksize+vsize > uint64(len(p.data)) {
		return element{}, errElement
	}
	return element{
		bucket: flags == bucketElement,
		key:    p.data[start : start+ksize : start+ksize],
		value:  p.data[start+ksize : start+ksize+vsize : start+ksize+vsize],
	}, nil
}

func (p page) branch(i int) (key []byte, child uint64, err error) {
	e := p.data[pageHeader+i*pageElement:]
	at := uint64(pageHeader + i*pageElement) //nolint:gosec // not negative
	pos, ksize := uint64(binary.NativeEndian.Uint32(e)), uint64(binary.NativeEndian.Uint32(e[4:]))
	first := uint64(pageHeader + p.count*pageElement) //nolint:gosec // not negative
	start := at + pos
	if ksize == 0 || ksize > maxKey || start < first || start+ksize > uint64(len(p.data)) {
		return nil, 0, errElement
	}
	return p.data[start : start+ksize : start+ksize], binary.NativeEndian.Uint64(e[8:]), nil
}

// errCount says that a page has another number of elements than it says.
var errCount = errors.New("it says that it has another number of elements than it has")

// inline gives the page that a small bucket's value holds; root is that of a large one. With errCount the page has all of its
// elements.
func inline(value []byte) (root uint64, p page, err error) {
	if len(value) < bucketValue {
		return 0, page{}, errNoPage
	}
	if root = binary.NativeEndian.Uint64(value); root != 0 {
		return root, page{}, nil
	}
	p, err = parsePage(value[bucketValue:])
	if err == nil && (p.flags != leafPage || p.overflow != 0 || pageHeader+p.count*pageElement > len(p.data)) {
		err = errNoPage
	}
	if err == nil {
		if n := p.elements(); n != p.count {
			p.count, err = n, errCount
		}
	}
	return 0, p, err
}

// freePages reads which pages are free, if that is written down.
func (im *image) freePages(h head) (free map[uint64]bool, list page, err error) {
	if list, err = im.page(h.freelist); err != nil {
		return nil, page{}, err
	}
	if list.flags != freelistPage {
		return nil, page{}, fmt.Errorf("page %d is not the list of free pages", list.id)
	}
	count, ids := uint64(list.count), list.data[pageHeader:] //nolint:gosec // not negative
	if count == 0xFFFF {
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return nil, page{}, fmt.Errorf("page %d lists more free pages than fit in it", list.id)
	}
	free = make(map[uint64]bool, count)
	for i := range count {
		id := binary.NativeEndian.Uint64(ids[i*8:])
		if id < 2 || id >= h.pages || free[id] {
			return nil, page{}, fmt.Errorf("page %d lists page %d as free", list.id, id)
		}
		free[id] = true
	}
	return free, list, nil
}

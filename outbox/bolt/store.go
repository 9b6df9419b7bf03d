package bolt

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"wrapup/outbox"
)

const (
	schemaVersion = 1

	fileMode           = 0o600
	defaultLockTimeout = time.Second
)

// The buckets, and the keys in meta.
const (
	metaBucket   = "meta"
	openBucket   = "open"
	queuesBucket = "queues"
	daysBucket   = "days"

	dueBucket    = "due"
	buriedBucket = "buried"

	entriesBucket = "entries"
	rowsBucket    = "rows"
	groupsBucket  = "groups"
	labelsBucket  = "labels"
	countsBucket  = "counts"

	schemaKey  = "schema"
	seqMetaKey = "seq"
)

var errReadOnly = errors.New("the store was opened for reading only")

// Options of a Store. The zero value is what a daemon uses.
type Options struct {
	// LockTimeout is how long Open waits while another process has the file; 1s if it is not positive.
	LockTimeout time.Duration
	// ReadOnly opens an existing file for reading, together with other readers but not while a daemon has it. Whatever
	// would change the store or claim a task is refused.
	ReadOnly bool
	// Logger is told of damage that the store works around. None: nothing is logged.
	Logger *slog.Logger
	// Commit, if given, is called for each durable commit with the function that makes it. For tests: it may make the commit
	// fail by not calling it, or by giving another error afterwards. It must not give nil without having called it.
	Commit func(commit func() error) error

	// Observe, if given, is told of each durable commit how many changes it had in it, and how long it took. It must not block.
	Observe func(batch int, took time.Duration)

	// MakeRoom, if given, is called when a commit found no room. If it says that there is more now, the commit is tried again.
	MakeRoom func() bool

	hash        func(group, id string) uint64 // in tests, a bad one
	compactFrom int64                         // in tests, instead of the constant
	steps       []migration                   // in tests, instead of those there are
	after       func(step string)             // in tests, is told what a crash would now leave done
}

// Store is an outbox.Store in one file.
type Store struct {
	db     *bbolt.DB
	path   string
	log    *slog.Logger
	commit func(commit func() error) error
	// observe is told of commits, see Options.Observe.
	observe func(batch int, took time.Duration)
	room    func() bool // makes some, see Options.MakeRoom
	codec   codec
	hash    func(group, id string) uint64

	readOnly bool
	line     line

	mu     sync.Mutex // guards closed, and underway.Add against Wait
	closed bool
	// underway counts the calls that use the file; Close waits for them.
	underway sync.WaitGroup
	close    func() error

	broken   chan struct{}
	brokenBy error // set before broken is closed

	queuesMu sync.RWMutex
	queues   map[string]*queue

	// expiring is held by who drops days, and unburied says that no buried task is about a day that is being deleted.
	expiring sync.Mutex
	unburied bool
	waitedOf candidates

	// restored is nil if the store never was restored from a backup.
	restored atomic.Pointer[outbox.Restored]

	// These belong to who commits.
	items index
	seq   uint64
}

var _ outbox.Store = (*Store)(nil)

// Open opens the store in the file of that path, and creates it if there is none (its directory must be there). A file that
// another process has open is an error that wraps outbox.ErrLocked; a file of a newer schema, or of another program, is
// refused. Close the Store when done.
func Open(path string, opts Options) (*Store, error) {
	s := &Store{
		path:     path,
		log:      opts.Logger,
		commit:   opts.Commit,
		room:     opts.MakeRoom,
		observe:  opts.Observe,
		hash:     opts.hash,
		readOnly: opts.ReadOnly,
		line:     newLine(),
		broken:   make(chan struct{}),
		queues:   map[string]*queue{},
	}
	s.close = sync.OnceValue(s.shut)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.commit == nil {
		s.commit = func(commit func() error) error { return commit() }
	}
	if s.room == nil {
		s.room = func() bool { return false }
	}
	if s.observe == nil {
		s.observe = func(int, time.Duration) {}
	}
	if s.hash == nil {
		s.hash = itemHash(maphash.MakeSeed())
	}

	var err error
	if s.codec, err = newCodec(); err != nil {
		return nil, err
	}
	if s.db, err = openFile(path, opts); err != nil {
		s.codec.close()
		return nil, err
	}
	if opts.steps == nil {
		opts.steps = migrations()
	}
	if opts.after == nil {
		opts.after = func(string) {}
	}
	if err = s.prepare(opts.steps); err == nil && !s.readOnly {
		err = s.compact(opts)
	}
	if err == nil {
		err = s.load()
	}
	if err != nil {
		s.codec.close()
		err = fmt.Errorf("opening the store %s: %w", path, err)
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		return nil, err
	}
	if s.readOnly {
		close(s.line.finished)
	} else {
		go s.run() // ends when Close closes the relay, and Close waits for it
	}
	return s, nil
}

func openFile(path string, opts Options) (*bbolt.DB, error) {
	timeout := opts.LockTimeout
	if timeout <= 0 {
		timeout = defaultLockTimeout
	}
	var opened *os.File
	options := &bbolt.Options{
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			opened = f
			return f, err
		},
		Timeout:        timeout,
		ReadOnly:       opts.ReadOnly,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true,
	}
	_, err := os.Stat(path)
	switch {
	case opts.ReadOnly:
	case errors.Is(err, fs.ErrNotExist):
		if err := createFile(path, options); err != nil {
			return nil, fmt.Errorf("creating the store %s: %w", path, err)
		}
	default:
		if err := dropCache(path); err != nil {
			return nil, fmt.Errorf("opening the store %s: reading it anew from the disk: %w", path, err)
		}
		if clean, err := StoppedCleanly(path); err == nil && !clean {
			_ = warm(path) // what can't be read bbolt finds, too
		}
	}
	size := int64(0)
	if info, err := os.Stat(path); err == nil && !opts.ReadOnly { // else it is what Open finds
		size = info.Size()
		options.InitialMmapSize = mapped(size)
	}
	db, err := bbolt.Open(path, fileMode, options)
	if errors.Is(err, syscall.ENOMEM) { // the process may have only so much (ulimit -v)
		options.InitialMmapSize = 0
		db, err = bbolt.Open(path, fileMode, options)
	}
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("the store %s can't be opened: %w (waited %s for it)", path, outbox.ErrLocked, timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	db.AllocSize = growth(size)
	if err := stillAt(path, opened); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// mapped is how much of the address space the file gets, in bytes: far more than it will grow by before the next start. It takes
// no memory. Where the file outgrows it, bbolt maps it anew, and for that no reader may be at it: all commits, and then all
// reads, would wait for a backup that is under way. Where addresses are scarce they do.
func mapped(size int64) int {
	if strconv.IntSize < 64 {
		return 0
	}
	return int(size + 16<<30)
}

// growth is by how much a file of that size grows when it must: it doubles, as long as it is small. (bbolt does that as long
// as no more is mapped.)
func growth(size int64) int { return int(min(max(size, 32<<10), 16<<20)) }

// stillAt makes sure that the file still has its name. While this process waited for the lock another one may have put a
// salvaged or compacted file in its place: what was stored in this one would be lost.
func stillAt(path string, f *os.File) error {
	now, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("opening the store %s: %w", path, err)
	}
	mine, err := f.Stat()
	if err != nil {
		return fmt.Errorf("opening the store %s: %w", path, err)
	}
	if !os.SameFile(now, mine) {
		return fmt.Errorf("the store %s can't be opened: %w (it has just replaced the file)", path, outbox.ErrLocked)
	}
	return nil
}

// prepare checks whose file it is, and makes the buckets of a new one.
func (s *Store) prepare(steps []migration) error {
	var isNew bool
	var version uint64
	newest := uint64(len(steps)) + 1
	err := s.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		if meta == nil {
			if k, _ := tx.Cursor().First(); k != nil {
				return errors.New("this is a bbolt file, but not one of wrapup")
			}
			isNew = true
			return nil
		}
		var err error
		if version, err = decodeNumber([]byte(schemaKey), meta.Get([]byte(schemaKey))); err != nil {
			return damaged(metaBucket, []byte(schemaKey), err)
		}
		switch {
		case version == 0:
			return damaged(metaBucket, []byte(schemaKey), errMalformed)
		case version > newest:
			return fmt.Errorf("%w: it has schema version %d, and this wrapup knows up to %d", ErrNewer, version, newest)
		case version < newest && s.readOnly:
			return fmt.Errorf("it has schema version %d, and this wrapup reads %d: start the daemon once, which brings it up", version, newest)
		}
		return nil
	})
	if err != nil || s.readOnly {
		return err
	}
	if !isNew {
		// What a killed process wrote may be visible and not synced. From here on it counts as stored, repeats of it are
		// answered without another commit, so it must be durable now.
		if err := s.db.Sync(); err != nil {
			return fmt.Errorf("syncing: %w", err)
		}
		return s.migrate(version, steps)
	}

	// Whoever made the file may have been killed before its name was durable.
	if err := syncName(s.path); err != nil {
		return err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return fmt.Errorf("creating it: %w", err)
	}
	for _, name := range []string{metaBucket, openBucket, queuesBucket, daysBucket} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return errors.Join(fmt.Errorf("creating the bucket %s: %w", name, err), tx.Rollback())
		}
	}
	meta := tx.Bucket([]byte(metaBucket))
	for key, n := range map[string]uint64{schemaKey: newest, seqMetaKey: 0} {
		if err := meta.Put([]byte(key), encodeNumber([]byte(key), n)); err != nil {
			return errors.Join(fmt.Errorf("creating it: %w", err), tx.Rollback())
		}
	}
	// A crash before this leaves a file without buckets, and the next start comes here again.
	if err := s.commit(tx.Commit); err != nil {
		_ = tx.Rollback() // in case the commit was not tried
		return fmt.Errorf("creating it: %w", err)
	}
	return nil
}

// load rebuilds what is kept in memory.
func (s *Store) load() error {
	return s.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		if meta == nil {
			return nil // a new file, opened for reading
		}
		var err error
		if s.seq, err = decodeNumber([]byte(seqMetaKey), meta.Get([]byte(seqMetaKey))); err != nil {
			return damaged(metaBucket, []byte(seqMetaKey), err)
		}
		if v := meta.Get([]byte(restoredKey)); v != nil {
			s.restored.Store(decodeRestored(v, time.Now()))
		}
		s.loadQueues(tx)
		if !s.readOnly {
			s.loadItems(tx)
		}
		return nil
	})
}

// Broken is closed when the disk has failed, see the package's comment: end the process and open the file anew.
func (s *Store) Broken() <-chan struct{} { return s.broken }

// Path of the file.
func (s *Store) Path() string { return s.path }

// Close waits for the calls that are under way and closes the file. Whatever is called later gives outbox.ErrClosed; a
// further Close gives what the first one gave.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.underway.Wait()
	close(s.line.relay) // nobody commits any more: who does is under way until he has left
	<-s.line.finished
	s.keepFreelist()
	err := s.db.Close()
	s.codec.close()
	if err != nil {
		return fmt.Errorf("closing the store %s: %w", s.path, err)
	}
	return nil
}

// keepFreelist writes down which pages of the file are free, so that the next start need not look at all of the others to
// find out. While the store is in use that isn't done: it would cost each commit more than a start after a crash takes.
func (s *Store) keepFreelist() {
	select {
	case <-s.broken:
		return
	default:
	}
	if s.readOnly {
		return
	}
	s.db.NoFreelistSync = false
	if err := s.db.Update(func(*bbolt.Tx) error { return nil }); err != nil {
		// Nothing that counts was to be written: all there is was committed before.
		s.log.Warn("which pages of the store are free can't be written down; the next start takes longer", "path", s.path, "error", err)
	}
}

// enter begins a call, and s.underway.Done ends it.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return outbox.ErrClosed
	}
	select {
	case <-s.broken:
		return s.brokenBy
	default:
	}
	s.underway.Add(1)
	return nil
}

// view calls f with a snapshot. f must be short (an open snapshot makes the file grow) and copy what it keeps.
func (s *Store) view(ctx context.Context, f func(tx *bbolt.Tx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.underway.Done()
	return s.db.View(f)
}

// bucketAt gives the bucket of that path, or nil.
func bucketAt(tx *bbolt.Tx, path ...string) *bbolt.Bucket {
	b := tx.Bucket([]byte(path[0]))
	for _, name := range path[1:] {
		if b == nil {
			return nil
		}
		b = b.Bucket([]byte(name))
	}
	return b
}

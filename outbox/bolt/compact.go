package bolt

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
)

// A file never becomes smaller by itself. It is written anew at a start if that gives at least half of it back, so that the
// work is paid for by what it frees, and if it is so large that it matters: below compactFrom all is read in a moment, and a
// busy day would bring the size back.
const (
	compactFrom   = 64 << 20
	compactAtOnce = 4 << 20
	compactSuffix = ".compact" // a new file that isn't finished
)

// compact writes the store into a new file without what is free in the old one, and puts it in its place. It is done before
// anybody uses the store. Where it can't be done the store stays as it is: nothing needs it.
//
// A crash at any point leaves the old file or the complete new one under the store's name: the new one is synced before it
// takes the name, in one step. What is left of an unfinished one is removed at the next start.
func (s *Store) compact(opts Options) error {
	if err := removeUnfinished(s.path); err != nil {
		s.log.Warn("what an earlier start left beside the store can't be removed", "path", s.path, "error", err)
	}
	from := opts.compactFrom
	if from == 0 {
		from = compactFrom
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	size := info.Size()
	if size <= from {
		return nil
	}
	free, err := freeBytes(s.path)
	if err != nil || free <= size/2 {
		return err
	}
	to := s.path + compactSuffix
	err = compactInto(to, s.db)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		s.log.Info("there is no room to make the store's file smaller; it stays as it is", "path", s.path, "size", size, "free", free)
		return removeUnfinished(s.path)
	}
	if err != nil {
		s.log.Warn("the store's file can't be made smaller; it stays as it is", "path", s.path, "error", err)
		return removeUnfinished(s.path)
	}
	opts.after("the new file is written")
	if err := os.Rename(to, s.path); err != nil {
		return fmt.Errorf("putting the compacted file in place: %w", err)
	}
	opts.after("the new file is in its place")
	if err := syncName(s.path); err != nil {
		return fmt.Errorf("putting the compacted file in place: %w", err)
	}
	// The old file has no name any more. Whoever waits for its lock finds that out, see stillAt.
	if err := s.db.Close(); err != nil {
		return err
	}
	s.db, err = openFile(s.path, opts)
	if err == nil {
		s.log.Info("the store's file was made smaller", "path", s.path, "was", size, "freed", free)
	}
	return err
}

func compactInto(path string, from *bbolt.DB) (err error) {
	to, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout: defaultLockTimeout, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true, NoStatistics: true, NoSync: true,
	})
	if err != nil {
		return err
	}
	err = bbolt.Compact(to, from, compactAtOnce)
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// freeBytes says how much of the file is free: pages that were given up, and those at its end that were never used. After a
// crash that isn't written down, and is 0: then a start should take events soon, not make the file smaller.
func freeBytes(path string) (free int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	im, err := mapImage(f)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, im.close()) }()
	h, _ := im.head(0)
	if other, _ := im.head(1); other.good && (!h.good || other.tx > h.tx) {
		h = other
	}
	if !h.good || h.freelist == noFreelist || h.pages > im.pages() {
		return 0, nil
	}
	pages, _, err := im.freePages(h)
	return int64((uint64(len(pages)) + im.pages() - h.pages) * im.size), err //nolint:gosec // of a file's size
}

// removeUnfinished removes what a crash left of a file that was to take the store's place.
func removeUnfinished(path string) error {
	var errs []error
	for _, suffix := range []string{compactSuffix, salvageSuffix} {
		errs = append(errs, removed(path+suffix))
	}
	return errors.Join(errs...)
}

package bench

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"time"
)

const pageSize = 4096

// syncPair measures what the disk needs for a commit of a store with two syncs: a page and a sync, another page and a
// sync. It gives the median of as many as fit into so long.
func syncPair(ctx context.Context, dir string, long time.Duration) (pair time.Duration, err error) {
	f, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	page := make([]byte, pageSize)
	const pages = 256 // as large as a young store
	for n := range pages {
		if _, err := f.WriteAt(page, int64(n)*pageSize); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	var took []time.Duration
	for began, n := time.Now(), 0; time.Since(began) < long && ctx.Err() == nil; n++ {
		at := time.Now()
		for _, where := range []int64{int64(n%(pages-2)) + 2, int64(n % 2)} {
			page[0]++
			if _, err := f.WriteAt(page, where*pageSize); err != nil {
				return 0, err
			}
			if err := syscall.Fdatasync(int(f.Fd())); err != nil {
				return 0, err
			}
		}
		took = append(took, time.Since(at))
	}
	if len(took) == 0 {
		return 0, context.Cause(ctx)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

//go:build !linux

package bolt

import "os"

// allocate makes the file take its room, so that nobody else can have it.
func allocate(f *os.File, size int64) error { return fillUp(f, size) }

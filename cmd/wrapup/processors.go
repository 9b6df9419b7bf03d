package main

import (
	"os"
	"runtime"
)

// spareProcessors is how many more goroutines may run at a time than there are processors. One that waits for the disk keeps
// its place for a while, and the store's committer hardly does anything else: on a small machine that would be half of all
// places.
const spareProcessors = 2

// addProcessors has Go's scheduler make up for those who wait for the disk, until release is called. Who sets GOMAXPROCS knows
// better. From then on Go doesn't follow any more how many processors a container may use: the next start does.
func addProcessors() (release func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(before + spareProcessors)
	return func() { runtime.GOMAXPROCS(before) }
}

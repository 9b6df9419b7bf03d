package main

import (
	"os"
	"runtime"
)

// heapFloor is how much of the heap is never used and, never having been touched, takes no memory. The collector runs when
// the heap has doubled: of a few MB that is hundreds of times a second under load, and a quarter of all work.
const heapFloor = 16 << 20

// raiseHeap has the collector run less often as long as the heap is small, until release is called. Who sets GOGC knows
// better.
func raiseHeap() (release func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	floor := make([]byte, heapFloor)
	return func() { runtime.KeepAlive(floor) }
}

//go:build race

package main

// mostMemory is what an attack may add to the daemon's memory, in bytes. The race detector multiplies it by five to ten, as
// its manual says; the true bound is for a program without it, which make test runs as well.
const mostMemory = int64(10 * 100 << 20)

//go:build !race

package main

// mostMemory is what an attack may add to the daemon's memory, in bytes.
const mostMemory = int64(100 << 20)

//go:build race

package deliver

// backlog is how many deliveries wait for the dead destination: fewer than without the race detector, which makes filling
// the store take twenty times as long.
const backlog = 10_000

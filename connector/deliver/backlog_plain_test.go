//go:build !race

package deliver

// backlog is how many deliveries wait for the dead destination.
const backlog = 100_000

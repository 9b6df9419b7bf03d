// Package bench measures a wrapup on the machine that it runs on: how many events a second are durable, how many whole
// calls go through, how long a finished call takes to its CRM, how fast a backlog drains, and what all of it costs in
// memory and on the disk.
//
// An absolute figure says little about a program: it is the machine's as well. So the limits of the machine are measured
// in the same run and in turn with the program: what a bare HTTP handler takes that decodes the same JSON and stores
// nothing, what a bare HTTP client sends, and what the disk needs for the two syncs of a commit. Each figure is the median
// of its rounds, and the spread of the rounds says how quiet the machine was.
//
// The daemon under test is a process of its own, as it is in earnest, and so is the bare handler; the traffic comes from
// this process.
package bench

// Package finish looks at calls when they are due, and writes their records.
//
// Open calls live in memory: [Engine.Load] rebuilds them from the stored events, and [Engine.Observe] adds each event
// once it is durable. A look folds a call's events (package correlate does, without a clock), and what is finished is
// committed at once: the record, one delivery for each destination, and the end of the events' life in the open group.
// Nothing of what the engine knows is lost with it: a crash at any point finds either the events or the record.
//
// Timers run on how long ago an event came, by a clock that only grows. The wall clock is stored and shown, and decides
// nothing while the process lives; a restart takes the stored arrival times, and never believes one of the future.
package finish

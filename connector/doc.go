// Package connector is the domain of wrapup: what a dialer tells, and what one call is.
//
//	dialer ──POST──▶ intake ──commit(event)──▶ 200
//	                           │
//	                     outbox (bbolt)
//	                           │ the call is due to be looked at
//	                correlate.Fold(events, timeline) ──▶ record ──commit(record + deliveries)
//	                           │ a delivery is due
//	      mappings render(record) ──▶ requests ──▶ CRM ──▶ verdict ──▶ settle: done | retry at | dead | parked
//
// A call is a set of immutable events under its uuid, not a row that is updated. Folding the set gives the record:
// the order in which the events came can't matter, and neither can a repeat.
//
// The types here use the standard library only and do no I/O. What is unknown is a zero value in Go and null in JSON;
// a known zero (nobody talked: 0 seconds) is told apart from it by [Span].
package connector

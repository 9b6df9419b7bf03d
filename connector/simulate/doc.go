// Package simulate plays a predictive dialer: it invents a day's calls, says what the dialer would post of them, and
// knows what wrapup has to make of it.
//
// [Generate] is pure: the same [Options] give the same [Plan]. The records that a plan expects follow from what happened
// and from what was withheld of it, by a reading of the protocol of its own: nothing here uses package correlate, so that
// one can be held against the other. [Send] sends a plan, in real time and with a bounded number of workers.
package simulate

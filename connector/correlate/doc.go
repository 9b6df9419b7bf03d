// Package correlate makes records of events: it is the judgement of wrapup, and it is pure. It has no clock, does no I/O
// and starts nothing; the same events give the same records, whatever order they came in and however often.
//
// [Fold] takes every event known of one uuid and gives the attempts (calls) that they tell of, each with its record and
// with [Attempt.Wait], how long after its newest event it should be looked at. [Settings] are what the configuration
// says. What each rule is good for stands in testdata/*.txt, as transcripts: events in, record and flags out.
package correlate

// Package mappings compiles and renders the mapping language: YAML files in which ops say what one call becomes in one
// CRM.
//
//	file ──yaml──▶ nodes with positions ──loader──▶ Mapping ──Next(call)──▶ Action: send this request | hold | skip | …
//	                        │                         ▲
//	                        └── "${…}" ──expression───┘        Judge(call, step, answer) ──▶ Judgement, with the Progress to keep
//
// Everything that can be wrong with a mapping is found when it is compiled, all at once, as [source.Problems] with the
// place in the file. What is left for rendering is what only a record can show: a null in a path, for example.
//
// Rendering is pure: it does no I/O, reads no clock, and the same call gives the same request. A [Mapping] is immutable
// and may be used by many goroutines.
//
// The values of expressions are nil (null, which is "unknown"), bool, string, int, float64, [encoding/json.Number]
// (a number from an answer, all its digits kept), [connector.Time], []any and object (a map that keeps its order).
//
// Expressions are parsed by expr-lang/expr, but typed, made safe and run here: the tree that its parser gives is checked
// and rewritten by [checker] so that each access, comparison and sum goes through the operators of this package, which know
// what null is, and is then put together as functions ([eval]).
//
// A step's answer is judged in a fixed order (see [Mapping.Judge]); what it saves, and which lookups found nothing, is kept
// in [Progress], which the caller stores. Call [Progress.Fresh] before a new attempt and [Progress.Finished] once a revision
// is sent in full. [Play] runs Next and Judge with answers that are given, for tests and previews.
package mappings

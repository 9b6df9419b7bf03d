// Package targettest has strict fakes of the APIs that presets are written for. A fake is a table of rules, each with where
// it comes from: the documentation of the API, not the preset that is tested against it. It refuses what the real one
// refuses, in the real one's words, and keeps what it took, so that a test can read back what became of a call.
//
// There is one file for each API. To add one, copy that of an API of the same kind: a table of routes with the fields of
// their bodies, the shapes of errors, and a function that reads entries back.
package targettest
